// Capabilities outside of messages: granting by an administrator, revoking, giving up. Complete when
// answered.

#include <algorithm>

#include "router/router_impl.hpp"

namespace keyway {

using core::CapabilityId;
using core::ObjectId;
using core::SlotId;
using link::ControlMessage;
using router::Answer;
using router::Link;

namespace {

/// A process gives up one call at a time; more are nobody's that keeps to the rules.
constexpr std::size_t kMostGivenUp = 16;

}  // namespace

Result<void> Router::Impl::grant(Link& link, const ControlMessage& request, Answer& reply) {
    if (!administers(link)) {
        return Status::kNotAllowed;
    }
    const std::string_view name = request.get_name();
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    const auto endpoint = names_.find(name);
    if (endpoint == names_.end()) {
        return Status::kNoSuchName;
    }
    Link* target =
        request.object <= UINT16_MAX ? link_of(static_cast<core::ProcessId>(request.object)) : nullptr;
    if (target == nullptr || target->state != Link::State::kLive) {
        return Status::kNoSuchProcess;
    }
    const SlotId root = directory_.root(endpoint->second);
    if (request.rights == 0) {
        return Status::kBadArgument;
    }
    if ((request.rights & ~table_.entry(root).rights()) != 0) {
        return Verdict::kAmplified;
    }
    constexpr unsigned kPriority = 1;
    if (!target->delivery[kPriority]->has_room(limit::kHeaderBytes)) {
        return Verdict::kFull;
    }
    const CapabilityId id = table_.derive(root, {.owner = target->id,
                                                 .kind = Kind{table_.entry(root).kind()},
                                                 .object = endpoint->second,
                                                 .rights = request.rights,
                                                 .flags = entry_flag::kRevocable,
                                                 .badge = request.badge != 0 ? request.badge : target->id,
                                                 .expiry = core::derived_expiry(0, request.lifetime, now()),
                                                 .payer = target->id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kCapability));
    header.set_priority(kPriority);
    header.set_receiver(target->id);
    header.set_carried(id);
    header.set_timestamp(now_ns_);
    deliver_from_router(*target, header);
    reply.message.capability = id;
    return {};
}

// A child for the process itself. A message can say how long what it gives shall live, but has no room for
// how often it may be used; so that is derived here and then moved.
Result<void> Router::Impl::derive(Link& link, const ControlMessage& request, Answer& reply) {
    if (request.value > UINT32_MAX) {
        return Status::kBadArgument;
    }
    const SlotId parent = table_.find(request.capability, link.id);
    Grant grant;
    grant.set_rights(request.rights);
    Header header;
    header.set_type(static_cast<std::uint8_t>(Type::kCapability));
    header.set_timestamp(grant.words[0]);
    const Verdict verdict = core::check_carried(table_, parent, 0, header, now());
    if (verdict != Verdict::kDelivered) {
        return verdict;
    }
    const Entry from = table_.entry(parent);
    const bool counted = request.value != 0;
    const CapabilityId id = table_.derive(
        parent,
        {.owner = link.id,
         .kind = Kind{from.kind()},
         .object = from.object(),
         .rights = request.rights,
         .flags = static_cast<std::uint8_t>(entry_flag::kRevocable | (counted ? entry_flag::kOneShot : 0)),
         .badge = request.badge,
         .expiry = core::derived_expiry(from.expiry(), request.lifetime, now()),
         .uses = counted ? static_cast<std::uint32_t>(request.value) : 1,
         .payer = link.id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    reply.describe(table_.entry(core::slot_of(id)), id);
    return {};
}

Result<void> Router::Impl::revoke(Link& link, const ControlMessage& request, Answer& reply) {
    const SlotId target = core::slot_of(request.target);
    const bool target_valid = request.target != 0 && target < table_.slot_count() &&
                              (table_.entry(target).flags() & entry_flag::kValid) != 0 &&
                              table_.id(target) == request.target;
    if (request.capability == 0) {
        if (!administers(link)) {
            return Status::kNotAllowed;
        }
        // An object's root is its existence; that ends with the object. Sight is no object.
        const bool root = target_valid && table_.parent(target) == 0 &&
                          Kind{table_.entry(target).kind()} != Kind::kObserver;
        if (!target_valid || root) {
            return Verdict::kNoSuchCapability;
        }
        reply.message.value = end_tree(target, true, link.id);
        return {};
    }
    const SlotId authority = table_.find(request.capability, link.id);
    if (authority == 0) {
        return Verdict::kNoSuchCapability;
    }
    if ((table_.entry(authority).rights() & right::kRevoke) == 0) {
        return Verdict::kInsufficientRights;
    }
    if (request.target == 0) {
        reply.message.value = end_tree(authority, false, link.id);
        return {};
    }
    if (!target_valid || target == authority || !table_.descends_from(target, authority)) {
        return Verdict::kNoSuchCapability;
    }
    reply.message.value = end_tree(target, true, link.id);
    return {};
}

Result<void> Router::Impl::release(Link& link, CapabilityId capability) {
    const SlotId slot = table_.find(capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    if (is_named_root(slot)) {
        return Status::kBadArgument;  // that is what closing the endpoint or topic is for
    }
    end_tree(slot, true, link.id);
    return {};
}

// True for the capability that is the existence of an endpoint, topic or process.
bool Router::Impl::is_named_root(SlotId slot) const {
    const Entry& entry = table_.entry(slot);
    const bool named = Kind{entry.kind()} == Kind::kEndpoint || Kind{entry.kind()} == Kind::kTopic;
    return named && directory_.root(entry.object()) == slot;
}

// Frees a capability's descendants and, with `self`, the capability; tells who held them, and ends the
// objects whose existence they were. `by` is told nothing: it asked for it.
std::uint32_t Router::Impl::end_tree(SlotId slot, bool self, core::ProcessId by) {
    return table_.revoke(slot, self, [&](SlotId at, const Entry& entry) { on_ended(at, entry, by); });
}

void Router::Impl::on_ended(SlotId slot, const Entry& entry, core::ProcessId by) {
    const CapabilityId id = core::make_capability_id(entry.generation(), slot);
    if (options_.engine != nullptr) {
        options_.engine->forget(id);
    }
    if (audit_ != nullptr) {
        note_ended(entry, id, by);
    }
    if (Kind{entry.kind()} == Kind::kChannel) {
        channel_capability_ended(slot, entry, by);
        return;
    }
    tell_ended(entry, id, by);
    if (Kind{entry.kind()} == Kind::kObserver) {
        observer_ended(id);
        return;
    }
    if (Kind{entry.kind()} == Kind::kRegion) {
        region_left(entry.object(), id, directory_.root(entry.object()) == slot);
        return;
    }
    if (Kind{entry.kind()} == Kind::kTopic) {
        topic_capability_ended(slot, id, entry.object());
    }
    if (directory_.root(entry.object()) != slot) {
        return;
    }
    // It was the object's existence.
    if (Kind{entry.kind()} == Kind::kQubit) {
        qubit_released(entry.object());
    }
}

// What its former owner got by it ends as with a revocation; the new one gets its own.
void Router::Impl::moved_away(CapabilityId from, CapabilityId to) {
    if (options_.engine != nullptr) {
        options_.engine->forget(from);
    }
    const Entry& entry = table_.entry(core::slot_of(to));
    if (Kind{entry.kind()} == Kind::kTopic) {
        if (const auto topic = topics_.find(entry.object()); topic != topics_.end()) {
            recall_subscriber(topic->second, from);
        }
    }
}

Result<void> Router::Impl::inspect(Link& link, CapabilityId capability, Answer& reply) {
    const SlotId slot = table_.find(capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    reply.describe(table_.entry(slot), capability);
    return {};
}

// Gives up a call (by its sequence, in `badge`) or a submission that waits for room (by its ticket, in
// `value`).
void Router::Impl::cancel(Link& link, const ControlMessage& request) {
    if (link.held && request.value != 0 && link.held_ticket == request.value) {
        give_up_held(link, Verdict::kTimedOut);
        std::erase(held_, &link);
    }
    // The socket may be read before the ring: a call that is not judged yet ends when its turn comes. Of
    // other messages the sender waits for the verdict, and what has room is delivered.
    const std::uint64_t judged = link.submissions->head();
    if (request.badge != 0 && request.value > judged &&
        request.value - judged <= link.submissions->capacity() &&
        std::ranges::find(link.given_up, request.value) == link.given_up.end()) {
        if (link.given_up.size() == kMostGivenUp) {
            link.given_up.erase(link.given_up.begin());
        }
        link.given_up.push_back(request.value);
    }
    if (request.badge == 0) {
        return;
    }
    SlotId child = table_.first_child(core::slot_of(link.home));
    while (child != 0) {
        const SlotId next = table_.next_sibling(child);
        const Entry& entry = table_.entry(child);
        if (Kind{entry.kind()} == Kind::kReply && entry.badge() == request.badge) {
            table_.consume(child);
        }
        child = next;
    }
}

}  // namespace keyway
