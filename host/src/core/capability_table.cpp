#include "core/capability_table.hpp"

#include <sys/mman.h>

#include <new>
#include <stdexcept>
#include <string>

#include "base/check.hpp"

namespace keyway::core {

void CapabilityTable::Unmap::operator()(Slot* slots) const noexcept { ::munmap(slots, bytes); }

CapabilityTable::CapabilityTable(std::uint32_t slots, std::uint32_t processes)
    : slot_count_(slots), slots_(nullptr, Unmap{}), accounts_(processes) {
    if (slots < 2 || slots > limit::kSlots || processes < 1 || processes > limit::kIds) {
        throw std::invalid_argument("capability table: slots must be 2 to 2^20, processes 1 to 65536");
    }
    // Mapped and not allocated, so that the kernel may back it by huge pages: a look-up in random order then
    // costs no page-table walk.
    const std::size_t bytes = std::size_t{slots} * sizeof(Slot);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    ::madvise(memory, bytes, MADV_HUGEPAGE);
    slots_ = std::unique_ptr<Slot[], Unmap>(static_cast<Slot*>(memory), Unmap{bytes});
    for (SlotId slot = 0; slot < slots; ++slot) {
        new (&slots_[slot]) Slot{};
        slots_[slot].entry.set_generation(1);
        slots_[slot].next_sibling = slot + 1 < slots && slot > 0 ? slot + 1 : 0;
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
    free_head_ = slots_[slot].next_sibling;
    if (free_head_ == 0) {
        free_tail_ = 0;
    }
    Slot& row = slots_[slot];
    row.entry.set_flags(static_cast<std::uint8_t>(spec.flags | entry_flag::kValid));
    row.entry.set_rights(spec.rights);
    row.entry.set_kind(static_cast<std::uint8_t>(spec.kind));
    row.entry.set_object(spec.object);
    row.entry.set_badge(spec.badge);
    row.entry.set_expiry(spec.expiry);
    row.parent = row.first_child = row.next_sibling = row.prev_sibling = 0;
    link_owned(slot, spec.owner);
    charge(slot, spec.payer);
    ++in_use_;
    return slot;
}

CapabilityId CapabilityTable::make_root(const CapabilitySpec& spec) {
    const SlotId slot = allocate(spec);
    return slot == 0 ? 0 : id(slot);
}

CapabilityId CapabilityTable::derive(SlotId parent, const CapabilitySpec& spec) {
    const std::uint8_t single = entry_flag::kLinear | entry_flag::kOneShot;
    KEYWAY_CHECK((slots_[parent].entry.flags() & (entry_flag::kValid | single)) == entry_flag::kValid);
    KEYWAY_CHECK((spec.rights & ~slots_[parent].entry.rights()) == 0 || spec.kind == Kind::kReply);
    const SlotId slot = allocate(spec);
    if (slot == 0) {
        return 0;
    }
    Slot& row = slots_[slot];
    row.parent = parent;
    row.next_sibling = slots_[parent].first_child;
    if (row.next_sibling != 0) {
        slots_[row.next_sibling].prev_sibling = slot;
    }
    slots_[parent].first_child = slot;
    return id(slot);
}

CapabilityId CapabilityTable::move(SlotId slot, ProcessId new_owner) {
    // The children's payer is the owner of their parent; it would be somebody else's bill after the move.
    KEYWAY_CHECK(slots_[slot].first_child == 0);
    unlink_owned(slot);
    refund(slot);
    Slot& row = slots_[slot];
    row.entry.set_generation(next_generation(row.entry.generation()));
    link_owned(slot, new_owner);
    charge(slot, new_owner);
    return id(slot);
}

std::uint32_t CapabilityTable::revoke(SlotId slot, bool self, const Ended& ended) {
    // Depth first without recursion: descend to a leaf, free it, go on from its parent. Each step frees a slot
    // or goes down one level, so the walk is linear in the number of descendants.
    std::uint32_t count = 0;
    SlotId at = slot;
    while (true) {
        if (slots_[at].first_child != 0) {
            at = slots_[at].first_child;
            continue;
        }
        if (at == slot && !self) {
            return count;
        }
        const SlotId up = slots_[at].parent;
        const Entry was = slots_[at].entry;
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
    KEYWAY_CHECK(slots_[slot].first_child == 0);
    release(slot);
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
        slot = slots_[slot].parent;
    }
    return slot == ancestor && slot != 0;
}

void CapabilityTable::release(SlotId slot) {
    Slot& row = slots_[slot];
    if (row.prev_sibling != 0) {
        slots_[row.prev_sibling].next_sibling = row.next_sibling;
    } else if (row.parent != 0) {
        slots_[row.parent].first_child = row.next_sibling;
    }
    if (row.next_sibling != 0) {
        slots_[row.next_sibling].prev_sibling = row.prev_sibling;
    }
    unlink_owned(slot);
    refund(slot);
    const std::uint16_t generation = next_generation(row.entry.generation());
    row.entry = Entry{};
    row.entry.set_generation(generation);
    row.parent = row.next_sibling = row.prev_sibling = 0;
    if (free_tail_ != 0) {
        slots_[free_tail_].next_sibling = slot;
    } else {
        free_head_ = slot;
    }
    free_tail_ = slot;
    --in_use_;
}

void CapabilityTable::link_owned(SlotId slot, ProcessId owner) {
    Slot& row = slots_[slot];
    row.entry.set_owner(owner);
    row.owned_prev = 0;
    row.owned_next = accounts_[owner].first_owned;
    if (row.owned_next != 0) {
        slots_[row.owned_next].owned_prev = slot;
    }
    accounts_[owner].first_owned = slot;
}

void CapabilityTable::unlink_owned(SlotId slot) {
    Slot& row = slots_[slot];
    if (row.owned_prev != 0) {
        slots_[row.owned_prev].owned_next = row.owned_next;
    } else {
        accounts_[row.entry.owner()].first_owned = row.owned_next;
    }
    if (row.owned_next != 0) {
        slots_[row.owned_next].owned_prev = row.owned_prev;
    }
    row.owned_next = row.owned_prev = 0;
}

void CapabilityTable::charge(SlotId slot, ProcessId payer) {
    slots_[slot].payer = payer;
    ++accounts_[payer].own.used;
    ++accounts_[payer].user->used;
}

void CapabilityTable::refund(SlotId slot) {
    Account& account = accounts_[slots_[slot].payer];
    --account.own.used;
    --account.user->used;
}

std::string CapabilityTable::audit() const {
    const auto broken = [](SlotId slot, const char* what) { return "slot " + std::to_string(slot) + ": " + what; };
    std::uint32_t valid = 0;
    std::vector<std::uint32_t> paid(accounts_.size());
    for (SlotId slot = 1; slot < slot_count_; ++slot) {
        const Slot& row = slots_[slot];
        if (row.entry.generation() == 0) {
            return broken(slot, "generation 0");
        }
        if ((row.entry.flags() & entry_flag::kValid) == 0) {
            continue;
        }
        ++valid;
        ++paid[row.payer];
        if (row.parent != 0) {
            const Slot& parent = slots_[row.parent];
            if ((parent.entry.flags() & entry_flag::kValid) == 0) {
                return broken(slot, "parent is not valid");
            }
            if (row.entry.kind() != static_cast<std::uint8_t>(Kind::kReply) &&
                (row.entry.rights() & ~parent.entry.rights()) != 0) {
                return broken(slot, "rights exceed the parent's");
            }
            if (row.prev_sibling == 0 && parent.first_child != slot) {
                return broken(slot, "not in its parent's list");
            }
        }
        if (row.prev_sibling != 0 && slots_[row.prev_sibling].next_sibling != slot) {
            return broken(slot, "sibling list is torn");
        }
        if (row.payer != row.entry.owner() && (row.parent == 0 || slots_[row.parent].entry.owner() != row.payer)) {
            return broken(slot, "paid for by neither its owner nor its parent's owner");
        }
        if (row.first_child != 0 && slots_[row.first_child].parent != slot) {
            return broken(slot, "child names another parent");
        }
        if (row.owned_prev == 0 ? accounts_[row.entry.owner()].first_owned != slot
                                : slots_[row.owned_prev].owned_next != slot) {
            return broken(slot, "not in its owner's list");
        }
    }
    std::uint32_t free = 0;
    for (SlotId slot = free_head_; slot != 0; slot = slots_[slot].next_sibling) {
        if ((slots_[slot].entry.flags() & entry_flag::kValid) != 0 || ++free > slot_count_) {
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
