// Real processes, one of which is killed at any moment; and content between two of them.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <random>

#include "channel_fixture.hpp"

namespace keyway::test {

/// A router with a socket in this process; the other end of each channel is in a child.
class TwoProcesses : public ::testing::Test {
  protected:
    TwoProcesses() {
        std::string folder = (std::filesystem::temp_directory_path() / "keyway-channel-XXXXXX").string();
        EXPECT_NE(::mkdtemp(folder.data()), nullptr);
        folder_ = folder;
        socket_ = folder_ + "/router.sock";
    }
    ~TwoProcesses() override {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        router_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    /// Forks before any thread is there. The child waits for the router, then does its part.
    void start(const std::function<void(Connection&)>& part) {
        int ready[2];
        ASSERT_EQ(::pipe(ready), 0);
        child_ = ::fork();
        ASSERT_GE(child_, 0);
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            char token = 0;
            ::close(ready[1]);
            if (::read(ready[0], &token, 1) == 1) {
                Connection connection = Connection::open({.socket = socket_}).value();
                part(connection);
            }
            ::_exit(0);
        }
        ::close(ready[0]);
        RouterOptions options;
        options.policy = Policy::permissive();
        options.policy.rules[0].lookup = {{.name = "*", .rights = right::kWrite | right::kDevice}};
        options.socket = socket_;
        options.spin = 5us;
        router_.emplace(std::move(options));
        router_->start().value();
        connection_.emplace(Connection::open({.socket = socket_}).value());
        connection_->register_endpoint("service").value();
        ASSERT_EQ(::write(ready[1], "x", 1), 1);
        ::close(ready[1]);
    }
    void kill_child() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        child_ = -1;
    }
    static void sleep_for_ever() {
        while (true) {
            ::pause();
        }
    }

    std::string folder_;
    std::string socket_;
    pid_t child_ = -1;
    std::optional<Router> router_;
    std::optional<Connection> connection_;
};

TEST_F(TwoProcesses, a_receiver_hears_at_once_of_a_sender_that_was_killed) {
    start([](Connection& connection) {
        Lane lane = open_lane(connection, connection.lookup("service").value()).value();
        lane.sender().send("last words").value();
        sleep_for_ever();
    });
    Lane sut = accept_lane(*connection_, connection_->receive(Deadline::in(30s)).value()).value();
    LaneMessage message;
    ASSERT_TRUE(succeeded(sut.receiver().receive(message, Deadline::in(30s))));
    EXPECT_EQ(message.text(), "last words");
    auto waiting = std::async(std::launch::async, [&] {
        LaneMessage none;
        return error_of(sut.receiver().receive(none, Deadline::in(30s)));
    });
    kill_child();
    EXPECT_EQ(waiting.get(), "peer_gone");
}

TEST_F(TwoProcesses, a_sender_hears_of_a_receiver_that_was_killed_while_it_waits_for_room) {
    start([](Connection& connection) {
        Lane lane = open_lane(connection, connection.lookup("service").value()).value();
        lane.sender().send("ready").value();
        sleep_for_ever();
    });
    Lane sut = accept_lane(*connection_, connection_->receive(Deadline::in(30s)).value()).value();
    LaneMessage message;
    sut.receiver().receive(message, Deadline::in(30s)).value();
    const std::vector<std::byte> body(4096);
    while (sut.sender().try_send(body)) {
    }
    auto waiting =
        std::async(std::launch::async, [&] { return error_of(sut.sender().send(body, Deadline::in(30s))); });
    kill_child();
    EXPECT_EQ(waiting.get(), "peer_gone");
}

