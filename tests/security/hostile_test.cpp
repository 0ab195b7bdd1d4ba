// A hostile process (hostile_client.cpp) beside two honest ones (honest.hpp), with an audited router in this
// program, where the sanitizers watch it. For every attack: the router lives, the honest ones miss and
// mistake nothing, its counters add up, and the audit log is whole and names the attacker with what it was
// refused.
//
// KEYWAY_SEED=n replays an attack's choices.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "attacker.hpp"
#include "audit/reader.hpp"
#include "honest.hpp"
#include "keyway/router.hpp"
#include "tests/run_length.hpp"

using namespace std::chrono_literals;

namespace keyway::test {
namespace {

/// Attack, and the names of which at least one must stand in the audit log as its outcome; none: it leaves no
/// trace but its coming and going.
struct Attack {
    const char* name;
    std::vector<const char*> refusals;
};

void PrintTo(const Attack& attack, std::ostream* out) {
    *out << attack.name;
}

std::uint64_t seed_of_this_run() {
    const char* given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    return seed;
}

class Stage {
  public:
    Stage() {
        std::string name = std::filesystem::temp_directory_path() / "keyway-hostile-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        ::chmod(folder_.c_str(), 0755);  // for the attacker, who is nobody
        RouterOptions options;
        options.policy = Policy::permissive();
        options.policy.user.connections = 300;
        options.capability_slots = 4096;
        options.spin = 5us;
        options.socket = socket();
        options.audit.directory = folder_ / "log";
        options.audit.key_file = folder_ / "key";
        router_.emplace(std::move(options));
        router_->start().value();
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;
    ~Stage() {
        router_.reset();
        std::filesystem::remove_all(folder_);
    }

    [[nodiscard]] std::string socket() const { return folder_ / "router.sock"; }
    Router& router() { return *router_; }

    /// Ends the router and reads its log: the outcomes that processes had which are not ours.
    std::set<std::string> refusals_of_others(std::uint64_t& messages_in_log) {
        const RouterCounters counters = router_->counters();
        router_.reset();
        EXPECT_EQ(counters.delivered + counters.refused + counters.expired, counters.sent);
        const audit::Key key = audit::load_key(folder_ / "key", false).value();
        std::set<std::uint32_t> others;
        std::set<std::string> outcomes;
        messages_in_log = 0;
        const auto read = audit::verify(folder_ / "log", &key, [&](const audit::Record& record) {
            if (record.kind == audit::RecordKind::kOpened &&
                record.first_sequence != static_cast<std::uint32_t>(::getpid())) {
                others.insert(record.process);
            } else if (record.kind == audit::RecordKind::kOpened) {
                others.erase(record.process);
            }
            if (record.kind == audit::RecordKind::kMessage) {
                messages_in_log += record.count;
            }
            if (others.contains(record.process) && record.verdict != 0) {
                outcomes.insert(std::string(Error::from_code(record.verdict).name()));
            }
        });
        EXPECT_FALSE(read.fault) << read.fault->message();
        EXPECT_TRUE(read.ended_in_order);
        EXPECT_EQ(messages_in_log, counters.sent);
        return outcomes;
    }

  private:
    std::filesystem::path folder_;
    std::optional<Router> router_;
};

}  // namespace

class HostileClient : public ::testing::TestWithParam<Attack> {};

TEST_P(HostileClient, hurts_no_honest_process_and_is_refused_by_name_in_the_log) {
    const std::uint64_t seed = seed_of_this_run();
    Stage stage;
    HonestPair honest(stage.socket());
    std::uint64_t tried = 0;
    {
        Attacker attacker(stage.socket(), GetParam().name, ordinary_or_long(200ms, 20'000ms), seed);
        if (GetParam().name == std::string_view("never_answer")) {
            // Somebody calls it all the same.
            Connection caller = stage.router().connect().value();
            Result<Capability> trap = Status::kNoSuchName;
            for (const Deadline patience = Deadline::in(60s); !trap && !patience.passed();) {
                trap = caller.lookup("trap");
            }
            ASSERT_TRUE(trap);
            const auto answer = caller.call(*trap, "hello?", Deadline::in(20ms));
            EXPECT_FALSE(answer);
        }
        tried = attacker.finish();
    }
    EXPECT_GT(tried, 0U);
    const std::uint64_t before = honest.calls();
    // The honest go on after the attack too.
    for (const Deadline patience = Deadline::in(30s); honest.calls() < before + 50 && !patience.passed();) {
        std::this_thread::sleep_for(1ms);
    }
    honest.stop();
    EXPECT_EQ(honest.complaint(), "");
    EXPECT_GE(honest.calls(), before + 50);
    EXPECT_EQ(honest.events(), honest.calls() / 8);
    std::uint64_t messages = 0;
    const auto refusals = stage.refusals_of_others(messages);
    const auto& wanted = GetParam().refusals;
    EXPECT_TRUE(wanted.empty() ||
                std::ranges::any_of(wanted, [&](const char* name) { return refusals.contains(name); }))
        << "the attacker was refused as: " << ::testing::PrintToString(refusals);
    std::printf("%s: tried %llu, honest calls %llu, refused as %s\n", GetParam().name,
                static_cast<unsigned long long>(tried), static_cast<unsigned long long>(honest.calls()),
                ::testing::PrintToString(refusals).c_str());
}

INSTANTIATE_TEST_SUITE_P(, HostileClient,
                         ::testing::Values(Attack{"flip_bytes", {"corrupt"}},  //
                                           Attack{"race", {"corrupt"}},        //
                                           Attack{"all_random", {"corrupt"}},  //
                                           Attack{"cursors", {"corrupt"}},     //
                                           Attack{"cut_and_punch", {}},        //
                                           Attack{"guess_capabilities", {"no_such_capability"}},
                                           Attack{"replay", {"no_such_capability"}},  //
                                           Attack{"spoof", {"spoofed"}},              //
                                           Attack{"take_others", {"no_such_capability"}},
                                           Attack{"descriptor_flood", {}},            //
                                           Attack{"connection_flood", {}},            //
                                           Attack{"garbage", {"bad_request"}},        //
                                           Attack{"never_read", {"bad_request"}},     //
                                           Attack{"never_answer", {"wrong_object"}},  //
                                           Attack{"stop_in_mid_write", {"no_such_capability"}},
                                           Attack{"fork_and_write", {"no_such_capability", "corrupt"}}),
                         [](const auto& attack) { return std::string(attack.param.name); });

// Beside a process that is merely busy, and beside an attacker, in turns on one router: the least of some
// tries, since other programs of this machine only ever add to it.
TEST(HostileLatency, the_honest_are_as_fast_beside_an_attacker_as_beside_a_busy_process) {
    const std::uint64_t seed = seed_of_this_run();
    const auto p99_beside = [&](const char* attack) {
        Stage stage;
        HonestPair honest(stage.socket());
        Attacker attacker(stage.socket(), attack, 1500ms, seed);
        std::this_thread::sleep_for(200ms);
        honest.begin_measuring();
        EXPECT_GT(attacker.finish(), 0U);
        honest.stop();
        EXPECT_EQ(honest.complaint(), "");
        return honest.p99_us();
    };
    for (const char* attack :
         {"flip_bytes", "race", "guess_capabilities", "spoof", "never_read", "connection_flood"}) {
        double busy = 1e9;
        double attacked = 1e9;
        constexpr double kScheduler = 5000;
        for (int turn = 0; turn < 5 && (turn < 2 || attacked > 2 * busy); ++turn) {
            busy = std::min(busy, p99_beside("busy"));
            attacked = std::min(attacked, p99_beside(attack));
        }
        std::printf("%-20s p99 %8.1f us, beside a busy process %8.1f us: %.2f\n", attack, attacked, busy,
                    attacked / busy);
        EXPECT_LE(attacked, std::max(2 * busy, kScheduler)) << attack;
    }
}

}  // namespace keyway::test
