// Coroutines on a wait set.

#include "keyway/coroutine.hpp"

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Coroutines : public RouterFixture {
  protected:
    Coroutines() : connection_(connect()), sender_(connect()), sut_(set_), endpoint_(sut_, connection_) {
        connection_.register_endpoint("async").value();
        to_ = sender_.lookup("async").value();
    }
    WaitSet set_ = WaitSet::make().value();
    Connection connection_;
    Connection sender_;
    Capability to_;
    Executor sut_;
    AsyncEndpoint endpoint_;
};

namespace {

// Says when its frame goes.
struct Witness {
    explicit Witness(int& count) : count_(&count) {}
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;
    ~Witness() { ++*count_; }
    int* count_;
};

Task<> collect(AsyncEndpoint& endpoint, std::vector<std::string>& into, int count) {
    for (int i = 0; i < count; ++i) {
        auto message = co_await endpoint.receive(Deadline::in(60s));
        into.push_back(message ? std::string(message->text()) : std::string(message.error().name()));
    }
}

Task<int> doubled(int value) {
    co_return 2 * value;
}
Task<int> throws() {
    throw std::runtime_error("no");
    co_return 0;
}

}  // namespace

TEST_F(Coroutines, a_task_receives_what_is_sent_from_another_thread) {
    std::vector<std::string> got;
    sut_.spawn(collect(endpoint_, got, 200));
    std::thread sending([&] {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(succeeded(sender_.send(Outgoing::to(to_, std::to_string(i)), Deadline::in(60s))));
        }
    });
    EXPECT_TRUE(succeeded(sut_.run()));
    sending.join();
    ASSERT_EQ(got.size(), 200U);
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(got[static_cast<std::size_t>(i)], std::to_string(i));
    }
    EXPECT_EQ(sut_.size(), 0U);
}

TEST_F(Coroutines, tasks_that_wait_at_one_endpoint_take_turns) {
    std::vector<std::string> first;
    std::vector<std::string> second;
    sut_.spawn(collect(endpoint_, first, 2));
    sut_.spawn(collect(endpoint_, second, 2));
    EXPECT_TRUE(succeeded(sut_.run_until_idle()));
    for (const char* text : {"a", "b", "c", "d"}) {
        sender_.send(Outgoing::to(to_, text)).value();
    }
    EXPECT_TRUE(succeeded(sut_.run()));
    EXPECT_EQ(first.size(), 2U);
    EXPECT_EQ(second.size(), 2U);
    EXPECT_EQ(first[0], "a");
    EXPECT_EQ(second[0], "b");
}

TEST_F(Coroutines, a_receive_ends_at_its_deadline_and_the_next_one_gets_the_message) {
    std::vector<std::string> got;
    sut_.spawn([](AsyncEndpoint& endpoint, std::vector<std::string>& into) -> Task<> {
        auto none = co_await endpoint.receive(Deadline::in(2ms));
        into.emplace_back(error_of(none));
        auto now = co_await endpoint.receive(Deadline::now());
        into.emplace_back(error_of(now));
    }(endpoint_, got));
    EXPECT_TRUE(succeeded(sut_.run()));
    EXPECT_EQ(got, (std::vector<std::string>{"timeout", "timeout"}));
    sender_.send(Outgoing::to(to_, "later")).value();
    sut_.spawn(collect(endpoint_, got, 1));
    EXPECT_TRUE(succeeded(sut_.run()));
    EXPECT_EQ(got.back(), "later");
}

TEST_F(Coroutines, tasks_await_tasks_and_what_they_throw) {
    std::string said;
    sut_.spawn([](std::string& into) -> Task<> {
        const int value = co_await doubled(co_await doubled(10));
        into = std::to_string(value);
        try {
            co_await throws();
        } catch (const std::runtime_error& error) {
            into += error.what();
        }
    }(said));
    EXPECT_TRUE(succeeded(sut_.run()));
    EXPECT_EQ(said, "40no");
}

TEST_F(Coroutines, sleeping_lasts_at_least_as_long_as_asked_for) {
    const std::uint64_t begin = Deadline::clock_ns();
    sut_.spawn([](Executor& executor) -> Task<> { co_await executor.sleep_until(Deadline::in(3ms)); }(sut_));
    EXPECT_TRUE(succeeded(sut_.run()));
    EXPECT_GE(Deadline::clock_ns() - begin, 3'000'000U);
}

TEST_F(Coroutines, the_executors_end_ends_tasks_wherever_they_wait) {
    int gone = 0;
    bool went_on = false;
    {
        Executor executor(set_);
        AsyncEndpoint endpoint(executor, connection_);  // goes before the executor
        executor.spawn([](AsyncEndpoint& from, int& count, bool& on) -> Task<> {
            const Witness witness(count);
            static_cast<void>(co_await from.receive());
            on = true;
        }(endpoint, gone, went_on));
        executor.spawn([](Executor& runs, int& count, bool& on) -> Task<> {
            const Witness witness(count);
            co_await runs.sleep_until(Deadline::in(1h));
            on = true;
        }(executor, gone, went_on));
        EXPECT_TRUE(succeeded(executor.run_until_idle()));
        executor.spawn([](int& count) -> Task<> {  // never begun
            const Witness witness(count);
            co_return;
        }(gone));
        EXPECT_EQ(executor.size(), 3U);
    }
    EXPECT_EQ(gone, 2);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(set_.size(), 0U);
}

TEST_F(Coroutines, stop_from_another_thread_ends_run_and_keeps_the_tasks) {
    std::vector<std::string> got;
    sut_.spawn(collect(endpoint_, got, 1));
    std::thread stopping([&] { sut_.stop(); });
    EXPECT_TRUE(succeeded(sut_.run()));
    stopping.join();
    EXPECT_EQ(sut_.size(), 1U);
}

TEST_F(Coroutines, a_task_hears_that_the_router_has_ended) {
    std::vector<std::string> got;
    sut_.spawn(collect(endpoint_, got, 1));
    EXPECT_TRUE(succeeded(sut_.run_until_idle()));
    std::thread ending([&] {
        router_.stop();
        router_.join();
    });
    EXPECT_TRUE(succeeded(sut_.run()));
    ending.join();
    EXPECT_EQ(got, std::vector<std::string>{"router_gone"});
}

}  // namespace keyway::test
