#include "core/capability_table.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

#include "world.hpp"

namespace keyway::core {
namespace {

constexpr std::uint8_t kSome = right::kWrite | right::kGrant;

class CapabilityTableTest : public ::testing::Test {
  protected:
    CapabilityTableTest() {
        for (ProcessId process : {kAnna, kBert, kCleo}) {
            sut.open_account(process, 100, user);
        }
    }
    void TearDown() override { EXPECT_EQ(sut.audit(), ""); }

    static CapabilitySpec spec(ProcessId owner, std::uint8_t rights = kSome) {
        return {.owner = owner, .kind = Kind::kEndpoint, .object = 5, .rights = rights, .payer = owner};
    }
    CapabilityId root(ProcessId owner) { return sut.make_root(spec(owner)); }
    CapabilityId child(CapabilityId parent, ProcessId owner) {
        return sut.derive(slot_of(parent), spec(owner));
    }
    bool lives(CapabilityId id, ProcessId owner) const { return sut.find(id, owner) != 0; }

    static constexpr ProcessId kAnna = 1, kBert = 2, kCleo = 3;
    Share user{.used = 0, .limit = 1000};
    CapabilityTable sut{32, 8};
};

TEST_F(CapabilityTableTest, ARootHasWhatTheSpecificationSays) {
    const CapabilityId id = sut.make_root({.owner = kAnna,
                                           .kind = Kind::kRegion,
                                           .object = 77,
                                           .rights = 0xA5,
                                           .flags = entry_flag::kRevocable,
                                           .badge = 0xCAFE,
                                           .expiry = 42,
                                           .payer = kBert});

    const SlotId slot = sut.find(id, kAnna);
    ASSERT_NE(slot, 0U);
    const Entry& entry = sut.entry(slot);
    EXPECT_EQ(entry.owner(), kAnna);
    EXPECT_EQ(Kind{entry.kind()}, Kind::kRegion);
    EXPECT_EQ(entry.object(), 77);
    EXPECT_EQ(entry.rights(), 0xA5);
    EXPECT_EQ(entry.flags(), entry_flag::kValid | entry_flag::kRevocable);
    EXPECT_EQ(entry.badge(), 0xCAFEU);
    EXPECT_EQ(entry.expiry(), 42U);
    EXPECT_EQ(entry.spare(), 0);
    EXPECT_EQ(sut.parent(slot), 0U);
    EXPECT_EQ(sut.id(slot), id);
    EXPECT_EQ(sut.share(kAnna).used, 0U);
    EXPECT_EQ(sut.share(kBert).used, 1U);
    EXPECT_EQ(user.used, 1U);
    sut.revoke(slot,
               true);  // its payer is neither its owner nor its parent's, which the audit would object to
}

TEST_F(CapabilityTableTest, AnIdIsFoundOnlyByItsOwnerWithItsGenerationAndInRange) {
    const CapabilityId id = root(kAnna);
    const SlotId slot = slot_of(id);

    EXPECT_EQ(sut.find(id, kAnna), slot);
    EXPECT_EQ(sut.find(id, kBert), 0U);
    EXPECT_EQ(sut.find(make_capability_id(2, slot), kAnna), 0U);
    EXPECT_EQ(sut.find(make_capability_id(0, slot), kAnna), 0U);
    EXPECT_EQ(sut.find(make_capability_id(1, slot + 1), kAnna), 0U) << "free";
    EXPECT_EQ(sut.find(make_capability_id(1, slot + 1), 0), 0U) << "free, asked by nobody";
    EXPECT_EQ(sut.find(make_capability_id(1, 0), kAnna), 0U) << "slot 0";
    EXPECT_EQ(sut.find(0, 0), 0U);
    EXPECT_EQ(sut.find(make_capability_id(1, sut.slot_count()), kAnna), 0U) << "one past the end";
    EXPECT_EQ(sut.find(0xFFFFFFFF, kAnna), 0U);
}

// What follows the table in memory is another table here, with a forged entry as its first bytes.
TEST_F(CapabilityTableTest, AnIdOnePastTheEndDoesNotReachTheMemoryBehindTheTable) {
    constexpr std::uint32_t kSlots = 64;
    CapabilityTable table(kSlots, 8);
    // The table's memory is a whole number of large pages, so what lies behind 64 entries is there to be
    // forged.
    Entry* const behind = const_cast<Entry*>(&table.entry(kSlots - 1)) + 1;
    behind->set_flags(entry_flag::kValid);
    behind->set_generation(1);
    behind->set_owner(kAnna);
    EXPECT_EQ(table.find(make_capability_id(1, kSlots), kAnna), 0U);
}

TEST_F(CapabilityTableTest, FreeSlotsAreReusedOldestFirst) {
    CapabilityTable table(5, 2);
    table.open_account(1, 10, user);
    const auto make = [&] { return slot_of(table.make_root(spec(1))); };

    EXPECT_EQ(make(), 1U);
    EXPECT_EQ(make(), 2U);
    EXPECT_EQ(make(), 3U);
    table.revoke(2, true);
    table.revoke(1, true);
    EXPECT_EQ(make(), 4U);
    EXPECT_EQ(make(), 2U);
    EXPECT_EQ(make(), 1U);
    EXPECT_EQ(make(), 0U) << "the table is full";
    table.revoke(3, true);
    EXPECT_EQ(make(), 3U) << "the list works again after it was empty";
    EXPECT_EQ(table.audit(), "");
}

TEST_F(CapabilityTableTest, TheSmallestTableHoldsOneCapability) {
    CapabilityTable table(2, 2);
    table.open_account(1, 10, user);

    const CapabilityId first = table.make_root(spec(1));
    EXPECT_EQ(slot_of(first), 1U);
    EXPECT_EQ(table.make_root(spec(1)), 0U);
    table.consume(1);
    EXPECT_EQ(slot_of(table.make_root(spec(1))), 1U);
    EXPECT_EQ(table.find(first, 1), 0U);
}

TEST_F(CapabilityTableTest, SizesOutsideTheContractAreRefused) {
    EXPECT_THROW(CapabilityTable(1, 2), std::invalid_argument);
    EXPECT_THROW(CapabilityTable(limit::kSlots + 1, 2), std::invalid_argument);
    EXPECT_THROW(CapabilityTable(2, 0), std::invalid_argument);
    EXPECT_THROW(CapabilityTable(2, limit::kIds + 1), std::invalid_argument);
    EXPECT_NO_THROW(CapabilityTable(limit::kSlots, 2));
}

TEST_F(CapabilityTableTest, AGenerationFollows4095By1AndIsNever0) {
    CapabilityTable table(2, 2);
    table.open_account(1, 10, user);
    const CapabilityId first = table.make_root(spec(1));
    ASSERT_EQ(generation_of(first), 1);

    for (std::uint32_t expected = 2; expected <= kGenerationMask; ++expected) {
        table.revoke(1, true);
        ASSERT_EQ(generation_of(table.make_root(spec(1))), expected);
    }
    table.revoke(1, true);
    const CapabilityId again = table.make_root(spec(1));

    EXPECT_EQ(generation_of(again), 1);
    EXPECT_EQ(again, first) << "after 4095 uses of the slot its ids repeat";
    EXPECT_EQ(table.audit(), "");
}

TEST_F(CapabilityTableTest, AMoveFollowsGeneration4095By1Too) {
    CapabilityId id = root(kAnna);
    for (std::uint32_t move = 1; move < kGenerationMask; ++move) {
        id = sut.move(slot_of(id), move % 2 != 0 ? kBert : kAnna);
    }
    ASSERT_EQ(generation_of(id), kGenerationMask);

    EXPECT_EQ(generation_of(sut.move(slot_of(id), kCleo)), 1);
}

TEST_F(CapabilityTableTest, AMoveChangesOwnerPayerAndGenerationAndNothingElse) {
    const CapabilityId parent = root(kAnna);
    const CapabilityId before = child(parent, kBert);
    const SlotId slot = slot_of(before);
    Entry expected = sut.entry(slot);

    const CapabilityId after = sut.move(slot, kCleo);

    expected.set_owner(kCleo);
    expected.set_generation(generation_of(after));
    EXPECT_EQ(sut.entry(slot), expected);
    EXPECT_EQ(generation_of(after), generation_of(before) + 1);
    EXPECT_EQ(sut.parent(slot), slot_of(parent));
    EXPECT_FALSE(lives(before, kBert));
    EXPECT_FALSE(lives(before, kCleo));
    EXPECT_FALSE(lives(after, kBert));
    EXPECT_TRUE(lives(after, kCleo));
    EXPECT_EQ(sut.share(kBert).used, 0U);
    EXPECT_EQ(sut.share(kCleo).used, 1U);
    EXPECT_EQ(sut.first_owned(kBert), 0U);
    EXPECT_EQ(sut.first_owned(kCleo), slot);
    sut.revoke(slot_of(parent), true);
    EXPECT_FALSE(lives(after, kCleo)) << "what was moved still descends from its parent";
}

TEST_F(CapabilityTableTest, RevokeEndsEveryDescendantAndNothingElse) {
    const CapabilityId top = root(kAnna);
    const CapabilityId a = child(top, kBert);
    const CapabilityId b = child(top, kCleo);
    const CapabilityId aa = child(a, kCleo);
    const CapabilityId ab = child(a, kAnna);
    const CapabilityId aba = child(ab, kBert);
    const CapabilityId other = root(kBert);

    EXPECT_EQ(sut.revoke(slot_of(a), true), 4U);

    for (const auto& [id, owner] : {std::pair{a, kBert}, {aa, kCleo}, {ab, kAnna}, {aba, kBert}}) {
        EXPECT_FALSE(lives(id, owner));
    }
    EXPECT_TRUE(lives(top, kAnna));
    EXPECT_TRUE(lives(b, kCleo));
    EXPECT_TRUE(lives(other, kBert));
    EXPECT_EQ(sut.in_use(), 3U);
    EXPECT_EQ(user.used, 3U);
}

TEST_F(CapabilityTableTest, RevokeWithoutSelfKeepsTheCapability) {
    const CapabilityId top = root(kAnna);
    const CapabilityId a = child(top, kBert);
    child(a, kCleo);
    child(top, kCleo);

    EXPECT_EQ(sut.revoke(slot_of(top), false), 3U);
    EXPECT_EQ(sut.revoke(slot_of(top), false), 0U);

    EXPECT_TRUE(lives(top, kAnna));
    EXPECT_EQ(sut.first_child(slot_of(top)), 0U);
    EXPECT_EQ(sut.in_use(), 1U);
}

TEST_F(CapabilityTableTest, RevokeTellsOfEachEndedCapabilityChildrenBeforeParentsNewestFirst) {
    const CapabilityId top = root(kAnna);
    const CapabilityId a = child(top, kBert);
    const CapabilityId b = child(top, kCleo);
    const CapabilityId ba = child(b, kBert);
    std::vector<CapabilityId> told;

    sut.revoke(slot_of(top), true, [&](SlotId slot, const Entry& entry) {
        EXPECT_NE(entry.flags() & entry_flag::kValid, 0) << "the entry as it was";
        told.push_back(make_capability_id(entry.generation(), slot));
    });

    EXPECT_EQ(told, (std::vector{ba, b, a, top}));
}

TEST_F(CapabilityTableTest, RevokeOwnedTakesWhatTheProcessHasWithDescendantsOfOthers) {
    const CapabilityId annas = root(kAnna);
    const CapabilityId berts = child(annas, kBert);
    const CapabilityId cleos = child(berts, kCleo);
    root(kBert);

    EXPECT_EQ(sut.revoke_owned(kBert), 3U);

    EXPECT_TRUE(lives(annas, kAnna));
    EXPECT_FALSE(lives(cleos, kCleo));
    EXPECT_EQ(sut.first_owned(kBert), 0U);
    EXPECT_EQ(sut.share(kBert).used, 0U);
    sut.close_account(kBert);
    EXPECT_EQ(root(kBert), 0U) << "a closed account pays for nothing";
    EXPECT_EQ(sut.revoke_owned(kBert), 0U);
}

TEST_F(CapabilityTableTest, AVeryDeepDerivationIsRevokedWithoutUsingTheStack) {
    constexpr std::uint32_t kDeep = 500'000;
    CapabilityTable table(kDeep + 1, 2);
    Share rich{.used = 0, .limit = kDeep};
    table.open_account(1, kDeep, rich);
    CapabilityId id = table.make_root(spec(1));
    for (std::uint32_t depth = 1; depth < kDeep; ++depth) {
        id = table.derive(slot_of(id), spec(1));
    }
    ASSERT_EQ(table.in_use(), kDeep);
    EXPECT_TRUE(table.descends_from(slot_of(id), 1));

    EXPECT_EQ(table.revoke(1, true), kDeep);

    EXPECT_EQ(table.in_use(), 0U);
    EXPECT_EQ(rich.used, 0U);
    EXPECT_EQ(table.audit(), "");
}

TEST_F(CapabilityTableTest, DescendsFromKnowsEveryDistanceAndNoOtherBranch) {
    const CapabilityId top = root(kAnna);
    const CapabilityId a = child(top, kBert);
    const CapabilityId aa = child(a, kCleo);
    const CapabilityId b = child(top, kBert);

    EXPECT_TRUE(sut.descends_from(slot_of(aa), slot_of(aa)));
    EXPECT_TRUE(sut.descends_from(slot_of(aa), slot_of(a)));
    EXPECT_TRUE(sut.descends_from(slot_of(aa), slot_of(top)));
    EXPECT_FALSE(sut.descends_from(slot_of(aa), slot_of(b)));
    EXPECT_FALSE(sut.descends_from(slot_of(top), slot_of(a)));
    EXPECT_FALSE(sut.descends_from(0, 0));
}

TEST_F(CapabilityTableTest, ConsumeFreesOneSlot) {
    const CapabilityId top = root(kAnna);
    const CapabilityId left = child(top, kBert);
    const CapabilityId middle = child(top, kBert);
    const CapabilityId right = child(top, kBert);

    sut.consume(slot_of(middle));

    EXPECT_FALSE(lives(middle, kBert));
    EXPECT_TRUE(lives(left, kBert));
    EXPECT_TRUE(lives(right, kBert));
    EXPECT_EQ(sut.share(kBert).used, 2U);
}

TEST_F(CapabilityTableTest, AOneShotWithSeveralUsesEndsWithTheLast) {
    CapabilitySpec several = spec(kBert);
    several.flags = entry_flag::kOneShot;
    several.uses = 3;
    const CapabilityId id = sut.make_root(several);

    sut.consume(slot_of(id));
    sut.consume(slot_of(id));
    EXPECT_TRUE(lives(id, kBert));
    EXPECT_EQ(sut.uses(slot_of(id)), 1U);
    sut.consume(slot_of(id));
    EXPECT_FALSE(lives(id, kBert));
}

TEST_F(CapabilityTableTest, NobodyPaysForMoreThanTheProcessOrItsUserMay) {
    CapabilityTable table(32, 8);
    Share shared{.used = 0, .limit = 5};
    table.open_account(1, 3, shared);
    table.open_account(2, 3, shared);
    for (int i = 0; i < 3; ++i) {
        EXPECT_NE(table.make_root(spec(1)), 0U);
    }

    EXPECT_EQ(table.make_root(spec(1)), 0U) << "the process's limit";
    EXPECT_FALSE(table.can_pay(1));
    EXPECT_NE(table.make_root(spec(2)), 0U);
    EXPECT_NE(table.make_root(spec(2)), 0U);
    EXPECT_EQ(table.make_root(spec(2)), 0U) << "the user's limit";
    EXPECT_EQ(table.derive(1, spec(2)), 0U);
    EXPECT_EQ(table.make_root(spec(3)), 0U) << "a process without an account";
    EXPECT_EQ(shared.used, 5U);

    table.revoke(1, true);
    EXPECT_TRUE(table.can_allocate(1));
    EXPECT_TRUE(table.can_allocate(2));
    EXPECT_EQ(table.audit(), "");
}

using CapabilityTableDeathTest = CapabilityTableTest;

TEST_F(CapabilityTableDeathTest, WhatTheCallerMustHaveCheckedIsAsserted) {
    const CapabilityId top = root(kAnna);
    const SlotId slot = slot_of(top);
    child(top, kBert);
    CapabilitySpec linear = spec(kAnna);
    linear.flags = entry_flag::kLinear;
    const SlotId single = slot_of(sut.make_root(linear));

    EXPECT_DEATH(sut.derive(slot, spec(kBert, right::kAll)), "internal error")
        << "more rights than the parent";
    EXPECT_DEATH(sut.derive(single, spec(kBert)), "internal error") << "a copy of a linear capability";
    EXPECT_DEATH(sut.derive(31, spec(kBert)), "internal error") << "a child of a free slot";
    EXPECT_DEATH(sut.derive(0, spec(kBert)), "internal error") << "a child of no slot";
    EXPECT_DEATH(sut.move(slot, kBert), "internal error") << "a move of a parent";
    EXPECT_DEATH(sut.consume(slot), "internal error") << "a parent used up";
    EXPECT_DEATH(sut.close_account(kAnna), "internal error") << "an account in use closed";
    EXPECT_DEATH(sut.open_account(kAnna, 1, user), "internal error") << "an account in use opened anew";
}

}  // namespace
}  // namespace keyway::core
