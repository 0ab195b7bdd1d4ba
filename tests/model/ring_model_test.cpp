// Producer and Consumer, the code of the product, under the explorer.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "explorer.hpp"
#include "ring/ring.hpp"

namespace keyway::model {
namespace {

using ring::Consumer;
using ring::kLineBytes;
using ring::Poll;
using ring::Producer;
using ring::Record;
using ring::RingControl;

struct Proven : ModelAtomics, ring::ProvenOrders {};

constexpr std::uint32_t kMaxRecords = 6;

struct Plan {
    const char* name;
    std::uint32_t lines;
    std::uint32_t records;
    std::array<std::uint32_t, kMaxRecords> body_bytes;  // whole words
    std::uint32_t release_every;
    bool tidy;
    bool give_up_first = false;  // a reservation of the largest size before each record
};

// What a body holds: in a line's first word the commit word that the next lap will want there, as a hostile
// sender would have it, and else a number that occurs once.
std::uint64_t body_word(const Plan& plan, std::uint32_t record, std::uint64_t position) {
    return position % kLineBytes == 0 ? ring::message_word(position + plan.lines * kLineBytes, 8)
                                      : (std::uint64_t{record} + 1) << 32 | position;
}

// Where the words are that are written and checked: all would be many, and each line has those at its ends.
bool is_sampled(std::uint64_t position) {
    return position % kLineBytes == 0 || position % kLineBytes == 8 || position % kLineBytes == 56;
}

template <class Atomics>
struct RingWorld : World {
    explicit RingWorld(const Plan& given) : plan(given) {
        share(&control, 8, 8, "head");
        share(data.data(), plan.lines * kLineBytes, 8, "word");
    }

    void thread(unsigned index) override { index == 0 ? produce() : consume(); }

    void produce() {
        Producer<Atomics> sut(control, {data.data(), plan.lines * kLineBytes});
        for (std::uint32_t i = 0; i < plan.records; ++i) {
            if (plan.give_up_first) {
                if (std::byte* body = sut.try_reserve(sut.max_body()); body != nullptr) {
                    write_body(body, position_of(body, sut), i, sut.max_body());
                }
            }
            begin_turn(&sut, sizeof sut, i);
            std::byte* body = nullptr;
            while ((body = sut.try_reserve(plan.body_bytes[i])) == nullptr) {
                if (sut.corrupt()) {
                    fail("the producer calls its peer corrupt");
                }
                wait_for_change();
                begin_turn(&sut, sizeof sut, i);
            }
            write_body(body, position_of(body, sut), i, plan.body_bytes[i]);
            sut.commit();
            if (plan.tidy) {
                sut.tidy();
            }
        }
    }

    void consume() {
        Consumer<Atomics> sut(control, {data.data(), plan.lines * kLineBytes});
        for (std::uint32_t i = 0; i < plan.records;) {
            begin_turn(&sut, sizeof sut, i);
            Record record;
            switch (sut.peek(record)) {
                case Poll::kCorrupt:
                    fail("the consumer calls its peer corrupt");
                    break;
                case Poll::kEmpty:
                    sut.release();
                    // The last poll may be from before release(): a store must not hide what
                    // wait_for_change() needs.
                    if (!sut.pending()) {
                        wait_for_change();
                    }
                    break;
                case Poll::kRecord:
                    check_body(record, i);
                    sut.advance();
                    if (++i % plan.release_every == 0) {
                        sut.release();
                    }
            }
        }
        Record record;
        if (sut.peek(record) != Poll::kEmpty) {
            fail("a record that nobody sent");
        }
    }

    std::uint64_t position_of(const std::byte* body, const Producer<Atomics>& sut) const {
        const auto offset = static_cast<std::uint64_t>(body - data.data()) - 8;
        const std::uint64_t ring_bytes = plan.lines * kLineBytes;
        const std::uint64_t lap = sut.tail() / ring_bytes * ring_bytes;
        return lap + offset < sut.tail() ? lap + ring_bytes + offset : lap + offset;
    }
    void write_body(std::byte* body, std::uint64_t position, std::uint32_t record,
                    std::uint32_t bytes) const {
        for (std::uint32_t at = 0; at < bytes; at += 8) {
            if (is_sampled(position + 8 + at)) {
                write(body + at, body_word(plan, record, position + 8 + at));
            }
        }
    }
    void check_body(const Record& record, std::uint32_t index) const {
        if (record.body.size() != plan.body_bytes[index]) {
            fail("a record of the wrong size: lost, doubled or forged");
        }
        for (std::uint32_t at = 0; at < record.body.size(); at += 8) {
            const std::uint64_t position = record.position + 8 + at;
            if (is_sampled(position) && read(record.body.data() + at) != body_word(plan, index, position)) {
                fail("a body that is not the one sent");
            }
        }
    }

