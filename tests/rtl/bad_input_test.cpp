// Bad input ends in a counted event, never in a wedged block or in a delivery that should not be: whatever
// came before, the next good frame is taken.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "ready.hpp"

namespace keyway::rtl {
namespace {

template <typename Shape>
class BadInput : public ::testing::Test {
  public:
    Ready<Shape> sut;

    std::uint32_t counted(Verdict verdict) {
        return sut.read(Ready<Shape>::kVerdicts + 4 * static_cast<std::uint32_t>(verdict));
    }
    std::size_t came_out() const {
        std::size_t all = 0;
        for (const auto& port : sut.received) {
            all += port.size();
        }
        return all;
    }
    /// A header of random bits, half of them with a good beginning.
    static Header noise(Random& random) {
        Header header;
        for (std::uint64_t& word : header.words) {
            word = random.next();
        }
        if (random.one_in(2)) {
            header.set_version(kVersionMajor);
            header.set_type(static_cast<std::uint8_t>(1 + random.below(5)));
            header.set_flags(0);
            header.set_length(static_cast<std::uint16_t>(random.below(4200)));
        }
        return header;
    }
    static std::uint64_t seed_of_run() {
        if (const char* text = std::getenv("KEYWAY_SEED")) {
            return std::strtoull(text, nullptr, 0);
        }
        return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count() &
                                          0xFFFFFFFF);
    }
};
/// A router whose table's RAM loses bits.
template <typename Shape>
class DamagedRow : public BadInput<Shape> {
  public:
    static constexpr unsigned kRowBits =
        145 - Shape::kIndexBits +
        (Shape::kDualRead ? 0 : 1);                     ///< tag, row, and the live bit where it is beside
    static constexpr unsigned kLiveBit = kRowBits - 1;  ///< without DualRead

    void flip_authority(unsigned row, unsigned bit) {
        auto& root = *this->sut.model().rootp;
        if constexpr (Shape::kDualRead) {
            flip(root.keyway_router__DOT__u_pipeline__DOT__u_table__DOT__g_two__DOT__u_authority__DOT__mem
                     [row],
                 bit);
        } else {
            flip(root.keyway_router__DOT__u_pipeline__DOT__u_table__DOT__g_one__DOT__u_both__DOT__mem[row],
                 bit);
        }
    }
    void flip_carried(unsigned row, unsigned bit) {
        if constexpr (Shape::kDualRead) {
            auto& root = *this->sut.model().rootp;
            flip(root.keyway_router__DOT__u_pipeline__DOT__u_table__DOT__g_two__DOT__u_carried__DOT__mem[row],
                 bit);
        } else {
            flip_authority(row, bit);
        }
    }
    std::uint32_t errors() { return this->sut.read(Ready<Shape>::kTableErrors); }

