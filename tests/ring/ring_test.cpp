#include "ring/ring.hpp"

#include "ring_fixture.hpp"

namespace keyway::ring {
namespace {

constexpr std::size_t kSmall = 512;  // 8 lines, bodies up to 248 bytes

TEST(Ring, IsEmptyAtFirst) {
    Ring<> sut(kSmall);
    Record record;
    EXPECT_EQ(sut.consumer.peek(record), Poll::kEmpty);
    EXPECT_FALSE(sut.consumer.pending());
    EXPECT_EQ(sut.producer.tail(), 0U);
    EXPECT_EQ(sut.producer.consumed(), 0U);
}

TEST(Ring, ARecordIsInvisibleUntilItIsCommitted) {
    Ring<> sut(kSmall);
    Record record;
    std::byte* body = sut.producer.try_reserve(24);
    ASSERT_NE(body, nullptr);
    body[0] = std::byte{7};
    EXPECT_EQ(sut.consumer.peek(record), Poll::kEmpty);
    sut.producer.commit();
    EXPECT_TRUE(sut.consumer.pending());
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    EXPECT_EQ(record.body.size(), 24U);
    EXPECT_EQ(record.body[0], std::byte{7});
    EXPECT_EQ(record.position, 0U);
}

TEST(Ring, EverySizeOfBodyArrivesWhole) {
    Ring<> sut(kMinFullSizeRingBytes);
    std::vector<std::byte> got;
    for (std::uint32_t size = 0; size <= kMaxBodyBytes; ++size) {
        const std::vector<std::byte> sent = body_number(size, size);
        ASSERT_TRUE(sut.put(sent)) << size;
        ASSERT_EQ(sut.take(got), Poll::kRecord) << size;
        ASSERT_EQ(got, sent) << size;
        sut.consumer.release();
        if (size % 3 == 0) {
            sut.producer.tidy();
        }
    }
    EXPECT_FALSE(sut.producer.corrupt());
    EXPECT_FALSE(sut.consumer.corrupt());
}

TEST(Ring, ABodyOf56BytesSharesOneLineWithItsCommitWordAndOneOf57Not) {
    Ring<> sut(kSmall);
    ASSERT_TRUE(sut.put_size(56));
    EXPECT_EQ(sut.producer.tail(), 64U);
    ASSERT_TRUE(sut.put_size(57));
    EXPECT_EQ(sut.producer.tail(), 192U);
}

TEST(Ring, BodiesAreAlignedToEightBytes) {
    Ring<> sut(kSmall);
    for (int i = 0; i < 20; ++i) {
        std::byte* body = sut.producer.try_reserve(static_cast<std::uint32_t>(i * 10));
        ASSERT_NE(body, nullptr);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(body) % 8, 0U);
        sut.producer.commit();
        ASSERT_TRUE(sut.drop());
    }
}

TEST(Ring, KeepsOneLineEmptyAndIsFullThen) {
    Ring<> sut(kSmall);
    for (int i = 0; i < 7; ++i) {
        ASSERT_TRUE(sut.put_size(56)) << i;
    }
    EXPECT_FALSE(sut.producer.has_room(0));
    EXPECT_EQ(sut.producer.try_reserve(0), nullptr);
    EXPECT_FALSE(sut.producer.corrupt());
    EXPECT_TRUE(sut.drop());
    EXPECT_TRUE(sut.put_size(56));
    EXPECT_FALSE(sut.put_size(0));
}

TEST(Ring, ARecordThatFitsTheEndExactlyNeedsNoPadding) {
    Ring<> sut(kSmall);
    ASSERT_TRUE(sut.put_size(248));  // 4 lines
    ASSERT_TRUE(sut.drop());
    ASSERT_TRUE(sut.put_size(248));  // the other 4
    EXPECT_EQ(sut.producer.tail(), kSmall);
    Record record;
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    EXPECT_EQ(record.position, 256U);
    ASSERT_TRUE(sut.drop());
    EXPECT_EQ(sut.consumer.head(), kSmall);
}

TEST(Ring, ARecordThatWouldCrossTheEndIsPrecededByPadding) {
    Ring<> sut(kSmall);
    ASSERT_TRUE(sut.put_size(248));
    ASSERT_TRUE(sut.put_size(100));  // 2 lines, up to 384: 2 are left
    ASSERT_TRUE(sut.drop());
    ASSERT_TRUE(sut.drop());
    const std::vector<std::byte> sent = body_number(1, 184);  // 3 lines
    ASSERT_TRUE(sut.put(sent));
    EXPECT_EQ(sut.producer.tail(), kSmall + 192U);
    EXPECT_EQ(unpack(sut.memory.word(384)).kind, static_cast<std::uint16_t>(RecordKind::kPadding));
    Record record;
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    EXPECT_EQ(record.position, kSmall);
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), record.body.begin(), record.body.end()));
}

