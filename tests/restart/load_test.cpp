// The router is killed again and again while everybody is busy: at labelled steps, and at any moment. What
// was accepted comes once and in order; what a sender was refused never comes.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "keyway/topic.hpp"
#include "tests/restart/restart_stage.hpp"
#include "tests/run_length.hpp"

namespace keyway::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;

struct Body {
    std::uint32_t sender;
    std::uint32_t spare;
    std::uint64_t number;
};

Deadline soon() {
    return Deadline::in(kPatience);
}

Body body_of(const Received& message) {
    Body body{};
    std::memcpy(&body, message.payload().data(), std::min(message.payload().size(), sizeof body));
    return body;
}

/// Threads that talk through the router, each with connections of its own, and the books of what they saw.
class Load {
  public:
    explicit Load(const RestartStage& stage) : stage_(stage) {
        Connection sink = connect();
        check(sink.register_endpoint("sink").has_value(), "register sink");
        Connection echo = connect();
        check(echo.register_endpoint("echo").has_value(), "register echo");
        Connection news = connect();
        const auto topic = make_topic(news, "news", {.policy = TopicPolicy::kBlock, .patience = kPatience});
        check(topic.has_value(), "make topic");
        Connection ring[2] = {connect(), connect()};
        check(
            ring[0].register_endpoint("ring0").has_value() && ring[1].register_endpoint("ring1").has_value(),
            "ring");
        Connection reader = connect();
        std::vector<Connection> callers;
        callers.push_back(connect());
        callers.push_back(connect());
        threads_.emplace_back([this, c = std::move(sink)]() mutable { receive(std::move(c)); });
        threads_.emplace_back([this, c = std::move(echo)]() mutable { answer(std::move(c)); });
        threads_.emplace_back([this, c = std::move(reader)]() mutable { read(std::move(c)); });
        while (!reads_) {
            std::this_thread::yield();
        }
        threads_.emplace_back(
            [this, c = std::move(news), t = *topic]() mutable { publish_all(std::move(c), t); });
        for (std::uint32_t i = 0; i < 2; ++i) {
            threads_.emplace_back([this, i, c = connect()]() mutable { send(std::move(c), i); });
            threads_.emplace_back([this, c = std::move(callers[i])]() mutable { call(std::move(c)); });
        }
        threads_.emplace_back([this, c = connect()]() mutable { be_refused(std::move(c)); });
        threads_.emplace_back([this] { come_and_go(); });
        threads_.emplace_back(
            [this, c = std::move(ring[0])]() mutable { pass_on(std::move(c), "ring1", true); });
        threads_.emplace_back(
            [this, c = std::move(ring[1])]() mutable { pass_on(std::move(c), "ring0", false); });
    }
    ~Load() {
        for (auto& thread : threads_) {
            if (thread.joinable()) {
                thread.join();
            }
        }
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    /// Ends it, and looks whether the books agree.
    void finish() {
        stopping_ = true;
        for (auto& thread : threads_) {
            thread.join();
        }
        for (std::uint32_t i = 0; i < 2; ++i) {
            EXPECT_EQ(received_[i], sent_[i]) << "of sender " << i;
        }
        EXPECT_EQ(read_, published_);
        const std::lock_guard lock(faults_lock_);
        for (const std::string& fault : faults_) {
            ADD_FAILURE() << fault;
        }
    }
    [[nodiscard]] std::uint64_t progress() const { return progress_; }
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    [[nodiscard]] std::uint64_t moves() const { return moves_; }
    [[nodiscard]] std::uint64_t sent() const { return sent_[0] + sent_[1]; }
    [[nodiscard]] std::uint64_t published() const { return published_; }
    [[nodiscard]] bool faulty() {
        const std::lock_guard lock(faults_lock_);
        return !faults_.empty();
    }

  private:
    Connection connect() {
        auto connection = Connection::open(stage_.client(kPatience));
        if (!connection) {
            std::fprintf(stderr, "connect: %s\n", connection.error().message().c_str());
            std::abort();
        }
        return std::move(*connection);
    }
    void check(bool good, const std::string& what) {
        if (!good) {
            const std::lock_guard lock(faults_lock_);
            if (faults_.size() < 10) {
                faults_.push_back(what);
            }
            stopping_ = true;
        }
    }

    void send(Connection connection, std::uint32_t self) {
        const Capability sink = connection.lookup("sink").value();
        std::uint64_t posted = 0;
        std::mt19937 random(self);
        while (!stopping_) {
            Body body{self, 0, ++posted};
            const auto bytes = std::as_bytes(std::span(&body, 1));
            if (random() % 8 != 0) {
                const auto done = connection.post(Outgoing::to(sink, bytes), soon());
                check(done.has_value(), "post: " + (done.has_value() ? "" : done.error().message()));
            } else {
                const auto done = connection.send(Outgoing::to(sink, bytes), soon());
                check(done.has_value(), "send: " + (done.has_value() ? "" : done.error().message()));
            }
            ++progress_;
        }
        check(connection.flush(soon()).has_value(), "flush");
        check(!connection.next_refusal(), "a post was refused");
        sent_[self] = posted;
        Body last{self, 1, posted};
        check(connection.send(Outgoing::to(sink, std::as_bytes(std::span(&last, 1))), soon()).has_value(),
              "last send");
    }
    void receive(Connection connection) {
        int open = 2;
        while (open > 0) {
            auto message = connection.receive(soon());
            if (!message) {
                check(false, "receive: " + message.error().message());
                return;
            }
            const Body body = body_of(*message);
            if (body.sender > 1) {
                check(false, "a foreign message");
                return;
            }
            if (body.spare == 1) {
                --open;
                continue;
            }
            check(body.number == received_[body.sender] + 1,
                  "sender " + std::to_string(body.sender) + ": " + std::to_string(body.number) +
                      " came after " + std::to_string(received_[body.sender]));
            received_[body.sender] = body.number;
        }
    }
    void answer(Connection connection) {
        while (!calls_over_) {
            auto call = connection.receive(Deadline::in(100ms));
            if (!call) {
                check(call.error() == Error{Status::kTimeout}, "answer: " + call.error().message());
                continue;
            }
            const Body body = body_of(*call);
            const auto done = connection.reply(*call, std::as_bytes(std::span(&body, 1)));
            check(done.has_value(), "reply: " + (done.has_value() ? "" : done.error().message()));
        }
    }
    void call(Connection connection) {
        const Capability echo = connection.lookup("echo").value();
        std::uint64_t number = 0;
        while (!stopping_) {
            const Body body{connection.id(), 0, ++number};
            auto reply = connection.call(Outgoing::to(echo, std::as_bytes(std::span(&body, 1))), soon());
            if (!reply) {
                check(false, "call: " + reply.error().message());
                break;
            }
            check(body_of(*reply).number == number && body_of(*reply).sender == connection.id(),
                  "a wrong reply");
            ++calls_;
            ++progress_;
        }
        if (++callers_done_ == 2) {
            calls_over_ = true;
        }
    }
    void publish_all(Connection connection, Capability topic) {
        std::uint64_t number = 0;
        while (!stopping_) {
            const Body body{0, 0, ++number};
            const auto done = publish(connection, topic, std::as_bytes(std::span(&body, 1)), soon());
            check(done.has_value(), "publish: " + (done.has_value() ? "" : done.error().message()));
            ++progress_;
        }
        published_ = number;
        const Body last{0, 1, number};
        check(publish(connection, topic, std::as_bytes(std::span(&last, 1)), soon()).has_value(),
              "last publish");
        // With its owner the topic ends, for who has yet to fetch the new router's ring as well.
        while (!read_over_) {
            std::this_thread::sleep_for(1ms);
        }
    }
    void read(Connection connection) {
        read_all(connection);
        read_over_ = true;
    }
    void read_all(Connection& connection) {
        auto subscription = Subscription::open(connection, connection.lookup("news").value());
        check(subscription.has_value(), "subscribe");
        reads_ = true;
        while (subscription) {
            auto event = subscription->next(soon());
            if (!event) {
                check(false, "next: " + event.error().message());
                return;
            }
            Body body{};
            std::memcpy(&body, event->payload.data(), sizeof body);
            if (body.spare == 1) {
                return;
            }
            check(body.number == read_ + 1 && event->sequence == read_ + 1,
                  "event " + std::to_string(body.number) + " came after " + std::to_string(read_));
            read_ = body.number;
        }
    }
    // What is not allowed is refused, each time, and never comes.
    void be_refused(Connection connection) {
        const Capability sink = connection.lookup("sink").value();
        while (!stopping_) {
            const auto done =
                connection.send(Outgoing::to({.id = sink.id ^ 1U << 25, .object = sink.object}, "x"), soon());
            check(!done && done.error() == Error{Verdict::kNoSuchCapability},
                  "not refused: " + (done ? "" : done.error().message()));
            ++progress_;
        }
    }
    // Connections come and go; while there is no router they don't come.
    void come_and_go() {
        while (!stopping_) {
            auto connection = Connection::open(stage_.client(kPatience));
            if (!connection) {
                const Error why = connection.error();
                check(why == Error{Status::kNotConnected} || why == Error{Status::kRouterGone},
                      "open: " + why.message());
                std::this_thread::sleep_for(200us);
                continue;
            }
            const auto named = connection->register_endpoint("passing");
            check(named || named.error() == Error{Status::kNameTaken},
                  "passing: " + (named ? "" : named.error().message()));
        }
    }
    // A capability goes to and fro: one of the two has it, never both and never none.
    void pass_on(Connection connection, const std::string& other, bool first) {
        const Capability way = connection.lookup(other).value();
        std::uint32_t thing = 0;
        if (first) {
            const auto made = connection.derive(connection.self(), {.rights = right::kWrite | right::kGrant});
            check(made.has_value(), "derive");
            thing = made.has_value() ? made->id : 0;
        }
        while (true) {
            if (thing != 0) {
                if (stopping_ && first) {
                    check(connection.send(Outgoing::to(way, "over"), soon()).has_value(), "over");
                    return;
                }
                const auto given = connection.move({.id = thing}, way, {}, soon());
                if (!given) {
                    check(false, "move: " + given.error().message());
                    return;
                }
                check(!connection.inspect(thing), "the giver has it still");
                ++moves_;
                ++progress_;
            }
            auto got = connection.receive(soon());
            if (!got) {
                check(false, "moved: " + got.error().message());
                return;
            }
            if (got->text() == "over") {
                return;
            }
            thing = got->carried();
            check(connection.inspect(thing).has_value(), "the receiver has it not");
        }
    }

    const RestartStage& stage_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> calls_over_{false};
    std::atomic<int> callers_done_{0};
    std::atomic<bool> reads_{false};
    std::atomic<bool> read_over_{false};
    std::atomic<std::uint64_t> progress_{0};
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> moves_{0};
    std::uint64_t sent_[2] = {};
    std::uint64_t received_[2] = {};
    std::uint64_t published_ = 0;
    std::uint64_t read_ = 0;
    std::mutex faults_lock_;
    std::vector<std::string> faults_;
    std::vector<std::thread> threads_;
};

// Waits until everybody has got on a little since then.
void await_progress(Load& load, std::uint64_t more) {
    const std::uint64_t goal = load.progress() + more;
    while (load.progress() < goal && !load.faulty()) {
        std::this_thread::sleep_for(100us);
    }
}

/// Rows of the router's table.
std::uint64_t rows_in_use(const RestartStage& stage) {
    Connection looker = Connection::open(stage.client()).value();
    return nlohmann::json::parse(looker.list().value())
        .at("router")
        .at("capabilities")
        .at("used")
        .get<std::uint64_t>();
}

/// A step that was begun, and neither finished nor undone, would leave some behind.
void expect_no_rows_left(const RestartStage& stage, std::uint64_t before) {
    std::uint64_t left = rows_in_use(stage);
    for (const Deadline patience = Deadline::in(60s); left != before && !patience.passed();) {
        left = rows_in_use(stage);
    }
    EXPECT_EQ(left, before) << "rows in use that nobody has";
}

TEST(RestartUnderLoad, at_each_labelled_step_nothing_accepted_is_lost_or_doubled) {
    const char* const labels[] = {"judge.taken", "judge.routed",    "judge.told",   "judge.released",
                                  "keep.armed",  "keep.shown",      "keep.refused", "keep.request",
                                  "answer.done", "publish.written", "return.kept",  "keep.link",
                                  "keep.dropped"};
    const int restarts = ordinary_or_long(39, 1100);
    RestartStage sut;
    sut.start();
    const std::uint64_t rows = rows_in_use(sut);
    Load load(sut);
    std::mt19937 random(1);
    for (int round = 0; round < restarts && !load.faulty(); ++round) {
        const std::string label = labels[static_cast<std::size_t>(round) % std::size(labels)];
        const auto turn = 1 + random() % (label == "return.kept"                                      ? 5
                                          : label.starts_with("keep.link") || label == "keep.dropped" ? 10
                                                                                                      : 200);
        sut.kill();
        sut.start(label + "#" + std::to_string(turn));
        for (const Deadline patience = soon(); !sut.has_ended() && !patience.passed() && !load.faulty();) {
            std::this_thread::sleep_for(500us);
        }
        EXPECT_TRUE(sut.pid() == 0) << label << "#" << turn << " was never reached";
        if (sut.pid() == 0) {
            sut.start();
        }
    }
    await_progress(load, 200);
    load.finish();
    expect_no_rows_left(sut, rows);
    std::printf("%d ends at steps: %llu messages, %llu calls, %llu moves, %llu events\n", restarts,
                static_cast<unsigned long long>(load.sent()), static_cast<unsigned long long>(load.calls()),
                static_cast<unsigned long long>(load.moves()),
                static_cast<unsigned long long>(load.published()));
}

TEST(RestartUnderLoad, at_any_moment_nothing_accepted_is_lost_or_doubled) {
    const char* const given = std::getenv("KEYWAY_SEED");
    const auto seed =
        given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
    std::printf("KEYWAY_SEED=%u\n", seed);
    std::mt19937 random(seed);
    const int restarts = ordinary_or_long(40, 2000);
    RestartStage sut;
    sut.start();
    const std::uint64_t rows = rows_in_use(sut);
    Load load(sut);
    for (int round = 0; round < restarts && !load.faulty(); ++round) {
        if (random() % 4 != 0) {
            await_progress(load, 1 + random() % 300);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        sut.replace();
    }
    await_progress(load, 200);
    load.finish();
    expect_no_rows_left(sut, rows);
    std::printf("%d ends: %llu messages, %llu calls, %llu moves, %llu events\n", restarts,
                static_cast<unsigned long long>(load.sent()), static_cast<unsigned long long>(load.calls()),
                static_cast<unsigned long long>(load.moves()),
                static_cast<unsigned long long>(load.published()));
}

}  // namespace
}  // namespace keyway::test
