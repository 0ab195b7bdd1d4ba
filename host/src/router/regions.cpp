// Shared regions: memory that the router makes and never touches. What it guards is who gets a descriptor,
// whether that can write, and what a recall leaves to the one who lost it.
//
//     create        a new file; the creator maps it writable
//     map           a descriptor for who has a capability. The first reader closes the file to new writers:
//                   that is the kernel's seal, also for who opens the file again through /proc
//     fresh, moved  a recall: the owner copies the content into a file that the former holder has never had.
//                   The owner and not the router copies, because it takes long, and because only the owner
//                   can do it without losing what it writes meanwhile
//     cut           the file has no bytes any more, in any mapping

#include <utility>

#include "router/router_impl.hpp"

namespace keyway {

using core::ObjectId;
using core::ProcessId;
using core::SlotId;
using link::ControlMessage;
using router::Answer;
using router::Link;
using router::Region;

namespace {

constexpr std::uint8_t kRegionRights = right::kRead | right::kWrite | right::kGrant | right::kRevoke;
constexpr std::uint32_t kDescriptorsPerRegion = 2;
constexpr std::uint32_t kRevocable = 1;
constexpr std::uint32_t kCut = 1;
/// After a move the writers map first, because a reader's seal would lock them out; but not for ever.
constexpr std::uint64_t kWritersFirstNs = 100'000'000;

}  // namespace

// Adds to, or takes from, what the payer and its user use.
void Router::Impl::charge_region(Link& payer, const Region& region, bool add) {
    const std::uint64_t bytes = region::file_bytes(region.bytes);
    payer.region_bytes += add ? bytes : -bytes;
    payer.user->region_bytes += add ? bytes : -bytes;
    payer.region_descriptors += add ? kDescriptorsPerRegion : -kDescriptorsPerRegion;
    payer.user->descriptors += add ? kDescriptorsPerRegion : -kDescriptorsPerRegion;
}

Result<void> Router::Impl::create_region(Link& link, const ControlMessage& request, Answer& reply) {
    if (request.value == 0 || request.value > limit::kRegionBytes || request.badge > kRevocable) {
        return Status::kBadArgument;
    }
    const std::uint64_t bytes = region::file_bytes(request.value);
    if (link.region_bytes + bytes > policy_.process.region_bytes ||
        link.user->region_bytes + bytes > policy_.user.region_bytes ||
        link.region_descriptors + router::kDescriptorsPerLink + kDescriptorsPerRegion >
            policy_.process.descriptors ||
        link.user->descriptors + kDescriptorsPerRegion > policy_.user.descriptors) {
        return Status::kLimit;
    }
    const bool revocable = request.badge == kRevocable;
    auto file = region_pool_.take(request.value, revocable);
    if (!file) {
        return file.error();
    }
    const ObjectId object =
        table_.can_allocate(link.id) ? directory_.open(core::Directory::What::kRegion, link.id) : ObjectId{0};
    if (object == 0) {
        return Verdict::kTableFull;
    }
    const core::CapabilityId root = table_.make_root({.owner = link.id,
                                                      .kind = Kind::kRegion,
                                                      .object = object,
                                                      .rights = kRegionRights,
                                                      .flags = 0,
                                                      .payer = link.id});
    KEYWAY_CHECK(root != 0);
    directory_.set_root(object, core::slot_of(root));
    Region& region = regions_[object];
    region = {.bytes = request.value, .revocable = revocable, .file = std::move(*file), .payer = link.id};
    region.holders[root] = {.process = link.id, .writes = true, .epoch = region.epoch};
    charge_region(link, region, true);
    reply.describe(table_.entry(core::slot_of(root)), root);
    describe(region, reply);
    reply.message.submission_bytes = link.id;
    reply.attach(region.file.writing.get());
    return {};
}

void Router::Impl::describe(const Region& region, Answer& reply) {
    reply.message.value = region.bytes;
    reply.message.target = region.revocable ? kRevocable : 0;
    reply.message.lifetime = region.epoch;
}

// The region that a capability of this process is for.
Result<Region*> Router::Impl::region_of(const Link& link, core::CapabilityId capability) {
    const SlotId slot = table_.find(capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    const Entry& entry = table_.entry(slot);
    const auto found = Kind{entry.kind()} == Kind::kRegion ? regions_.find(entry.object()) : regions_.end();
    if (found == regions_.end()) {
        return Verdict::kWrongObject;
    }
    if (core::is_expired(entry, now())) {
        return Verdict::kExpired;
    }
    return &found->second;
}

// The same, of which the capability is the existence.
Result<Region*> Router::Impl::own_revocable_region(const Link& link, core::CapabilityId capability) {
    auto region = region_of(link, capability);
    if (!region) {
        return region;
    }
    const SlotId slot = core::slot_of(capability);
    if (directory_.root(table_.entry(slot).object()) != slot) {
        return Verdict::kInsufficientRights;
    }
    return (*region)->revocable ? region : Result<Region*>(Status::kNotSupported);
}

Result<void> Router::Impl::map_region(Link& link, const ControlMessage& request, Answer& reply) {
    auto found = region_of(link, request.capability);
    if (!found) {
        return found.error();
    }
    Region& region = **found;
    const SlotId slot = core::slot_of(request.capability);
    const Entry& entry = table_.entry(slot);
    const bool writes = (request.rights & right::kWrite) != 0;
    if ((request.rights & ~entry.rights()) != 0 || (request.rights & right::kRead) == 0) {
        return Verdict::kInsufficientRights;
    }
    if (region.file.bytes == 0) {
        return Status::kRevoked;  // it was cut
    }
    if (writes && region.closed_to_writers) {
        return Status::kSealed;
    }
    if (!writes) {
        if (!region.closed_to_writers && writer_expected(region)) {
            return Status::kWouldBlock;
        }
        if (!region.closed_to_writers && !region::close_to_writers(region.file, region.revocable)) {
            return Status::kCorrupt;
        }
        region.closed_to_writers = true;
    }
    // Who moved its capability on stays a former holder until the next recall, once: mapping and moving in
    // turns must not fill our memory.
    std::erase_if(region.holders, [&](const auto& held) {
        const auto& [capability, holder] = held;
        return table_.find(capability, holder.process) == 0 &&
               (holder.process == link.id || link_of(holder.process) == nullptr);
    });
    region.holders[request.capability] = {.process = link.id, .writes = writes, .epoch = region.epoch};
    reply.describe(entry, request.capability);
    describe(region, reply);
    reply.message.submission_bytes = table_.entry(directory_.root(entry.object())).owner();
    reply.attach(writes ? region.file.writing.get() : region.file.reading.get());
    return {};
}

// True when the region has moved just now and somebody who had it mapped writable has not followed yet.
bool Router::Impl::writer_expected(const Region& region) const {
    if (region.moved_ns == 0 || now_ns_ - region.moved_ns > kWritersFirstNs) {
        return false;
    }
    for (const auto& [capability, holder] : region.holders) {
        if (holder.writes && holder.epoch != region.epoch && table_.find(capability, holder.process) != 0) {
            return true;
        }
    }
    return false;
}

Result<void> Router::Impl::unmap_region(Link& link, const ControlMessage& request) {
    auto region = region_of(link, request.capability);
    if (!region) {
        return region.error();
    }
    (*region)->holders.erase(request.capability);
    return {};
}

Result<void> Router::Impl::freshen_region(Link& link, const ControlMessage& request, Answer& reply) {
    auto found = own_revocable_region(link, request.capability);
    if (!found) {
        return found.error();
    }
    Region& region = **found;
    if (region.file.bytes == 0) {
        return Status::kRevoked;
    }
    auto file = region_pool_.take(region.bytes, true);
    if (!file) {
        return file.error();
    }
    region.fresh = std::move(*file);
    describe(region, reply);
    reply.attach(region.fresh.writing.get());
    return {};
}

Result<void> Router::Impl::move_region(Link& link, const ControlMessage& request, Answer& reply) {
    auto found = own_revocable_region(link, request.capability);
    if (!found) {
        return found.error();
    }
    Region& region = **found;
    if (region.fresh.bytes == 0) {
        return Status::kBadRequest;
    }
    if (request.badge == kCut) {
        region::cut(region.file);
    }
    region.file = std::exchange(region.fresh, {});
    region.closed_to_writers = false;
    region.owner_told = false;
    region.moved_ns = now_ns_;
    ++region.epoch;
    region.holders[request.capability] = {.process = link.id, .writes = true, .epoch = region.epoch};
    tell_holders(region, table_.entry(core::slot_of(request.capability)).object(), link.id);
    describe(region, reply);
    return {};
}

Result<void> Router::Impl::cut_region(Link& link, const ControlMessage& request) {
    auto found = own_revocable_region(link, request.capability);
    if (!found) {
        return found.error();
    }
    Region& region = **found;
    if (region.file.bytes == 0) {
        return Status::kRevoked;
    }
    region::cut(region.file);
    region.file = {};
    region.fresh = {};
    tell_holders(region, table_.entry(core::slot_of(request.capability)).object(), link.id);
    return {};
}

void Router::Impl::tell_holders(const Region& region, ObjectId object, ProcessId but) {
    for (const auto& [capability, holder] : region.holders) {
        if (Link* link = link_of(holder.process); link != nullptr && holder.process != but) {
            notify(*link, {.kind = static_cast<std::uint8_t>(Notice::kRegion), .value = object});
        }
    }
}

// A capability for a region has ended, with its process or without. Called while the table is being walked.
void Router::Impl::region_left(ObjectId object, core::CapabilityId capability, bool root) {
    const auto found = regions_.find(object);
    KEYWAY_CHECK(found != regions_.end());
    Region& region = found->second;
    if (root) {
        tell_holders(region, object, 0);
        if (Link* payer = link_of(region.payer); payer != nullptr) {
            charge_region(*payer, region, false);
        }
        drop_kept_object(object);
        directory_.close(object);
        regions_.erase(found);
        return;
    }
    const auto holder = region.holders.find(capability);
    if (holder == region.holders.end()) {
        return;  // it never mapped it
    }
    const auto notice = [&](ProcessId process) {
        if (Link* link = link_of(process); link != nullptr) {
            notify(*link, {.kind = static_cast<std::uint8_t>(Notice::kRegion), .value = object});
        }
    };
    notice(holder->second.process);
    region.holders.erase(holder);
    if (region.revocable && !region.owner_told) {
        region.owner_told = true;
        notice(table_.entry(directory_.root(object)).owner());  // who moves it away from the former holder
    }
}

// A process ends that made regions which now belong to others: those pay from here on.
void Router::Impl::rehome_regions(ProcessId payer) {
    for (auto& [object, region] : regions_) {
        if (region.payer != payer) {
            continue;
        }
        charge_region(*link_of(payer), region, false);
        region.payer = table_.entry(directory_.root(object)).owner();
        charge_region(*link_of(region.payer), region, true);
        keep_object(object);
    }
}

}  // namespace keyway