TEST(Ring, PaddingCountsForRoomAndNothingIsPublishedIfBothDoNotFit) {
    Ring<> sut(kSmall);
    for (int i = 0; i < 6; ++i) {
        ASSERT_TRUE(sut.put_size(56));  // up to 384
    }
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(sut.drop());  // up to 192: 4 lines free and the empty one
    }
    EXPECT_FALSE(sut.put_size(184));  // 2 of padding, 3 of record, 1 empty
    EXPECT_EQ(sut.memory.word(384), 0U);
    EXPECT_TRUE(sut.put_size(120));  // 2 of record, no padding
}

TEST(Ring, TheLargestBodyFitsAnEmptyRingWhereverThePositionIs) {
    for (const std::size_t bytes : {128U, 256U, 512U, 8192U, 16384U}) {
        for (std::size_t line = 0; line < bytes / kLineBytes; ++line) {
            Ring<> sut(bytes);
            for (std::size_t i = 0; i < line; ++i) {
                ASSERT_TRUE(sut.put_size(1));
                ASSERT_TRUE(sut.drop());
            }
            const std::vector<std::byte> sent = body_number(line, sut.producer.max_body());
            ASSERT_TRUE(sut.put(sent)) << bytes << " bytes, line " << line;
            std::vector<std::byte> got;
            ASSERT_EQ(sut.take(got), Poll::kRecord);
            ASSERT_EQ(got, sent);
        }
    }
}

TEST(Ring, LinesStayWithTheConsumerUntilItReleasesThem) {
    Ring<> sut(kSmall);
    for (std::uint64_t i = 0; i < 7; ++i) {
        ASSERT_TRUE(sut.put(body_number(i, 56)));
    }
    Record kept[7];
    for (Record& record : kept) {
        ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
        sut.consumer.advance();
    }
    EXPECT_EQ(sut.consumer.unreleased(), 7 * 64U);
    EXPECT_FALSE(sut.producer.has_room(0));
    for (std::uint64_t i = 0; i < 7; ++i) {
        const std::vector<std::byte> sent = body_number(i, 56);
        EXPECT_TRUE(std::equal(sent.begin(), sent.end(), kept[i].body.begin(), kept[i].body.end())) << i;
    }
    sut.consumer.release();
    EXPECT_EQ(sut.consumer.unreleased(), 0U);
    EXPECT_EQ(sut.producer.consumed(), 7 * 64U);
    EXPECT_TRUE(sut.producer.has_room(0));
}

TEST(Ring, PeekingTwiceShowsTheSameRecordAndAdvancingTwiceSkipsNone) {
    Ring<> sut(kSmall);
    ASSERT_TRUE(sut.put_size(1));
    ASSERT_TRUE(sut.put_size(2));
    Record record;
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    EXPECT_EQ(record.body.size(), 1U);
    sut.consumer.advance();
    sut.consumer.advance();
    ASSERT_EQ(sut.consumer.peek(record), Poll::kRecord);
    EXPECT_EQ(record.body.size(), 2U);
}

TEST(Ring, AReservationGivenUpLeavesNothingThatTheConsumerCouldMistake) {
    Ring<> sut(kSmall);
    std::byte* body = sut.producer.try_reserve(200);
    ASSERT_NE(body, nullptr);
    for (std::uint64_t line = 1; line < 4; ++line) {  // as if a body imitated commit words in its later lines
        const std::uint64_t forged = message_word(line * kLineBytes, 24);
        std::memcpy(body - kCommitBytes + line * kLineBytes, &forged, sizeof forged);
    }
    ASSERT_TRUE(sut.put_size(8));
    ASSERT_TRUE(sut.drop());
    Record record;
    EXPECT_EQ(sut.consumer.peek(record), Poll::kEmpty);
}

TEST(Ring, AReservationBehindPaddingCanBeGivenUpToo) {
    Ring<> sut(kSmall);
    for (int i = 0; i < 7; ++i) {
        ASSERT_TRUE(sut.put_size(56));
        ASSERT_TRUE(sut.drop());
    }
    std::byte* body = sut.producer.try_reserve(200);  // at the start of the next lap
    ASSERT_NE(body, nullptr);
    std::memset(body, 0xFF, 200);
    for (int i = 0; i < 6; ++i) {
        ASSERT_TRUE(sut.put_size(56)) << i;
        ASSERT_TRUE(sut.drop()) << i;
        Record record;
        ASSERT_EQ(sut.consumer.peek(record), Poll::kEmpty) << i;
    }
}

TEST(Ring, RoomOncePromisedStaysWhateverTheConsumerWrites) {
    Ring<> sut(kSmall);
    ASSERT_TRUE(sut.put_size(56));
    ASSERT_TRUE(sut.producer.has_room(120));
    sut.memory.control.head = ~std::uint64_t{0};
    EXPECT_NE(sut.producer.try_reserve(120), nullptr);
    sut.producer.commit();
}

