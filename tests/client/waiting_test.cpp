// Waiting: deadlines, descriptors, and the end of the router.

#include <sys/epoll.h>
#include <unistd.h>

#include <thread>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Waiting : public RouterFixture {
  protected:
    Waiting() : receiver_(connect()), sender_(connect()) {
        endpoint_ = receiver_.register_endpoint("inbox").value();
        to_inbox_ = sender_.lookup("inbox").value();
    }
    Connection receiver_;
    Connection sender_;
    Endpoint endpoint_;
    Capability to_inbox_;
};

TEST_F(Waiting, receive_ends_at_its_deadline_and_not_before) {
    const std::uint64_t begin = Deadline::clock_ns();
    EXPECT_EQ(error_of(receiver_.receive(Deadline::in(5ms))), "timeout");
    EXPECT_GE(Deadline::clock_ns() - begin, 5'000'000U);
    EXPECT_EQ(error_of(receiver_.receive(Deadline::now())), "timeout");
    EXPECT_EQ(error_of(receiver_.receive(Deadline::in(-1s))), "timeout");
}

TEST_F(Waiting, a_sleeping_receiver_is_woken) {
    for (int i = 0; i < 200; ++i) {
        std::thread receiving(
            [&] { EXPECT_EQ(receiver_.receive(Deadline::in(60s)).value().text(), "wake"); });
        ASSERT_TRUE(succeeded(sender_.send(Outgoing::to(to_inbox_, "wake"))));
        receiving.join();
    }
}

TEST_F(Waiting, the_descriptor_is_readable_when_a_message_comes_after_would_block) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event wanted{.events = EPOLLIN, .data = {}};
    ASSERT_EQ(::epoll_ctl(epoll, EPOLL_CTL_ADD, receiver_.descriptor(), &wanted), 0);
    epoll_event got{};
    for (int round = 0; round < 100; ++round) {
        EXPECT_EQ(error_of(receiver_.try_receive()), "would_block");
        EXPECT_EQ(::epoll_wait(epoll, &got, 1, 0), 0);
        ASSERT_TRUE(succeeded(sender_.send(Outgoing::to(to_inbox_, "one"))));
        ASSERT_TRUE(succeeded(sender_.send(Outgoing::to(to_inbox_, "two"))));
        ASSERT_EQ(::epoll_wait(epoll, &got, 1, 60'000), 1);
        EXPECT_EQ(receiver_.try_receive().value().text(), "one");
        EXPECT_EQ(receiver_.try_receive().value().text(), "two");
    }
    ::close(epoll);
}

TEST_F(Waiting, everybody_who_waits_hears_at_once_that_the_router_has_ended) {
    Connection idle = connect();
    std::thread receiving([&] { EXPECT_EQ(error_of(idle.receive(Deadline::in(60s))), "router_gone"); });
    std::thread calling(
        [&] { EXPECT_EQ(error_of(sender_.call(to_inbox_, "?", Deadline::in(60s))), "router_gone"); });
    // Stop once the call is on its way; what it finds after that does not matter to the outcome.
    const Deadline patience = Deadline::in(30s);
    while (router_.counters().delivered == 0 && !patience.passed()) {
        std::this_thread::yield();
    }
    router_.stop();
    router_.join();
    receiving.join();
    calling.join();
    EXPECT_EQ(error_of(sender_.lookup("inbox")), "router_gone");
    EXPECT_EQ(error_of(sender_.register_endpoint("late")), "router_gone");
    EXPECT_EQ(error_of(sender_.close_endpoint(1)), "router_gone");
    EXPECT_EQ(error_of(sender_.derive(to_inbox_, {.rights = right::kWrite})), "router_gone");
    EXPECT_EQ(error_of(sender_.revoke(to_inbox_)), "router_gone");
    EXPECT_EQ(error_of(sender_.revoke_any(to_inbox_.id)), "router_gone");
    EXPECT_EQ(error_of(sender_.grant("inbox", 1, right::kWrite, 0)), "router_gone");
    EXPECT_EQ(error_of(sender_.release(to_inbox_.id)), "router_gone");
    EXPECT_EQ(error_of(sender_.inspect(to_inbox_.id)), "router_gone");
    EXPECT_EQ(error_of(sender_.list()), "router_gone");
    EXPECT_EQ(error_of(sender_.send(Outgoing::to(to_inbox_, "?"), Deadline::in(60s))), "router_gone");
}

TEST_F(Waiting, what_was_delivered_before_the_router_ended_can_still_be_received) {
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(succeeded(sender_.post(Outgoing::to(to_inbox_, "kept"))));
    }
    router_.stop();
    router_.join();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(receiver_.receive(Deadline::in(10s)).value().text(), "kept");
    }
    EXPECT_EQ(error_of(receiver_.receive(Deadline::in(10s))), "router_gone");
}

TEST_F(Waiting, a_router_without_traffic_sleeps_and_stays_asleep) {
    const Deadline patience = Deadline::in(30s);
    while (router_.counters().sleeps == 0 && !patience.passed()) {
        std::this_thread::yield();
    }
    const std::uint64_t sleeps = router_.counters().sleeps;
    ASSERT_GE(sleeps, 1U);
    EXPECT_EQ(error_of(receiver_.receive(Deadline::in(50ms))), "timeout");
    EXPECT_LE(router_.counters().sleeps, sleeps + 1);
    ASSERT_TRUE(succeeded(sender_.send(Outgoing::to(to_inbox_, "up"))));
    EXPECT_EQ(receiver_.receive(Deadline::in(10s)).value().text(), "up");
}

TEST_F(Waiting, a_receiver_that_never_drains_holds_up_nobody_but_its_senders) {
    // Fill the inbox, leave one message waiting, and talk to somebody else through the same router.
    while (sender_.try_send(Outgoing::to(to_inbox_, std::string(1000, 'x')))) {
    }
    ASSERT_TRUE(succeeded(sender_.post(Outgoing::to(to_inbox_, std::string(1000, 'x')))));
    Connection a = connect();
    Connection b = connect();
    const auto inbox = b.register_endpoint("other").value();
    const auto to_b = a.lookup("other").value();
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(succeeded(a.send(Outgoing::to(to_b, "free"), Deadline::in(10s))));
        ASSERT_TRUE(succeeded(b.receive(Deadline::in(10s))));
    }
    EXPECT_NE(inbox.id, 0U);
}

TEST(Connecting, without_a_router_says_so) {
    EXPECT_EQ(error_of(Connection::open({.socket = "/nonexistent/router.sock"})), "not_connected");
    EXPECT_EQ(error_of(Connection::open({.socket = std::string(200, 'x')})), "bad_argument");
}

TEST(Connecting, ring_sizes_must_be_powers_of_two_in_range) {
    Router router(RouterOptions{.policy = Policy::permissive()});
    ASSERT_TRUE(succeeded(router.start()));
    for (const std::uint32_t bytes : {0U, 1U, 4096U, 8192U, 16384U + 1, 20000U, 32U << 20, 0xFFFFFFFFU}) {
        EXPECT_EQ(error_of(router.connect({.submission_bytes = bytes})), "bad_argument") << bytes;
        EXPECT_EQ(error_of(router.connect({.delivery_bytes = bytes})), "bad_argument") << bytes;
    }
    EXPECT_EQ(error_of(router.connect({.spin = std::chrono::nanoseconds(-1)})), "bad_argument");
}

}  // namespace keyway::test
