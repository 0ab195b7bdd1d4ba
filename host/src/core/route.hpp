#pragma once

// route(): the one decision that Keyway exists for. Software and RTL implement this same function.
//
//     header, link ──► 1 well-formed ──► 2 sender ──► 3 capability ──► 4 object, rights ──► 5 carried ──► 6
//     room
//                          │malformed     │spoofed      │no such…        │…                   │… │full ▼ ▼ ▼
//                          ▼                    ▼             ▼
//                        refused: nothing whatever has changed
//                                                                                     7 all or nothing:
//                                                                   table effects, enqueue, stamp ──►
//                                                                   delivered
//
// The order of the checks is part of the contract: it decides which reason a message with several faults is
// refused with, and that nobody learns whether an object exists without holding a capability for it (every
// fault of the capability itself is one and the same answer).
//
// Pure: no threads, no system calls, no clock of its own, no allocation. The caller owns table, directory and
// queues and calls from one thread. `header` and `link` are copies that nobody else can change: the caller
// has copied the header out of shared memory before.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "core/capability_table.hpp"
#include "core/directory.hpp"
#include "core/ids.hpp"
#include "core/queues.hpp"

namespace keyway::core {

/// What came of a message.
struct Outcome {
    Verdict verdict = Verdict::kMalformed;
    std::uint16_t destinations = 0;  ///< queues that got a copy
    CapabilityId created = 0;        ///< derived, moved or reply capability, as the receiver holds it
    Header delivered;                ///< the header as it was enqueued; only when delivered
};

/// Which flags a type allows, with and without something carried.
[[nodiscard]] constexpr bool allowed_together(Type type, std::uint8_t flags, bool carries) noexcept {
    const bool call = (flags & flag::kExpectsReply) != 0;
    const bool reply = (flags & flag::kReply) != 0;
    const bool stream = (flags & (flag::kStreamFirst | flag::kStreamLast)) != 0;
    const bool zero_copy = (flags & flag::kZeroCopy) != 0;
    switch (type) {
        case Type::kControl:
        case Type::kData:
            return !(call && reply) && !(call && carries) && !(zero_copy && !carries) &&
                   !(stream && type != Type::kData);
        case Type::kQuantum:
        case Type::kCapability:
            return carries && !call && !reply && !stream && !zero_copy;
        case Type::kEvent:
            return !carries && !call && !reply && !stream && !zero_copy;
    }
    return false;
}

/// The same for all types and flags that fit a header, a bit for each of the 64 combinations of flags.
inline constexpr std::array<std::uint64_t, 32> kAllowedTogether = [] {
    std::array<std::uint64_t, 32> allowed{};
    for (unsigned i = 0; i < 32 * 64; ++i) {
        const auto type = static_cast<Type>(i / 64 % 16);
        if (allowed_together(type, static_cast<std::uint8_t>(i % 64), i / 64 >= 16)) {
            allowed[i / 64] |= std::uint64_t{1} << (i % 64);
        }
    }
    return allowed;
}();

/// Step 1. Depends on the header alone.
[[nodiscard]] constexpr bool well_formed(const Header& header) noexcept {
    const bool carries = header.carried() != 0;
    if (header.version() != kVersionMajor || header.length() > limit::kPayloadBytes) {
        return false;
    }
    if (carries && (header.timestamp() >> 40 & 0xFU & ~std::uint64_t{grant_flag::kAll}) != 0) {
        return false;
    }
    return (kAllowedTogether[header.type() + (carries ? 16U : 0U)] >> header.flags() & 1U) != 0;
}

/// Step 4 for one capability: what the operation needs of it.
struct Need {
    Kind kind;
    std::uint8_t rights;
};
[[nodiscard]] constexpr Need need_of(const Header& header) noexcept {
    if (Type{header.type()} == Type::kEvent) {
        return {Kind::kTopic, right::kWrite};
    }
    if ((header.flags() & flag::kReply) != 0) {
        return {Kind::kReply, right::kWrite};
    }
    return {Kind::kEndpoint, (header.flags() & flag::kExpectsReply) != 0 ? right::kExecute : right::kWrite};
}

[[nodiscard]] constexpr bool is_expired(const Entry& entry, const Now& now) noexcept {
    return entry.expiry() != 0 && now.tick >= entry.expiry();
}

/// Expiry of a derived capability: `lifetime` ticks from now, never later than the parent's; 0 is never.
[[nodiscard]] constexpr std::uint32_t derived_expiry(std::uint32_t parent, std::uint32_t lifetime,
                                                     const Now& now) noexcept {
    if (lifetime == 0) {
        return parent;
    }
    const std::uint64_t wanted = std::uint64_t{now.tick} + lifetime;
    const std::uint32_t expiry = wanted > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(wanted);
    return parent == 0 ? expiry : std::min(parent, expiry);
}

/// Step 5: whether the sender may pass on what `header` carries. `slot` is where it was found, 0 if nowhere;
/// `authority` is the capability that authorises the message.
[[nodiscard]] inline Verdict check_carried(const CapabilityTable& table, SlotId slot, SlotId authority,
                                           const Header& header, const Now& now) noexcept {
    if (slot == 0) {
        return Verdict::kNoSuchCarried;
    }
    const Entry& entry = table.entry(slot);
    if (is_expired(entry, now)) {
        return Verdict::kCarriedExpired;
    }
    if ((header.flags() & flag::kZeroCopy) != 0 && Kind{entry.kind()} != Kind::kRegion) {
        return Verdict::kWrongObject;
    }
    const Grant grant{{header.timestamp()}};
    const bool linear = (entry.flags() & entry_flag::kLinear) != 0;
    const bool one_shot = (entry.flags() & entry_flag::kOneShot) != 0;
    const bool quantum = Type{header.type()} == Type::kQuantum;
    const bool moves = quantum || (grant.flags() & grant_flag::kMove) != 0;
    // A one-shot is used up by the message that it authorises, so that message can't also give it away.
    if ((quantum && !linear) || ((linear || one_shot) && !moves) || (one_shot && slot == authority)) {
        return Verdict::kLinearity;
    }
    // The root of an endpoint or topic is its existence: it stays with the owner, and ends with the object.
    const bool object_root = table.parent(slot) == 0 &&
                             (Kind{entry.kind()} == Kind::kEndpoint || Kind{entry.kind()} == Kind::kTopic);
    const std::uint8_t needed = linear ? right::kQuantum : right::kGrant;
    if ((entry.rights() & needed) == 0 || (moves && (object_root || table.first_child(slot) != 0))) {
        return Verdict::kNotGrantable;
    }
    if (!moves && (grant.rights() & ~entry.rights()) != 0) {
        return Verdict::kAmplified;
    }
    return Verdict::kDelivered;
}

/// Decides on one message that came in by the link of process `link`, and carries the decision out.
///
/// `header` is as the sender wrote it. Payload does not matter to the decision: `queues` knows how to get at
/// it when a copy is pushed. Verdicts `kMiss`, `kTimedOut`, `kDecohered` and `kClosed` are never returned
/// here.
template <DestinationQueues Queues>
Outcome route(CapabilityTable& table, const Directory& directory, Queues& queues, const Header& header,
              ProcessId link, const Now& now) {
    const auto refused = [](Verdict verdict) { return Outcome{.verdict = verdict, .delivered = {}}; };

    if (!well_formed(header)) {
        return refused(Verdict::kMalformed);
    }
    if (header.sender() != 0 && header.sender() != link) {
        return refused(Verdict::kSpoofed);
    }
    const SlotId slot = table.find(header.capability(), link);
    if (slot == 0) {
        return refused(Verdict::kNoSuchCapability);
    }
    const Entry entry = table.entry(slot);
    if (is_expired(entry, now)) {
        return refused(Verdict::kExpired);
    }
    const Need need = need_of(header);
    if (Kind{entry.kind()} != need.kind || header.receiver() != entry.object()) {
        return refused(Verdict::kWrongObject);
    }
    if ((entry.rights() & need.rights) != need.rights) {
        return refused(Verdict::kInsufficientRights);
    }
    SlotId carried = 0;
    if (header.carried() != 0) {
        carried = table.find(header.carried(), link);
        const Verdict verdict = check_carried(table, carried, slot, header, now);
        if (verdict != Verdict::kDelivered) {
            return refused(verdict);
        }
    }

    const ObjectId receiver = entry.object();
    const bool event = need.kind == Kind::kTopic;
    const std::span<const ObjectId> destinations =
        event ? directory.subscribers(receiver) : std::span<const ObjectId>(&receiver, 1);
    const unsigned priority = header.priority();
    for (const ObjectId destination : destinations) {
        if (!queues.has_room(destination, priority, header.length())) {
            return refused(Verdict::kFull);
        }
    }

    const bool call = (header.flags() & flag::kExpectsReply) != 0;
    const bool one_shot = (entry.flags() & entry_flag::kOneShot) != 0;
    const auto callee = [&] { return event ? ProcessId{0} : directory.owner(receiver); };
    const Grant grant{{header.timestamp()}};
    const bool moves =
        carried != 0 && (Type{header.type()} == Type::kQuantum || (grant.flags() & grant_flag::kMove) != 0);
    // A move is paid for by its new owner, who may be paying already; everything else by the sender.
    if ((call || (carried != 0 && !moves)) && !table.can_allocate(link)) {
        return refused(Verdict::kTableFull);
    }
    if (moves && table.payer(carried) != callee() && !table.can_pay(callee())) {
        return refused(Verdict::kTableFull);
    }

    // From here on nothing can fail.
    Outcome outcome{.verdict = Verdict::kDelivered,
                    .destinations = static_cast<std::uint16_t>(destinations.size()),
                    .delivered = header};
    if (carried != 0) {
        const Entry given = table.entry(carried);
        const std::uint8_t once =
            (grant.flags() & grant_flag::kOneShot) != 0 ? entry_flag::kOneShot : std::uint8_t{0};
        outcome.created =
            moves ? table.move(carried, callee())
                  : table.derive(carried, {.owner = callee(),
                                           .kind = Kind{given.kind()},
                                           .object = given.object(),
                                           .rights = grant.rights(),
                                           .flags = static_cast<std::uint8_t>(entry_flag::kRevocable | once),
                                           .badge = grant.badge(),
                                           .expiry = derived_expiry(given.expiry(), grant.lifetime(), now),
                                           .payer = link});
    } else if (call) {
        outcome.created = table.derive(directory.root(link), {.owner = callee(),
                                                              .kind = Kind::kReply,
                                                              .object = link,
                                                              .rights = right::kWrite,
                                                              .flags = entry_flag::kOneShot,
                                                              .badge = header.sequence(),
                                                              .expiry = 0,
                                                              .payer = link});
    }
    if (one_shot) {
        table.consume(slot);
    }
    outcome.delivered.set_sender(link);
    outcome.delivered.set_capability(entry.badge());
    outcome.delivered.set_carried(outcome.created);
    outcome.delivered.set_timestamp(now.ns);
    for (const ObjectId destination : destinations) {
        queues.push(destination, priority, outcome.delivered);
    }
    return outcome;
}

}  // namespace keyway::core
