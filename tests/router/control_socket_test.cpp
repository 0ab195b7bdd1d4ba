// The control socket, spoken to by hand: garbage, wrong order, descriptors, floods, and the limits.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "link/control.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

using link::ControlMessage;

class ControlSocket : public RouterFixture {
  protected:
    ControlSocket() : honest_(connect()) {}

    UniqueFd dial() {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        router_.adopt(pair[0]);
        return UniqueFd(pair[1]);
    }
    static ControlMessage hello() {
        ControlMessage message;
        message.request = static_cast<std::uint8_t>(Request::kHello);
        message.submission_bytes = message.delivery_bytes = 16384;
        return message;
    }
    /// The name of the answer's status; "ok", or what the conversation ended with.
    static std::string ask(const UniqueFd& socket, const ControlMessage& message) {
        if (auto sent = link::send_control(socket.get(), message); !sent) {
            return std::string(sent.error().name());
        }
        auto answer = link::receive_control(socket.get(), Deadline::in(30s));
        if (!answer) {
            return std::string(answer.error().name());
        }
        return answer->message.status == 0 ? "ok"
                                           : std::string(Error::from_code(answer->message.status).name());
    }
    static bool hung_up(const UniqueFd& socket) {
        while (true) {
            auto answer = link::receive_control(socket.get(), Deadline::in(30s));
            if (!answer) {
                return answer.error() == Error{Status::kRouterGone};
            }
        }
    }
    void expect_honest_unharmed() {
        ASSERT_TRUE(succeeded(honest_.send(Outgoing::to(honest_.self(), "fine"), Deadline::in(30s))));
        EXPECT_EQ(honest_.receive(Deadline::in(30s)).value().text(), "fine");
        EXPECT_TRUE(succeeded(honest_.list()));
    }

    Connection honest_;
};

TEST_F(ControlSocket, garbage_is_a_bad_request_and_ends_the_conversation) {
    std::mt19937 random(5);
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{7}, sizeof(ControlMessage) - 1, sizeof(ControlMessage),
          sizeof(ControlMessage) + 1, std::size_t{4096}, std::size_t{100'000}}) {
        const UniqueFd socket = dial();
        std::vector<char> garbage(size);
        for (char& byte : garbage) {
            byte = static_cast<char>(random());
        }
        ASSERT_EQ(::send(socket.get(), garbage.data(), size, 0), static_cast<ssize_t>(size));
        auto answer = link::receive_control(socket.get(), Deadline::in(30s));
        ASSERT_TRUE(succeeded(answer)) << size;
        EXPECT_EQ(answer->message.status, static_cast<std::uint8_t>(Status::kBadRequest)) << size;
        EXPECT_TRUE(hung_up(socket)) << size;
    }
    expect_honest_unharmed();
}

TEST_F(ControlSocket, another_contract_version_is_told_so) {
    const UniqueFd socket = dial();
    ControlMessage message = hello();
    message.version_major = kVersionMajor + 1;
    EXPECT_EQ(ask(socket, message), "version_mismatch");
    EXPECT_TRUE(hung_up(socket));
    expect_honest_unharmed();
}

TEST_F(ControlSocket, ring_sizes_out_of_range_are_bad_arguments) {
    for (const std::uint32_t bytes : {0U, 4096U, 16385U, 1U << 25, 0x80000000U}) {
        const UniqueFd socket = dial();
        ControlMessage message = hello();
        message.delivery_bytes = bytes;
        EXPECT_EQ(ask(socket, message), "bad_argument") << bytes;
    }
    expect_honest_unharmed();
}

TEST_F(ControlSocket, requests_out_of_order_are_bad_requests) {
    for (int request = 0; request <= 255; ++request) {
        if (request == static_cast<int>(Request::kHello)) {
            continue;
        }
        const UniqueFd socket = dial();
        ControlMessage message = hello();
        message.request = static_cast<std::uint8_t>(request);
        EXPECT_EQ(ask(socket, message), "bad_request") << request;
    }
    const UniqueFd socket = dial();
    EXPECT_EQ(ask(socket, hello()), "ok");
    EXPECT_EQ(ask(socket, hello()), "bad_request");
    ControlMessage message = hello();
    message.request = static_cast<std::uint8_t>(Request::kMapped);
    EXPECT_EQ(ask(socket, message), "ok");
    EXPECT_EQ(ask(socket, message), "bad_request");
    message.request = 200;
    EXPECT_EQ(ask(socket, message), "bad_request");
    expect_honest_unharmed();
}

