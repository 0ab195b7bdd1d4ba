// The service helper: dispatch, limits, and an end that leaves nothing unanswered.

#include "keyway/service.hpp"

#include <optional>
#include <stdexcept>
#include <thread>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Services : public RouterFixture {
  protected:
    Services() : provider_(connect()), caller_(connect()) {}
    ~Services() override { finish(); }

    void serve(const ServiceOptions& options = {}) {
        sut_.emplace(Service::open(provider_, "service", options).value());
        sut_->on(1, [](const Call& call) { return std::string(call.text()); });
        sut_->on(2, [](const Call&) -> Result<std::string> { return Status::kNotAllowed; });
        sut_->on(3, [](const Call&) -> Result<std::string> { throw std::runtime_error("broken"); });
        sut_->on(4, [](const Call&) { return std::string(5000, 'x'); });
        sut_->on(5, [](const Call& call) { return std::to_string(call.badge); });
        capability_ = caller_.lookup("service").value();
    }
    void start() {
        running_ = std::thread([this] { EXPECT_TRUE(succeeded(sut_->run())); });
    }
    void finish() {
        if (running_.joinable()) {
            sut_->stop();
            running_.join();
        }
    }
    // A call's request, without waiting for the answer.
    static Result<std::uint64_t> post(Connection& from, const Capability& to, char method,
                                      std::string text = {}) {
        text.insert(0, std::string{method, 0, 0, 0});
        Outgoing message = Outgoing::to(to, text);
        message.flags = flag::kExpectsReply;
        return from.post(message);
    }
    ServiceClient client() { return {caller_, capability_}; }

    Connection provider_;
    Connection caller_;
    Capability capability_;
    std::optional<Service> sut_;
    std::thread running_;
};

TEST_F(Services, calls_are_dispatched_by_number_and_failures_come_back_by_name) {
    serve();
    start();
    EXPECT_EQ(client().call(1, "hello", Deadline::in(60s)).value(), "hello");
    EXPECT_EQ(client().call(1, "", Deadline::in(60s)).value(), "");
    EXPECT_EQ(client().call(5, "", Deadline::in(60s)).value(), std::to_string(caller_.id()));
    EXPECT_EQ(error_of(client().call(2, "", Deadline::in(60s))), "not_allowed");
    EXPECT_EQ(error_of(client().call(3, "", Deadline::in(60s))), "service_failed");
    EXPECT_EQ(error_of(client().call(4, "", Deadline::in(60s))), "service_failed");
    EXPECT_EQ(error_of(client().call(99, "", Deadline::in(60s))), "no_such_method");
    EXPECT_EQ(client().call(1, "still there", Deadline::in(60s)).value(), "still there");
    finish();
    EXPECT_EQ(sut_->counters().handled, 4U);
    EXPECT_EQ(sut_->counters().failed, 3U);
    EXPECT_EQ(sut_->counters().refused, 1U);
}

TEST_F(Services, malformed_requests_are_answered_by_name) {
    serve({.argument_bytes = 8});
    start();
    for (const std::string_view bytes : {"", "a", "abc"}) {
        auto reply = caller_.call(capability_, bytes, Deadline::in(60s)).value();
        ASSERT_EQ(reply.payload().size(), 1U);
        EXPECT_EQ(Error::from_code(static_cast<std::uint8_t>(reply.payload()[0])).name(), "malformed");
    }
    EXPECT_EQ(client().call(1, "12345678", Deadline::in(60s)).value(), "12345678");
    EXPECT_EQ(error_of(client().call(1, "123456789", Deadline::in(60s))), "bad_argument");
}

TEST_F(Services, a_client_takes_an_empty_reply_for_malformed) {
    provider_.register_endpoint("odd").value();
    std::thread odd([&] { provider_.reply(provider_.receive(Deadline::in(60s)).value(), "").value(); });
    ServiceClient sut(caller_, caller_.lookup("odd").value());
    EXPECT_EQ(error_of(sut.call(1, "", Deadline::in(60s))), "malformed");
    odd.join();
}