  private:
    template <typename Row>
    static void flip(Row& row, unsigned bit) {
        row[bit / 32] ^= 1U << (bit % 32);
    }
};
template <typename Shape>
class BadInputWithPorts : public BadInput<Shape> {};
template <typename Shape>
class DamagedLiveBit : public DamagedRow<Shape> {};
template <typename Shape>
class BadInputOfOneBeat : public BadInput<Shape> {};
using AllShapes = ::testing::Types<Wide, Board, Small, Middle>;
using PortShapes = ::testing::Types<Wide, Small, Middle>;
using ShapesBeside = ::testing::Types<Board, Middle>;  // live bits in the RAM
using OneBeatShapes = ::testing::Types<Wide, Small>;
TYPED_TEST_SUITE(BadInput, AllShapes);
TYPED_TEST_SUITE(DamagedRow, AllShapes);
TYPED_TEST_SUITE(DamagedLiveBit, ShapesBeside);
TYPED_TEST_SUITE(BadInputWithPorts, PortShapes);
TYPED_TEST_SUITE(BadInputOfOneBeat, OneBeatShapes);

TYPED_TEST(BadInput, EveryKindOfMalformedHeaderIsCountedAndReachesNobody) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1);
    const auto type = [](Type what) {
        return [what](Header& h) { h.set_type(static_cast<std::uint8_t>(what)); };
    };
    const auto flags = [](Type what, unsigned bits, bool carries = false) {
        return [=](Header& h) {
            h.set_type(static_cast<std::uint8_t>(what));
            h.set_flags(static_cast<std::uint8_t>(bits));
            h.set_carried(carries ? R::id(2) : 0);
        };
    };
    const auto grant_bit = [](unsigned bit) {
        return [bit](Header& h) {
            h.set_carried(R::id(2));
            h.set_timestamp(1ULL << bit);
        };
    };
    const std::vector<std::function<void(Header&)>> ways = {
        [](Header& h) { h.set_version(0); },
        [](Header& h) { h.set_version(15); },
        [](Header& h) { h.set_type(0); },
        [](Header& h) { h.set_type(6); },
        [](Header& h) { h.set_type(15); },
        [](Header& h) { h.set_length(4097); },
        [](Header& h) { h.set_length(0xFFFF); },
        type(Type::kQuantum),     // without what it hands over
        type(Type::kCapability),  // the same
        flags(Type::kQuantum, flag::kExpectsReply, true),
        flags(Type::kCapability, flag::kReply, true),
        flags(Type::kEvent, 0, true),
        flags(Type::kEvent, flag::kReply),
        flags(Type::kEvent, flag::kStreamFirst),
        flags(Type::kData, flag::kExpectsReply | flag::kReply),
        flags(Type::kData, flag::kExpectsReply, true),
        flags(Type::kData, flag::kZeroCopy),
        flags(Type::kControl, flag::kExpectsReply | flag::kReply),
        flags(Type::kControl, flag::kExpectsReply, true),
        flags(Type::kControl, flag::kZeroCopy),
        flags(Type::kControl, flag::kStreamFirst),
        grant_bit(42),
        grant_bit(43),
    };
    for (std::size_t i = 0; i < ways.size(); ++i) {
        Header header = R::message(1, 1);
        ways[i](header);
        ASSERT_FALSE(core::well_formed(header)) << i;
        EXPECT_EQ(this->sut.ask(header), Verdict::kMalformed) << i;
    }
    this->sut.run(100);
    EXPECT_EQ(this->came_out(), 0U);
    EXPECT_EQ(this->counted(Verdict::kMalformed), ways.size());
    this->sut.expect_alive();
}

TYPED_TEST(BadInput, ASpoofedSenderIsCountedAndReachesNobody) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    const std::vector<std::uint32_t> names = {kSender + 1, 0x10000U + kSender, 0xFFFFFFFF, kSender ^ 4U};
    for (const std::uint32_t name : names) {
        Header header = R::message(1, 1);
        header.set_sender(name);
        EXPECT_EQ(this->sut.ask(header), Verdict::kSpoofed) << name;
    }
    this->sut.run(100);
    EXPECT_EQ(this->came_out(), 0U);
    EXPECT_EQ(this->counted(Verdict::kSpoofed), names.size());
    this->sut.expect_alive();
}

TYPED_TEST(BadInput, AnIdOfAnotherGenerationOrAnotherProcessIsCountedAndReachesNobody) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    Header old = R::message(1, 1);
    old.set_capability(core::make_capability_id(R::kGeneration - 1, 1));
    EXPECT_EQ(this->sut.ask(old), Verdict::kNoSuchCapability);
    Header none = R::message(1, 1);
    none.set_capability(0);
    EXPECT_EQ(this->sut.ask(none), Verdict::kNoSuchCapability);
    this->sut.open_port(0, kSender + 1);
    EXPECT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kNoSuchCapability);
    this->sut.run(100);
    EXPECT_EQ(this->came_out(), 0U);
    EXPECT_EQ(this->counted(Verdict::kNoSuchCapability), 3U);
    this->sut.open_port(0, kSender);
    this->sut.expect_alive();
}

TYPED_TEST(BadInput, EachFrameOfNoiseIsCountedOnceAndTheNextGoodOneIsTaken) {
    using R = Ready<TypeParam>;
    const std::uint64_t seed = this->seed_of_run();
    SCOPED_TRACE("KEYWAY_SEED=" + std::to_string(seed));
    Random random(seed);
    this->sut.give(1, 1);
    std::uint32_t frames = 0;
    for (unsigned round = 0; round < 60; ++round) {
        const unsigned burst = 1 + random.below(8);
        for (unsigned i = 0; i < burst; ++i) {
            this->sut.send(0, this->noise(random), 1 + random.below(std::size_t{R::kBeats} * 3));
        }
        frames += burst + 1;
        this->sut.valid_share = 20 + random.below(81);
        ASSERT_TRUE(this->sut.run_until([&] { return this->sut.waiting(0) == 0; }));
        this->sut.run(300);  // misses are at the host
        this->sut.expect_alive();
        ASSERT_FALSE(this->HasFailure()) << "round " << round;
    }
    EXPECT_EQ(this->sut.verdicts.size(), frames);
    std::uint32_t counted = 0;
    for (unsigned verdict = 0; verdict < 16; ++verdict) {
        counted += this->counted(Verdict{static_cast<std::uint8_t>(verdict)});
    }
    EXPECT_EQ(counted, frames);
    EXPECT_EQ(this->came_out(), this->counted(Verdict::kDelivered) + this->counted(Verdict::kMiss));
    EXPECT_TRUE(this->sut.stalled_stable);
}