    Plan plan;
    RingControl control{};
    alignas(kLineBytes) std::array<std::byte, 4 * kLineBytes> data{};
};

template <class Atomics>
Outcome explore_ring(const Plan& plan) {
    Outcome outcome = explore(2, [&] { return std::make_unique<RingWorld<Atomics>>(plan); });
    std::printf("  %s: %u lines, %u records: %llu executions, %llu cut, %llu states%s\n", plan.name,
                plan.lines, plan.records, static_cast<unsigned long long>(outcome.executions),
                static_cast<unsigned long long>(outcome.cut), static_cast<unsigned long long>(outcome.states),
                outcome.broken.empty()
                    ? ""
                    : (", BROKEN: " + outcome.broken.substr(0, outcome.broken.find('\n'))).c_str());
    return outcome;
}

constexpr Plan kTwoLines{"TwoLines", 2, 4, {8, 56, 8, 8}, 1, false};
constexpr Plan kTwoLinesTidy{"TwoLinesTidy", 2, 5, {8, 56, 0, 8, 8}, 1, true};
// The third record does not fit the last line: padding. The following ones run through lines that were
// middles.
constexpr Plan kPadding{"Padding", 4, 4, {120, 8, 72, 8}, 1, false};
constexpr Plan kPaddingTidy{"PaddingTidy", 4, 5, {120, 8, 72, 8, 120}, 1, true};
constexpr Plan kSmallAfterLarge{"SmallAfterLarge", 4, 6, {120, 8, 8, 8, 8, 8}, 1, false};
constexpr Plan kSmallAfterLargeTidy{"SmallAfterLargeTidy", 4, 6, {120, 8, 8, 8, 8, 8}, 1, true};
constexpr Plan kBatches{"Batches", 4, 6, {8, 8, 8, 56, 8, 120}, 2, false};
constexpr Plan kBatchesTidy{"BatchesTidy", 4, 6, {8, 72, 8, 8, 120, 8}, 3, true};
constexpr Plan kGivingUp{"GivingUp", 4, 4, {8, 8, 72, 8}, 1, true, true};

class RingModel : public ::testing::TestWithParam<Plan> {};

TEST_P(RingModel, DeliversAllInOrderWholeAndOnceInEveryExecution) {
    const Outcome outcome = explore_ring<Proven>(GetParam());
    EXPECT_EQ(outcome.broken, "");
    EXPECT_TRUE(outcome.exhausted);
}

INSTANTIATE_TEST_SUITE_P(Plans, RingModel,
                         ::testing::Values(kTwoLines, kTwoLinesTidy, kPadding, kPaddingTidy, kSmallAfterLarge,
                                           kSmallAfterLargeTidy, kBatches, kBatchesTidy, kGivingUp),
                         [](const auto& plan) { return std::string(plan.param.name); });

TEST(RingModelItself, FindsTheSameWithAndWithoutMergingOfStates) {
    constexpr Plan kTiny{"Tiny", 2, 2, {8, 8}, 1, true};
    for (const bool merge : {true, false}) {
        const Outcome outcome =
            explore(2, [&] { return std::make_unique<RingWorld<Proven>>(kTiny); }, {.merge_states = merge});
        std::printf("  %s: %llu executions\n", merge ? "merged" : "not merged",
                    static_cast<unsigned long long>(outcome.executions));
        EXPECT_EQ(outcome.broken, "");
        EXPECT_TRUE(outcome.exhausted);
    }
}

// Each of these takes one thing away that the ring relies on, and must be found out.
struct RelaxedPublish : Proven {
    static constexpr std::memory_order kPublish = std::memory_order_relaxed;
};
struct RelaxedPoll : Proven {
    static constexpr std::memory_order kPoll = std::memory_order_relaxed;
};
struct RelaxedGiveBack : Proven {
    static constexpr std::memory_order kGiveBack = std::memory_order_relaxed;
};
struct RelaxedTakeBack : Proven {
    static constexpr std::memory_order kTakeBack = std::memory_order_relaxed;
};
struct NoClearing : Proven {
    static constexpr bool kClearsLines = false;
};

TEST(RingModelFindsOut, ACommitThatIsNotARelease) {
    EXPECT_NE(explore_ring<RelaxedPublish>(kTwoLines).broken, "");
    EXPECT_NE(explore_ring<RelaxedPublish>(kPadding).broken, "");
}
TEST(RingModelFindsOut, APollThatIsNotAnAcquire) {
    EXPECT_NE(explore_ring<RelaxedPoll>(kTwoLines).broken, "");
    EXPECT_NE(explore_ring<RelaxedPoll>(kPadding).broken, "");
}
TEST(RingModelFindsOut, AHeadThatIsNotReleased) {
    EXPECT_NE(explore_ring<RelaxedGiveBack>(kTwoLines).broken, "");
    EXPECT_NE(explore_ring<RelaxedGiveBack>(kSmallAfterLarge).broken, "");
}
TEST(RingModelFindsOut, AHeadThatIsNotAcquired) {
    EXPECT_NE(explore_ring<RelaxedTakeBack>(kTwoLines).broken, "");
    EXPECT_NE(explore_ring<RelaxedTakeBack>(kSmallAfterLarge).broken, "");
}
TEST(RingModelFindsOut, LinesThatAreNotCleared) {
    EXPECT_NE(explore_ring<NoClearing>(kSmallAfterLarge).broken, "");
}

}  // namespace
}  // namespace keyway::model
