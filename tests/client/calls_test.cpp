// Request and response: one reply a call, matched by the router, and an answer whatever happens to the
// callee.

#include <atomic>
#include <thread>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Calls : public RouterFixture {
  protected:
    Calls() : service_(connect()), client_(connect()) {
        endpoint_ = service_.register_endpoint("service").value();
        to_service_ = client_.lookup("service").value();
    }
    /// Serves `count` calls in a thread, answering with the request's text backwards.
    std::thread serve(int count) {
        return std::thread([this, count] {
            for (int i = 0; i < count; ++i) {
                auto request = service_.receive(Deadline::in(60s));
                ASSERT_TRUE(succeeded(request));
                const std::string answer(request->text().rbegin(), request->text().rend());
                EXPECT_TRUE(succeeded(service_.reply(*request, answer)));
            }
        });
    }

    Connection service_;
    Connection client_;
    Endpoint endpoint_;
    Capability to_service_;
};

TEST_F(Calls, a_call_returns_the_reply) {
    std::thread server = serve(1);
    auto answer = client_.call(to_service_, "abc", Deadline::in(60s));
    server.join();
    ASSERT_TRUE(succeeded(answer));
    EXPECT_EQ(answer->text(), "cba");
    EXPECT_TRUE(answer->is_reply());
    EXPECT_EQ(answer->sender(), service_.id());
}

TEST_F(Calls, the_largest_payload_goes_both_ways) {
    std::thread server = serve(1);
    const std::string text(limit::kPayloadBytes, 'x');
    auto answer = client_.call(to_service_, text, Deadline::in(60s));
    server.join();
    ASSERT_TRUE(succeeded(answer));
    EXPECT_EQ(answer->text(), text);
}

TEST_F(Calls, a_call_can_be_answered_once) {
    std::atomic<int> second_reply_refused{0};
    std::thread server([&] {
        auto request = service_.receive(Deadline::in(60s)).value();
        EXPECT_TRUE(request.is_call());
        EXPECT_NE(request.carried(), 0U);
        EXPECT_TRUE(succeeded(service_.reply(request, "one")));
        second_reply_refused = error_of(service_.reply(request, "two")) == "no_such_capability" ? 1 : 0;
    });
    EXPECT_EQ(client_.call(to_service_, "?", Deadline::in(60s)).value().text(), "one");
    server.join();
    EXPECT_EQ(second_reply_refused, 1);
    EXPECT_EQ(error_of(client_.try_receive()), "would_block");
}

TEST_F(Calls, a_message_that_is_no_call_can_not_be_answered) {
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "note"))));
    auto note = service_.receive(Deadline::in(10s)).value();
    EXPECT_EQ(error_of(service_.reply(note, "?")), "bad_argument");
}

TEST_F(Calls, messages_that_come_in_during_a_call_are_kept_for_receive) {
    Connection other = connect();
    auto client_home = client_.register_endpoint("client").value();
    const auto to_client = service_.lookup("client").value();
    std::thread server([&] {
        auto request = service_.receive(Deadline::in(60s)).value();
        EXPECT_TRUE(succeeded(service_.send(Outgoing::to(to_client, "meanwhile 1"))));
        EXPECT_TRUE(succeeded(service_.send(Outgoing::to(to_client, std::string(3000, 'm')))));
        EXPECT_TRUE(succeeded(service_.reply(request, "answer")));
    });
    EXPECT_EQ(client_.call(to_service_, "?", Deadline::in(60s)).value().text(), "answer");
    server.join();
    EXPECT_EQ(client_.receive(Deadline::in(10s)).value().text(), "meanwhile 1");
    EXPECT_EQ(client_.receive(Deadline::in(10s)).value().text(), std::string(3000, 'm'));
    EXPECT_NE(client_home.id, 0U);
}

TEST_F(Calls, a_call_that_nobody_answers_ends_at_its_deadline) {
    EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::in(2ms))), "timeout");
    EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::now())), "timeout");
}

TEST_F(Calls, an_answer_that_comes_too_late_is_refused) {
    EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::in(2ms))), "timeout");
    auto request = service_.receive(Deadline::in(10s)).value();
    EXPECT_EQ(error_of(service_.reply(request, "late")), "no_such_capability");
    EXPECT_EQ(error_of(client_.try_receive()), "would_block");
}

// The caller gives up at about the moment at which the router looks at the call. Before: it is not delivered.
// After: the answer is refused.
TEST_F(Calls, an_answer_is_too_late_also_when_the_call_had_not_been_looked_at) {
    for (int i = 0; i < 500; ++i) {
        ASSERT_EQ(error_of(client_.call(to_service_, "?", Deadline::now())), "timeout");
        for (auto request = service_.try_receive(); request; request = service_.try_receive()) {
            ASSERT_EQ(error_of(service_.reply(*request, "late")), "no_such_capability") << "call " << i;
        }
        ASSERT_EQ(error_of(client_.try_receive()), "would_block");
    }
    EXPECT_TRUE(succeeded(client_.flush()));
    EXPECT_FALSE(client_.next_refusal().has_value()) << "a call that was given up is no posted message";
}