TEST_F(Services, one_way_messages_are_handled_and_not_answered) {
    serve();
    int seen = 0;
    sut_->on(7, [&](const Call& call) {
        seen += call.wants_reply ? 100 : 1;
        return std::string("dropped");
    });
    client().send(7, "note").value();
    EXPECT_EQ(sut_->step(Deadline::in(60s)).value(), 1U);
    EXPECT_EQ(seen, 1);
    EXPECT_EQ(sut_->counters().unanswered, 0U);
}

TEST_F(Services, a_sender_with_many_calls_lets_others_in_after_a_burst) {
    serve({.burst = 2});
    std::string order;
    sut_->on(7, [&](const Call& call) {
        order += std::string(call.text());
        return std::string();
    });
    auto other = connect();
    const auto others = other.lookup("service").value();
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(succeeded(post(caller_, capability_, 7, "a")));
    }
    caller_.flush().value();
    ASSERT_TRUE(succeeded(post(other, others, 7, "b")));
    other.flush().value();
    EXPECT_EQ(sut_->step().value(), 11U);
    EXPECT_LE(order.find('b'), 2U) << order;
}

TEST_F(Services, a_sender_over_its_rate_gets_limit_and_others_do_not) {
    serve({.calls_per_second = 1, .calls_at_once = 3});
    start();
    int refused = 0;
    // Were each to last a second, none would be refused; so ask often, and not how long it took.
    for (int i = 0; i < 50; ++i) {
        refused += error_of(client().call(1, "x", Deadline::in(60s))) == "limit" ? 1 : 0;
    }
    EXPECT_GT(refused, 0);
    auto other = connect();
    ServiceClient theirs(other, other.lookup("service").value());
    EXPECT_EQ(theirs.call(1, "mine", Deadline::in(60s)).value(), "mine");
}

TEST_F(Services, a_step_handles_no_more_than_may_be_pending) {
    serve({.pending = 4});
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(succeeded(post(caller_, capability_, 1)));
    }
    caller_.flush().value();
    EXPECT_LE(sut_->step().value(), 5U);
    std::size_t rest = 0;
    while (sut_->counters().handled < 10) {
        rest += sut_->step(Deadline::in(60s)).value();
    }
    EXPECT_GT(rest, 0U);
}

TEST_F(Services, what_was_delivered_before_the_end_is_answered) {
    serve({.pending = 8});
    constexpr int kCalls = 40;
    for (int i = 0; i < kCalls; ++i) {
        ASSERT_TRUE(succeeded(post(caller_, capability_, 1, "x")));
    }
    caller_.flush().value();
    sut_->stop();
    EXPECT_TRUE(succeeded(sut_->run()));
    for (int i = 0; i < kCalls; ++i) {
        EXPECT_TRUE(succeeded(caller_.receive(Deadline::in(60s)))) << i;
    }
    EXPECT_EQ(error_of(caller_.lookup("service")), "no_such_name");
    EXPECT_FALSE(client().call(1, "x", Deadline::in(60s)));
}

TEST_F(Services, a_service_is_a_source_in_a_wait_set) {
    serve();
    auto set = WaitSet::make().value();
    set.add(*sut_, [&](const auto&) { sut_->step().value(); }).value();
    std::thread calling([&] {
        for (int i = 0; i < 50; ++i) {
            EXPECT_EQ(client().call(1, std::to_string(i), Deadline::in(60s)).value(), std::to_string(i));
        }
    });
    while (sut_->counters().handled < 50) {
        ASSERT_TRUE(succeeded(set.dispatch(Deadline::in(60s))));
    }
    calling.join();
}

TEST_F(Services, the_end_of_the_router_ends_run) {
    serve();
    std::thread running([this] { EXPECT_EQ(error_of(sut_->run()), "router_gone"); });
    EXPECT_EQ(client().call(1, "up", Deadline::in(60s)).value(), "up");
    router_.stop();
    router_.join();
    running.join();
}

TEST_F(Services, options_and_names_out_of_range_are_refused) {
    EXPECT_EQ(error_of(Service::open(provider_, "x", {.burst = 0})), "bad_argument");
    EXPECT_EQ(error_of(Service::open(provider_, "x", {.argument_bytes = 4093})), "bad_argument");
    EXPECT_EQ(error_of(Service::open(provider_, "x", {.pending = 0})), "bad_argument");
    EXPECT_EQ(error_of(Service::open(provider_, "two words")), "bad_name");
}

}  // namespace keyway::test
