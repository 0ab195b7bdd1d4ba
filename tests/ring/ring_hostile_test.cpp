// A peer that writes whatever it likes, wherever it can. Run under AddressSanitizer these also show that
// nothing outside of the ring is touched.
#include <random>

#include "ring/ring.hpp"
#include "ring_fixture.hpp"

namespace keyway::ring {
namespace {

constexpr std::size_t kBytes = 1024;  // 16 lines, bodies up to 504 bytes

void touch_all(std::span<const std::byte> body) {
    std::vector<std::byte> copy(body.size());
    copy_from_shared(copy.data(), body.data(), body.size());
}

TEST(HostileProducer, EachFlippedBitOfACommitWordIsFoundUnlessItMerelyChangesTheLength) {
    for (const std::uint32_t lines_before : {0U, 5U, 15U}) {
        for (unsigned bit = 0; bit < 64; ++bit) {
            Ring<> sut(kBytes);
            for (std::uint32_t i = 0; i < lines_before; ++i) {
                ASSERT_TRUE(sut.put_size(8));
                ASSERT_TRUE(sut.drop());
            }
            const std::uint64_t position = sut.producer.tail();
            ASSERT_TRUE(sut.put_size(48));
            sut.memory.word(position) ^= std::uint64_t{1} << bit;
            Record record;
            const Poll poll = sut.consumer.peek(record);
            const std::uint64_t length = 48 ^ (bit >= 32 && bit < 48 ? std::uint64_t{1} << (bit - 32) : 0);
            const bool possible =
                bit >= 32 && bit < 48 && length <= 504 &&
                position % kBytes + record_bytes(static_cast<std::uint32_t>(length)) <= kBytes;
            ASSERT_EQ(poll, possible ? Poll::kRecord : Poll::kCorrupt) << "bit " << bit;
            if (possible) {
                ASSERT_EQ(record.body.size(), length);
                ASSERT_TRUE(sut.memory.contains(record.body));
                touch_all(record.body);
            } else {
                ASSERT_TRUE(sut.consumer.corrupt());
            }
        }
    }
}

TEST(HostileProducer, CorruptionStaysAlsoWhenTheWordIsRepaired) {
    Ring<> sut(kBytes);
    Record record;
    ASSERT_TRUE(sut.put_size(8));
    const std::uint64_t good = sut.memory.word(0);
    sut.memory.word(0) = good + 1;
    ASSERT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
    sut.memory.word(0) = good;
    EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
    sut.memory.word(0) = 0;
    EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
    EXPECT_TRUE(sut.consumer.pending()) << "a party must not go to sleep on a corrupt ring";
    sut.consumer.advance();
    EXPECT_EQ(sut.consumer.head(), 0U);
}

TEST(HostileProducer, ACommitWordOfAnotherLapIsCorrupt) {
    Ring<> sut(kBytes);
    Record record;
    sut.memory.word(0) = message_word(kBytes, 8);
    EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
}

TEST(HostileProducer, ARecordThatCrossesTheEndIsCorrupt) {
    Ring<> sut(kBytes);
    for (int i = 0; i < 15; ++i) {
        ASSERT_TRUE(sut.put_size(8));
        ASSERT_TRUE(sut.drop());
    }
    Record record;
    sut.memory.word(15 * 64) = message_word(15 * 64, 57);
    EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
}

TEST(HostileProducer, PaddingAtTheStartOrTooLongOrWithALengthIsCorrupt) {
    Record record;
    {
        Ring<> sut(kBytes);
        sut.memory.word(0) = padding_word(0);
        EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
    }
    {
        Ring<> sut(kBytes);
        ASSERT_TRUE(sut.put_size(8));
        ASSERT_TRUE(sut.drop());
        sut.memory.word(64) = padding_word(64);  // 15 lines, when the longest record has 8
        EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
        EXPECT_EQ(sut.consumer.head(), 64U) << "it was taken for padding";
    }
    {
        Ring<> sut(kBytes);
        for (int i = 0; i < 15; ++i) {
            ASSERT_TRUE(sut.put_size(8));
            ASSERT_TRUE(sut.drop());
        }
        sut.memory.word(15 * 64) = padding_word(15 * 64) | std::uint64_t{8} << 32;
        EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
    }
}

TEST(HostileProducer, EachFlippedBitOfAPaddingWordIsFound) {
    for (unsigned bit = 0; bit < 64; ++bit) {
        Ring<> sut(kBytes);
        for (int i = 0; i < 15; ++i) {
            ASSERT_TRUE(sut.put_size(8));
            ASSERT_TRUE(sut.drop());
        }
        ASSERT_TRUE(sut.put_size(100));
        sut.memory.word(15 * 64) ^= std::uint64_t{1} << bit;
        Record record;
        EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt) << "bit " << bit;
        EXPECT_EQ(sut.consumer.head(), 15 * 64U) << "bit " << bit;
    }
}

TEST(HostileProducer, PaddingBeforePaddingEndsInCorruptNotInALoop) {
    Ring<> sut(kBytes);
    for (int i = 0; i < 15; ++i) {
        ASSERT_TRUE(sut.put_size(8));
        ASSERT_TRUE(sut.drop());
    }
    sut.memory.word(15 * 64) = padding_word(15 * 64);
    sut.memory.word(0) = padding_word(kBytes);
    Record record;
    EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
}

TEST(HostileProducer, RunningOverLinesThatWereNotGivenBackIsCorrupt) {
    Ring<> sut(kBytes);
    Record record;
    std::uint64_t position = 0;
    for (; position < kBytes - 64; position += 64) {
        sut.memory.word(position) = message_word(position, 8);
        ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
        sut.consumer.advance();
    }
    sut.memory.word(position) = message_word(position, 8);
    EXPECT_EQ(sut.consumer.peek(record), Poll::kCorrupt);
}

TEST(HostileProducer, AWordThatChangesBetweenTwoLooksDoesNoHarm) {
    Ring<> sut(kBytes);
    Record record;
    sut.memory.word(0) = message_word(0, 8);
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    sut.memory.word(0) = message_word(0, 500);
    ASSERT_EQ(record.body.size(), 8U);
    sut.consumer.advance();
    EXPECT_EQ(sut.consumer.head(), 64U) << "the first look counts";
    sut.memory.word(64) = message_word(64, 8);
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    sut.memory.word(64) = 0;
    ASSERT_EQ(sut.consumer.peek(record), Poll::kEmpty);
    sut.consumer.advance();
    EXPECT_EQ(sut.consumer.head(), 64U) << "the last look counts";
}

TEST(HostileProducer, RandomWordsNeverLeadOutOfTheRing) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 20000; ++round) {
        RingMemory memory(kBytes);
        Consumer<> sut(memory.control, memory.data());
        for (int step = 0; step < 40; ++step) {
            const std::uint64_t kind = random() % 8;
            std::uint64_t word = kind == 0 ? random()
                                 : kind == 1
                                     ? padding_word(sut.head())
                                     : message_word(sut.head(), static_cast<std::uint32_t>(random() % 600));
            if (random() % 16 == 0) {
                word ^= std::uint64_t{1} << random() % 64;
            }
            memory.word(sut.head()) = word;
            Record record;
            const Poll poll = sut.peek(record);
            if (poll == Poll::kCorrupt) {
                break;
            }
            if (poll == Poll::kRecord) {
                ASSERT_LE(record.body.size(), max_body_bytes(kBytes));
                ASSERT_TRUE(memory.contains(record.body));
                touch_all(record.body);
                sut.advance();
            }
            if (random() % 4 == 0) {
                sut.release();
            }
            ASSERT_LE(sut.unreleased(), kBytes - kLineBytes);
        }
    }
}

