#pragma once

// The capability table: who holds which authority, and from which other authority it was derived.
//
// A capability id is {generation 12, slot 20}. It is no secret and needs none: an entry names its owner, and
// only the owner's link can use it. The generation makes an id that was revoked, consumed or moved stale at
// once, so that a process can't confuse an old authority of its own with a new one.
//
//     root (endpoint's owner, all rights)
//      +-- A (client 1: WRITE|EXECUTE|GRANT)
//      |    +-- B (client 2: WRITE)          revoke(A) frees A and B
//      +-- C (client 3: EXECUTE)
//
// Invariants (checked by `audit()` in the tests after random operations):
//   - a valid slot is in exactly one place of the derivation forest, and in its owner's list;
//   - a slot is paid for by its owner or by the owner of its parent;
//   - a child's rights are a subset of its parent's; a linear or one-shot slot has no children;
//   - a free slot is on the free list, which is first-in first-out: with N free slots an id comes back at the
//     earliest after 4095 * N allocations, less N for each time that its slot was moved;
//   - what a process and its user are charged equals the number of slots that they pay for.
//
// Not thread-safe: one router thread owns a table. Nothing here allocates after construction.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "keyway/protocol.hpp"

namespace keyway::core {

/// What a new capability shall be.
struct CapabilitySpec {
    ProcessId owner = 0;
    Kind kind = Kind::kEndpoint;
    ObjectId object = 0;
    std::uint8_t rights = 0;
    std::uint8_t flags = 0;  ///< entry_flag bits; kValid is implied
    std::uint32_t badge = 0;
    std::uint32_t expiry = 0;  ///< router tick, 0: never
    std::uint32_t uses = 1;    ///< of a one-shot: messages that it authorises before it is consumed
    ProcessId payer = 0;       ///< whose share of slots it uses
};

/// How many slots a process or user pays for, and may pay for.
struct Share {
    std::uint32_t used = 0;
    std::uint32_t limit = 0;
};

/// Is told of each row that changes, so that it can be kept beyond the table's life. Rows that are free have
/// their generation and nothing else.
class Shadow {
  public:
    Shadow(const Shadow&) = delete;
    Shadow& operator=(const Shadow&) = delete;
    virtual void row(SlotId slot, const Entry& entry, SlotId parent, std::uint32_t uses,
                     ProcessId payer) noexcept = 0;

  protected:
    Shadow() = default;
    ~Shadow() = default;
};

class CapabilityTable {
  public:
    /// `slots`: 2 to 2^20, slot 0 included, which is never used. `processes`: ids below it may own entries.
    CapabilityTable(std::uint32_t slots, std::uint32_t processes);

    // The share of a process. A process is nobody until `open_account`: it can pay for nothing.
    void open_account(ProcessId process, std::uint32_t limit, Share& user);
    void close_account(ProcessId process);
    [[nodiscard]] const Share& share(ProcessId process) const { return accounts_[process].own; }

    /// True when `payer` and its user have room for one more.
    [[nodiscard]] bool can_pay(ProcessId payer) const noexcept {
        const Account& account = accounts_[payer];
        return account.own.used < account.own.limit && account.user->used < account.user->limit;
    }
    /// True when `payer` can pay for one more and a slot is free.
    [[nodiscard]] bool can_allocate(ProcessId payer) const noexcept {
        return free_head_ != 0 && can_pay(payer);
    }

    /// From here on `shadow`, which must outlive the table, is told of every change; null: nobody.
    void set_shadow(Shadow* shadow) noexcept { shadow_ = shadow; }
    /// A row as an earlier table had it, into a table that was never used; then, once the accounts are open,
    /// `relink`, which finds out all that follows from the rows. The caller has seen to it that each valid
    /// row has an owner and payer with an account, and a valid parent or none.
    void restore(SlotId slot, const Entry& entry, SlotId parent, std::uint32_t uses, ProcessId payer);
    void relink();

    /// Makes a capability with no parent; 0 when `can_allocate(spec.payer)` is false.
    CapabilityId make_root(const CapabilitySpec& spec);

    /// Makes a child of `parent`; 0 when `can_allocate(spec.payer)` is false. The caller has checked
    /// authority: that the parent is valid and may be copied and that the rights are a subset is asserted,
    /// not decided, here.
    CapabilityId derive(SlotId parent, const CapabilitySpec& spec);

    /// Gives the slot, which must have no descendants, to another owner, who pays from now on. The old id is
    /// stale at once. The caller has checked that the new owner has room for one more.
    CapabilityId move(SlotId slot, ProcessId new_owner);

    /// Called for each capability that ends, with the entry as it was.
    using Ended = std::function<void(SlotId, const Entry&)>;

