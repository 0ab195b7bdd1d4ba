// What an engine may say and do, and that the simulated one says what the core does: random traffic of honest
// and of refused messages, with capabilities that come and go.
//
// KEYWAY_SEED=n replays a run.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "keyway/engine.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {
namespace {

std::mutex said_mutex;
std::vector<std::string> said;

void listen_to(std::string_view line) {
    const std::lock_guard lock(said_mutex);
    said.emplace_back(line);
}
std::size_t times_said(std::string_view words) {
    const std::lock_guard lock(said_mutex);
    return static_cast<std::size_t>(std::ranges::count_if(
        said, [&](const std::string& line) { return line.find(words) != std::string::npos; }));
}

/// Always of the same opinion, until it has failed.
struct Stubborn final : Engine {
    explicit Stubborn(std::optional<Verdict> always, std::uint64_t fails_after = UINT64_MAX)
        : opinion(always), left(fails_after) {}
    [[nodiscard]] EngineKind kind() const noexcept override { return EngineKind::kUsb; }
    std::optional<Verdict> judge(const Question& question) override {
        EXPECT_TRUE(question.authority == nullptr || question.authority->owner() == question.sender);
        left -= left != 0 ? 1 : 0;
        return left == 0 ? std::nullopt : opinion;
    }
    void forget(std::uint32_t capability) override { forgotten.insert(capability); }
    [[nodiscard]] bool failed() const noexcept override { return left == 0; }

    std::optional<Verdict> opinion;
    std::uint64_t left;
    std::set<std::uint32_t> forgotten;
};

RouterOptions with(std::shared_ptr<Engine> engine, bool cross_check) {
    const std::lock_guard lock(said_mutex);
    said.clear();
    RouterOptions options;
    options.policy = Policy::permissive();
    options.spin = 5us;
    options.engine = std::move(engine);
    options.cross_check = cross_check;
    options.log = listen_to;
    return options;
}

std::uint64_t number_in(const Received& message) {
    std::uint64_t number = 0;
    std::memcpy(&number, message.payload().data(), std::min(sizeof number, message.payload().size()));
    return number;
}

}  // namespace

TEST(Engines, what_they_refuse_is_refused_without_a_word_unless_checked) {
    Router router(with(std::make_shared<Stubborn>(Verdict::kInsufficientRights), false));
    router.start().value();
    Connection self = router.connect().value();
    EXPECT_EQ(error_of(self.send(Outgoing::to(self.self(), "x"))), "insufficient_rights");
    EXPECT_EQ(router.counters().engine_judged, 1U);
    EXPECT_EQ(router.counters().engine_differences, 0U);
    EXPECT_FALSE(self.try_receive());
}

TEST(Engines, that_refuse_what_the_core_would_deliver_are_named_when_checked_and_the_refusal_stands) {
    Router router(with(std::make_shared<Stubborn>(Verdict::kInsufficientRights), true));
    router.start().value();
    Connection self = router.connect().value();
    EXPECT_EQ(error_of(self.send(Outgoing::to(self.self(), "x"))), "insufficient_rights");
    EXPECT_EQ(router.counters().engine_differences, 1U);
    EXPECT_EQ(times_said("ALARM: the usb engine says insufficient_rights, the software says full"), 1U);
    Capability stale = self.self();
    stale.id += 1U << limit::kSlotBits;
    EXPECT_EQ(error_of(self.send(Outgoing::to(stale, "x"))), "no_such_capability") << "the core's own word";
}

TEST(Engines, that_let_everything_through_let_nothing_through_that_the_core_refuses) {
    Router router(with(std::make_shared<Stubborn>(Verdict::kDelivered), false));
    router.start().value();
    Connection self = router.connect().value();
    EXPECT_TRUE(succeeded(self.send(Outgoing::to(self.self(), "x"))));
    EXPECT_EQ(router.counters().engine_differences, 0U);
    Capability stale = self.self();
    stale.id += 1U << limit::kSlotBits;
    EXPECT_EQ(error_of(self.send(Outgoing::to(stale, "x"))), "no_such_capability");
    EXPECT_EQ(router.counters().engine_differences, 1U);
    EXPECT_EQ(times_said("ALARM: the usb engine says delivered, the software says no_such_capability"), 1U);
}

TEST(Engines, are_told_of_every_capability_that_ends_before_that_is_answered) {
    auto engine = std::make_shared<Stubborn>(std::nullopt);
    Router router(with(engine, true));
    router.start().value();
    Connection self = router.connect().value();
    const Capability derived = self.derive(self.self(), {.rights = right::kWrite}).value();
    EXPECT_EQ(engine->forgotten.count(derived.id), 0U);
    self.revoke(self.self(), derived.id).value();
    EXPECT_EQ(engine->forgotten.count(derived.id), 1U);
    EXPECT_EQ(router.counters().engine_missed, 0U) << "requests are not its business";
}

