// What the router promises, one promise a test: latency, line rate, and that bad input ends in a counted
// event.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "ready.hpp"

namespace keyway::rtl {
namespace {

template <typename Shape>
class Router : public ::testing::Test {
  public:
    Ready<Shape> sut;
};
using Shapes = ::testing::Types<Wide, Board, Small, Middle>;
using ShapesWithPorts = ::testing::Types<Wide, Small, Middle>;
using ShapesOfBeats = ::testing::Types<Board, Middle>;
TYPED_TEST_SUITE(Router, Shapes);

// What needs somebody else to talk to, and what needs headers of several beats.
template <typename Shape>
class RouterWithPorts : public Router<Shape> {};
TYPED_TEST_SUITE(RouterWithPorts, ShapesWithPorts);
template <typename Shape>
class RouterOfBeats : public Router<Shape> {};
TYPED_TEST_SUITE(RouterOfBeats, ShapesOfBeats);

TYPED_TEST(Router, SaysWhatItIs) {
    EXPECT_EQ(this->sut.read(0x0), kMagic);
    EXPECT_EQ(this->sut.read(0x4), std::uint32_t{kVersionMajor} << 16 | kVersionMinor);
    EXPECT_EQ(this->sut.read(0x14), TypeParam::kDataBits);
    EXPECT_EQ(this->sut.read(0x10) & 0xFFFF, TypeParam::kIndexBits << 8 | TypeParam::kPorts);
}

TYPED_TEST(Router, GivesItsVerdictFiveClocksAfterTheLastBeat) {
    this->sut.give(1, 1);
    ASSERT_EQ(this->sut.ask(Ready<TypeParam>::message(1, 1)), Verdict::kDelivered);
    // Taken at the end of cycle t; the fifth edge after it makes the verdict visible in cycle t + 6.
    EXPECT_EQ(this->sut.verdict_cycles.back() - this->sut.taken_cycle(0), 6U);
}

TYPED_TEST(Router, OffersTheFirstBeatElevenClocksAfterTheLastWasTaken) {
    this->sut.give(1, 1);
    ASSERT_EQ(this->sut.ask(Ready<TypeParam>::message(1, 1)), Verdict::kDelivered);
    const std::uint64_t taken = this->sut.taken_cycle(0);
    auto& out = this->sut.received[1 % TypeParam::kPorts];
    ASSERT_TRUE(this->sut.run_until([&] { return !out.empty(); }, 100));
    EXPECT_EQ(out.front().first_cycle - taken, 12U);
}

TYPED_TEST(Router, TakesABeatOnEveryClockWhateverTheMessagesAre) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1, 0);
    Header refused = R::message(2, 1), missed = R::message(3, 1), malformed = R::message(1, 1);
    malformed.set_version(9);
    constexpr unsigned kFrames = 400;
    for (unsigned i = 0; i < kFrames; ++i) {
        this->sut.send(0, i % 5 == 0   ? refused
                          : i % 5 == 1 ? missed
                          : i % 5 == 2 ? malformed
                                       : R::message(1, 1));
    }
    const std::uint64_t start = this->sut.cycle();
    ASSERT_TRUE(this->sut.run_until([&] { return this->sut.waiting(0) == 0; }, kFrames * 10));
    EXPECT_EQ(this->sut.cycle() - start, std::uint64_t{kFrames} * R::kBeats);
    this->sut.run(20);
    EXPECT_EQ(this->sut.verdicts.size(), kFrames);
}

TYPED_TEST(Router, CarriesDeliveredMessagesAtLineRateToOneDestination) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    constexpr unsigned kFrames = 200;
    for (unsigned i = 0; i < kFrames; ++i) {
        Header header = R::message(1, 1);
        header.set_priority(static_cast<std::uint8_t>(i % 4));
        this->sut.send(0, header);
    }
    ASSERT_TRUE(this->sut.run_until([&] { return this->sut.verdicts.size() == kFrames; }, kFrames * 10));
    const auto delivered = std::ranges::count(this->sut.verdicts, Verdict::kDelivered);
    // One place a queue can't cover the loop from reservation to departure; two can.
    if (TypeParam::kDepth > 1) {
        EXPECT_EQ(delivered, kFrames);
    } else {
        EXPECT_GT(delivered, kFrames / 8);
    }
}

TYPED_TEST(Router, LetsNoPriorityStarve) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.ready_share = 40;  // more comes than leaves, and all of it is urgent
    Header urgent = R::message(1, 1), humble = R::message(1, 1);
    urgent.set_priority(3);
    const auto flood = [&] {
        if (this->sut.waiting(0) < 2) {
            this->sut.send(0, urgent);
        }
        this->sut.tick();
    };
    for (unsigned i = 0; i < 500; ++i) {
        flood();
    }
    auto& out = this->sut.received[1 % TypeParam::kPorts];
    this->sut.send(0, humble);
    out.clear();
    for (unsigned i = 0; i < 5000 && (out.empty() || out.back().header.priority() == 3); ++i) {
        flood();
    }
    ASSERT_FALSE(out.empty());
    EXPECT_EQ(out.back().header.priority(), 0U);
    // Eight a round go ahead of it, and what was on its way in and out.
    EXPECT_LE(out.size(), 32U);
}

