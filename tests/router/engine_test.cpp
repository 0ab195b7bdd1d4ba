// What an engine may say and do, whatever it is.
//
// KEYWAY_SEED=n replays a run.

#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "engine_stage.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {
namespace {

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

}  // namespace keyway::test