TEST_F(TwoProcesses, what_a_killed_writer_had_committed_is_read_and_then_it_is_gone) {
    start([](Connection& connection) {
        StreamWriter writer = open_stream(connection, connection.lookup("service").value()).value();
        writer.write(bytes_of("committed")).value();
        auto room = writer.reserve(100).value();  // and this was not
        std::memset(room.data(), 'x', room.size());
        ::kill(::getpid(), SIGKILL);
    });
    // It may be dead before we accept: then the offer is over.
    auto sut = accept_stream(*connection_, connection_->receive(Deadline::in(30s)).value());
    if (!sut) {
        GTEST_SKIP() << error_of(sut);
    }
    std::array<std::byte, 200> buffer;
    auto count = sut->read(buffer, Deadline::in(30s));
    ASSERT_TRUE(succeeded(count));
    EXPECT_EQ(text_of(std::span(buffer).first(*count)), "committed");
    EXPECT_EQ(error_of(sut->read(buffer, Deadline::in(30s))), "peer_gone");
}

TEST_F(TwoProcesses, a_sender_killed_at_any_moment_leaves_only_whole_messages) {
    start([](Connection& connection) {
        Lane lane = open_lane(connection, connection.lookup("service").value()).value();
        std::vector<std::byte> body(3000);
        for (unsigned i = 0;; ++i) {
            std::memset(body.data(), static_cast<int>(i & 0xFF), body.size());
            lane.sender().send(body).value();
        }
    });
    Lane sut = accept_lane(*connection_, connection_->receive(Deadline::in(30s)).value()).value();
    LaneMessage message;
    std::string end;
    for (unsigned i = 0; end.empty(); ++i) {
        if (i == 5000) {
            kill_child();
        }
        const auto taken = sut.receiver().receive(message, Deadline::in(30s));
        if (!taken) {
            end = error_of(taken);
            break;
        }
        ASSERT_EQ(message.header().sequence(), i + 1);
        for (const std::byte byte : message.payload()) {
            ASSERT_EQ(byte, static_cast<std::byte>(i & 0xFF));
        }
    }
    EXPECT_EQ(end, "peer_gone");
}

std::uint64_t mix(std::uint64_t hash, std::span<const std::byte> bytes) {
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
        hash ^= hash >> 29;
    }
    return hash;
}

TEST_F(TwoProcesses, a_quarter_gigabyte_arrives_as_it_was_sent) {
    constexpr std::size_t kTotal = 256U << 20;
    constexpr std::size_t kBlock = 64 * 1024;
    start([](Connection& connection) {
        StreamWriter writer = open_stream(connection, connection.lookup("service").value()).value();
        std::vector<std::byte> block(kBlock);
        std::mt19937_64 random(7);
        for (std::size_t at = 0; at < kBlock; at += 8) {
            const std::uint64_t word = random();
            std::memcpy(block.data() + at, &word, 8);
        }
        std::uint64_t hash = 1;
        for (std::uint64_t i = 0; i < kTotal / kBlock; ++i) {
            std::memcpy(block.data() + i * 64 % kBlock, &i, sizeof i);
            hash = mix(hash, block);
            writer.write(block).value();
        }
        writer.write(std::as_bytes(std::span(&hash, 1))).value();
        writer.finish().value();
        sleep_for_ever();
    });
    StreamReader sut = accept_stream(*connection_, connection_->receive(Deadline::in(30s)).value()).value();
    std::uint64_t hash = 1;
    std::size_t done = 0;
    while (done < kTotal) {
        const auto seen = sut.peek(Deadline::in(60s), 8);
        ASSERT_TRUE(succeeded(seen));
        const std::size_t count = std::min(seen->size() / 8 * 8, kTotal - done);
        hash = mix(hash, seen->first(count));
        sut.release(count).value();
        done += count;
    }
    std::uint64_t theirs = 0;
    ASSERT_EQ(sut.read(std::as_writable_bytes(std::span(&theirs, 1)), Deadline::in(30s)).value(), 8U);
    EXPECT_EQ(hash, theirs);
    EXPECT_TRUE(sut.peek(Deadline::in(30s)).value().empty());
    EXPECT_EQ(sut.state(), StreamState::kEnded);
}

}  // namespace keyway::test
