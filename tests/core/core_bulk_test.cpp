// Millions of random messages through the core and the naive model. KEYWAY_SEED=n replays a run.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>

#include "tests/run_length.hpp"
#include "twins.hpp"

namespace keyway::core {
namespace {

#ifdef KEYWAY_SANITIZED
constexpr std::uint64_t kShare = 10;
#else
constexpr std::uint64_t kShare = 1;
#endif

std::uint64_t seed_of_this_run() {
    const char* given = std::getenv("KEYWAY_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

TEST(CoreBulkTest, TheCoreDoesWhatTheNaiveModelDoesForMillionsOfRandomMessages) {
    const auto messages = test::ordinary_or_long<std::uint64_t>(2'000'000, 20'000'000) / kShare;
    const std::uint64_t seed = seed_of_this_run();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    Random random(seed);
    Tally tally;
    const Geometry geometries[] = {
        {.slots = 48, .ids = 20, .depth = 3, .process_limit = 14, .user_limit = 30},   // shares run out first
        {.slots = 24, .ids = 16, .depth = 2, .process_limit = 20, .user_limit = 40},   // slots do
        {.slots = 7, .ids = 6, .depth = 1, .process_limit = 5, .user_limit = 6},       // ids come round again
        {.slots = 150, .ids = 40, .depth = 8, .process_limit = 60, .user_limit = 90},  // deep derivations
    };
    std::uint64_t steps = 0;
    for (std::size_t world = 0; tally.messages < messages; ++world) {
        const Geometry& geometry = geometries[world % std::size(geometries)];
        Twins sut(geometry, tally);
        try {
            if (geometry.slots < 10) {
                sut.age(kGenerationMask - 20);
            }
            for (const std::uint64_t end = tally.messages + 50'000; tally.messages < end;) {
                sut.step(random.below(Twins::kStepKinds), random.next());
                if (++steps % 512 == 0) {
                    sut.compare_deeply();
                }
            }
            sut.compare_deeply();
        } catch (const std::exception& difference) {
            FAIL() << difference.what() << "\nafter message " << tally.messages << " of KEYWAY_SEED=" << seed;
        }
    }

    // A run that never got to a case proves nothing about it.
    for (std::size_t verdict = 0; verdict <= static_cast<std::size_t>(Verdict::kTableFull); ++verdict) {
        const std::string_view name = name_of(Verdict{static_cast<std::uint8_t>(verdict)});
        std::printf("%10llu %.*s\n", static_cast<unsigned long long>(tally.verdicts[verdict]),
                    static_cast<int>(name.size()), name.data());
        EXPECT_GE(tally.verdicts[verdict], messages / 1000) << name;
    }
    for (std::size_t verdict = static_cast<std::size_t>(Verdict::kMiss); verdict < tally.verdicts.size();
         ++verdict) {
        EXPECT_EQ(tally.verdicts[verdict], 0U) << "verdict " << verdict << " is not the core's to give";
    }
    std::printf(
        "delivered: %llu calls, %llu replies, %llu derived, %llu moved, %llu events to several, "
        "%llu one-shots; %llu generations began anew, %llu processes died\n",
        static_cast<unsigned long long>(tally.calls), static_cast<unsigned long long>(tally.replies),
        static_cast<unsigned long long>(tally.derived), static_cast<unsigned long long>(tally.moved),
        static_cast<unsigned long long>(tally.events), static_cast<unsigned long long>(tally.one_shots),
        static_cast<unsigned long long>(tally.generation_wraps),
        static_cast<unsigned long long>(tally.deaths));
    EXPECT_GE(tally.verdicts[0], messages / 10);
    EXPECT_GE(tally.calls, messages / 200);
    EXPECT_GE(tally.replies, messages / 500);
    EXPECT_GE(tally.derived, messages / 500);
    EXPECT_GE(tally.moved, messages / 500);
    EXPECT_GE(tally.events, messages / 4000);
    EXPECT_GE(tally.one_shots, messages / 500);
    EXPECT_GE(tally.uses, messages / 5000);
    EXPECT_GE(tally.deaths, messages / 2000);
    EXPECT_GE(tally.generation_wraps, messages / 100'000);
}

}  // namespace
}  // namespace keyway::core
