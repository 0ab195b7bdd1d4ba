// Parking and waking, the code of the product, under the explorer; alone and around the real ring.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "explorer.hpp"
#include "ring/park.hpp"
#include "ring/ring.hpp"

namespace keyway::model {
namespace {

using ring::Consumer;
using ring::kLineBytes;
using ring::ParkWord;
using ring::Poll;
using ring::Producer;
using ring::Record;
using ring::RingControl;
using ring::Waiter;

struct Proven : ModelAtomics, ring::ProvenOrders {};
struct NoAnnouncementFence : Proven {
    static constexpr bool kFencesAnnouncement = false;
};
struct NoPublicationFence : Proven {
    static constexpr bool kFencesPublication = false;
};

Outcome explore_and_report(const char* what, unsigned threads,
                           const std::function<std::unique_ptr<World>()>& make) {
    Outcome outcome = explore(threads, make);
    std::printf("  %s: %llu executions, %llu cut, %llu states%s\n", what,
                static_cast<unsigned long long>(outcome.executions),
                static_cast<unsigned long long>(outcome.cut), static_cast<unsigned long long>(outcome.states),
                outcome.broken.empty() ? "" : ", BROKEN");
    return outcome;
}

// One waiter, one or two wakers, each with a word of its own that it counts up. The waiter wants all counts.
template <class Atomics, unsigned kWakers, unsigned kMessages>
struct BareWorld : World {
    BareWorld() {
        share(&word.parked, 4, 4, "parked");
        share(published.data(), sizeof published, 8, "published");
    }
    void thread(unsigned index) override { index == 0 ? wait() : publish(index - 1); }

    void wait() {
        Waiter<Atomics> waiter(word);
        for (unsigned wanted = 1; wanted <= kMessages; ++wanted) {
            while (!waiter.park_unless([&] { return all_there(wanted); }, [] { wait_bell(0); })) {
                begin_turn(nullptr, 0, wanted);
            }
            begin_turn(nullptr, 0, wanted + 1);
        }
    }
    bool all_there(unsigned wanted) {
        for (unsigned i = 0; i < kWakers; ++i) {
            if (atomic_load(&published[i], std::memory_order_acquire) < wanted) {
                return false;
            }
        }
        return true;
    }
    void publish(unsigned index) {
        for (unsigned i = 1; i <= kMessages; ++i) {
            atomic_store(&published[index], i, std::memory_order_release);
            ring::wake_if_parked<Atomics>(word, [] { ring_bell(0); });
            begin_turn(nullptr, 0, i);
        }
    }

    ParkWord word{};
    std::array<std::uint64_t, kWakers> published{};
};

template <class Atomics, unsigned kWakers, unsigned kMessages>
Outcome explore_bare(const char* what) {
    return explore_and_report(what, kWakers + 1,
                              [] { return std::make_unique<BareWorld<Atomics, kWakers, kMessages>>(); });
}

TEST(ParkModel, NoWakeUpIsLostByOneWaker) {
    const Outcome one = explore_bare<Proven, 1, 1>("one waker, one message");
    EXPECT_EQ(one.broken, "");
    EXPECT_TRUE(one.exhausted);
    const Outcome three = explore_bare<Proven, 1, 3>("one waker, three messages");
    EXPECT_EQ(three.broken, "");
    EXPECT_TRUE(three.exhausted);
}

TEST(ParkModel, NoWakeUpIsLostByTwoWakers) {
    const Outcome one = explore_bare<Proven, 2, 1>("two wakers, one message each");
    EXPECT_EQ(one.broken, "");
    EXPECT_TRUE(one.exhausted);
    const Outcome two = explore_bare<Proven, 2, 2>("two wakers, two messages each");
    EXPECT_EQ(two.broken, "");
    EXPECT_TRUE(two.exhausted);
}

TEST(ParkModelFindsOut, AnAnnouncementWithoutItsFence) {
    EXPECT_NE((explore_bare<NoAnnouncementFence, 1, 1>("no fence in announce()").broken), "");
}
TEST(ParkModelFindsOut, APublicationWithoutItsFence) {
    EXPECT_NE((explore_bare<NoPublicationFence, 1, 1>("no publication fence").broken), "");
}

// One waker, two waiters, the batched form: one fence for both.
template <class Atomics>
struct BatchWorld : World {
    BatchWorld() {
        share(&words[0].parked, 4, 4, "parked 0");
        share(&words[1].parked, 4, 4, "parked 1");
        share(published.data(), sizeof published, 8, "published");
    }
    void thread(unsigned index) override { index < 2 ? wait(index) : publish(); }
    void wait(unsigned index) {
        Waiter<Atomics> waiter(words[index]);
        while (!waiter.park_unless(
            [&] { return atomic_load(&published[index], std::memory_order_acquire) != 0; },
            [&] { wait_bell(index); })) {
            begin_turn(nullptr, 0, 1);
        }
    }
    void publish() {
        atomic_store(&published[0], 1, std::memory_order_release);
        atomic_store(&published[1], 1, std::memory_order_release);
        ring::publication_fence<Atomics>();
        for (unsigned i = 0; i < 2; ++i) {
            ring::wake_if_parked_after_fence<Atomics>(words[i], [&] { ring_bell(i); });
        }
    }