TYPED_TEST(Router, UsesAOneShotOnceWhenItsTwoUsesAreBackToBack) {
    using R = Ready<TypeParam>;
    this->sut.give(3, 1, right::kAll, entry_flag::kOneShot);
    this->sut.send(0, R::message(3, 1));
    this->sut.send(0, R::message(3, 1));
    ASSERT_TRUE(this->sut.run_until([&] { return this->sut.verdicts.size() == 2; }, 100));
    EXPECT_EQ(this->sut.verdicts[0], Verdict::kDelivered);
    EXPECT_NE(this->sut.verdicts[1], Verdict::kDelivered);
}

TYPED_TEST(Router, KnowsAMovedCapabilityNoMoreInTheNextClock) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1, right::kAll, entry_flag::kLinear, Kind::kQubit);
    Header move = R::message(1, 1);
    move.set_type(static_cast<std::uint8_t>(Type::kQuantum));
    move.set_carried(R::id(2));
    this->sut.send(0, move);
    move.set_priority(1);
    this->sut.send(0, move);
    ASSERT_TRUE(this->sut.run_until([&] { return this->sut.verdicts.size() == 2; }, 100));
    EXPECT_EQ(this->sut.verdicts[0], Verdict::kDelivered);
    EXPECT_EQ(this->sut.verdicts[1], Verdict::kNoSuchCarried);
}

TYPED_TEST(Router, RefusesARecalledRowFromThatClockOn) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    ASSERT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kDelivered);
    this->sut.command(1, 2);
    EXPECT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kMiss);
}

TYPED_TEST(Router, ForgetsEveryRowInANewEpoch) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.write(R::kEpoch, 1);
    this->sut.run(20);
    EXPECT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kMiss);
}

TYPED_TEST(Router, GivesEachSubscriberOneCopyOfAnEvent) {
    using R = Ready<TypeParam>;
    // Topic 1 goes to 2 and 3; bit 0 is the host's and no topic's.
    this->sut.route(1, 0, 0b1101);
    this->sut.give(1, 1, right::kAll, 0, Kind::kTopic);
    Header event = R::message(1, 1);
    event.set_type(static_cast<std::uint8_t>(Type::kEvent));
    ASSERT_EQ(this->sut.ask(event), Verdict::kDelivered);
    this->sut.run(100);
    std::vector<unsigned> to;
    for (auto& port : this->sut.received) {
        for (const Received& copy : port) {
            to.push_back(copy.destination);
        }
    }
    std::ranges::sort(to);
    EXPECT_EQ(to, (std::vector<unsigned>{2, 3}));
}

TYPED_TEST(RouterWithPorts, ABlockedDestinationHoldsUpNobodyElse) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 2);
    this->sut.ready_share = 0;
    while (this->sut.ask(R::message(1, 1)) != Verdict::kFull) {
        ASSERT_LT(this->sut.verdicts.size(), 100U);
    }
    EXPECT_EQ(this->sut.ask(R::message(2, 2)), Verdict::kDelivered);
}

TYPED_TEST(Router, CountsAWrongVersionAndGoesOn) {
    this->sut.give(1, 1);
    Header bad = Ready<TypeParam>::message(1, 1);
    bad.set_version(2);
    EXPECT_EQ(this->sut.ask(bad), Verdict::kMalformed);
    this->sut.expect_alive();
    EXPECT_EQ(this->sut.read(0x100 + 4), 1U);
}

TYPED_TEST(Router, CountsAnOversizedPayloadAndGoesOn) {
    this->sut.give(1, 1);
    Header bad = Ready<TypeParam>::message(1, 1);
    bad.set_length(4097);
    EXPECT_EQ(this->sut.ask(bad), Verdict::kMalformed);
    this->sut.expect_alive();
}

TYPED_TEST(Router, CountsAFrameThatEndsLateAndGoesOn) {
    this->sut.give(1, 1);
    EXPECT_EQ(this->sut.ask(Ready<TypeParam>::message(1, 1), Ready<TypeParam>::kBeats + 3),
              Verdict::kMalformed);
    this->sut.expect_alive();
}

TYPED_TEST(RouterOfBeats, CountsAFrameThatEndsEarlyAndGoesOn) {
    this->sut.give(1, 1);
    EXPECT_EQ(this->sut.ask(Ready<TypeParam>::message(1, 1), 1), Verdict::kMalformed);
    this->sut.expect_alive();
}

