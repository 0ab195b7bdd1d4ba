// What the host does to the router while messages are on their way, and what it reads back.

#include <gtest/gtest.h>

#include "ready.hpp"

namespace keyway::rtl {
namespace {

template <typename Shape>
class RouterHost : public ::testing::Test {
  public:
    Ready<Shape> sut;
};
template <typename Shape>
class RouterHostOneBeat : public RouterHost<Shape> {};
using Shapes = ::testing::Types<Wide, Board, Small, Middle>;
using OneBeatShapes = ::testing::Types<Wide, Small>;
TYPED_TEST_SUITE(RouterHost, Shapes);
TYPED_TEST_SUITE(RouterHostOneBeat, OneBeatShapes);

TYPED_TEST(RouterHost, InvalidatesAndReadsRowsCloseBehindAMessageThatUsesThemUp) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    for (const unsigned number : {1U, 2U, 3U}) {
        for (unsigned wait = 0; wait < 24; ++wait) {
            this->sut.give(3, 1, right::kAll, entry_flag::kOneShot);
            this->sut.write(R::kTableIndex, 3);
            this->sut.verdicts.clear();
            // The command takes some clocks to come: after the message, or before it.
            if (wait >= 16) {
                this->sut.queue_write(R::kTableCommand, number);
                this->sut.run(wait - 16);
            }
            this->sut.send(0, R::message(3, 1));
            if (wait < 16) {
                this->sut.run(wait);
                this->sut.write(R::kTableCommand, number);
            }
            ASSERT_TRUE(this->sut.run_until([&] { return this->sut.read(R::kTableCommand) == 0; }));
            ASSERT_TRUE(this->sut.run_until([&] { return this->sut.verdicts.size() == 1; }));
            const bool used = this->sut.verdicts[0] == Verdict::kDelivered;
            // A look-up that meets a write of its row is a miss.
            EXPECT_TRUE(used || (number != 3 && this->sut.verdicts[0] == Verdict::kMiss)) << number << wait;
            this->sut.run(100);
            if (number != 1) {
                EXPECT_EQ(this->sut.ask(R::message(3, 1)), Verdict::kMiss) << "used up or invalidated";
            }
            this->sut.run(100);
        }
    }
    EXPECT_EQ(this->sut.read(R::kTableErrors), 0U);
    this->sut.expect_alive();
}

TYPED_TEST(RouterHost, ForgetsTheRowsCloseBehindAMessageInANewEpochAndKeepsThemInTheSame) {
    using R = Ready<TypeParam>;
    for (std::uint32_t epoch = 1; epoch <= 24; ++epoch) {
        this->sut.give(1, 1);
        this->sut.queue_write(R::kEpoch, epoch);
        if (epoch > 12) {  // else before it
            this->sut.send(0, R::message(1, 1));
        }
        this->sut.run(epoch % 12);
        this->sut.send(0, R::message(1, 1));
        this->sut.run(12);
        this->sut.run(
            8U << TypeParam::kIndexBits);  // rows whose live bits lie in the RAM are written one by one
        EXPECT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kMiss) << epoch;
        this->sut.run(100);
    }
    this->sut.give(1, 1);
    this->sut.write(R::kEpoch, 24);
    this->sut.run(8U << TypeParam::kIndexBits);
    this->sut.expect_alive();
}

