// Wait sets: everything in one place, nothing lost, nobody starved.

#include "keyway/wait_set.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <optional>
#include <thread>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class WaitSets : public RouterFixture {
  protected:
    struct Source {
        Connection connection;
        Endpoint endpoint;
    };
    Source source(const std::string& name) {
        Connection connection = connect();
        Endpoint endpoint = connection.register_endpoint(name).value();
        return {std::move(connection), endpoint};
    }
    static bool readable(int fd) {
        pollfd look{fd, POLLIN, 0};
        return ::poll(&look, 1, 0) == 1;
    }
    WaitSet sut_ = WaitSet::make().value();
};

TEST_F(WaitSets, a_wait_says_which_sources_have_something_and_ends_at_its_deadline_otherwise) {
    auto one = source("one");
    auto two = source("two");
    const auto first = sut_.add(one.connection).value();
    const auto second = sut_.add(two.connection).value();
    EXPECT_EQ(error_of(sut_.wait(Deadline::now())), "timeout");
    EXPECT_EQ(error_of(sut_.wait(Deadline::in(2ms))), "timeout");
    auto sender = connect();
    sender.send(Outgoing::to(sender.lookup("two").value(), "!")).value();
    auto ready = sut_.wait(Deadline::in(60s)).value();
    ASSERT_EQ(ready.size(), 1U);
    EXPECT_EQ(ready[0].id, second);
    sender.send(Outgoing::to(sender.lookup("one").value(), "!")).value();
    ready = sut_.wait(Deadline::in(60s)).value();
    ASSERT_EQ(ready.size(), 2U) << "what was not taken is ready still";
    EXPECT_TRUE(ready[0].id == first || ready[1].id == first);
    EXPECT_TRUE(one.connection.try_receive());
    EXPECT_TRUE(two.connection.try_receive());
    EXPECT_EQ(error_of(sut_.wait(Deadline::now())), "timeout");
}

TEST_F(WaitSets, what_a_call_has_set_aside_is_seen) {
    auto service = source("service");
    auto caller = source("caller");
    sut_.add(caller.connection).value();
    EXPECT_EQ(error_of(sut_.wait(Deadline::now())), "timeout");
    std::thread serving([&] {
        auto call = service.connection.receive(Deadline::in(60s)).value();
        auto to_caller = service.connection.lookup("caller").value();
        service.connection.send(Outgoing::to(to_caller, "meanwhile")).value();
        service.connection.reply(call, "answer").value();
    });
    auto to_service = caller.connection.lookup("service").value();
    EXPECT_EQ(caller.connection.call(to_service, "?", Deadline::in(60s)).value().text(), "answer");
    serving.join();
    EXPECT_EQ(sut_.wait(Deadline::in(60s)).value().size(), 1U);
    EXPECT_EQ(caller.connection.try_receive().value().text(), "meanwhile");
}

TEST_F(WaitSets, all_of_many_ready_sources_are_reported_by_one_wait_and_each_begins_another_time) {
    constexpr int kEach = 5;
    std::vector<int> events;
    for (int i = 0; i < kEach; ++i) {
        events.push_back(::eventfd(1, EFD_CLOEXEC));
        sut_.add_descriptor(events.back(), EPOLLIN).value();
    }
    std::map<WaitSet::Id, int> came_first;
    for (int i = 0; i < kEach; ++i) {
        auto ready = sut_.wait(Deadline::in(60s)).value();
        ASSERT_EQ(ready.size(), static_cast<std::size_t>(kEach));
        EXPECT_NE(ready[0].events & EPOLLIN, 0U);
        ++came_first[ready[0].id];
    }
    EXPECT_EQ(came_first.size(), static_cast<std::size_t>(kEach));
    for (const int event : events) {
        ::close(event);
    }
}

