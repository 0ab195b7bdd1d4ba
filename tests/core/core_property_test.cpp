// The core beside the naive model under RapidCheck, in worlds of any size. A failure is shrunk to the fewest
// steps that show it; RC_PARAMS="reproduce=..." (printed with it) or RC_PARAMS="seed=..." repeats it.
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>  // needs GoogleTest before it

#include "twins.hpp"

namespace keyway::core {
namespace {

using Step = std::pair<std::uint32_t, std::uint64_t>;

rc::Gen<std::vector<Step>> steps(int most) {
    // A failure is shrunk by leaving steps out; smaller dice are not simpler.
    const auto step = rc::gen::noShrink(rc::gen::pair(rc::gen::inRange<std::uint32_t>(0, Twins::kStepKinds),
                                                      rc::gen::inRange<std::uint64_t>(0, 1U << 30)));
    return rc::gen::withSize([=](int size) {
        return rc::gen::resize(1 + most * size / 100, rc::gen::container<std::vector<Step>>(step));
    });
}

void compare(const Geometry& geometry, const std::vector<Step>& all) {
    Tally tally;
    Twins sut(geometry, tally);
    sut.compare_deeply();
    for (const auto& [what, dice] : all) {
        sut.step(what, dice);
        sut.compare_deeply();
    }
}

RC_GTEST_PROP(CorePropertyTest, ARandomSequenceOfStepsHasTheSameEffectOnCoreAndModel, ()) {
    compare({.slots = 32, .ids = 16, .depth = 2, .process_limit = 12, .user_limit = 20}, *steps(1000));
}

RC_GTEST_PROP(CorePropertyTest, TheSizesOfTableDirectoryQueuesAndSharesDoNotMatter, ()) {
    Geometry geometry;
    geometry.slots = *rc::gen::inRange(2U, 64U);
    geometry.ids = *rc::gen::inRange(2U, 24U);
    geometry.depth = *rc::gen::inRange(0U, 4U);
    geometry.process_limit = *rc::gen::inRange(0U, 24U);
    geometry.user_limit = *rc::gen::inRange(0U, 40U);
    compare(geometry, *steps(500));
}

RC_GTEST_PROP(CorePropertyTest, AnyThirtyTwoBytesAreDecidedOnAndARefusalChangesNothing, ()) {
    World sut;
    const ProcessId client = sut.open_process();
    const ProcessId service = sut.open_process();
    const CapabilityId to_service = sut.give(sut.root(service), client, right::kAll);
    Header header = message(Type::kData, service, to_service);
    // Whole words of anything over a message that would be delivered.
    for (std::uint64_t& word : header.words) {
        if (*rc::gen::arbitrary<bool>()) {
            word = *rc::gen::arbitrary<std::uint64_t>();
        }
    }
    const Picture before = sut.picture();

    const Outcome outcome = sut.send(client, header);

    RC_ASSERT(outcome.verdict <= Verdict::kTableFull);
    RC_ASSERT((outcome.verdict == Verdict::kDelivered) != (sut.picture() == before));
    RC_ASSERT(sut.table.audit().empty());
}

RC_GTEST_PROP(CorePropertyTest, ADerivedCapabilityNeverOutlivesItsParent,
              (std::uint32_t parent, std::uint32_t tick)) {
    const std::uint32_t lifetime = *rc::gen::inRange<std::uint32_t>(0, 1U << 20);
    const std::uint32_t child = derived_expiry(parent, lifetime, {.ns = 0, .tick = tick});
    RC_ASSERT(parent == 0 || (child != 0 && child <= parent));
    RC_ASSERT(lifetime == 0 || child != 0);
    RC_ASSERT(lifetime == 0 || child <= std::uint64_t{tick} + lifetime);
}

}  // namespace
}  // namespace keyway::core
