// A long run: processes of every role come, do their work and end at random steps in random ways, attackers
// come and go, and two honest processes talk throughout, all on one router. Looked at all the time: what the
// honest and the partner hear, that the router's books, descriptors and mappings are what they were, that its
// memory stays flat, and that the audit log is whole while it is written.
//
// KEYWAY_SOAK_SECONDS says for how long; KEYWAY_SEED=n replays the choices, though not the timing.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "audit/reader.hpp"
#include "keyway/deadline.hpp"
#include "tests/security/attacker.hpp"
#include "tests/security/kill_cells.hpp"
#include "tests/security/kill_stage.hpp"

using namespace std::chrono_literals;

namespace keyway::test {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* given = std::getenv(variable);
    return given != nullptr ? std::strtoull(given, nullptr, 0) : otherwise;
}

constexpr const char* kAttacks[] = {
    "flip_bytes", "race",         "all_random",        "cursors",       "cut_and_punch",
    "replay",     "spoof",        "take_others",       "garbage",       "guess_capabilities",
    "never_read", "never_answer", "stop_in_mid_write", "fork_and_write"};

/// What must be as it was at the start.
bool same_books(const Holdings& now, const Holdings& then) {
    return now.processes == then.processes && now.capabilities == then.capabilities &&
           now.endpoints == then.endpoints && now.topics == then.topics && now.regions == then.regions &&
           now.channels == then.channels && now.mappings <= then.mappings &&
           now.descriptors <= then.descriptors + 8;
}

}  // namespace

TEST(Soak, nothing_is_lost_and_nothing_grows_under_churn_and_attack) {
    const std::uint64_t seconds = number_from("KEYWAY_SOAK_SECONDS", 600);
    const std::uint64_t seed = number_from("KEYWAY_SEED", std::random_device{}());
    std::printf("KEYWAY_SEED=%llu, %llu seconds\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(seconds));
    std::fflush(stdout);
    std::mt19937_64 dice(seed);
    const auto any = [&dice](const auto& of) -> const auto& {
        return of[dice() % std::size(of)];
    };

    KillStage stage;
    const auto round = [&] {
        const Cell& cell = any(kCells);
        const char* way = any(kWays);
        SCOPED_TRACE(std::string(cell.label) + " " + way);
        return stage.play(cell.role, cell.label, static_cast<int>(1 + dice() % 8), way);
    };
    for (const Cell& cell : kCells) {  // until the pools are full
        stage.play(cell.role, cell.label, 1, "kill");
    }
    const Holdings then = stage.at_rest();
    const audit::Key key = audit::load_key(stage.folder() / "log" / "key", false).value();

    std::uint64_t ended = 0;
    std::uint64_t victims = 0;
    std::uint64_t attacks = 0;
    std::uint64_t tried = 0;
    std::uint64_t memory = 0;
    std::uint64_t calls = stage.honest_calls();
    const auto begun = std::chrono::steady_clock::now();
    const Deadline end = Deadline::in(std::chrono::seconds(seconds));
    Deadline report = Deadline::in(60s);
    while (!end.passed() && !HasFailure()) {
        for (int i = 0; i < 50 && !HasFailure(); ++i, ++victims) {
            ended += round() ? 1U : 0U;
        }
        {
            const char* attack = any(kAttacks);
            SCOPED_TRACE(attack);
            Attacker attacker(stage.socket(), attack, 300ms, dice());
            for (int i = 0; i < 20 && !HasFailure(); ++i, ++victims) {
                ended += round() ? 1U : 0U;
            }
            const std::uint64_t by_this_one = attacker.finish();
            EXPECT_GT(by_this_one, 0U);
            tried += by_this_one;
            ++attacks;
        }
        Holdings now = stage.at_rest();
        for (const Deadline patience = Deadline::in(10s); !same_books(now, then) && !patience.passed();) {
            now = stage.at_rest();  // the attacker's links are on their way out
        }
        EXPECT_TRUE(same_books(now, then))
            << "processes " << now.processes << " for " << then.processes << ", capabilities "
            << now.capabilities << " for " << then.capabilities << ", descriptors " << now.descriptors
            << " for " << then.descriptors << ", mappings " << now.mappings << " for " << then.mappings;
        memory = now.memory_kib;
#ifndef KEYWAY_SANITIZED
        EXPECT_LE(memory, then.memory_kib + 16384);
#endif
        EXPECT_EQ(stage.complaint_of_the_honest(), "");
        EXPECT_GT(stage.honest_calls(), calls) << "the honest stand still";
        calls = stage.honest_calls();
        if (report.passed() || end.passed()) {
            report = Deadline::in(60s);
            const auto read = audit::verify(stage.folder() / "log", &key);
            EXPECT_FALSE(read.fault) << read.fault->message();
            std::printf(
                "%6lld s: %llu victims, %llu ended at their step; %llu attacks of %llu tries; %llu honest "
                "calls; "
                "%llu audit records; %llu KiB, %zu descriptors\n",
                static_cast<long long>(
                    std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun)
                        .count()),
                static_cast<unsigned long long>(victims), static_cast<unsigned long long>(ended),
                static_cast<unsigned long long>(attacks), static_cast<unsigned long long>(tried),
                static_cast<unsigned long long>(calls), static_cast<unsigned long long>(read.records),
                static_cast<unsigned long long>(memory), now.descriptors);
            std::fflush(stdout);
        }
    }
}

}  // namespace keyway::test
