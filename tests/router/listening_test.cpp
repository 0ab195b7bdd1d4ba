// The router's socket: who may have the path, and what happens when descriptors run out.

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "link/control.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Listening : public ::testing::Test {
  protected:
    Listening() {
        std::string pattern = (std::filesystem::temp_directory_path() / "keyway-test-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        socket_ = directory_ / "router.sock";
    }
    ~Listening() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] RouterOptions options() const {
        RouterOptions options;
        options.policy = Policy::permissive();
        options.capability_slots = 256;
        options.socket = socket_;
        return options;
    }

    std::filesystem::path directory_;
    std::string socket_;
};

TEST_F(Listening, a_process_connects_by_path_and_the_path_is_gone_with_the_router) {
    {
        Router sut(options());
        ASSERT_TRUE(succeeded(sut.start()));
        auto connection = Connection::open({.socket = socket_});
        ASSERT_TRUE(succeeded(connection));
        EXPECT_NE(connection->id(), 0U);
        struct stat status {};
        ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0666U);
    }
    EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(Listening, the_path_of_a_router_that_listens_can_not_be_taken) {
    Router first(options());
    ASSERT_TRUE(succeeded(first.start()));
    Router second(options());
    const auto outcome = second.listen();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().system_error(), EADDRINUSE);
    EXPECT_TRUE(succeeded(Connection::open({.socket = socket_})));
}

TEST_F(Listening, a_socket_that_nobody_listens_on_is_replaced) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    {
        const UniqueFd left_behind(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(left_behind.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    Router sut(options());
    ASSERT_TRUE(succeeded(sut.start()));
    EXPECT_TRUE(succeeded(Connection::open({.socket = socket_})));
}

TEST_F(Listening, a_file_that_is_no_socket_is_left_alone) {
    std::ofstream(socket_) << "precious";
    Router sut(options());
    EXPECT_FALSE(sut.listen());
    EXPECT_TRUE(std::filesystem::is_regular_file(socket_));
    Router nowhere([&] {
        RouterOptions bad = options();
        bad.socket = std::string(300, 'x');
        return bad;
    }());
    EXPECT_EQ(nowhere.listen().error().system_error(), ENAMETOOLONG);
}

TEST_F(Listening, a_router_out_of_descriptors_refuses_politely_and_recovers) {
    Router sut(options());
    ASSERT_TRUE(succeeded(sut.start()));
    auto settled = Connection::open({.socket = socket_}).value();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    const UniqueFd caller(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(caller.get());  // the lowest descriptor that is free
    ::close(next);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(next);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    ASSERT_EQ(::connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const auto refusal = link::receive_control(caller.get(), Deadline::in(30s));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

    ASSERT_TRUE(succeeded(refusal));
    EXPECT_EQ(refusal->message.status, static_cast<std::uint8_t>(Status::kLimit));
    EXPECT_TRUE(succeeded(settled.send(Outgoing::to(settled.self(), "still here"), Deadline::in(30s))));
    EXPECT_TRUE(succeeded(Connection::open({.socket = socket_})));
}

}  // namespace keyway::test
