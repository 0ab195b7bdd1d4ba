// The simulation library as its users see it.
#include <gtest/gtest.h>

#include <vector>

#include "keyway/sim/model.hpp"

namespace keyway::sim {
namespace {

constexpr std::uint16_t kSender = 5, kOwner = 9, kObject = 3;
constexpr std::uint16_t kGeneration = 7;

Entry capability(std::uint16_t object = kObject) {
    Entry entry;
    entry.set_generation(kGeneration);
    entry.set_flags(entry_flag::kValid);
    entry.set_rights(right::kAll);
    entry.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
    entry.set_owner(kSender);
    entry.set_object(object);
    entry.set_badge(0xBAD6E);
    return entry;
}
Header message(std::uint32_t slot, std::uint32_t sequence = 0, std::uint16_t object = kObject) {
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kData));
    header.set_receiver(object);
    header.set_capability(capability_id(slot, kGeneration));
    header.set_sequence(sequence);
    return header;
}

/// Port 0 stands for process 5, which holds slot 1's capability for endpoint 3.
class SimulatedRouter : public ::testing::Test {
  protected:
    SimulatedRouter() {
        sut.bind(0, kSender);
        sut.route(kObject, kOwner);
        sut.fill(1, capability());
        sut.start();
    }
    Delivery delivered(unsigned port) {
        std::optional<Delivery> delivery;
        EXPECT_TRUE(sut.run_until([&] { return (delivery = sut.pop(port)).has_value(); }, 500));
        return delivery.value_or(Delivery{});
    }
    Verdict verdict() {
        std::optional<Event> event;
        EXPECT_TRUE(sut.run_until([&] { return (event = sut.pop_event()).has_value(); }, 500));
        return event.value_or(Event{}).verdict;
    }
    RouterModel sut;
};

TEST_F(SimulatedRouter, KnowsWhatItsModelWasBuiltWith) {
    EXPECT_EQ(sut.geometry().ports, 4U);
    EXPECT_EQ(sut.geometry().data_bits, 64U);
    EXPECT_EQ(sut.geometry().rows, 256U);
    EXPECT_EQ(sut.geometry().destinations, 16U);
}

TEST_F(SimulatedRouter, DeliversWhatWasPushedWithTheBadgeAndTheSenderStamped) {
    sut.push(0, message(1, 77));
    const Delivery delivery = delivered(kObject);
    EXPECT_EQ(delivery.destination, kObject);
    EXPECT_EQ(delivery.header.sequence(), 77U);
    EXPECT_EQ(delivery.header.sender(), kSender);
    EXPECT_EQ(delivery.header.capability(), 0xBAD6EU);
    EXPECT_EQ(delivery.last_cycle - delivery.first_cycle, 3U);
    EXPECT_GT(delivery.offered_cycle, sut.taken_cycle(0));
    EXPECT_FALSE(sut.pop(kObject).has_value());
}

TEST_F(SimulatedRouter, TellsOfEveryMessageInTheAuditStream) {
    sut.push(0, message(1, 5));
    sut.push(0, message(1, 6, 4));
    std::vector<Event> events;
    ASSERT_TRUE(sut.run_until([&] {
        while (auto event = sut.pop_event()) {
            events.push_back(*event);
        }
        return events.size() == 2;
    }));
    EXPECT_EQ(events[0].verdict, Verdict::kDelivered);
    EXPECT_EQ(events[0].sequence, 5U);
    EXPECT_EQ(events[0].capability, capability_id(1, kGeneration));
    EXPECT_EQ(events[1].verdict, Verdict::kWrongObject);
    EXPECT_EQ(events[1].sequence, 6U);
    EXPECT_EQ(events[1].sender, kSender);
    EXPECT_EQ(events[1].receiver, 4U);
    EXPECT_EQ(events[1].port, 0U);
}

TEST_F(SimulatedRouter, GivesAMessageWithoutARowToTheHost) {
    sut.push(0, message(2));
    EXPECT_EQ(verdict(), Verdict::kMiss);
    EXPECT_EQ(delivered(0).destination, 0U);
}

