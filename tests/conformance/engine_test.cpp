// The simulated engine says what the core does: random traffic of honest and of refused messages, with
// capabilities that come and go.
//
// KEYWAY_SEED=n replays a run.

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>

#include "tests/client/router_fixture.hpp"
#include "tests/router/engine_stage.hpp"
#include "tests/run_length.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

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
    std::map<std::uint32_t, std::size_t> owner_of;  // a flipped bit may name another capability of the sender
    for (std::size_t i = 0; i < 5; ++i) {
        processes.push_back(router.connect({.spin = 5us}).value());
        owner_of[processes.back().self().object] = i;
        owner_of[processes.back().register_endpoint("endpoint/" + std::to_string(i)).value().id] = i;
    }
    struct Held {
        std::size_t owner;
        Capability capability;
    };
    std::vector<Held> held;
    std::uint64_t sent = 0;
    std::uint64_t refused = 0;
    const auto messages = ordinary_or_long<std::uint64_t>(100'000, 10'000'000);
    while (sent + refused < messages) {
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
            held.push_back({from, found});
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
        auto arrived = processes[owner_of.at(message.receiver)].receive(Deadline::in(30s));
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
