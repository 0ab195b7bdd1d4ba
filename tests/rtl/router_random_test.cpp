// Random messages, random hosts and random back-pressure: the router beside the software core.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "shapes.hpp"
#include "tests/run_length.hpp"
#include "world.hpp"

namespace keyway::rtl {
namespace {

std::uint64_t seed_of_run() {
    if (const char* text = std::getenv("KEYWAY_SEED")) {
        return std::strtoull(text, nullptr, 0);
    }
    return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count() &
                                      0xFFFFFFFF);
}

template <typename Shape>
class RouterBesideCore : public ::testing::Test {};
using Shapes = ::testing::Types<Wide, Board, Small, Middle>;
TYPED_TEST_SUITE(RouterBesideCore, Shapes);

TYPED_TEST(RouterBesideCore, AgreesOnEveryMessage) {
    const std::uint64_t first = seed_of_run();
    const std::uint64_t goal = test::ordinary_or_long<std::uint64_t>(KEYWAY_MESSAGES, 10'000'000) / 4;
    std::array<std::uint64_t, 32> verdicts{};
    std::uint64_t messages = 0, copies = 0, hazards = 0, effects = 0, served = 0;
    for (std::uint64_t round = 0; messages < goal; ++round) {
        const std::uint64_t seed = first + round;
        SCOPED_TRACE("KEYWAY_SEED=" + std::to_string(seed));
        Bench<TypeParam> bench(seed);
        Random random(seed);
        try {
            World<TypeParam> sut(bench, seed);
            const std::uint64_t enough = std::min<std::uint64_t>(10000, goal - messages);
            for (std::uint64_t step = 0; sut.tally.messages < enough; ++step) {
                if (step % 300 == 0) {  // weather: calm, stalls, floods
                    bench.valid_share = random.one_in(2) ? 100 : 20 + random.below(80);
                    bench.ready_share = random.one_in(3)   ? 100
                                        : random.one_in(4) ? random.below(6)
                                                           : 10 + random.below(90);
                    bench.audit_ready_share = random.one_in(2) ? 100 : random.below(100);
                    sut.traffic_share = random.one_in(3) ? 100 : 5 + random.below(95);
                }
                sut.step();
            }
            sut.finish();
            messages += sut.tally.messages;
            copies += sut.tally.copies;
            served += sut.tally.served;
            hazards += sut.tally.hazard_misses + sut.tally.hazard_refusals;
            effects += sut.tally.calls + sut.tally.derived + sut.tally.moved + sut.tally.consumed;
            for (unsigned v = 0; v < 32; ++v) {
                verdicts[v] += sut.tally.verdicts[v];
            }
        } catch (const std::exception& failure) {
            FAIL() << failure.what() << "\nreplay with KEYWAY_SEED=" << seed;
        }
    }
    std::cout << "seed " << first << ": " << messages << " messages, " << copies << " copies, " << effects
              << " effects, " << hazards << " in hazard windows, " << served << " served by the host;";
    for (unsigned v = 0; v < 15; ++v) {
        std::cout << ' ' << name_of(Verdict{static_cast<std::uint8_t>(v)}) << ' ' << verdicts[v];
    }
    std::cout << '\n';
}

}  // namespace
}  // namespace keyway::rtl
