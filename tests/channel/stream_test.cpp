#include <poll.h>

#include <numeric>
#include <random>
#include <thread>

#include "channel_fixture.hpp"

namespace keyway::test {

class StreamTest : public ChannelFixture {
  protected:
    static std::string drain(StreamReader& reader) {
        std::string text;
        std::array<std::byte, 1000> buffer;
        while (true) {
            auto count = reader.read(buffer, Deadline::in(30s));
            if (!count) {
                return text + "<" + std::string(count.error().name()) + ">";
            }
            if (*count == 0) {
                return text;
            }
            text += text_of(std::span(buffer).first(*count));
        }
    }
};

TEST_F(StreamTest, bytes_come_out_as_they_went_in) {
    Streams sut = streams();
    ASSERT_EQ(sut.writer.write(bytes_of("to be, ")).value(), 7U);
    ASSERT_EQ(sut.writer.write(bytes_of("or not to be")).value(), 12U);
    sut.writer.finish().value();
    EXPECT_EQ(drain(sut.reader), "to be, or not to be");
    EXPECT_EQ(sut.reader.state(), StreamState::kEnded);
    EXPECT_EQ(sut.writer.state(), StreamState::kEnded);
    EXPECT_EQ(sut.reader.badge(), 77U);
}

TEST_F(StreamTest, is_written_and_read_in_place) {
    Streams sut = streams();
    auto room = sut.writer.reserve(100).value();
    ASSERT_EQ(room.size(), 100U);
    std::memcpy(room.data(), "in place", 8);
    sut.writer.commit(8).value();
    const auto seen = sut.reader.peek(Deadline::in(30s)).value();
    EXPECT_EQ(text_of(seen), "in place");
    sut.reader.release(3).value();
    EXPECT_EQ(text_of(sut.reader.peek(Deadline::in(30s)).value()), "place");
    sut.reader.release(5).value();
    EXPECT_EQ(error_of(sut.reader.release(1)), "bad_argument");
    EXPECT_EQ(error_of(sut.writer.commit(1)), "bad_argument");  // nothing is reserved
}

TEST_F(StreamTest, pieces_are_contiguous_over_the_end_of_the_ring) {
    Streams sut = streams();
    const std::size_t whole = sut.writer.capacity();
    for (std::size_t round = 0; round < 5; ++round) {
        auto room = sut.writer.reserve(whole, Deadline::in(30s)).value();  // from anywhere in the ring
        for (std::size_t i = 0; i < whole; ++i) {
            room[i] = static_cast<std::byte>(i * 7 + round);
        }
        sut.writer.commit(whole - 1000).value();
        const auto seen = sut.reader.peek(Deadline::in(30s), whole - 1000).value();
        ASSERT_EQ(seen.size(), whole - 1000);
        for (std::size_t i = 0; i < seen.size(); ++i) {
            ASSERT_EQ(seen[i], static_cast<std::byte>(i * 7 + round)) << round << ' ' << i;
        }
        sut.reader.release(seen.size()).value();
    }
}

TEST_F(StreamTest, a_slow_reader_slows_its_writer_and_loses_nothing) {
    Streams sut = streams();
    const std::vector<std::byte> block(sut.writer.capacity());
    ASSERT_EQ(sut.writer.write(block).value(), block.size());
    EXPECT_EQ(error_of(sut.writer.write(bytes_of("x"), Deadline::in(2ms))), "timeout");
    EXPECT_EQ(error_of(sut.writer.reserve(1, Deadline::now())), "timeout");
    std::array<std::byte, 10> few;
    ASSERT_EQ(sut.reader.read(few).value(), few.size());
    EXPECT_EQ(sut.writer.write(bytes_of("0123456789")).value(), 10U);
    EXPECT_EQ(error_of(sut.writer.reserve(1, Deadline::now())), "timeout");
    sut.writer.finish().value();
    EXPECT_EQ(drain(sut.reader).size(), block.size());
}

TEST_F(StreamTest, content_is_whole_between_two_threads) {
    Streams sut = streams();
    constexpr std::uint64_t kTotal = 32U << 20;
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::thread writing([&] {
        std::mt19937_64 sizes(seed);
        std::mt19937_64 content(1);
        for (std::uint64_t done = 0; done < kTotal;) {
            const std::uint64_t words = std::min<std::uint64_t>(sizes() % 4000 + 1, (kTotal - done) / 8);
            auto room = sut.writer.reserve(words * 8, Deadline::in(60s));
            ASSERT_TRUE(succeeded(room));
            for (std::uint64_t i = 0; i < words; ++i) {
                const std::uint64_t word = content();
                std::memcpy(room->data() + i * 8, &word, 8);
            }
            sut.writer.commit(words * 8).value();
            done += words * 8;
        }
        sut.writer.finish().value();
    });
    std::mt19937_64 content(1);
    std::mt19937_64 sizes(seed + 1);
    std::uint64_t done = 0;
    std::uint64_t wrong = 0;
    while (true) {
        const auto seen = sut.reader.peek(Deadline::in(60s), 8);
        ASSERT_TRUE(succeeded(seen));
        if (seen->empty()) {
            break;
        }
        const std::uint64_t words = std::min<std::uint64_t>(seen->size() / 8, sizes() % 4000 + 1);
        for (std::uint64_t i = 0; i < words; ++i) {
            std::uint64_t word = 0;
            std::memcpy(&word, seen->data() + i * 8, 8);
            wrong += word == content() ? 0U : 1U;
        }
        sut.reader.release(words * 8).value();
        done += words * 8;
    }
    writing.join();
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(done, kTotal);
}

TEST_F(StreamTest, both_wake_each_other_when_both_sleep_at_once) {
    const StreamOptions sleepy{.bytes = 64 * 1024, .spin = 0us};
    auto opening = std::async(std::launch::async, [&] {
        return open_stream(client_, to_service_, sleepy, Deadline::in(30s)).value();
    });
    StreamReader reader = accept_stream(service_, offer(), sleepy).value();
    StreamWriter writer = opening.get();
    constexpr std::size_t kTotal = 16U << 20;
    std::thread writing([&] {
        const std::vector<std::byte> block(60'000);
        for (std::size_t done = 0; done < kTotal; done += block.size()) {
            ASSERT_TRUE(succeeded(writer.write(block, Deadline::in(60s))));
        }
        writer.finish().value();
    });
    std::vector<std::byte> buffer(50'000);
    std::size_t done = 0;
    while (true) {
        auto count = reader.read(buffer, Deadline::in(60s));
        ASSERT_TRUE(succeeded(count));
        if (*count == 0) {
            break;
        }
        done += *count;
    }
    writing.join();
    EXPECT_EQ(done, (kTotal + 59'999) / 60'000 * 60'000);
}

TEST_F(StreamTest, an_abort_comes_after_what_was_committed_with_its_reason) {
    Streams sut = streams();
    sut.writer.write(bytes_of("half of it")).value();
    sut.writer.abort(42, "the disk is full").value();
    EXPECT_EQ(drain(sut.reader), "half of it<aborted>");
    EXPECT_EQ(sut.reader.state(), StreamState::kAborted);
    EXPECT_EQ(sut.reader.reason().code, 42U);
    EXPECT_EQ(sut.reader.reason().text, "the disk is full");
    EXPECT_EQ(error_of(sut.writer.write(bytes_of("more"))), "aborted");
    EXPECT_EQ(error_of(sut.writer.finish()), "bad_argument");
}

TEST_F(StreamTest, a_reader_that_wants_no_more_stops_a_writer_who_waits) {
    Streams sut = streams();
    const std::vector<std::byte> block(sut.writer.capacity());
    sut.writer.write(block).value();
    auto waiting = std::async(std::launch::async,
                              [&] { return error_of(sut.writer.write(bytes_of("x"), Deadline::in(30s))); });
    sut.reader.abort(7, std::string(100, 'x')).value();
    EXPECT_EQ(waiting.get(), "aborted");
    EXPECT_EQ(sut.writer.reason().code, 7U);
    EXPECT_EQ(sut.writer.reason().text, std::string(64, 'x'));
    EXPECT_EQ(error_of(sut.reader.peek()), "aborted");
}

TEST_F(StreamTest, a_writer_that_leaves_without_a_word_never_looks_complete) {
    Streams sut = streams();
    sut.writer.write(bytes_of("cut")).value();
    { const StreamWriter gone = std::move(sut.writer); }
    EXPECT_EQ(drain(sut.reader), "cut<peer_gone>");
    EXPECT_EQ(sut.reader.state(), StreamState::kPeerGone);
}

TEST_F(StreamTest, a_writer_that_finished_may_leave_before_it_is_read) {
    Streams sut = streams();
    sut.writer.write(bytes_of("all of it")).value();
    sut.writer.finish().value();
    { const StreamWriter gone = std::move(sut.writer); }
    EXPECT_EQ(drain(sut.reader), "all of it");
    EXPECT_EQ(sut.reader.state(), StreamState::kEnded);
}

TEST_F(StreamTest, a_writer_hears_of_a_reader_that_leaves) {
    Streams sut = streams();
    const std::vector<std::byte> block(sut.writer.capacity());
    sut.writer.write(block).value();
    auto waiting = std::async(std::launch::async,
                              [&] { return error_of(sut.writer.write(bytes_of("x"), Deadline::in(30s))); });
    { const StreamReader gone = std::move(sut.reader); }
    EXPECT_EQ(waiting.get(), "peer_gone");
    EXPECT_EQ(sut.writer.state(), StreamState::kPeerGone);
}

TEST_F(StreamTest, records_come_out_whole_one_at_a_time) {
    Streams sut = streams(true);
    EXPECT_TRUE(sut.reader.carries_records());
    for (const char* text : {"one", "", "three"}) {
        sut.writer.write_record(bytes_of(text)).value();
    }
    sut.writer.finish().value();
    std::array<std::byte, 4> small;
    EXPECT_EQ(text_of(sut.reader.peek_record(Deadline::in(30s)).value()), "one");
    sut.reader.release_record().value();
    EXPECT_EQ(error_of(sut.reader.release_record()), "bad_argument");
    EXPECT_EQ(sut.reader.read_record(small).value(), 0U);
    EXPECT_EQ(sut.reader.state(), StreamState::kOpen);
    EXPECT_EQ(error_of(sut.reader.read_record(small)), "bad_argument");  // too small: it stays
    EXPECT_EQ(text_of(sut.reader.peek_record(Deadline::in(30s)).value()), "three");
    sut.reader.release_record().value();
    EXPECT_EQ(sut.reader.peek_record(Deadline::in(30s)).value().data(), nullptr);
    EXPECT_EQ(sut.reader.state(), StreamState::kEnded);
    EXPECT_EQ(error_of(sut.writer.write(bytes_of("x"))), "bad_argument");
}

TEST_F(StreamTest, a_record_has_half_of_the_ring_at_most_and_may_lie_over_its_end) {
    Streams sut = streams(true);
    const std::size_t most = sut.writer.capacity() / 2 - 4;
    std::vector<std::byte> record(most + 1);
    EXPECT_EQ(error_of(sut.writer.write_record(record)), "bad_argument");
    record.resize(most - 4096);
    std::vector<std::byte> out(most);
    for (unsigned round = 0; round < 9; ++round) {
        std::ranges::fill(record, static_cast<std::byte>(round));
        sut.writer.write_record(record, Deadline::in(30s)).value();
        ASSERT_EQ(sut.reader.read_record(out, Deadline::in(30s)).value(), record.size());
        ASSERT_TRUE(std::ranges::equal(std::span(out).first(record.size()), record)) << round;
    }
}

TEST_F(StreamTest, a_poll_loop_is_told_of_bytes_of_room_and_of_the_end) {
    const auto readable = [](int fd) {
        pollfd wanted{fd, POLLIN, 0};
        return ::poll(&wanted, 1, 30'000) == 1;
    };
    Streams sut = streams();
    ASSERT_FALSE(sut.reader.arm());
    const std::vector<std::byte> block(sut.writer.capacity());
    sut.writer.write(block).value();
    EXPECT_TRUE(readable(sut.reader.descriptor()));
    EXPECT_TRUE(sut.reader.arm());
    ASSERT_FALSE(sut.writer.arm());
    sut.reader.release(block.size() / 2).value();
    EXPECT_TRUE(readable(sut.writer.descriptor()));
    EXPECT_TRUE(sut.writer.arm());
    sut.reader.release(block.size() / 2).value();
    ASSERT_FALSE(sut.reader.arm());
    sut.writer.finish().value();
    EXPECT_TRUE(readable(sut.reader.descriptor()));
    EXPECT_TRUE(sut.reader.arm());
}

}  // namespace keyway::test