TEST_F(ControlSocket, descriptors_are_not_wanted_and_are_closed) {
    const UniqueFd socket = dial();
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
    const int fds[] = {pipe_ends[1], pipe_ends[1], pipe_ends[1], pipe_ends[1]};
    ASSERT_TRUE(succeeded(link::send_control(socket.get(), hello(), fds)));
    auto answer = link::receive_control(socket.get(), Deadline::in(30s)).value();
    EXPECT_EQ(answer.message.status, static_cast<std::uint8_t>(Status::kUnwantedDescriptors));
    // When our own writing end is closed no other is left: the router kept none.
    ::close(pipe_ends[1]);
    char byte = 0;
    EXPECT_EQ(::read(pipe_ends[0], &byte, 1), 0);
    ::close(pipe_ends[0]);
    expect_honest_unharmed();
}

TEST_F(ControlSocket, a_name_without_end_or_with_control_characters_is_a_bad_name) {
    const UniqueFd socket = dial();
    ASSERT_EQ(ask(socket, hello()), "ok");
    ControlMessage message = hello();
    message.request = static_cast<std::uint8_t>(Request::kMapped);
    ASSERT_EQ(ask(socket, message), "ok");
    message.request = static_cast<std::uint8_t>(Request::kRegister);
    std::memset(message.name, 'x', sizeof message.name);
    EXPECT_EQ(ask(socket, message), "bad_name");
    message.set_name("bell\a");
    EXPECT_EQ(ask(socket, message), "bad_name");
    message.set_name("");
    EXPECT_EQ(ask(socket, message), "bad_name");
    message.request = static_cast<std::uint8_t>(Request::kLookup);
    EXPECT_EQ(ask(socket, message), "bad_name");
    message.set_name("good");
    message.request = static_cast<std::uint8_t>(Request::kRegister);
    EXPECT_EQ(ask(socket, message), "ok");
    expect_honest_unharmed();
}

TEST_F(ControlSocket, a_process_that_asks_and_never_listens_is_disconnected) {
    const UniqueFd socket = dial();
    ASSERT_EQ(ask(socket, hello()), "ok");
    ControlMessage message = hello();
    message.request = static_cast<std::uint8_t>(Request::kMapped);
    ASSERT_EQ(ask(socket, message), "ok");
    message.request = static_cast<std::uint8_t>(Request::kInspect);
    bool gone = false;
    for (int i = 0; i < 1'000'000 && !gone; ++i) {
        auto sent = link::send_control(socket.get(), message);
        gone = !sent && sent.error() == Error{Status::kRouterGone};
    }
    EXPECT_TRUE(gone);
    expect_honest_unharmed();
}

TEST_F(ControlSocket, conversations_that_end_at_any_point_leave_nothing_behind) {
    const std::uint64_t before = router_.counters().links_opened;
    for (int round = 0; round < 300; ++round) {
        const UniqueFd socket = dial();
        if (round % 3 > 0) {
            ASSERT_EQ(ask(socket, hello()), "ok");
        }
        if (round % 3 > 1) {
            ControlMessage mapped = hello();
            mapped.request = static_cast<std::uint8_t>(Request::kMapped);
            ASSERT_TRUE(succeeded(link::send_control(socket.get(), mapped)));
        }
    }
    const Deadline patience = Deadline::in(30s);
    RouterCounters counters = router_.counters();
    while ((counters.links_opened < before + 300 || counters.links_opened - counters.links_closed > 1) &&
           !patience.passed()) {
        counters = router_.counters();
    }
    EXPECT_EQ(counters.links_opened, before + 300);
    EXPECT_EQ(counters.links_opened - counters.links_closed, 1U);
    expect_honest_unharmed();
}