TYPED_TEST(BadInputWithPorts, AFrameThatDoesNotEndIsCountedOnceAndHoldsUpNoOtherPort) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.open_port(1, kSender);
    this->sut.send(0, R::message(1, 1), 3000);
    this->sut.run(200);
    EXPECT_EQ(this->counted(Verdict::kMalformed), 1U);
    this->sut.write(R::kPortSelect, 0);
    EXPECT_EQ(this->sut.read(R::kPortStatus), 3U) << "within a frame, and swallowing it";
    for (unsigned i = 0; i < 20; ++i) {
        this->sut.send(1, R::message(1, 1));
        ASSERT_TRUE(this->sut.run_until([&] { return this->came_out() == i + 1; }, 200));
    }
    ASSERT_NE(this->sut.waiting(0), 0U);
    ASSERT_TRUE(this->sut.run_until([&] { return this->sut.waiting(0) == 0; }, 4000));
    EXPECT_EQ(this->counted(Verdict::kMalformed), 1U);
    this->sut.expect_alive();
}

TYPED_TEST(BadInputWithPorts, NoiseAndResetsOfOnePortDisturbNoOther) {
    using R = Ready<TypeParam>;
    const std::uint64_t seed = this->seed_of_run();
    SCOPED_TRACE("KEYWAY_SEED=" + std::to_string(seed));
    Random random(seed);
    this->sut.give(1, 1);
    this->sut.open_port(1, kSender);
    this->sut.write(R::kPortSelect, 0);
    std::uint32_t delivered = 0;
    auto& out = this->sut.received[1 % TypeParam::kPorts];
    for (std::uint32_t i = 0; i < 200; ++i) {
        if (this->sut.waiting(0) < 4) {
            this->sut.send(0, this->noise(random), 1 + random.below(std::size_t{R::kBeats} * 3));
        }
        if (random.one_in(4)) {
            this->sut.queue_write(R::kPortControl, 3);
        }
        Header header = R::message(1, 1);
        header.set_sequence(i);
        this->sut.send(1, header);
        ASSERT_TRUE(this->sut.run_until([&] { return out.size() == i + 1; }, 200)) << i;
        EXPECT_EQ(out.back().header.sequence(), i);
        ++delivered;
    }
    EXPECT_EQ(this->counted(Verdict::kDelivered), delivered);
    ASSERT_TRUE(this->sut.run_until([&] { return this->sut.waiting(0) == 0; }));
    this->sut.run(300);
    this->sut.expect_alive();
}

TYPED_TEST(BadInputOfOneBeat, ASoftResetAmongMessagesForgetsTheRowsAndInventsNothing) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    for (std::uint32_t i = 0; i < 60; ++i) {
        Header header = R::message(1, 1);
        header.set_sequence(i);
        this->sut.send(0, header);
    }
    this->sut.write(R::kControl, 3);
    this->sut.run(1000);
    EXPECT_EQ(this->sut.waiting(0), 0U);
    // The rows are gone: what comes later misses.
    EXPECT_EQ(this->sut.verdicts.back(), Verdict::kMiss);
    std::set<std::uint32_t> seen;
    for (const auto& port : this->sut.received) {
        for (const Received& copy : port) {
            EXPECT_TRUE(seen.insert(copy.header.sequence()).second) << "twice";
            EXPECT_LT(copy.header.sequence(), 60U);
        }
    }
    // Registers live on: ports, routes, counters.
    EXPECT_EQ(
        this->counted(Verdict::kDelivered) + this->counted(Verdict::kMiss) + this->counted(Verdict::kFull),
        this->sut.verdicts.size());
    this->sut.give(1, 1);
    this->sut.expect_alive();
}

