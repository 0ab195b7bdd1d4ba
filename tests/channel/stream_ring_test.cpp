// The cursors of a stream by themselves, in ordinary memory: order between two threads, which the thread
// sanitizer checks here, and what a peer may not say.
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "stream/stream_ring.hpp"

namespace keyway::stream {
namespace {

TEST(StreamCursors, order_all_reading_and_writing_between_two_threads) {
    constexpr std::uint64_t kCapacity = 64;
    constexpr std::uint64_t kTotal = 200'000;
    auto cursors = std::make_unique<Cursors>();
    std::vector<std::uint64_t> ring(kCapacity);  // a "byte" is a word here
    std::thread writing([&] {
        Writer<> sut(*cursors, kCapacity);
        for (std::uint64_t done = 0; done < kTotal;) {
            const std::uint64_t room = std::min(sut.room(7), kTotal - done);
            for (std::uint64_t i = 0; i < room; ++i, ++done) {
                ring[(sut.position() + i) % kCapacity] = done;
            }
            if (room == 0) {
                std::this_thread::yield();
                continue;
            }
            sut.commit(room);
        }
        sut.end(kEnded);
    });
    Reader<> sut(*cursors, kCapacity);
    std::uint64_t got = 0;
    std::uint64_t wrong = 0;
    while (sut.ended() == 0) {
        const std::uint64_t there = sut.available(5);
        for (std::uint64_t i = 0; i < there; ++i, ++got) {
            wrong += ring[(sut.position() + i) % kCapacity] == got ? 0U : 1U;
        }
        if (there != 0) {
            sut.release(there);
        } else {
            std::this_thread::yield();
        }
        ASSERT_FALSE(sut.corrupt());
    }
    writing.join();
    EXPECT_EQ(got, kTotal);
    EXPECT_EQ(wrong, 0U);
}

TEST(StreamCursors, a_writer_believes_no_impossible_cursor) {
    for (const std::uint64_t read : {std::uint64_t{11}, ~std::uint64_t{0}}) {
        Cursors cursors{};
        Writer<> sut(cursors, 16);
        ASSERT_EQ(sut.room(10), 16U);
        sut.commit(10);
        cursors.reader.read = read;
        EXPECT_EQ(sut.room(10), 0U);
        EXPECT_TRUE(sut.corrupt());
        cursors.reader.read = 10;
        EXPECT_EQ(sut.room(1), 0U);  // for ever
    }
}

TEST(StreamCursors, a_writer_believes_no_cursor_that_goes_back) {
    Cursors cursors{};
    Writer<> sut(cursors, 16);
    sut.commit(16);
    cursors.reader.read = 8;
    EXPECT_EQ(sut.room(8), 8U);
    cursors.reader.read = 4;
    EXPECT_EQ(sut.room(16), 0U);
    EXPECT_TRUE(sut.corrupt());
}

TEST(StreamCursors, a_reader_believes_no_impossible_cursor_and_none_that_goes_back) {
    Cursors cursors{};
    Reader<> sut(cursors, 16);
    cursors.writer.written = 16;
    EXPECT_EQ(sut.available(), 16U);
    sut.release(16);
    cursors.writer.written = 33;
    EXPECT_EQ(sut.available(), 0U);
    EXPECT_TRUE(sut.corrupt());
    Reader<> back(cursors, 64);
    EXPECT_EQ(back.available(), 33U);
    cursors.writer.written = 32;
    EXPECT_EQ(back.available(34), 0U);
    EXPECT_TRUE(back.corrupt());
}

TEST(StreamCursors, an_end_that_is_not_where_the_writing_ended_is_impossible) {
    Cursors cursors{};
    Reader<> sut(cursors, 16);
    cursors.writer.written = 8;
    cursors.writer.end = 9 | kEnded;
    EXPECT_EQ(sut.end_seen(), 0U);
    EXPECT_TRUE(sut.corrupt());
}

}  // namespace
}  // namespace keyway::stream
