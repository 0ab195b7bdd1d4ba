#include "ring/park.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "ring/ring.hpp"
#include "ring_fixture.hpp"

namespace keyway::ring {
namespace {

class Bell {
  public:
    Bell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    ~Bell() { close(fd_); }
    Bell(const Bell&) = delete;
    Bell& operator=(const Bell&) = delete;

    void ring() {
        const std::uint64_t one = 1;
        EXPECT_EQ(write(fd_, &one, sizeof one), ssize_t{sizeof one});
    }
    // False if nobody rang in a time that only a lost wake-up can take.
    bool wait() {
        pollfd waited{fd_, POLLIN, 0};
        const bool rang = ::poll(&waited, 1, 20000) == 1;
        std::uint64_t count = 0;
        return rang && read(fd_, &count, sizeof count) == ssize_t{sizeof count};
    }

  private:
    int fd_;
};

TEST(Park, NobodyIsWokenWhoDidNotAnnounce) {
    ParkWord word{};
    int wakes = 0;
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(wake_if_parked(word, [&] { ++wakes; }));
    }
    EXPECT_EQ(wakes, 0);
}

TEST(Park, OneAnnouncementIsWorthOneWakeUp) {
    ParkWord word{};
    Waiter<> waiter(word);
    int wakes = 0;
    waiter.announce();
    EXPECT_TRUE(wake_if_parked(word, [&] { ++wakes; }));
    EXPECT_FALSE(wake_if_parked(word, [&] { ++wakes; }));
    EXPECT_EQ(wakes, 1);
}

TEST(Park, ARetractedAnnouncementIsNotAnswered) {
    ParkWord word{};
    Waiter<> waiter(word);
    waiter.announce();
    waiter.retract();
    EXPECT_FALSE(wake_if_parked(word, [] { FAIL(); }));
}

TEST(Park, AWaiterThatFindsSomethingOnItsSecondLookDoesNotBlock) {
    ParkWord word{};
    Waiter<> waiter(word);
    EXPECT_TRUE(waiter.park_unless([] { return true; }, [] { FAIL(); }));
    EXPECT_EQ(word.parked, 0U);
}

TEST(Park, AWaiterIsAnnouncedWhileItBlocksAndNotAfter) {
    ParkWord word{};
    Waiter<> waiter(word);
    bool blocked = false;
    EXPECT_FALSE(waiter.park_unless([] { return false; },
                                    [&] {
                                        blocked = true;
                                        EXPECT_EQ(word.parked, 1U);
                                    }));
    EXPECT_TRUE(blocked);
    EXPECT_EQ(word.parked, 0U);
}

TEST(Park, AfterOneFenceSeveralWaitersAreTestedAndOnlyTheParkedOnesWoken) {
    ParkWord words[4]{};
    Waiter<>(words[1]).announce();
    Waiter<>(words[3]).announce();
    int woken = 0;
    publication_fence();
    for (int i = 0; i < 4; ++i) {
        wake_if_parked_after_fence(words[i], [&] { woken |= 1 << i; });
    }
    EXPECT_EQ(woken, 0b1010);
}

TEST(Park, AnyValueThatAPeerWroteIsAtWorstANeedlessWakeUp) {
    ParkWord word{0xDEADBEEF, {}};
    int wakes = 0;
    EXPECT_TRUE(wake_if_parked(word, [&] { ++wakes; }));
    EXPECT_FALSE(wake_if_parked(word, [&] { ++wakes; }));
    EXPECT_EQ(wakes, 1);
}

TEST(Park, NoWakeUpIsLostWhenBothEndsOfARingSleepAllTheTime) {
    constexpr std::uint64_t kRecords = 20000;
    Ring<> sut(256);  // three records of a line: the producer sleeps for room, the consumer for records
    ParkWord producer_word{};
    ParkWord consumer_word{};
    Bell producer_bell;
    Bell consumer_bell;
    std::thread producer([&] {
        Waiter<> waiter(producer_word);
        for (std::uint64_t i = 0; i < kRecords; ++i) {
            std::byte* body = nullptr;
            while ((body = sut.producer.try_reserve(8)) == nullptr) {
                bool rang = true;
                (void)waiter.park_unless([&] { return sut.producer.has_room(8); },
                                         [&] { rang = producer_bell.wait(); });
                ASSERT_TRUE(rang) << "the producer was forgotten";
            }
            copy_to_shared(body, reinterpret_cast<const std::byte*>(&i), sizeof i);
            sut.producer.commit();
            wake_if_parked(consumer_word, [&] { consumer_bell.ring(); });
            sut.producer.tidy();
        }
    });
    Waiter<> waiter(consumer_word);
    std::uint64_t expected = 0;
    bool rang = true;
    while (expected < kRecords && rang) {
        Record record;
        if (sut.consumer.peek(record) != Poll::kRecord) {
            (void)waiter.park_unless([&] { return sut.consumer.pending(); },
                                     [&] { rang = consumer_bell.wait(); });
            continue;
        }
        std::uint64_t value = 0;
        copy_from_shared(reinterpret_cast<std::byte*>(&value), record.body.data(), sizeof value);
        sut.consumer.advance();
        sut.consumer.release();
        wake_if_parked(producer_word, [&] { producer_bell.ring(); });
        ASSERT_EQ(value, expected);
        ++expected;
    }
    EXPECT_TRUE(rang) << "the consumer was forgotten";
    producer.join();
}

// A clock that a test winds.
struct ToyAtomics : NativeAtomics {
    static inline std::uint64_t now = 0;
    static void pause() { now += 10; }
    static std::uint64_t now_ns() { return now; }
};

TEST(Spinner, ReturnsAtOnceWhenReady) {
    ToyAtomics::now = 0;
    Spinner<ToyAtomics> sut(1000);
    EXPECT_TRUE(sut.until([] { return true; }));
    EXPECT_EQ(ToyAtomics::now, 0U);
}

TEST(Spinner, LooksOnceAndNeverSpinsWithAMaximumOfZero) {
    int looks = 0;
    Spinner<ToyAtomics> sut(0);
    EXPECT_FALSE(sut.until([&] {
        ++looks;
        return false;
    }));
    EXPECT_EQ(looks, 1);
}

TEST(Spinner, StaysWithinItsBudgetAndHalvesItWhenItWasInVain) {
    ToyAtomics::now = 0;
    Spinner<ToyAtomics> sut(64000);
    EXPECT_FALSE(sut.until([] { return false; }));
    EXPECT_GE(ToyAtomics::now, 64000U);
    EXPECT_LT(ToyAtomics::now, 64500U);
    EXPECT_EQ(sut.budget_ns(), 32000U);
    for (int i = 0; i < 20; ++i) {
        EXPECT_FALSE(sut.until([] { return false; }));
    }
    EXPECT_EQ(sut.budget_ns(), 1001U);
}

TEST(Spinner, DoublesItsBudgetUpToTheMaximumWhenSpinningPaid) {
    Spinner<ToyAtomics> sut(64000);
    for (int i = 0; i < 20; ++i) {
        EXPECT_FALSE(sut.until([] { return false; }));
    }
    for (int i = 0; i < 20; ++i) {
        int looks = 0;
        EXPECT_TRUE(sut.until([&] { return ++looks > 50; }));
    }
    EXPECT_EQ(sut.budget_ns(), 64000U);
}

}  // namespace
}  // namespace keyway::ring