TYPED_TEST(BadInput, WritesToRegistersThatMeanNothingChangeNothing) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.write(R::kPortSelect, 255);
    this->sut.write(R::kPortSender, 0);
    this->sut.write(R::kPortControl, 2);
    EXPECT_EQ(this->sut.read(R::kPortSender), 0U);
    EXPECT_EQ(this->sut.read(R::kPortStatus), 0U);
    for (const std::uint32_t nothing : {0x03CU, 0x074U, 0x090U, 0x1FCU, 0xFFCU}) {
        this->sut.write(nothing, 0xFFFFFFFF);
        EXPECT_EQ(this->sut.read(nothing), 0U) << std::hex << nothing;
    }
    for (const std::uint32_t command : {0U, 4U, 6U, 0x80000001U}) {
        this->sut.write(R::kTableIndex, 1);
        this->sut.write(R::kTableCommand, command);
        EXPECT_EQ(this->sut.read(R::kTableCommand), 0U);
    }
    this->sut.route(R::kDests + 1, 0xFFFF, 0);
    this->sut.write(0, 0);
    EXPECT_EQ(this->sut.read(0), kMagic);
    this->sut.run(40);
    this->sut.expect_alive();
}

TYPED_TEST(DamagedRow, OfAnAuthorityIsAMissAndCountedWhicheverBitItIs) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    for (unsigned bit = 0; bit < this->kRowBits; ++bit) {
        this->flip_authority(1, bit);
        ASSERT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kMiss) << bit;
        this->sut.run(40);
        this->flip_authority(1, bit);
        ASSERT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kDelivered) << bit;
        this->sut.run(40);
    }
    EXPECT_EQ(this->errors(), this->kRowBits);
    EXPECT_EQ(this->counted(Verdict::kMiss), this->kRowBits);
    this->sut.expect_alive();
}

TYPED_TEST(DamagedRow, OfACarriedCapabilityIsAMissAndCountedWhicheverBitItIs) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1, 0, 0, Kind::kRegion);  // that may not be given away
    Header header = R::message(1, 1);
    header.set_carried(R::id(2));
    for (unsigned bit = 0; bit < this->kRowBits; ++bit) {
        this->flip_carried(2, bit);
        ASSERT_EQ(this->sut.ask(header), Verdict::kMiss) << bit;
        this->sut.run(40);
        this->flip_carried(2, bit);
        ASSERT_EQ(this->sut.ask(header), Verdict::kNotGrantable) << bit;
    }
    EXPECT_EQ(this->errors(), this->kRowBits);
    this->sut.expect_alive();
}

TYPED_TEST(DamagedRow, IsGoodAgainOnceTheHostHasFilledIt) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->flip_authority(1, 20);
    EXPECT_EQ(this->sut.ask(R::message(1, 1)), Verdict::kMiss);
    this->sut.command(1, 3);  // what the host reads of it is counted too
    EXPECT_EQ(this->errors(), 2U);
    this->sut.give(1, 1);
    this->sut.expect_alive();
    this->sut.command(1, 3);
    EXPECT_EQ(this->errors(), 2U);
}

TYPED_TEST(DamagedRow, ThatNobodyNeedsIsNotCounted) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1);
    this->flip_authority(2, 3);
    Header malformed = R::message(2, 1);
    malformed.set_version(0);
    EXPECT_EQ(this->sut.ask(malformed), Verdict::kMalformed);
    this->sut.expect_alive();
    EXPECT_EQ(this->errors(), 0U);
}

TYPED_TEST(DamagedLiveBit, BringsNoRecalledRowBack) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    this->sut.give(2, 1);
    this->sut.command(2, 2);
    this->flip_authority(2, this->kLiveBit);
    EXPECT_EQ(this->sut.ask(R::message(2, 1)), Verdict::kMiss);
    EXPECT_EQ(this->errors(), 1U);
    this->sut.run(100);
    this->sut.expect_alive();
}

TYPED_TEST(BadInput, MoreFreeIdsThanThereIsRoomForAreDroppedAndTheRoomSaysSo) {
    using R = Ready<TypeParam>;
    this->sut.give(1, 1);
    EXPECT_EQ(this->sut.read(R::kFreeId), TypeParam::kFreeIds);
    const std::uint32_t first = (1U << TypeParam::kIndexBits) + 2;
    for (std::uint32_t i = 0; i < TypeParam::kFreeIds + 3; ++i) {
        this->sut.write(R::kFreeId, core::make_capability_id(1, first + i % 2));
    }
    EXPECT_EQ(this->sut.read(R::kFreeId), 0U);
    Header call = R::message(1, 1);
    call.set_flags(flag::kExpectsReply);
    unsigned made = 0;
    while (this->sut.ask(call) == Verdict::kDelivered) {
        ++made;
        this->sut.run(100);
        ASSERT_LE(made, TypeParam::kFreeIds);
    }
    EXPECT_EQ(made, TypeParam::kFreeIds);
    EXPECT_EQ(this->sut.verdicts.back(), Verdict::kMiss);
    this->sut.run(100);
    this->sut.expect_alive();
}

}  // namespace
}  // namespace keyway::rtl
