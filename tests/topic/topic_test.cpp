// Topics through a router: who may, what it costs, in which order, and what is lost.

#include "keyway/topic.hpp"

#include <sys/mman.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "client/subscription_impl.hpp"

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Topics : public RouterFixture {
  protected:
    explicit Topics(RouterOptions options = quick_options())
        : RouterFixture(std::move(options)), publisher_(connect()) {}

    Capability make(const TopicOptions& options = {}) {
        return make_topic(publisher_, "news", options).value();
    }
    static Subscription subscribe(Connection& connection) {
        return Subscription::open(connection, connection.lookup("news").value()).value();
    }
    nlohmann::json listed() { return nlohmann::json::parse(publisher_.list().value()).at("topics").at(0); }
    Result<void> say(const Capability& topic, std::string_view text, Deadline deadline = Deadline::in(10s)) {
        return publish(publisher_, topic, text, deadline);
    }
    static std::string heard(Subscription& subscription) {
        const auto event = subscription.next(Deadline::in(10s));
        return event ? std::string(event->text()) : std::string(event.error().name());
    }

    /// Publishes `events` events of `bytes` each.
    void fill(const Capability& topic, int events, std::size_t bytes = 1000) {
        const std::vector<std::byte> payload(bytes);
        for (int i = 0; i < events; ++i) {
            ASSERT_TRUE(succeeded(publish(publisher_, topic, payload, Deadline::in(10s))));
        }
    }

    Connection publisher_;
};

class TopicsForWriters : public Topics {
  protected:
    static RouterOptions without_read() {
        RouterOptions options = quick_options();
        options.policy.rules[0].lookup[0].rights = right::kWrite;
        return options;
    }
    TopicsForWriters() : Topics(without_read()) {}
};

TEST_F(Topics, an_event_reaches_a_subscriber) {
    const Capability topic = make();
    Connection reader = connect();
    Subscription news = subscribe(reader);
    ASSERT_TRUE(succeeded(say(topic, "it rains")));

    const auto event = news.next(Deadline::in(10s));
    ASSERT_TRUE(succeeded(event));
    EXPECT_EQ(event->text(), "it rains");
    EXPECT_EQ(event->topic(), topic.object);
    EXPECT_EQ(event->sender(), publisher_.id());
    EXPECT_EQ(event->sequence, 1U);
    EXPECT_EQ(error_of(news.try_next()), "would_block");
}

TEST_F(TopicsForWriters, who_may_only_write_can_publish_and_not_subscribe) {
    make();
    Connection other = connect();
    const Capability news = other.lookup("news").value();
    EXPECT_TRUE(succeeded(publish(other, news, "hello", Deadline::in(10s))));
    EXPECT_EQ(error_of(Subscription::open(other, news)), "insufficient_rights");
}

TEST_F(Topics, who_may_only_read_can_subscribe_and_not_publish) {
    const Capability topic = make();
    const Capability read = publisher_.derive(topic, {.rights = right::kRead}).value();
    EXPECT_EQ(error_of(publish(publisher_, read, "hello")), "insufficient_rights");
    EXPECT_TRUE(succeeded(Subscription::open(publisher_, read)));
    EXPECT_EQ(error_of(Subscription::open(publisher_, publisher_.self())), "wrong_object");
}

