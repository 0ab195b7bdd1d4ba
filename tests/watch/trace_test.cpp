// Following messages.

#include "tests/watch/watch_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Following : public Watched {
  protected:
    explicit Following(bool payloads = false)
        : Watched(payloads), service_(connect()), client_(connect()), watcher_(connect()) {
        endpoint_ = service_.register_endpoint("service").value();
        to_service_ = client_.lookup("service").value();
        observer_ = become_observer(watcher_).value();
    }
    Connection service_;
    Connection client_;
    Connection watcher_;
    Endpoint endpoint_;
    Capability to_service_;
    Capability observer_;
};

TEST_F(Following, shows_delivered_and_refused_messages_in_order) {
    auto trace = Trace::open(watcher_, observer_.id).value();
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "hello"))));
    EXPECT_EQ(error_of(client_.send(Outgoing::to(Capability{.id = 77, .object = 5}, "x"))),
              "no_such_capability");
    const TracedMessage sent = trace.next(Deadline::in(10s)).value();
    EXPECT_EQ(sent.verdict(), Verdict::kDelivered);
    EXPECT_EQ(sent.head.process(), client_.id());
    EXPECT_EQ(sent.head.owner(), service_.id());
    EXPECT_EQ(sent.head.object(), endpoint_.id);
    EXPECT_EQ(sent.head.kind(), static_cast<std::uint8_t>(Kind::kEndpoint));
    EXPECT_EQ(sent.header.sender(), client_.id());
    EXPECT_EQ(sent.header.receiver(), endpoint_.id);
    EXPECT_EQ(sent.header.capability(), to_service_.id);
    EXPECT_EQ(sent.header.length(), 5U);
    EXPECT_GT(sent.head.time(), 1'600'000'000'000'000'000U);
    const std::uint64_t first = sent.head.number();
    const TracedMessage refused = trace.next(Deadline::in(10s)).value();
    EXPECT_EQ(refused.verdict(), Verdict::kNoSuchCapability);
    EXPECT_EQ(refused.head.rights(), 0U);
    EXPECT_EQ(refused.head.object(), 0U);
    EXPECT_EQ(refused.head.number(), first + 1);
    EXPECT_EQ(error_of(trace.next(Deadline::now())), "timeout");
}

TEST_F(Following, shows_no_payload_without_the_right_to_it) {
    EXPECT_EQ(observer_.rights & right::kProcess, 0);
    EXPECT_EQ(error_of(Trace::open(watcher_, observer_.id, {.payloads = true})), "insufficient_rights");
    auto trace = Trace::open(watcher_, observer_.id).value();
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "secret"))));
    const TracedMessage sent = trace.next(Deadline::in(10s)).value();
    EXPECT_TRUE(sent.payload.empty());
    EXPECT_EQ(sent.header.length(), 6U);
}

TEST_F(Following, holds_nobody_up_and_counts_what_was_missed) {
    auto trace = Trace::open(watcher_, observer_.id, {.payloads = false, .ring_bytes = 16 * 1024}).value();
    constexpr std::uint64_t kMessages = 2000;
    for (std::uint64_t i = 0; i < kMessages; ++i) {
        ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "x"), Deadline::in(10s))));
        ASSERT_TRUE(succeeded(service_.receive(Deadline::in(10s))));
    }
    std::uint64_t seen = 0;
    std::uint64_t last = 0;
    while (auto message = trace.next(Deadline::now())) {
        EXPECT_GT(message->head.number(), last);
        last = message->head.number();
        ++seen;
    }
    EXPECT_GT(trace.lost(), 0U);
    EXPECT_EQ(seen + trace.lost(), kMessages);
}

TEST_F(Following, is_once_a_connection_and_the_last_one_counts) {
    auto trace = Trace::open(watcher_, observer_.id).value();
    auto again = Trace::open(watcher_, observer_.id).value();
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "x"))));
    EXPECT_EQ(error_of(trace.next(Deadline::in(10s))), "revoked");
    EXPECT_TRUE(succeeded(again.next(Deadline::in(10s))));
}

TEST_F(Following, ends_when_the_router_does) {
    auto trace = Trace::open(watcher_, observer_.id).value();
    auto counters = Counters::open(watcher_, observer_.id).value();
    router_.stop();
    router_.join();
    EXPECT_EQ(error_of(trace.next(Deadline::in(10s))), "revoked");
    EXPECT_EQ(error_of(counters.read()), "revoked");
}

class FollowingPayloads : public Following {
  protected:
    FollowingPayloads() : Following(true) {}
};

TEST_F(FollowingPayloads, shows_what_messages_say_and_cuts_the_longest) {
    auto trace = Trace::open(watcher_, observer_.id, {.payloads = true}).value();
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "hello"))));
    const TracedMessage sent = trace.next(Deadline::in(10s)).value();
    ASSERT_EQ(sent.payload.size(), 5U);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(sent.payload.data()), 5), "hello");
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, std::string(4096, 'x')))));
    const TracedMessage longest = trace.next(Deadline::in(10s)).value();
    EXPECT_EQ(longest.header.length(), 4096U);
    EXPECT_EQ(longest.payload.size(), 4064U);
    EXPECT_EQ(longest.head.captured(), 4064U);
}

TEST_F(FollowingPayloads, shows_replies_with_the_receivers_own_id) {
    auto trace = Trace::open(watcher_, observer_.id, {.payloads = true}).value();
    const auto ticket = client_.post([&] {
        Outgoing call = Outgoing::to(to_service_, "?");
        call.flags = flag::kExpectsReply;
        return call;
    }());
    ASSERT_TRUE(succeeded(ticket));
    auto call = service_.receive(Deadline::in(10s)).value();
    ASSERT_TRUE(succeeded(service_.reply(call, "!")));
    const TracedMessage asked = trace.next(Deadline::in(10s)).value();
    EXPECT_EQ(asked.head.created(), call.carried());
    const TracedMessage answered = trace.next(Deadline::in(10s)).value();
    EXPECT_EQ(answered.header.flags() & flag::kReply, flag::kReply);
    EXPECT_EQ(answered.head.owner(), client_.id());
}

}  // namespace keyway::test
