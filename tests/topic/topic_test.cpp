// Topics through a router: who may, what it costs, in which order, and what is lost.

#include "keyway/topic.hpp"

#include <nlohmann/json.hpp>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Topics : public RouterFixture {
  protected:
    Topics() : publisher_(connect()) {}

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

    Connection publisher_;
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

}  // namespace keyway::test