TEST_F(Topics, impossible_options_are_refused) {
    EXPECT_EQ(error_of(make_topic(publisher_, "a", {.ring_bytes = 20'000})), "bad_argument");
    EXPECT_EQ(error_of(make_topic(publisher_, "a", {.keep = 5000})), "bad_argument");
    EXPECT_EQ(error_of(make_topic(publisher_, "a", {.patience = 0s})), "bad_argument");
    EXPECT_EQ(error_of(make_topic(publisher_, "a b")), "bad_name");
}

TEST_F(Topics, an_event_is_written_once_however_many_subscribe) {
    const Capability topic = make();
    fill(topic, 1);
    const std::uint64_t with_none = listed().at("written_bytes");
    Connection reader = connect();
    std::vector<Subscription> subscriptions;
    for (int i = 0; i < 8; ++i) {
        subscriptions.push_back(subscribe(reader));
    }
    fill(topic, 1);
    EXPECT_EQ(listed().at("written_bytes"), 2 * with_none);
    for (Subscription& subscription : subscriptions) {
        EXPECT_TRUE(succeeded(subscription.next(Deadline::in(10s))));
    }
}

TEST_F(Topics, drop_oldest_never_waits_and_the_loss_is_counted_exactly) {
    const Capability topic = make({.ring_bytes = 16 * 1024});
    Connection reader = connect();
    Subscription news = subscribe(reader);
    fill(topic, 100);
    std::uint64_t expected = 0;
    std::uint64_t got = 0;
    for (auto event = news.try_next(); event; event = news.try_next()) {
        expected = expected == 0 ? event->sequence : expected + 1;
        EXPECT_EQ(event->sequence, expected);
        ++got;
    }
    EXPECT_EQ(expected, 100U);
    EXPECT_GT(got, 10U);
    EXPECT_EQ(news.lost() + got, 100U);
    EXPECT_EQ(listed().at("subscribers").at(0).at("lost"), news.lost());
}

TEST_F(Topics, block_waits_for_the_slowest_and_loses_nothing) {
    const Capability topic = make({.policy = TopicPolicy::kBlock,
                                   .ring_bytes = 16 * 1024,
                                   .patience = std::chrono::nanoseconds::max()});
    Connection reader = connect();
    Subscription news = subscribe(reader);
    constexpr std::uint64_t kEvents = 500;
    std::thread slow([&] {
        for (std::uint64_t i = 1; i <= kEvents; ++i) {
            const auto event = news.next(Deadline::in(10s));
            ASSERT_TRUE(succeeded(event));
            EXPECT_EQ(event->sequence, i);
        }
    });
    fill(topic, kEvents);
    slow.join();
    EXPECT_EQ(news.lost(), 0U);
}

TEST_F(Topics, a_publisher_that_does_not_want_to_wait_is_told_that_a_blocking_topic_is_full) {
    const Capability topic = make({.policy = TopicPolicy::kBlock, .ring_bytes = 16 * 1024, .patience = 1h});
    Connection reader = connect();
    Subscription news = subscribe(reader);
    const std::vector<std::byte> payload(1000);
    Result<void> sent;
    int taken = 0;
    for (; (sent = publisher_.try_send(event_for(topic, payload))); ++taken) {
    }
    EXPECT_EQ(error_of(sent), "full");
    EXPECT_EQ(taken, 16 * 1024 / 1088);
    EXPECT_EQ(error_of(publish(publisher_, topic, payload, Deadline::in(20ms))), "timed_out");
    for (int i = 0; i < taken; ++i) {
        EXPECT_TRUE(succeeded(news.try_next()));
    }
    EXPECT_EQ(error_of(news.try_next()), "would_block");
    EXPECT_TRUE(succeeded(publisher_.try_send(event_for(topic, payload))));
}

TEST_F(Topics, a_stopped_subscriber_of_a_blocking_topic_uses_up_the_patience_once_and_harms_nobody) {
    const Capability topic = make({.policy = TopicPolicy::kBlock, .ring_bytes = 16 * 1024, .patience = 20ms});
    Connection stopped = connect();
    Connection reader = connect();
    Subscription asleep = subscribe(stopped);
    Subscription news = subscribe(reader);
    std::thread quick([&] {
        for (std::uint64_t i = 1; i <= 200; ++i) {
            const auto event = news.next(Deadline::in(10s));
            ASSERT_TRUE(succeeded(event));
            EXPECT_EQ(event->sequence, i);
        }
    });
    fill(topic, 200);
    quick.join();
    EXPECT_EQ(news.lost(), 0U);
    const auto late = asleep.next(Deadline::in(10s));
    ASSERT_TRUE(succeeded(late));
    EXPECT_EQ(asleep.lost(), late->sequence - 1);
    EXPECT_GT(asleep.lost(), 100U);
}

TEST_F(Topics, a_late_joiner_starts_as_many_events_back_as_are_kept) {
    const Capability topic = make({.keep = 3});
    for (const char* text : {"1", "2", "3", "4", "5"}) {
        ASSERT_TRUE(succeeded(say(topic, text)));
    }
    Connection reader = connect();
    Subscription news = subscribe(reader);
    EXPECT_EQ(heard(news), "3");
    EXPECT_EQ(heard(news), "4");
    EXPECT_EQ(heard(news), "5");
    EXPECT_EQ(error_of(news.try_next()), "would_block");
    EXPECT_EQ(news.lost(), 0U);
}

TEST_F(Topics, a_recalled_subscriber_gets_nothing_that_follows_and_the_others_lose_nothing) {
    const Capability topic = make();
    const Capability for_one = publisher_.derive(topic, {.rights = right::kRead | right::kRevoke}).value();
    const Capability for_two = publisher_.derive(topic, {.rights = right::kRead | right::kRevoke}).value();
    auto one = Subscription::open(publisher_, for_one).value();
    auto two = Subscription::open(publisher_, for_two).value();
    ASSERT_TRUE(succeeded(say(topic, "before")));
    ASSERT_TRUE(succeeded(publisher_.revoke(topic, for_one.id)));
    ASSERT_TRUE(succeeded(say(topic, "after")));

    EXPECT_EQ(heard(one), "before");
    EXPECT_EQ(heard(one), "revoked");
    EXPECT_EQ(heard(two), "before");
    EXPECT_EQ(heard(two), "after");
    EXPECT_EQ(two.lost(), 0U);
    // Nor by the mapping itself: "before" lies in it, "after" does not.
    const auto raw = std::string_view(reinterpret_cast<const char*>(one.impl().memory.base()),
                                      broadcast::kControlBytes + one.impl().ring_bytes);
    EXPECT_NE(raw.find("before"), std::string_view::npos);
    EXPECT_EQ(raw.find("after"), std::string_view::npos);
}

TEST_F(Topics, who_has_unsubscribed_is_recalled_all_the_same) {
    const Capability topic = make();
    const Capability read = publisher_.derive(topic, {.rights = right::kRead}).value();
    broadcast::RingMemory kept;
    {
        auto news = Subscription::open(publisher_, read).value();
        kept = std::move(news.impl().memory);
        news.impl().memory = {};
    }
    ASSERT_TRUE(succeeded(publisher_.revoke(topic, read.id)));
    ASSERT_TRUE(succeeded(say(topic, "after")));
    const auto raw =
        std::string_view(reinterpret_cast<const char*>(kept.base()), broadcast::kControlBytes + 256 * 1024);
    EXPECT_EQ(raw.find("after"), std::string_view::npos);
}

TEST_F(Topics, who_moves_its_capability_on_reads_no_further) {
    const Capability topic = make();
    Connection other = connect();
    other.register_endpoint("other").value();
    const Capability to_other = publisher_.lookup("other").value();
    const Capability read = publisher_.derive(topic, {.rights = right::kRead | right::kGrant}).value();
    auto news = Subscription::open(publisher_, read).value();
    ASSERT_TRUE(succeeded(say(topic, "before")));
    ASSERT_TRUE(succeeded(publisher_.move(read, to_other)));
    ASSERT_TRUE(succeeded(say(topic, "after")));

    EXPECT_EQ(heard(news), "before");
    EXPECT_EQ(heard(news), "revoked");
    const auto raw = std::string_view(reinterpret_cast<const char*>(news.impl().memory.base()),
                                      broadcast::kControlBytes + news.impl().ring_bytes);
    EXPECT_EQ(raw.find("after"), std::string_view::npos);
    // It is the other's now.
    const auto moved = other.receive(Deadline::in(10s)).value();
    auto theirs = Subscription::open(other, other.inspect(moved.carried()).value()).value();
    ASSERT_TRUE(succeeded(say(topic, "more")));
    EXPECT_EQ(heard(theirs), "more");
}

TEST_F(Topics, who_moves_its_capability_on_and_dies_leaves_nothing_behind) {
    const Capability topic = make();
    Connection other = connect();
    other.register_endpoint("other").value();
    {
        Connection mover = connect();
        mover.register_endpoint("mover").value();
        const Capability to_mover = publisher_.lookup("mover").value();
        publisher_.give(topic, to_mover, right::kRead | right::kGrant, 1).value();
        const auto given = mover.receive(Deadline::in(10s)).value();
        const Capability read = mover.inspect(given.carried()).value();
        // By hand, so that nothing unsubscribes: it dies.
        link::ControlMessage request;
        request.request = static_cast<std::uint8_t>(Request::kSubscribe);
        request.capability = read.id;
        ASSERT_TRUE(succeeded(mover.impl().request(request)));
        ASSERT_TRUE(succeeded(mover.move(read, mover.lookup("other").value())));
    }
    // Its link is gone once its name is free again.
    const Deadline patience = Deadline::in(10s);
    while (!other.register_endpoint("mover") && !patience.passed()) {
    }
    fill(topic, 3);
    EXPECT_EQ(listed().at("subscribers").size(), 0U);
}

TEST_F(Topics, a_subscription_ends_with_the_lifetime_of_its_capability) {
    const Capability topic = make();
    const Capability brief = publisher_.derive(topic, {.rights = right::kRead, .lifetime = 1ms}).value();
    auto news = Subscription::open(publisher_, brief).value();
    Result<Event> event = Status::kTimeout;
    while (!event && event.error() == Error{Status::kTimeout}) {
        ASSERT_TRUE(succeeded(say(topic, "x")));
        while ((event = news.next(Deadline::in(1ms)))) {
            ASSERT_TRUE(succeeded(say(topic, "x")));
        }
    }
    EXPECT_EQ(error_of(event), "expired");
}

TEST_F(Topics, nobody_can_write_to_the_ring_but_the_router) {
    make();
    Connection reader = connect();
    const Capability news = reader.lookup("news").value();
    link::ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kSubscribe);
    request.capability = news.id;
    auto answer = reader.impl().request(request).value();
    const int file = answer.fds[0].get();
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
    EXPECT_LT(::pwrite(file, "x", 1, 0), 0);
    EXPECT_NE(::ftruncate(file, 0), 0);
    EXPECT_NE(::ftruncate(file, 1 << 26), 0);
}

TEST_F(Topics, a_place_that_nobody_can_be_at_closes_that_subscription_and_no_other) {
    const Capability topic = make({.policy = TopicPolicy::kBlock, .ring_bytes = 16 * 1024, .patience = 1h});
    Connection hostile = connect();
    Connection reader = connect();
    Subscription news = subscribe(reader);
    for (const std::uint64_t place : {std::uint64_t{1} << 40, std::uint64_t{7}, std::uint64_t{0}}) {
        fill(topic, 3);
        while (news.next(Deadline::now())) {
        }
        Subscription bad = subscribe(hostile);
        ring::NativeAtomics::store(bad.impl().slot->position, place, std::memory_order_release);
        for (int i = 0; i < 3; ++i) {
            fill(topic, 10);
            while (news.next(Deadline::now())) {
            }
        }
        EXPECT_EQ(heard(bad), "corrupt") << place;
    }
    EXPECT_EQ(news.lost(), 0U);
}

TEST_F(Topics, random_bytes_in_a_readers_slot_end_at_most_its_own_subscription) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Capability topic = make({.policy = TopicPolicy::kBlock, .ring_bytes = 16 * 1024, .patience = 1ms});
    Connection hostile = connect();
    Connection reader = connect();
    Subscription news = subscribe(reader);
    std::uint64_t published = 0;
    for (int round = 0; round < 50; ++round) {
        Subscription bad = subscribe(hostile);
        auto* bytes = reinterpret_cast<std::byte*>(bad.impl().slot);
        for (int i = 0; i < 40; ++i) {
            for (std::size_t at = 0; at < sizeof(broadcast::ReaderSlot); at += 8) {
                ring::NativeAtomics::store(*reinterpret_cast<std::uint64_t*>(bytes + at), random(),
                                           std::memory_order_relaxed);
            }
            ASSERT_TRUE(succeeded(say(topic, "x")));
            const auto event = news.next(Deadline::in(10s));
            ASSERT_TRUE(succeeded(event));
            EXPECT_EQ(event->sequence, ++published);
        }
    }
    EXPECT_EQ(news.lost(), 0U);
    EXPECT_TRUE(succeeded(hostile.list())) << "its link lives on";
}

TEST_F(Topics, a_subscribers_end_frees_a_publisher_that_waits_for_it) {
    const Capability topic = make({.policy = TopicPolicy::kBlock, .ring_bytes = 16 * 1024, .patience = 1h});
    auto reader = std::make_unique<Connection>(connect());
    // Kept aside: a subscription must not outlive its connection, a raw one has nobody who would end it.
    link::ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kSubscribe);
    request.capability = reader->lookup("news").value().id;
    ASSERT_TRUE(succeeded(reader->impl().request(request)));
    const std::vector<std::byte> payload(1000);
    while (publisher_.try_send(event_for(topic, payload))) {
    }
    std::thread ending([&] { reader.reset(); });
    EXPECT_TRUE(succeeded(publish(publisher_, topic, payload, Deadline::in(10s))));
    ending.join();
}

TEST_F(Topics, when_the_topics_owner_ends_the_rest_can_be_read_and_then_it_is_closed) {
    auto owner = std::make_unique<Connection>(connect());
    const Capability topic = make_topic(*owner, "news").value();
    Connection reader = connect();
    Subscription news = subscribe(reader);
    ASSERT_TRUE(succeeded(publish(*owner, topic, "last words", Deadline::in(10s))));
    owner.reset();
    EXPECT_EQ(heard(news), "last words");
    EXPECT_EQ(heard(news), "closed");
    EXPECT_TRUE(succeeded(make_topic(publisher_, "news"))) << "the name is free again";
}

TEST_F(Topics, the_descriptor_tells_of_an_event) {
    const Capability topic = make();
    Connection reader = connect();
    Subscription news = subscribe(reader);
    ASSERT_FALSE(news.arm());
    ASSERT_TRUE(succeeded(say(topic, "ring")));
    pollfd fd{news.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&fd, 1, 10'000), 1);
    EXPECT_EQ(heard(news), "ring");
}

TEST_F(Topics, subscribing_another_process_takes_authority_over_it_and_grant_on_the_topic) {
    const Capability topic = make();
    Connection other = connect();
    EXPECT_EQ(error_of(subscribe_process(publisher_, topic, other.id())), "insufficient_rights");
    publisher_.register_endpoint("post").value();
    ASSERT_TRUE(succeeded(other.give(other.self(), other.lookup("post").value(), right::kProcess, 0)));
    const Capability no_grant = publisher_.derive(topic, {.rights = right::kRead}).value();
    EXPECT_EQ(error_of(subscribe_process(publisher_, no_grant, other.id())), "not_grantable");
    ASSERT_TRUE(succeeded(subscribe_process(publisher_, topic, other.id())));

    const auto message = other.receive(Deadline::in(10s)).value();
    EXPECT_EQ(message.sender(), 0U);
    EXPECT_EQ(message.header().sequence(), topic.object);
    auto news = Subscription::open(other, other.inspect(message.carried()).value()).value();
    ASSERT_TRUE(succeeded(say(topic, "hello")));
    EXPECT_EQ(heard(news), "hello");
}

TEST_F(Topics, a_hundred_thousand_events_reach_eight_readers_in_order) {
    const Capability topic = make(
        {.policy = TopicPolicy::kBlock, .ring_bytes = 1 << 20, .patience = std::chrono::nanoseconds::max()});
    constexpr std::uint64_t kEvents = 100'000;
    std::vector<Connection> connections;
    std::vector<Subscription> subscriptions;
    for (int i = 0; i < 8; ++i) {
        connections.push_back(connect());
        subscriptions.push_back(subscribe(connections.back()));
    }
    std::vector<std::thread> readers;
    for (Subscription& news : subscriptions) {
        readers.emplace_back([&news] {
            for (std::uint64_t i = 1; i <= kEvents; ++i) {
                const auto event = news.next(Deadline::in(60s));
                ASSERT_TRUE(succeeded(event));
                std::uint64_t value = 0;
                ASSERT_EQ(event->payload.size(), sizeof value);
                std::memcpy(&value, event->payload.data(), sizeof value);
                ASSERT_EQ(value, i);
            }
            EXPECT_EQ(news.lost(), 0U);
        });
    }
    for (std::uint64_t i = 1; i <= kEvents; ++i) {
        ASSERT_TRUE(succeeded(publisher_.post(event_for(topic, std::as_bytes(std::span(&i, 1))))));
    }
    EXPECT_TRUE(succeeded(publisher_.flush()));
    for (std::thread& reader : readers) {
        reader.join();
    }
}

TEST_F(Topics, torn_events_are_never_shown_to_readers_that_are_overrun_all_the_time) {
    const Capability topic = make({.ring_bytes = 16 * 1024});
    Connection reader = connect();
    Subscription news = subscribe(reader);
    constexpr std::uint64_t kEvents = 20'000;
    std::thread slow([&] {
        std::uint64_t got = 0;
        while (got + news.lost() < kEvents) {
            const auto event = news.next(Deadline::in(10s));
            ASSERT_TRUE(succeeded(event));
            ++got;
            ASSERT_EQ(got + news.lost(), event->sequence);
            for (const std::byte byte : event->payload) {
                ASSERT_EQ(byte, event->payload[0]);
            }
        }
    });
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        const std::vector<std::byte> payload(1 + i * 37 % 4000, static_cast<std::byte>(i));
        ASSERT_TRUE(succeeded(publisher_.post(event_for(topic, payload))));
    }
    EXPECT_TRUE(succeeded(publisher_.flush()));
    slow.join();
}

}  // namespace keyway::test