TEST(Ring, TidyClearsAheadSoThatReservingNeedNotReadTheHead) {
    Ring<> sut(kSmall);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(sut.put_size(56));
        ASSERT_TRUE(sut.drop());
        sut.producer.tidy();
    }
    sut.memory.control.head = 1;  // would be found out if it were read
    EXPECT_TRUE(sut.put_size(56));
    EXPECT_FALSE(sut.producer.corrupt());
}

TEST(Ring, TagsMayWrap) {
    constexpr std::uint64_t kStart = ((std::uint64_t{1} << 32) - 40) * kLineBytes;
    Ring<> sut(kSmall, kStart);
    std::vector<std::byte> got;
    for (std::uint64_t i = 0; i < 200; ++i) {
        const std::vector<std::byte> sent = body_number(i, i % 240);
        ASSERT_TRUE(sut.put(sent));
        ASSERT_EQ(sut.take(got), Poll::kRecord);
        ASSERT_EQ(got, sent);
        sut.consumer.release();
    }
    EXPECT_GT(sut.producer.tail(), kStart + 80 * kLineBytes);
}

// What a third party may do with payload: long messages whose every line begins with the commit word that
// will be due there in the next lap. See "stale bytes" in ring.hpp.
template <class Atomics>
Poll poll_where_a_forged_commit_word_lies() {
    Ring<Atomics> sut(256);
    std::vector<std::byte> body(120);
    const std::uint64_t forged = message_word(256 + 64, 24);
    std::memcpy(body.data() + 56, &forged, sizeof forged);  // the first word of line 1
    EXPECT_TRUE(sut.put(body));
    EXPECT_TRUE(sut.drop());
    for (int line = 2; line < 5; ++line) {  // the second lap, up to the line that was forged
        EXPECT_TRUE(sut.put_size(8));
        EXPECT_TRUE(sut.drop());
    }
    Record record;
    return sut.consumer.peek(record);
}

TEST(Ring, StalePayloadThatImitatesACommitWordIsNeverTaken) {
    EXPECT_EQ(poll_where_a_forged_commit_word_lies<NativeAtomics>(), Poll::kEmpty);
}

struct WithoutClearing : NativeAtomics {
    static constexpr bool kClearsLines = false;
};

TEST(Ring, StalePayloadWouldBeTakenIfLinesWereNotCleared) {
    EXPECT_EQ(poll_where_a_forged_commit_word_lies<WithoutClearing>(), Poll::kRecord);
}

using RingDeathTest = ::testing::Test;

TEST(RingDeathTest, ABugOfTheCallerStopsTheProcess) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            Ring<> sut(kSmall);
            (void)sut.producer.try_reserve(249);
        },
        "larger than this ring can carry");
    EXPECT_DEATH(
        {
            Ring<> sut(kSmall);
            sut.producer.commit();
        },
        "without a reservation");
    EXPECT_DEATH(Ring<> sut(576), "bad size");
}

TEST(Ring, GoesOnInACopyOfItsMemory) {
    RingMemory before(1024);
    RingMemory after(1024);
    Producer<> first(before.control, before.data());
    Consumer<> reader(before.control, before.data());
    const auto put = [](Producer<>& producer, std::uint64_t number) {
        std::byte* body = producer.try_reserve(sizeof number);
        ASSERT_NE(body, nullptr);
        std::memcpy(body, &number, sizeof number);
        producer.commit();
    };
    const auto expect = [&](std::uint64_t number) {
        Record record;
        ASSERT_EQ(reader.peek(record), Poll::kRecord);
        std::uint64_t seen = 0;
        std::memcpy(&seen, record.body.data(), sizeof seen);
        EXPECT_EQ(seen, number);
        reader.advance();
        reader.release();
    };
    for (std::uint64_t number = 0; number < 20; ++number) {  // more than a lap
        put(first, number);
        expect(number);
    }
    put(first, 20);
    put(first, 21);
    // A body that was never committed: nobody may take it for a record later.
    std::byte* half = first.try_reserve(200);
    ASSERT_NE(half, nullptr);
    std::memset(half, 0xFF, 200);

    const std::uint64_t end = reader.end();
    std::memcpy(after.data().data(), before.data().data(), before.data().size());
    after.control = before.control;
    reader.move_to(after.control, after.data());
    Producer<> second(after.control, after.data());
    ASSERT_TRUE(second.go_on_at(end, after.control.head));
    EXPECT_EQ(end, first.tail());
    for (std::uint64_t number = 22; number < 60; ++number) {
        expect(number - 2);
        put(second, number);
    }
}

TEST(Ring, GoingOnTakesNoImpossiblePlace) {
    RingMemory memory(1024);
    Producer<> sut(memory.control, memory.data());
    EXPECT_FALSE(sut.go_on_at(8, 0));
    EXPECT_FALSE(sut.go_on_at(64, 8));
    EXPECT_FALSE(sut.go_on_at(64, 128));
    EXPECT_FALSE(sut.go_on_at(1024, 0));
    EXPECT_TRUE(sut.go_on_at(960, 0));
}

}  // namespace
}  // namespace keyway::ring