TEST_F(WaitSets, a_hundred_sources_and_a_storm_of_threads_lose_no_arrival) {
    constexpr int kSources = 100;
    constexpr int kConnections = 40;
    constexpr int kThreads = 4;
    constexpr int kRounds = 5;
    std::vector<Source> sources;
    sources.reserve(kSources);
    for (int i = 0; i < kConnections; ++i) {  // a process may have 64; the rest are events
        sources.push_back(source("storm" + std::to_string(i)));
    }
    int received = 0;
    std::uint64_t rung = 0;
    for (auto& one : sources) {
        sut_.add(one.connection,
                 [&](const auto&) {
                     while (one.connection.try_receive()) {
                         ++received;
                     }
                 })
            .value();
    }
    std::vector<int> bells;
    while (sut_.size() < kSources) {
        const int bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        bells.push_back(bell);
        sut_.add_descriptor(bell, EPOLLIN,
                            [&rung, bell](const auto&) {
                                std::uint64_t count = 0;
                                if (::read(bell, &count, sizeof count) == sizeof count) {
                                    rung += count;
                                }
                            })
            .value();
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t, connection = connect()]() mutable {
            std::vector<Capability> to;
            for (int i = 0; i < kConnections; ++i) {
                to.push_back(connection.lookup("storm" + std::to_string(i)).value());
            }
            auto next = static_cast<std::size_t>(t);
            for (int round = 0; round < kRounds; ++round) {
                for (const int bell : bells) {
                    const std::uint64_t once = 1;
                    ASSERT_EQ(::write(bell, &once, sizeof once), static_cast<ssize_t>(sizeof once));
                    ASSERT_TRUE(succeeded(
                        connection.send(Outgoing::to(to[next++ % to.size()], "x"), Deadline::in(60s))));
                }
                sut_.wake();
            }
        });
    }
    const int expected = kThreads * kRounds * static_cast<int>(bells.size());
    while (received < expected || rung < static_cast<std::uint64_t>(expected)) {
        ASSERT_TRUE(succeeded(sut_.dispatch(Deadline::in(60s)))) << received << " and " << rung << " came";
    }
    for (auto& thread : threads) {
        thread.join();
    }
    for (const int bell : bells) {
        ::close(bell);
    }
}

TEST_F(WaitSets, sets_nest_and_the_outer_one_sees_messages_timers_and_wakes_of_the_inner) {
    auto one = source("nested");
    auto outer = WaitSet::make().value();
    int messages = 0;
    int ticks = 0;
    sut_.add(one.connection,
             [&](const auto&) {
                 while (one.connection.try_receive()) {
                     ++messages;
                 }
             })
        .value();
    int turns = 0;
    outer
        .add(sut_,
             [&](const auto&) {
                 ++turns;
                 [[maybe_unused]] auto done = sut_.dispatch(Deadline::now());
             })
        .value();
    EXPECT_EQ(error_of(outer.wait(Deadline::now())), "timeout");
    auto sender = connect();
    auto to = sender.lookup("nested").value();
    for (int i = 1; i <= 50; ++i) {
        sender.send(Outgoing::to(to, "x")).value();
        while (messages < i) {
            ASSERT_TRUE(succeeded(outer.dispatch(Deadline::in(60s))));
        }
    }
    sut_.add_timer(Deadline::in(3ms), [&](const auto&) { ++ticks; });
    while (ticks == 0) {
        ASSERT_TRUE(succeeded(outer.dispatch(Deadline::in(60s))));
    }
    turns = 0;
    sut_.wake();
    ASSERT_TRUE(succeeded(outer.dispatch(Deadline::in(60s))));
    EXPECT_EQ(turns, 1);
    EXPECT_EQ(error_of(outer.wait(Deadline::now())), "timeout");
}