// Fills the ring, gives `taken` lines back, then stores `head`.
bool corrupt_after(std::uint64_t taken, std::uint64_t head) {
    Ring<> sut(kBytes);
    while (sut.put_size(8)) {
    }
    for (std::uint64_t i = 0; i < taken; ++i) {
        EXPECT_TRUE(sut.drop());
    }
    EXPECT_EQ(sut.producer.consumed(), taken * kLineBytes);
    sut.memory.control.head = head;
    while (sut.producer.tail() < 2 * kBytes && sut.put_size(8)) {
    }
    EXPECT_LE(sut.producer.tail(), 2 * kBytes);
    return sut.producer.corrupt();
}

TEST(HostileConsumer, AnImpossibleHeadIsCorrupt) {
    EXPECT_FALSE(corrupt_after(5, 5 * 64));
    EXPECT_FALSE(corrupt_after(5, 6 * 64));
    EXPECT_TRUE(corrupt_after(5, 4 * 64)) << "backwards";
    EXPECT_TRUE(corrupt_after(5, 0)) << "backwards";
    EXPECT_TRUE(corrupt_after(5, 5 * 64 + 1)) << "inside a line";
    EXPECT_TRUE(corrupt_after(5, 5 * 64 + 8)) << "inside a line";
    EXPECT_TRUE(corrupt_after(5, 64 * kBytes)) << "ahead of the tail";
    EXPECT_TRUE(corrupt_after(5, ~std::uint64_t{0}));
    EXPECT_TRUE(corrupt_after(5, ~std::uint64_t{63})) << "would overflow a sum";
}

