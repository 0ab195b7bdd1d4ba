#include "core/queues.hpp"

#include <gtest/gtest.h>

#include <string>

namespace keyway::core {
namespace {

Header numbered(std::uint32_t number) {
    Header header;
    header.set_sequence(number);
    return header;
}

std::string turns(PriorityScheduler& sut, unsigned ready, int count) {
    std::string levels;
    for (int turn = 0; turn < count; ++turn) {
        const int level = sut.next(ready);
        levels += level < 0 ? '-' : static_cast<char>('0' + level);
    }
    return levels;
}

TEST(PrioritySchedulerTest, NothingReadyIsNobodysTurn) {
    PriorityScheduler sut;
    EXPECT_EQ(sut.next(0), -1);
    EXPECT_EQ(sut.next(0xF0), -1) << "there are four levels";
    EXPECT_EQ(turns(sut, 0xF, 15), "333333332222110") << "and asking cost no credit";
}

TEST(PrioritySchedulerTest, ARoundGivesEachLevelTwiceTheTurnsOfTheOneBelowHighestFirst) {
    PriorityScheduler sut;
    EXPECT_EQ(turns(sut, 0xF, 30), "333333332222110333333332222110");
}

TEST(PrioritySchedulerTest, ALevelThatIsNotReadyLosesNothingToTheOthers) {
    const auto from_the_start = [](unsigned ready, int count) {
        PriorityScheduler sut;
        return turns(sut, ready, count);
    };
    EXPECT_EQ(from_the_start(0b0101, 11), "22220222202");
    EXPECT_EQ(from_the_start(0b1001, 19), "3333333303333333303");
    EXPECT_EQ(from_the_start(0b0001, 3), "000") << "a lone level has every turn";
}

TEST(PrioritySchedulerTest, AnUrgentMessageOvertakesInTheMiddleOfARound) {
    PriorityScheduler sut;
    EXPECT_EQ(turns(sut, 0b0111, 2), "22");
    EXPECT_EQ(turns(sut, 0b1111, 3), "333");
    EXPECT_EQ(turns(sut, 0b0111, 5), "22110");
}

TEST(PrioritySchedulerTest, NobodyStarvesWhateverTheOthersDo) {
    PriorityScheduler sut;
    std::uint32_t random = 0x2545F491;
    for (int level = 0; level < 4; ++level) {
        int waited = 0;
        for (int turn = 0; turn < 200'000; ++turn) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            // Phases in which the others are nearly always ready, and phases in which they rarely are.
            const unsigned others = (turn >> 10 & 1) != 0 ? random | random >> 4 : random & random >> 4;
            waited = sut.next(others | 1U << level) == level ? 0 : waited + 1;
            ASSERT_LE(waited, 2 * (15 - (1 << level)))
                << "level " << level << " waits longer than two rounds";
        }
    }
}

TEST(HeaderQueuesTest, ALevelIsFirstInFirstOut) {
    HeaderQueues sut(2, 3);
    Header out;
    std::uint32_t next = 0;
    std::uint32_t expected = 0;
    for (int lap = 0; lap < 10; ++lap) {
        while (sut.has_room(1, 2, 0)) {
            sut.push(1, 2, numbered(next++));
        }
        for (int i = 0; i < 2; ++i) {
            ASSERT_TRUE(sut.pop(1, out));
            EXPECT_EQ(out.sequence(), expected++);
        }
    }
    EXPECT_EQ(next, expected + 1);
}

TEST(HeaderQueuesTest, RoomIsPerDestinationAndPriority) {
    HeaderQueues sut(3, 2);
    sut.push(1, 0, numbered(1));
    EXPECT_TRUE(sut.has_room(1, 0, 0));
    sut.push(1, 0, numbered(2));

    EXPECT_FALSE(sut.has_room(1, 0, 0));
    EXPECT_TRUE(sut.has_room(1, 1, 0));
    EXPECT_TRUE(sut.has_room(2, 0, 0));
    EXPECT_EQ(sut.count(1, 0), 2U);
    volatile ObjectId nobody = 3;  // known to g++ 12, it warns of an access that the check prevents
    EXPECT_FALSE(sut.has_room(nobody, 0, 0)) << "no such destination";
    EXPECT_FALSE(HeaderQueues(2, 0).has_room(1, 0, 0)) << "no depth";
}

TEST(HeaderQueuesTest, EachDestinationIsServedByItsOwnSchedule) {
    HeaderQueues sut(3, 8);
    for (const ObjectId destination : {ObjectId{1}, ObjectId{2}}) {
        for (unsigned level = 0; level < 4; ++level) {
            for (std::uint32_t i = 0; i < 8; ++i) {
                sut.push(destination, level, numbered(level));
            }
        }
    }
    std::string first, second;
    Header out;
    for (int turn = 0; turn < 15; ++turn) {
        ASSERT_TRUE(sut.pop(1, out));
        first += static_cast<char>('0' + out.sequence());
        ASSERT_TRUE(sut.pop(2, out));
        second += static_cast<char>('0' + out.sequence());
    }
    EXPECT_EQ(first, "333333332222110");
    EXPECT_EQ(second, first);
    HeaderQueues empty(2, 1);
    EXPECT_FALSE(empty.pop(1, out));
}

}  // namespace
}  // namespace keyway::core