TYPED_TEST(Router, RefusesASpoofedSenderAndGoesOn) {
    this->sut.give(1, 1);
    Header bad = Ready<TypeParam>::message(1, 1);
    bad.set_sender(kSender + 1);
    EXPECT_EQ(this->sut.ask(bad), Verdict::kSpoofed);
    this->sut.expect_alive();
}

TYPED_TEST(Router, SendsAnUnknownSlotToTheHostAsItCameAndGoesOn) {
    this->sut.give(1, 1);
    Header unknown = Ready<TypeParam>::message(2, 1);
    unknown.set_sequence(0xC0FFEE);
    EXPECT_EQ(this->sut.ask(unknown), Verdict::kMiss);
    ASSERT_TRUE(this->sut.run_until([&] { return !this->sut.received[0].empty(); }, 100));
    unknown.set_sender(kSender);
    EXPECT_EQ(this->sut.received[0].front().header.words, unknown.words);
    EXPECT_EQ(this->sut.received[0].front().destination, 0U);
    this->sut.expect_alive();
}

TYPED_TEST(RouterOfBeats, SurvivesAPortResetInMidFrame) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.valid_share = 4;
    this->sut.send(0, R::message(1, 1));
    ASSERT_TRUE(this->sut.run_until([&] { return (this->sut.read(R::kPortStatus) & 1) != 0; }, 500));
    this->sut.write(R::kPortControl, 3);
    this->sut.valid_share = 100;
    this->sut.run(40);
    ASSERT_EQ(this->sut.verdicts.size(), 1U);
    EXPECT_EQ(this->sut.verdicts[0], Verdict::kMalformed);
    this->sut.expect_alive();
}

TYPED_TEST(Router, AStalledConsumerLosesNothing) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.ready_share = 0;
    unsigned delivered = 0;
    for (std::uint32_t i = 0; i < 100; ++i) {
        Header header = R::message(1, 1);
        header.set_sequence(i);
        delivered += this->sut.ask(header) == Verdict::kDelivered ? 1U : 0U;
    }
    this->sut.ready_share = 100;
    this->sut.run(2000);
    ASSERT_EQ(this->sut.received[1 % TypeParam::kPorts].size(), delivered);
    EXPECT_TRUE(this->sut.stalled_stable);
    this->sut.expect_alive();
}

// The header that waits for the port has left its queue, so one more than there are places is on its way.
TYPED_TEST(Router, LosesNothingWhenEveryPlaceIsTaken) {
    using R = Ready<TypeParam>;
    constexpr std::uint32_t kUnknown = 0;
    for (std::uint32_t object = 1; object < R::kDests && object < (1U << TypeParam::kIndexBits); ++object) {
        this->sut.give(object, static_cast<std::uint16_t>(object));
    }
    this->sut.ready_share = 0;
    std::vector<std::uint32_t> sent, come;
    std::uint32_t sequence = 0;
    for (std::uint32_t object = 0; object < R::kDests; ++object) {
        for (unsigned priority = 0; priority < 4; ++priority) {
            for (Verdict verdict = Verdict::kDelivered; verdict != Verdict::kFull;) {
                Header header = R::message(object, static_cast<std::uint16_t>(object));
                if (object == kUnknown) {  // a miss: the last row was never filled
                    header.set_capability(
                        R::id((1U << TypeParam::kIndexBits) - 1 + (1U << TypeParam::kIndexBits)));
                }
                header.set_priority(static_cast<std::uint8_t>(priority));
                header.set_sequence(++sequence);
                verdict = this->sut.ask(header);
                ASSERT_LT(sequence, 4000U);
                if (verdict != Verdict::kFull) {
                    sent.push_back(sequence);
                }
            }
        }
    }
    ASSERT_GT(sent.size(), std::size_t{4} * R::kDests * TypeParam::kDepth);
    this->sut.ready_share = 100;
    this->sut.run(static_cast<unsigned>(sent.size()) * 12 + 200);
    for (const auto& port : this->sut.received) {
        for (const Received& copy : port) {
            come.push_back(copy.header.sequence());
        }
    }
    std::ranges::sort(come);
    EXPECT_EQ(come, sent);
    this->sut.expect_alive();
}

TYPED_TEST(Router, CountsAuditEventsThatFoundNoRoom) {
    this->sut.give(1, 1);
    this->sut.audit_ready_share = 0;
    for (int i = 0; i < 20; ++i) {
        (void)this->sut.ask(Ready<TypeParam>::message(2, 1));
    }
    const std::uint32_t dropped = this->sut.read(0x8C);
    EXPECT_GT(dropped, 0U);
    this->sut.audit_ready_share = 100;
    this->sut.run(40);
    EXPECT_EQ(this->sut.audit.size() + dropped, 20U);
}

}  // namespace
}  // namespace keyway::rtl