TEST_F(WaitSets, its_descriptor_works_in_somebody_elses_loop) {
    auto one = source("foreign");
    sut_.add(one.connection).value();
    auto sender = connect();
    auto to = sender.lookup("foreign").value();
    for (int i = 0; i < 100; ++i) {
        ASSERT_FALSE(sut_.arm());
        ASSERT_FALSE(readable(sut_.descriptor()));
        sender.send(Outgoing::to(to, "x")).value();
        pollfd waits{sut_.descriptor(), POLLIN, 0};
        ASSERT_EQ(::poll(&waits, 1, 60'000), 1);
        ASSERT_TRUE(sut_.arm());
        ASSERT_TRUE(succeeded(one.connection.try_receive()));
    }
    sut_.disarm();
}

TEST_F(WaitSets, the_end_of_the_router_ends_the_wait) {
    auto one = source("orphan");
    const auto id = sut_.add(one.connection).value();
    EXPECT_EQ(error_of(sut_.wait(Deadline::now())), "timeout");
    std::thread ending([&] {
        router_.stop();
        router_.join();
    });
    auto ready = sut_.wait(Deadline::in(60s)).value();
    ending.join();
    ASSERT_EQ(ready.size(), 1U);
    EXPECT_EQ(ready[0].id, id);
    EXPECT_EQ(error_of(one.connection.try_receive()), "router_gone");
    EXPECT_TRUE(sut_.remove(id));
    EXPECT_EQ(error_of(sut_.wait(Deadline::now())), "timeout");
}

TEST_F(WaitSets, timers_come_once_or_again_and_never_too_early) {
    const std::uint64_t begin = Deadline::clock_ns();
    std::string order;
    sut_.add_timer(Deadline::at_ns(begin + 6'000'000), [&](const auto&) { order += 'b'; });
    sut_.add_timer(Deadline::at_ns(begin + 2'000'000), [&](const auto&) { order += 'a'; });
    const auto never = sut_.add_timer(Deadline::never(), [&](const auto&) { order += '?'; });
    while (order.size() < 2) {
        ASSERT_TRUE(succeeded(sut_.dispatch()));
    }
    EXPECT_GE(Deadline::clock_ns() - begin, 6'000'000U);
    EXPECT_EQ(order, "ab");
    EXPECT_EQ(sut_.size(), 1U) << "one-shot timers have left";
    int ticks = 0;
    const auto periodic = sut_.add_periodic(1ms, [&](const auto&) { ++ticks; }).value();
    const std::uint64_t since = Deadline::clock_ns();
    while (ticks < 3) {
        ASSERT_TRUE(succeeded(sut_.dispatch()));
    }
    EXPECT_GE(Deadline::clock_ns() - since, 2'000'000U);
    EXPECT_TRUE(sut_.remove(periodic));
    EXPECT_FALSE(sut_.remove(periodic));
    EXPECT_TRUE(sut_.remove(never));
    EXPECT_EQ(error_of(sut_.add_periodic(0ns)), "bad_argument");
}

TEST_F(WaitSets, entries_may_be_removed_in_callbacks_their_own_and_others) {
    const int event = ::eventfd(1, EFD_CLOEXEC);
    WaitSet::Id self = 0;
    WaitSet::Id other = 0;
    int called = 0;
    const auto remove_both = [&](const auto&) {
        ++called;
        EXPECT_TRUE(sut_.remove(self));
        EXPECT_TRUE(sut_.remove(other));
    };
    self = sut_.add_descriptor(event, EPOLLIN, remove_both).value();
    other = sut_.add_timer(Deadline::now(), remove_both);
    EXPECT_EQ(sut_.dispatch(Deadline::in(60s)).value(), 1U) << "what was removed is not called";
    EXPECT_EQ(called, 1);
    EXPECT_EQ(sut_.size(), 0U);
    EXPECT_EQ(error_of(sut_.dispatch(Deadline::now())), "timeout");
    ::close(event);
}

TEST_F(WaitSets, sources_may_move_and_may_go_before_or_after_the_set) {
    std::optional<Source> gone = source("gone");
    auto moved = source("moved");
    sut_.add(gone->connection).value();
    sut_.add(moved.connection).value();
    EXPECT_EQ(error_of(sut_.add(moved.connection)), "bad_argument") << "it is in a set already";
    gone.reset();
    Connection here = std::move(moved.connection);
    auto sender = connect();
    sender.send(Outgoing::to(sender.lookup("moved").value(), "x")).value();
    EXPECT_EQ(sut_.wait(Deadline::in(60s)).value().size(), 1U);
    EXPECT_EQ(here.try_receive().value().text(), "x");
    EXPECT_EQ(sut_.size(), 1U) << "the one that ended has left";
    {
        WaitSet short_lived = WaitSet::make().value();
        sut_ = std::move(short_lived);
    }
    EXPECT_EQ(sut_.size(), 0U);
    EXPECT_TRUE(succeeded(sut_.add(here))) << "its old set has gone";
}

TEST_F(WaitSets, wake_ends_the_wait_that_goes_on_or_the_next_one) {
    sut_.wake();
    sut_.wake();
    EXPECT_TRUE(sut_.wait(Deadline::in(60s)).value().empty());
    EXPECT_EQ(error_of(sut_.wait(Deadline::now())), "timeout");
    for (int i = 0; i < 100; ++i) {
        std::thread waking([&] { sut_.wake(); });
        EXPECT_TRUE(sut_.wait(Deadline::in(60s)).value().empty());
        waking.join();
    }
}

TEST_F(WaitSets, a_bad_descriptor_or_event_is_refused) {
    EXPECT_EQ(error_of(sut_.add_descriptor(-1, EPOLLIN)), "system");
    EXPECT_EQ(error_of(sut_.add_descriptor(0, static_cast<std::uint32_t>(EPOLLIN | EPOLLET))),
              "bad_argument");
    EXPECT_EQ(error_of(sut_.add(sut_)), "bad_argument");
    EXPECT_EQ(error_of(WaitSet::make({.spin = -1ns})), "bad_argument");
    EXPECT_EQ(sut_.size(), 0U);
}

}  // namespace keyway::test