TEST_F(SimulatedRouter, DeliversNothingThroughARowThatWasInvalidated) {
    ASSERT_EQ(sut.row(1), capability());
    sut.invalidate(1);
    EXPECT_EQ(sut.row(1), std::nullopt);
    sut.push(0, message(1));
    EXPECT_EQ(verdict(), Verdict::kMiss);
    EXPECT_FALSE(sut.run_until([&] { return sut.pop(kObject).has_value(); }, 100));
}

TEST_F(SimulatedRouter, SaysWhoseRowItIs) {
    EXPECT_EQ(sut.row(1 + sut.geometry().rows), std::nullopt);
    EXPECT_EQ(sut.row(2), std::nullopt);
}

TEST_F(SimulatedRouter, ForgetsAllRowsWithANewEpoch) {
    sut.set_epoch(1);
    EXPECT_EQ(sut.row(1), std::nullopt);
}

TEST_F(SimulatedRouter, TakesIdsForNewCapabilitiesUntilItsStockIsFull) {
    unsigned taken = 0;
    while (taken < 100 && sut.give_id(capability_id(100 + taken, 1))) {
        ++taken;
    }
    EXPECT_EQ(taken, 8U);
    Header call = message(1);
    call.set_flags(flag::kExpectsReply);
    sut.push(0, call);
    EXPECT_EQ(delivered(kObject).header.carried(), capability_id(100, 1));
    EXPECT_TRUE(sut.give_id(capability_id(200, 1)));
}

TEST_F(SimulatedRouter, RefusesAShortFrameAndTakesTheNext) {
    sut.push_frame(0, message(1), 2);
    sut.push(0, message(1, 9));
    EXPECT_EQ(verdict(), Verdict::kMalformed);
    EXPECT_EQ(delivered(kObject).header.sequence(), 9U);
}

TEST_F(SimulatedRouter, HoldsWhatAPortIsNotReadyFor) {
    sut.set_ready(kObject, false);
    sut.push(0, message(1));
    EXPECT_FALSE(sut.run_until([&] { return sut.pop(kObject).has_value(); }, 100));
    sut.set_ready(kObject, true);
    const Delivery delivery = delivered(kObject);
    EXPECT_GT(delivery.first_cycle, delivery.offered_cycle + 50);
}

TEST_F(SimulatedRouter, DropsWhatItHeldAtAReset) {
    sut.push(0, message(1));
    sut.reset();
    EXPECT_EQ(sut.waiting(0), 0U);
    EXPECT_EQ(sut.row(1), std::nullopt);
    sut.push(0, message(1));
    EXPECT_FALSE(sut.run_until([&] { return sut.pop(kObject).has_value() || sut.pop(0).has_value(); }, 200));
}

TEST_F(SimulatedRouter, TakesNothingFromAClosedPort) {
    sut.close(0);
    sut.push(0, message(1));
    EXPECT_FALSE(sut.run_until([&] { return sut.pop_event().has_value(); }, 200));
}

TEST_F(SimulatedRouter, DoesTheSameInTheSameClocksEachTime) {
    sut.push(0, message(1));
    const Delivery once = delivered(kObject);
    RouterModel other;
    other.bind(0, kSender);
    other.route(kObject, kOwner);
    other.fill(1, capability());
    other.start();
    other.push(0, message(1));
    std::optional<Delivery> again;
    ASSERT_TRUE(other.run_until([&] { return (again = other.pop(kObject)).has_value(); }));
    EXPECT_EQ(again->first_cycle, once.first_cycle);
    EXPECT_EQ(again->header, once.header);
}

TEST_F(SimulatedRouter, SaysWhichPortThereIsNot) {
    EXPECT_THROW(sut.push(4, message(1)), std::out_of_range);
    EXPECT_THROW((void)sut.pop(4), std::out_of_range);
    EXPECT_THROW(sut.set_ready(4, false), std::out_of_range);
}

TEST_F(SimulatedRouter, CallsBackTwiceAClockForAWaveform) {
    std::vector<std::uint64_t> times;
    sut.clock_ps = 1000;
    sut.after_eval = [&](std::uint64_t time) { times.push_back(time); };
    sut.run(3);
    ASSERT_EQ(times.size(), 6U);
    for (std::size_t i = 1; i < times.size(); ++i) {
        EXPECT_EQ(times[i] - times[i - 1], 500U);
    }
}

}  // namespace
}  // namespace keyway::sim