    std::array<ParkWord, 2> words{};
    std::array<std::uint64_t, 2> published{};
};

TEST(ParkModel, OneFenceServesSeveralWaiters) {
    const Outcome outcome = explore_and_report("one fence, two waiters", 3,
                                               [] { return std::make_unique<BatchWorld<Proven>>(); });
    EXPECT_EQ(outcome.broken, "");
    EXPECT_TRUE(outcome.exhausted);
}
TEST(ParkModelFindsOut, ABatchWithoutItsFence) {
    EXPECT_NE(explore_and_report("a batch without its fence", 3,
                                 [] { return std::make_unique<BatchWorld<NoPublicationFence>>(); })
                  .broken,
              "");
}

// Both ends of a ring of two lines, which holds one record: the consumer sleeps for records, the producer for
// room.
template <class Atomics>
struct SleepyRingWorld : World {
    explicit SleepyRingWorld(unsigned given) : records(given) {
        share(&control, 8, 8, "head");
        share(data.data(), data.size(), 8, "word");
        share(&producer_word.parked, 4, 4, "producer parked");
        share(&consumer_word.parked, 4, 4, "consumer parked");
    }
    void thread(unsigned index) override { index == 0 ? produce() : consume(); }

    void produce() {
        Producer<Atomics> sut(control, data);
        Waiter<Atomics> waiter(producer_word);
        for (unsigned i = 0; i < records; ++i) {
            std::byte* body = nullptr;
            begin_turn(&sut, sizeof sut, i);
            while ((body = sut.try_reserve(8)) == nullptr) {
                (void)waiter.park_unless([&] { return sut.has_room(8); }, [] { wait_bell(0); });
                begin_turn(&sut, sizeof sut, i);
            }
            write(body, i + 1);
            sut.commit();
            ring::wake_if_parked<Atomics>(consumer_word, [] { ring_bell(1); });
            sut.tidy();
        }
        if (sut.corrupt()) {
            fail("the producer calls its peer corrupt");
        }
    }
    void consume() {
        Consumer<Atomics> sut(control, data);
        Waiter<Atomics> waiter(consumer_word);
        for (unsigned i = 0; i < records;) {
            begin_turn(&sut, sizeof sut, i);
            Record record;
            const Poll poll = sut.peek(record);
            if (poll == Poll::kCorrupt) {
                fail("the consumer calls its peer corrupt");
            }
            if (poll == Poll::kEmpty) {
                (void)waiter.park_unless([&] { return sut.pending(); }, [] { wait_bell(1); });
                continue;
            }
            ++i;
            if (record.body.size() != 8 || read(record.body.data()) != i) {
                fail("not the record that was sent");
            }
            sut.advance();
            sut.release();
            ring::wake_if_parked<Atomics>(producer_word, [] { ring_bell(0); });
        }
    }

    unsigned records;
    RingControl control{};
    alignas(kLineBytes) std::array<std::byte, 2 * kLineBytes> data{};
    ParkWord producer_word{};
    ParkWord consumer_word{};
};

TEST(ParkModel, BothEndsOfARingMaySleepAndNeitherIsForgotten) {
    for (const unsigned records : {1U, 2U, 3U, 4U}) {
        const std::string what = "sleepy ring, " + std::to_string(records) + " records";
        const Outcome outcome = explore_and_report(
            what.c_str(), 2, [&] { return std::make_unique<SleepyRingWorld<Proven>>(records); });
        EXPECT_EQ(outcome.broken, "");
        EXPECT_TRUE(outcome.exhausted);
    }
}
TEST(ParkModelFindsOut, ASleepyRingWithoutAFence) {
    EXPECT_NE(explore_and_report("sleepy ring, no fence in announce()", 2,
                                 [] { return std::make_unique<SleepyRingWorld<NoAnnouncementFence>>(2); })
                  .broken,
              "");
    EXPECT_NE(explore_and_report("sleepy ring, no publication fence", 2,
                                 [] { return std::make_unique<SleepyRingWorld<NoPublicationFence>>(2); })
                  .broken,
              "");
}

}  // namespace
}  // namespace keyway::model