    /// Frees the descendants of `slot` and, with `self`, the slot too. Complete on return. Returns how many.
    std::uint32_t revoke(SlotId slot, bool self, const Ended& ended = {});

    /// Takes one use from a one-shot, which has no descendants, and frees it with the last. No call-back.
    void consume(SlotId slot);
    /// How often a one-shot can still be used; meaningless for others.
    [[nodiscard]] std::uint32_t uses(SlotId slot) const noexcept { return nodes_[slot].uses; }

    /// Frees everything that `process` owns, with descendants.
    std::uint32_t revoke_owned(ProcessId process, const Ended& ended = {});

    /// The slot when `id` is in range, valid, of this generation and owned by `owner`; else 0.
    [[nodiscard]] SlotId find(CapabilityId id, ProcessId owner) const noexcept {
        const SlotId slot = slot_of(id);
        if (slot >= slot_count_) {
            return 0;
        }
        const Entry& entry = entries_[slot];
        const bool good = (entry.flags() & entry_flag::kValid) != 0 &&
                          entry.generation() == generation_of(id) && entry.owner() == owner;
        return good ? slot : 0;
    }

    /// True when `slot` is `ancestor` or was derived from it, at any distance.
    [[nodiscard]] bool descends_from(SlotId slot, SlotId ancestor) const noexcept;

    [[nodiscard]] const Entry& entry(SlotId slot) const noexcept { return entries_[slot]; }
    [[nodiscard]] SlotId parent(SlotId slot) const noexcept { return nodes_[slot].parent; }
    [[nodiscard]] SlotId first_child(SlotId slot) const noexcept { return nodes_[slot].first_child; }
    [[nodiscard]] SlotId next_sibling(SlotId slot) const noexcept { return nodes_[slot].next_sibling; }
    [[nodiscard]] ProcessId payer(SlotId slot) const noexcept { return nodes_[slot].payer; }
    [[nodiscard]] CapabilityId id(SlotId slot) const noexcept {
        return make_capability_id(entries_[slot].generation(), slot);
    }
    [[nodiscard]] SlotId first_owned(ProcessId process) const noexcept {
        return accounts_[process].first_owned;
    }
    [[nodiscard]] SlotId next_owned(SlotId slot) const noexcept { return nodes_[slot].owned_next; }
    [[nodiscard]] std::uint32_t slot_count() const noexcept { return slot_count_; }
    [[nodiscard]] std::uint32_t in_use() const noexcept { return in_use_; }

    /// Asks the processor to fetch the entry that `id` names; harmless for any value.
    void prefetch(CapabilityId id) const noexcept {
        const SlotId slot = slot_of(id);
        __builtin_prefetch(&entries_[slot < slot_count_ ? slot : 0]);
    }

    /// Checks every invariant above; empty when they hold, else what is broken. For tests; O(slots).
    [[nodiscard]] std::string audit() const;

  private:
    // Where a slot stands in the derivation forest, in its owner's list or on the free list.
    struct Node {
        SlotId parent = 0;
        SlotId first_child = 0;
        SlotId next_sibling = 0;  // of a free slot: the next free one
        SlotId prev_sibling = 0;
        SlotId owned_next = 0;
        SlotId owned_prev = 0;
        std::uint32_t uses = 0;
        ProcessId payer = 0;
    };

    struct Account {
        Share own;
        Share* user = nullptr;
        SlotId first_owned = 0;
    };

    SlotId allocate(const CapabilitySpec& spec);
    void release(SlotId slot);
    void link_owned(SlotId slot, ProcessId owner);
    void unlink_owned(SlotId slot);
    void charge(SlotId slot, ProcessId payer);
    void refund(SlotId slot);
    void tell(SlotId slot) noexcept {
        if (shadow_ != nullptr) [[unlikely]] {
            shadow_->row(slot, entries_[slot], nodes_[slot].parent, nodes_[slot].uses, nodes_[slot].payer);
        }
    }

    struct Unmap {
        std::size_t bytes = 0;
        void operator()(Entry* entries) const noexcept;
    };

    std::uint32_t slot_count_;
    std::uint32_t in_use_ = 0;
    SlotId free_head_ = 0;
    SlotId free_tail_ = 0;
    // The 128 bits that the hardware keeps are apart from the rest, because they are all that a message
    // needs: 65,536 of them are 1 MiB and stay in a second-level cache, where whole lines of 64 bytes would
    // not.
    std::unique_ptr<Entry[], Unmap> entries_;
    std::vector<Node> nodes_;
    std::vector<Account> accounts_;
    Share nobody_;
    Shadow* shadow_ = nullptr;
};

}  // namespace keyway::core
