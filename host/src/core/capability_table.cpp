#include "core/capability_table.hpp"

#include <sys/mman.h>

#include <new>
#include <stdexcept>
#include <string>

#include "base/check.hpp"

namespace keyway::core {

namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;

}  // namespace

void CapabilityTable::Unmap::operator()(Entry* entries) const noexcept {
    ::munmap(entries, bytes);
}

CapabilityTable::CapabilityTable(std::uint32_t slots, std::uint32_t processes)
    : slot_count_(slots), entries_(nullptr, Unmap{}), nodes_(slots), accounts_(processes) {
    if (slots < 2 || slots > limit::kSlots || processes < 1 || processes > limit::kIds) {
        throw std::invalid_argument("capability table: slots must be 2 to 2^20, processes 1 to 65536");
    }
    // Mapped on a boundary of large pages, so that the kernel can back the table by them: a look-up in random
    // order then costs no page-table walk, which can be dearer than the look-up.
    const std::size_t bytes = (std::size_t{slots} * sizeof(Entry) + kLargePage - 1) & ~(kLargePage - 1);
    void* memory =
        ::mmap(nullptr, bytes + kLargePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    auto* base = static_cast<std::byte*>(memory);
    const std::size_t skip = (kLargePage - reinterpret_cast<std::uintptr_t>(base) % kLargePage) % kLargePage;
    if (skip != 0) {
        ::munmap(base, skip);
    }
    if (skip != kLargePage) {
        ::munmap(base + skip + bytes, kLargePage - skip);
    }
    ::madvise(base + skip, bytes, MADV_HUGEPAGE);
    entries_ = std::unique_ptr<Entry[], Unmap>(reinterpret_cast<Entry*>(base + skip), Unmap{bytes});
    for (SlotId slot = 0; slot < slots; ++slot) {
        new (&entries_[slot]) Entry{};
        entries_[slot].set_generation(1);
        nodes_[slot].next_sibling = slot + 1 < slots && slot > 0 ? slot + 1 : 0;
    }
    free_head_ = 1;
    free_tail_ = slots - 1;
    for (Account& account : accounts_) {
        account.user = &nobody_;
    }
}

void CapabilityTable::open_account(ProcessId process, std::uint32_t limit, Share& user) {
    KEYWAY_CHECK(accounts_[process].own.used == 0 && accounts_[process].first_owned == 0);
    accounts_[process] = {.own = {.used = 0, .limit = limit}, .user = &user, .first_owned = 0};
}

void CapabilityTable::close_account(ProcessId process) {
    KEYWAY_CHECK(accounts_[process].own.used == 0 && accounts_[process].first_owned == 0);
    accounts_[process] = {.own = {}, .user = &nobody_, .first_owned = 0};
}

SlotId CapabilityTable::allocate(const CapabilitySpec& spec) {
    if (!can_allocate(spec.payer)) {
        return 0;
    }
    const SlotId slot = free_head_;
    free_head_ = nodes_[slot].next_sibling;
    if (free_head_ == 0) {
        free_tail_ = 0;
    }
    Node& row = nodes_[slot];
    entries_[slot].set_flags(static_cast<std::uint8_t>(spec.flags | entry_flag::kValid));
    entries_[slot].set_rights(spec.rights);
    entries_[slot].set_kind(static_cast<std::uint8_t>(spec.kind));
    entries_[slot].set_object(spec.object);
    entries_[slot].set_badge(spec.badge);
    entries_[slot].set_expiry(spec.expiry);
    row.parent = row.first_child = row.next_sibling = row.prev_sibling = 0;
    row.uses = spec.uses;
    link_owned(slot, spec.owner);
    charge(slot, spec.payer);
    ++in_use_;
    return slot;
}

CapabilityId CapabilityTable::make_root(const CapabilitySpec& spec) {
    const SlotId slot = allocate(spec);
    if (slot == 0) {
        return 0;
    }
    tell(slot);
    return id(slot);
}

CapabilityId CapabilityTable::derive(SlotId parent, const CapabilitySpec& spec) {
    const std::uint8_t single = entry_flag::kLinear | entry_flag::kOneShot;
    KEYWAY_CHECK((entries_[parent].flags() & (entry_flag::kValid | single)) == entry_flag::kValid);
    KEYWAY_CHECK((spec.rights & ~entries_[parent].rights()) == 0 || spec.kind == Kind::kReply);
    const SlotId slot = allocate(spec);
    if (slot == 0) {
        return 0;
    }
    Node& row = nodes_[slot];
    row.parent = parent;
    row.next_sibling = nodes_[parent].first_child;
    if (row.next_sibling != 0) {
        nodes_[row.next_sibling].prev_sibling = slot;
    }
    nodes_[parent].first_child = slot;
    tell(slot);
    return id(slot);
}

CapabilityId CapabilityTable::move(SlotId slot, ProcessId new_owner) {
    // The children's payer is the owner of their parent; it would be somebody else's bill after the move.
    KEYWAY_CHECK(nodes_[slot].first_child == 0);
    unlink_owned(slot);
    refund(slot);
    entries_[slot].set_generation(next_generation(entries_[slot].generation()));
    link_owned(slot, new_owner);
    charge(slot, new_owner);
    tell(slot);
    return id(slot);
}

std::uint32_t CapabilityTable::revoke(SlotId slot, bool self, const Ended& ended) {
    // Depth first without recursion: descend to a leaf, free it, go on from its parent. Each step frees a
    // slot or goes down one level, so the walk is linear in the number of descendants.
    std::uint32_t count = 0;
    SlotId at = slot;
    while (true) {
        if (nodes_[at].first_child != 0) {
            at = nodes_[at].first_child;
            continue;
        }
        if (at == slot && !self) {
            return count;
        }
        const SlotId up = nodes_[at].parent;
        const Entry was = entries_[at];
        release(at);
        ++count;
        if (ended) {
            ended(at, was);
        }
        if (at == slot) {
            return count;
        }
        at = up;
    }
}

void CapabilityTable::consume(SlotId slot) {
    KEYWAY_CHECK(nodes_[slot].first_child == 0 && nodes_[slot].uses != 0);
    if (--nodes_[slot].uses == 0) {
        release(slot);
    } else {
        tell(slot);
    }
}

std::uint32_t CapabilityTable::revoke_owned(ProcessId process, const Ended& ended) {
    std::uint32_t count = 0;
    while (accounts_[process].first_owned != 0) {
        count += revoke(accounts_[process].first_owned, true, ended);
    }
    return count;
}

bool CapabilityTable::descends_from(SlotId slot, SlotId ancestor) const noexcept {
    while (slot != 0 && slot != ancestor) {
        slot = nodes_[slot].parent;
    }
    return slot == ancestor && slot != 0;
}

void CapabilityTable::release(SlotId slot) {
    Node& row = nodes_[slot];
    if (row.prev_sibling != 0) {
        nodes_[row.prev_sibling].next_sibling = row.next_sibling;
    } else if (row.parent != 0) {
        nodes_[row.parent].first_child = row.next_sibling;
    }
    if (row.next_sibling != 0) {
        nodes_[row.next_sibling].prev_sibling = row.prev_sibling;
    }
    unlink_owned(slot);
    refund(slot);
    const std::uint16_t generation = next_generation(entries_[slot].generation());
    entries_[slot] = Entry{};
    entries_[slot].set_generation(generation);
    row.parent = row.next_sibling = row.prev_sibling = 0;
    if (free_tail_ != 0) {
        nodes_[free_tail_].next_sibling = slot;
    } else {
        free_head_ = slot;
    }
    free_tail_ = slot;
    --in_use_;
    tell(slot);
}

void CapabilityTable::restore(SlotId slot, const Entry& entry, SlotId parent, std::uint32_t uses,
                              ProcessId payer) {
    KEYWAY_CHECK(slot != 0 && slot < slot_count_ && entry.generation() != 0);
    entries_[slot] = entry;
    nodes_[slot] = {.parent = parent, .uses = uses, .payer = payer};
}

// The order among siblings, and that of free slots, are not kept: nothing depends on the first, and the
// second only puts off when a slot is used again.
void CapabilityTable::relink() {
    free_head_ = free_tail_ = 0;
    in_use_ = 0;
    for (SlotId slot = slot_count_ - 1; slot != 0; --slot) {
        Node& row = nodes_[slot];
        if ((entries_[slot].flags() & entry_flag::kValid) == 0) {
            row.next_sibling = free_head_;
            free_tail_ = free_head_ == 0 ? slot : free_tail_;
            free_head_ = slot;
            continue;
        }
        if (row.parent != 0) {
            row.next_sibling = nodes_[row.parent].first_child;
            if (row.next_sibling != 0) {
                nodes_[row.next_sibling].prev_sibling = slot;
            }
            nodes_[row.parent].first_child = slot;
        }
        link_owned(slot, static_cast<ProcessId>(entries_[slot].owner()));
        charge(slot, row.payer);
        ++in_use_;
    }
}

void CapabilityTable::link_owned(SlotId slot, ProcessId owner) {
    Node& row = nodes_[slot];
    entries_[slot].set_owner(owner);
    row.owned_prev = 0;
    row.owned_next = accounts_[owner].first_owned;
    if (row.owned_next != 0) {
        nodes_[row.owned_next].owned_prev = slot;
    }
    accounts_[owner].first_owned = slot;
}

void CapabilityTable::unlink_owned(SlotId slot) {
    Node& row = nodes_[slot];
    if (row.owned_prev != 0) {
        nodes_[row.owned_prev].owned_next = row.owned_next;
    } else {
        accounts_[entries_[slot].owner()].first_owned = row.owned_next;
    }
    if (row.owned_next != 0) {
        nodes_[row.owned_next].owned_prev = row.owned_prev;
    }
    row.owned_next = row.owned_prev = 0;
}

void CapabilityTable::charge(SlotId slot, ProcessId payer) {
    nodes_[slot].payer = payer;
    ++accounts_[payer].own.used;
    ++accounts_[payer].user->used;
}

void CapabilityTable::refund(SlotId slot) {
    Account& account = accounts_[nodes_[slot].payer];
    --account.own.used;
    --account.user->used;
}

std::string CapabilityTable::audit() const {
    const auto broken = [](SlotId slot, const char* what) {
        return "slot " + std::to_string(slot) + ": " + what;
    };
    std::uint32_t valid = 0;
    std::vector<std::uint32_t> paid(accounts_.size());
    for (SlotId slot = 1; slot < slot_count_; ++slot) {
        const Node& row = nodes_[slot];
        if (entries_[slot].generation() == 0) {
            return broken(slot, "generation 0");
        }
        if ((entries_[slot].flags() & entry_flag::kValid) == 0) {
            continue;
        }
        ++valid;
        ++paid[row.payer];
        if (row.parent != 0) {
            const Node& parent = nodes_[row.parent];
            if ((entries_[row.parent].flags() & entry_flag::kValid) == 0) {
                return broken(slot, "parent is not valid");
            }
            if (entries_[slot].kind() != static_cast<std::uint8_t>(Kind::kReply) &&
                (entries_[slot].rights() & ~entries_[row.parent].rights()) != 0) {
                return broken(slot, "rights exceed the parent's");
            }
            if (row.prev_sibling == 0 && parent.first_child != slot) {
                return broken(slot, "not in its parent's list");
            }
        }
        if (row.prev_sibling != 0 && nodes_[row.prev_sibling].next_sibling != slot) {
            return broken(slot, "sibling list is torn");
        }
        if (row.payer != entries_[slot].owner() &&
            (row.parent == 0 || entries_[row.parent].owner() != row.payer)) {
            return broken(slot, "paid for by neither its owner nor its parent's owner");
        }
        if (row.first_child != 0 && nodes_[row.first_child].parent != slot) {
            return broken(slot, "child names another parent");
        }
        if (row.owned_prev == 0 ? accounts_[entries_[slot].owner()].first_owned != slot
                                : nodes_[row.owned_prev].owned_next != slot) {
            return broken(slot, "not in its owner's list");
        }
    }
    std::uint32_t free = 0;
    for (SlotId slot = free_head_; slot != 0; slot = nodes_[slot].next_sibling) {
        if ((entries_[slot].flags() & entry_flag::kValid) != 0 || ++free > slot_count_) {
            return broken(slot, "free list has a valid slot or a loop");
        }
    }
    if (valid != in_use_ || valid + free != slot_count_ - 1) {
        return "slots leaked: " + std::to_string(valid) + " valid, " + std::to_string(free) + " free";
    }
    for (std::size_t process = 0; process < accounts_.size(); ++process) {
        if (accounts_[process].own.used != paid[process]) {
            return "process " + std::to_string(process) + " is charged for slots that it does not pay for";
        }
    }
    return {};
}

}  // namespace keyway::core