TYPED_TEST(RouterHost, ShowsWhatWasWrittenWhateverItsBitsAre) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    for (const std::uint32_t value : {0xFFFFFF00U, 0U, 0xAAAAAA00U, 0x55555500U, 0xFFFFFF00U, 0U}) {
        this->sut.write(R::kTick, value);
        EXPECT_EQ(this->sut.read(R::kTick), value);
        this->sut.write(R::kRouteIndex, value | 0xFF);
        this->sut.write(R::kRouteMask0, value);
        this->sut.write(R::kTableIndex, value >> 12);
        EXPECT_EQ(this->sut.read(R::kTableIndex), value >> 12);
        for (unsigned word = 0; word < 4; ++word) {
            this->sut.write(R::kTableData0 + 4 * word, value ^ word);
            EXPECT_EQ(this->sut.read(R::kTableData0 + 4 * word), value ^ word);
        }
        this->sut.write(R::kPortSelect, value >> 24);
        EXPECT_EQ(this->sut.read(0x2C), value >> 24);
        this->sut.open_port(0, static_cast<std::uint16_t>(value >> 16));
        EXPECT_EQ(this->sut.read(R::kPortSender), value >> 16);
        (void)this->sut.ask(R::message(1, 1));
        this->sut.run(100);
        this->sut.write(R::kEpoch, value);
        EXPECT_EQ(this->sut.read(R::kEpoch), value);
    }
    this->sut.run(8U << TypeParam::kIndexBits);
    this->sut.open_port(0, kSender);
    this->sut.give(1, 1);
    this->sut.expect_alive();
}

TYPED_TEST(RouterHost, DeliversControlMessagesAndEventsThatNobodySubscribedTo) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 2, right::kAll, 0, Kind::kTopic);
    Header control = R::message(1, 1), event = R::message(2, 2);
    control.set_type(static_cast<std::uint8_t>(Type::kControl));
    event.set_type(static_cast<std::uint8_t>(Type::kEvent));
    EXPECT_EQ(this->sut.ask(event), Verdict::kDelivered);
    EXPECT_EQ(this->sut.ask(control), Verdict::kDelivered);
    this->sut.run(100);
    std::size_t copies = 0;
    for (const auto& port : this->sut.received) {
        copies += port.size();
    }
    EXPECT_EQ(copies, 1U) << "the control message";
    this->sut.expect_alive();
}

TYPED_TEST(RouterHostOneBeat, GivesTheSameVerdictDirectlyBehindADelivery) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1, right::kWrite | right::kGrant, 0, Kind::kRegion, 1);
    Header amplified = R::message(1, 1);
    amplified.set_carried(R::id(2));
    Grant grant;
    grant.set_rights(right::kAll);
    amplified.set_timestamp(grant.words[0]);
    Entry entry;
    entry.set_generation(R::kGeneration);
    entry.set_flags(entry_flag::kValid);
    entry.set_rights(right::kAll);
    entry.set_kind(static_cast<std::uint8_t>(Kind::kRegion));
    entry.set_owner(kSender);
    entry.set_expiry(1);
    this->sut.command(3, 1, &entry);
    this->sut.write(R::kTick, 5);
    Header expired = R::message(1, 1);
    expired.set_carried(R::id(3));
    const std::pair<Header, Verdict> cases[] = {{amplified, Verdict::kAmplified},
                                                {expired, Verdict::kCarriedExpired}};
    for (const auto& [header, verdict] : cases) {
        this->sut.verdicts.clear();
        this->sut.send(0, R::message(1, 1));
        this->sut.send(0, header);
        ASSERT_TRUE(this->sut.run_until([&] { return this->sut.verdicts.size() == 2; }, 100));
        EXPECT_EQ(this->sut.verdicts[0], Verdict::kDelivered);
        EXPECT_EQ(this->sut.verdicts[1], verdict);
        this->sut.run(100);
    }
}

TYPED_TEST(RouterHostOneBeat, AnswersNoMessageTwiceWhenASoftResetComesAmongThem) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    for (unsigned i = 0; i < 200; ++i) {
        this->sut.send(0, R::message(1, 1));
    }
    this->sut.run(40);
    this->sut.write(R::kControl, 3);
    this->sut.run(1000);
    EXPECT_EQ(this->sut.waiting(0), 0U);
    EXPECT_LE(this->sut.verdicts.size(), 200U);
    EXPECT_NE(this->sut.verdicts.back(), Verdict::kDelivered) << "the row is gone";
    this->sut.give(1, 1);
    this->sut.expect_alive();
}

}  // namespace
}  // namespace keyway::rtl