// Under load, at any moment: the software goes on with the same message.
TEST(Engines, that_fail_cost_no_message_and_change_no_order) {
    const char* given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 dice(seed);
    for (int turn = 0; turn < 200; ++turn) {
        constexpr std::uint64_t kMessages = 300;
        Router router(with(std::make_shared<Stubborn>(Verdict::kDelivered, 1 + dice() % kMessages), true));
        router.start().value();
        Connection receiver = router.connect().value();
        receiver.register_endpoint("sink").value();
        std::thread sender([&] {
            Connection self = router.connect().value();
            const Capability sink = self.lookup("sink").value();
            for (std::uint64_t i = 1; i <= kMessages; ++i) {
                EXPECT_TRUE(succeeded(
                    self.post(Outgoing::to(sink, std::as_bytes(std::span(&i, 1))), Deadline::in(30s))));
            }
            EXPECT_TRUE(succeeded(self.flush(Deadline::in(30s))));
        });
        for (std::uint64_t i = 1; i <= kMessages; ++i) {
            ASSERT_EQ(number_in(receiver.receive(Deadline::in(30s)).value()), i);
        }
        sender.join();
        EXPECT_EQ(times_said("the software goes on alone"), 1U);
        EXPECT_NE(receiver.list().value().find("\"name\":\"software\""), std::string::npos);
        EXPECT_EQ(router.counters().engine_differences, 0U);
    }
}

// The simulated engine beside the core: what both say of the same random messages, and what arrives.
TEST(SimulatedEngine, agrees_with_the_core_on_random_traffic) {
    const char* given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 dice(seed);
    const auto one_in = [&](unsigned n) { return dice() % n == 0; };
    Router router(with(engine_under_test(), true));
    router.start().value();
    std::deque<Connection> processes;
    for (int i = 0; i < 5; ++i) {
        processes.push_back(router.connect({.spin = 5us}).value());
        processes.back().register_endpoint("endpoint/" + std::to_string(i)).value();
    }
    struct Held {
        std::size_t owner;
        std::size_t receiver;
        Capability capability;
    };
    std::vector<Held> held;
    std::uint64_t sent = 0;
    std::uint64_t refused = 0;
    while (sent + refused < KEYWAY_ENGINE_MESSAGES) {
        const std::size_t from = dice() % processes.size();
        if (held.size() < 40 || one_in(50)) {
            const std::size_t to = dice() % processes.size();
            auto found = processes[from].lookup("endpoint/" + std::to_string(to)).value();
            if (one_in(3)) {
                const auto narrow = processes[from].derive(
                    found, {.rights = static_cast<std::uint8_t>(found.rights & dice()),
                            .badge = static_cast<std::uint32_t>(dice()),
                            .lifetime = one_in(4) ? std::chrono::milliseconds(1 + dice() % 100) : 0ms,
                            .uses = one_in(4) ? static_cast<std::uint32_t>(1 + dice() % 3) : 0U});
                if (narrow) {
                    found = *narrow;
                }
            }
            held.push_back({from, to, found});
        }
        if (one_in(60)) {
            const std::size_t gone = dice() % held.size();
            static_cast<void>(processes[held[gone].owner].release(held[gone].capability.id));
            if (one_in(2)) {  // and else it is used once more
                held[gone] = held.back();
                held.pop_back();
            }
        }
        const Held& by = held[dice() % held.size()];
        const std::uint64_t number = sent + 1;
        Outgoing message = Outgoing::to(by.capability, std::as_bytes(std::span(&number, 1)));
        message.priority = static_cast<std::uint8_t>(dice() % 4);
        message.type = one_in(3) ? Type::kControl : Type::kData;
        if (one_in(20)) {
            message.receiver = static_cast<std::uint32_t>(1 + dice() % 20);
        }
        if (one_in(20)) {
            message.capability ^= 1U << dice() % 32;
        }
        const std::size_t sender = one_in(20) ? from : by.owner;
        const auto verdict = processes[sender].send(message, Deadline::in(30s));
        if (!verdict) {
            ++refused;
            continue;
        }
        ++sent;
        auto arrived = processes[by.receiver].receive(Deadline::in(30s));
        ASSERT_TRUE(succeeded(arrived));
        ASSERT_EQ(number_in(*arrived), number);
        ASSERT_EQ(arrived->sender(), processes[sender].id());
    }
    const RouterCounters counters = router.counters();
    EXPECT_EQ(counters.engine_differences, 0U);
    EXPECT_EQ(times_said("ALARM"), 0U);
    EXPECT_EQ(counters.sent, sent + refused);
    EXPECT_EQ(counters.engine_judged + counters.engine_missed, counters.sent);
    EXPECT_GT(counters.engine_judged, counters.sent / 2);
    EXPECT_GT(refused, 0U);
    std::printf("%llu delivered, %llu refused; the engine had a verdict on %llu\n",
                static_cast<unsigned long long>(sent), static_cast<unsigned long long>(refused),
                static_cast<unsigned long long>(counters.engine_judged));
}

}  // namespace keyway::test