TEST_F(Calls, a_caller_hears_at_once_when_the_callee_ends) {
    std::thread server([&] {
        auto request = service_.receive(Deadline::in(60s)).value();
        Connection ended = std::move(service_);
    });
    EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::in(60s))), "peer_gone");
    server.join();
    EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::in(60s))), "no_such_capability");
}

TEST_F(Calls, a_caller_hears_at_once_when_the_callee_ends_before_it_has_looked) {
    std::thread caller(
        [&] { EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::in(60s))), "peer_gone"); });
    service_.receive(Deadline::in(60s)).value().release();
    { Connection ended = std::move(service_); }
    caller.join();
}

TEST_F(Calls, a_callee_that_gives_the_reply_capability_up_ends_the_call) {
    std::thread server([&] {
        auto request = service_.receive(Deadline::in(60s)).value();
        EXPECT_TRUE(succeeded(service_.release(request.carried())));
    });
    EXPECT_EQ(error_of(client_.call(to_service_, "?", Deadline::in(60s))), "peer_gone");
    server.join();
}

TEST_F(Calls, a_callee_whose_caller_ended_is_refused_and_carries_on) {
    std::thread brief([&] {
        Connection caller = connect();
        const auto service = caller.lookup("service").value();
        Outgoing message = Outgoing::to(service, "?");
        message.flags = flag::kExpectsReply;
        EXPECT_TRUE(succeeded(caller.send(message)));
    });
    brief.join();
    auto request = service_.receive(Deadline::in(10s)).value();
    // The caller's end is noticed by the router on its own; until then the reply still finds its ring.
    std::string outcome = error_of(service_.reply(request, "anybody?"));
    EXPECT_TRUE(outcome == "ok" || outcome == "no_such_capability") << outcome;
    std::thread server = serve(1);
    EXPECT_EQ(client_.call(to_service_, "on", Deadline::in(60s)).value().text(), "no");
    server.join();
}

TEST_F(Calls, many_callers_get_each_their_own_answer) {
    constexpr int kClients = 4;
    constexpr int kCalls = 500;
    std::thread server = serve(kClients * kCalls);
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
        clients.emplace_back([this, c] {
            Connection mine = connect();
            const auto service = mine.lookup("service").value();
            for (int i = 0; i < kCalls; ++i) {
                const std::string text = std::to_string(c) + "-" + std::to_string(i);
                auto answer = mine.call(service, text, Deadline::in(60s));
                ASSERT_TRUE(succeeded(answer));
                ASSERT_EQ(answer->text(), std::string(text.rbegin(), text.rend()));
            }
        });
    }
    for (auto& client : clients) {
        client.join();
    }
    server.join();
    const RouterCounters counters = router_.counters();
    EXPECT_EQ(counters.delivered, 2U * kClients * kCalls);
    EXPECT_EQ(counters.refused + counters.expired, 0U);
}

TEST_F(Calls, a_connections_two_halves_work_in_two_threads) {
    std::thread server = serve(200);
    Connection& both = client_;
    auto home = both.register_endpoint("both").value();
    std::thread receiving([&] {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(succeeded(both.receive(Deadline::in(60s))));
        }
    });
    const Capability to_self = home.capability;
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(succeeded(both.send(Outgoing::to(to_self, "self"), Deadline::in(60s))));
    }
    receiving.join();
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(succeeded(client_.call(to_service_, "x", Deadline::in(60s))));
    }
    server.join();
}

TEST_F(Calls, outstanding_calls_use_up_the_callers_own_share_of_capabilities) {
    Policy policy = Policy::permissive();
    policy.process.capabilities = 10;
    router_.set_policy(policy);
    Connection greedy = connect();
    const auto service = greedy.lookup("service").value();
    Outgoing message = Outgoing::to(service, "?");
    message.flags = flag::kExpectsReply;
    std::string last;
    for (int i = 0; i < 20 && (last = error_of(greedy.send(message))) == "ok"; ++i) {
    }
    EXPECT_EQ(last, "table_full");
    // Nobody else suffers.
    std::thread server([&] {
        while (true) {
            auto request = service_.receive(Deadline::in(60s)).value();
            if (request.text() == "x") {
                EXPECT_TRUE(succeeded(service_.reply(request, "y")));
                return;
            }
        }
    });
    EXPECT_EQ(client_.call(to_service_, "x", Deadline::in(60s)).value().text(), "y");
    server.join();
}

}  // namespace keyway::test