// ---------------------------------------------------------------------------------------------------------------

class ShareLimits : public ControlSocket {
  protected:
    void limit(auto&& change) {
        Policy policy = Policy::permissive();
        change(policy);
        router_.set_policy(policy);
    }
};

TEST_F(ShareLimits, connections_of_a_process_are_limited) {
    limit([](Policy& p) { p.process.connections = 3; });
    Connection second = connect();
    Connection third = connect();
    EXPECT_EQ(error_of(router_.connect(small_rings())), "limit");
    expect_honest_unharmed();
    { Connection gone = std::move(third); }
    // The place is free again as soon as the router has seen the hang-up.
    std::string last = "limit";
    for (const Deadline patience = Deadline::in(30s); last == "limit" && !patience.passed();) {
        last = error_of(router_.connect(small_rings()));
    }
    EXPECT_EQ(last, "ok");
}

TEST_F(ShareLimits, connections_of_a_user_are_limited) {
    limit([](Policy& p) { p.user.connections = 2; });
    Connection second = connect();
    EXPECT_EQ(error_of(router_.connect(small_rings())), "limit");
    expect_honest_unharmed();
}

TEST_F(ShareLimits, queue_bytes_and_descriptors_are_limited) {
    limit([](Policy& p) { p.process.queue_bytes = 1U << 20; });
    ConnectOptions large;
    large.delivery_bytes = 1U << 20;
    EXPECT_EQ(error_of(router_.connect(large)), "limit");
    EXPECT_TRUE(succeeded(router_.connect(small_rings())));
    limit([](Policy& p) { p.user.queue_bytes = 150'000; });
    EXPECT_EQ(error_of(router_.connect(small_rings())), "limit");
    limit([](Policy& p) { p.user.descriptors = 7; });
    EXPECT_EQ(error_of(router_.connect(small_rings())), "limit");
    limit([](Policy& p) { p.process.descriptors = 4; });
    EXPECT_EQ(error_of(router_.connect(small_rings())), "limit");
    expect_honest_unharmed();
}

TEST_F(ShareLimits, endpoints_are_limited) {
    limit([](Policy& p) { p.process.endpoints = 2; });
    Connection sut = connect();
    EXPECT_TRUE(succeeded(sut.register_endpoint("one")));
    EXPECT_TRUE(succeeded(sut.register_endpoint("two")));
    EXPECT_EQ(error_of(sut.register_endpoint("three")), "limit");
    limit([](Policy& p) { p.user.endpoints = 2; });
    EXPECT_EQ(error_of(honest_.register_endpoint("four")), "limit");
    expect_honest_unharmed();
}

TEST_F(ShareLimits, capabilities_are_limited_and_free_again_when_released) {
    limit([](Policy& p) { p.process.capabilities = 4; });
    auto endpoint = honest_.register_endpoint("target").value();
    Connection sut = connect();
    std::vector<std::uint32_t> held;
    for (int i = 0; i < 3; ++i) {  // the home endpoint has one already
        held.push_back(sut.lookup("target").value().id);
    }
    EXPECT_EQ(error_of(sut.lookup("target")), "table_full");
    EXPECT_EQ(error_of(sut.register_endpoint("more")), "table_full");
    EXPECT_TRUE(succeeded(sut.release(held.back())));
    EXPECT_TRUE(succeeded(sut.lookup("target")));
    EXPECT_NE(endpoint.id, 0U);
    expect_honest_unharmed();
}

TEST_F(ShareLimits, capabilities_of_a_user_are_limited) {
    ASSERT_TRUE(succeeded(honest_.register_endpoint("target")));
    limit([](Policy& p) { p.user.capabilities = 6; });
    Connection sut = connect();
    std::string last = "ok";
    for (int i = 0; i < 10 && last == "ok"; ++i) {
        last = error_of(sut.lookup("target"));
    }
    EXPECT_EQ(last, "table_full");
    expect_honest_unharmed();
}

}  // namespace keyway::test