TEST(HostileConsumer, EachFlippedBitOfTheHeadIsCorruptUnlessItIsAPossibleHead) {
    constexpr std::uint64_t kTaken = 5;
    constexpr std::uint64_t kTail = kBytes - 64;
    for (unsigned bit = 0; bit < 64; ++bit) {
        const std::uint64_t head = kTaken * kLineBytes ^ std::uint64_t{1} << bit;
        Ring<> sut(kBytes);
        while (sut.put_size(8)) {
        }
        ASSERT_EQ(sut.producer.tail(), kTail);
        for (std::uint64_t i = 0; i < kTaken; ++i) {
            ASSERT_TRUE(sut.drop());
        }
        ASSERT_EQ(sut.producer.consumed(), kTaken * kLineBytes);
        sut.memory.control.head = head;
        const bool possible = head % kLineBytes == 0 && head >= kTaken * kLineBytes && head <= kTail;
        const std::uint64_t seen = sut.producer.consumed();
        EXPECT_EQ(sut.producer.corrupt(), !possible) << "bit " << bit;
        EXPECT_EQ(seen, possible ? head : kTaken * kLineBytes) << "bit " << bit;
    }
}

TEST(HostileConsumer, CorruptionStaysAlsoWhenTheHeadIsRepaired) {
    Ring<> sut(kBytes);
    while (sut.put_size(8)) {
    }
    sut.memory.control.head = 3;
    EXPECT_FALSE(sut.producer.has_room(8));
    EXPECT_TRUE(sut.producer.corrupt());
    sut.memory.control.head = 10 * 64;
    EXPECT_FALSE(sut.producer.has_room(8));
    EXPECT_EQ(sut.producer.try_reserve(8), nullptr);
    sut.producer.tidy();
    EXPECT_TRUE(sut.producer.corrupt());
    EXPECT_EQ(sut.producer.consumed(), 0U);
}

TEST(HostileConsumer, RandomHeadsAndScribblingOnTheDataNeverLeadTheProducerOutOfTheRing) {
    std::mt19937_64 random(2);
    for (int round = 0; round < 5000; ++round) {
        RingMemory memory(kBytes);
        Producer<> sut(memory.control, memory.data());
        for (int step = 0; step < 60 && !sut.corrupt(); ++step) {
            switch (random() % 8) {
                case 0:
                    memory.control.head = random();
                    break;
                case 1:
                    memory.word(random() % kBytes / 8 * 8) = random();
                    break;
                case 2:
                    sut.tidy();
                    break;
                default:
                    memory.control.head = sut.tail() - random() % (sut.tail() / kLineBytes + 1) * kLineBytes;
            }
            const auto size = static_cast<std::uint32_t>(random() % 505);
            if (std::byte* body = sut.try_reserve(size); body != nullptr) {
                ASSERT_TRUE(memory.contains({body, size}));
                std::memset(body, 0xEE, size);
                if (random() % 8 != 0) {
                    sut.commit();
                }
            }
        }
    }
}

}  // namespace
}  // namespace keyway::ring
