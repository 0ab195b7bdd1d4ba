// Qubits: linear resources, each with one holder. A hand-off is an ordinary message that moves the
// capability; what is special is that the ledger is written in the same moment, so that the holder is certain
// even when the router is killed.
//
//     a hand-off, as route() carries it out          killed here, the holder is
//       checks                                       the sender
//       the table moves the capability               the sender: the table dies with the router
//       ---- the ledger's entry is complete ----
//       the message goes into the receiver's ring    the receiver
//
// A holder whose link ends, and every holder when the router starts anew, leaves its qubits to the router,
// which keeps them until the same process reclaims them or they decohere.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/crash_point.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::ObjectId;
using core::ProcessId;
using core::SlotId;
using link::ControlMessage;
using router::Answer;
using router::Link;
using router::Qubit;

namespace {

constexpr std::uint8_t kQubitRights = right::kRead | right::kWrite | right::kQuantum;
constexpr std::uint64_t kSweepNs = 100'000'000;  ///< how often qubits that nobody holds are looked through

// 2^width complex numbers of 16 bytes, sealed before anybody has it: a holder that is not one any more can't
// cut it under the next.
Result<UniqueFd> make_state(std::uint32_t width) {
    UniqueFd file(::memfd_create("keyway-qubit", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const auto bytes = static_cast<off_t>(std::uint64_t{16} << width);
    if (!file || ::ftruncate(file.get(), bytes) != 0 || ::fallocate(file.get(), 0, 0, bytes) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return Error::system();
    }
    return file;
}

}  // namespace

// The memory of a simulated state is paid for by the holder's user, and by nobody while the router holds it.
void Router::Impl::charge_state(Qubit& qubit, router::User* user) {
    const std::uint64_t bytes = qubit.state ? std::uint64_t{16} << qubit.width : 0;
    if (qubit.payer != nullptr) {
        qubit.payer->queue_bytes -= bytes;
    }
    qubit.payer = user;
    if (user != nullptr) {
        user->queue_bytes += bytes;
    }
}

// What an earlier life of the router has left: the router holds it until its holder comes back for it.
void Router::Impl::recover_qubits() {
    for (const auto& [object, qubit] : qubits_) {
        record(qubit);  // the ledger may be a step ahead, or behind
    }
    for (std::uint32_t slot = 0; slot < quantum::Ledger::kSlots; ++slot) {
        const quantum::LedgerEntry& entry = ledger_.entries()[slot];
        if (entry.number == 0) {
            continue;
        }
        if (std::ranges::any_of(qubits_,
                                [&](const auto& known) { return known.second.number == entry.number; })) {
            continue;  // taken over with all else
        }
        const ObjectId object = directory_.open(core::Directory::What::kQubit, 0);
        KEYWAY_CHECK(object != 0);
        qubits_[object] = {.number = entry.number,
                           .ledger_slot = slot,
                           .holder = 0,
                           .identity = entry.holder,
                           .deadline_ns = entry.deadline_ns,
                           .fidelity_ppb = entry.fidelity_ppb,
                           .width = entry.width};
    }
}

void Router::Impl::record(const Qubit& qubit) {
    ledger_.write(qubit.ledger_slot, {.number = qubit.number,
                                      .width = qubit.width,
                                      .holder = qubit.identity,
                                      .deadline_ns = qubit.deadline_ns,
                                      .fidelity_ppb = qubit.fidelity_ppb});
}

Result<void> Router::Impl::prepare_qubit(Link& link, const ControlMessage& request, Answer& reply) {
    if (!may_prepare_qubits(link)) {
        return Status::kNotAllowed;
    }
    const std::uint32_t width = request.lifetime;
    if (width > limit::kQubitWidth || request.badge > limit::kFullFidelity || request.value <= now_ns_) {
        return Status::kBadArgument;
    }
    const std::uint64_t bytes = width == 0 ? 0 : std::uint64_t{16} << width;
    if (bytes > policy_.process.queue_bytes || link.user->queue_bytes + bytes > policy_.user.queue_bytes) {
        return Status::kLimit;
    }
    const std::uint32_t slot = ledger_.free_slot();
    if (slot == quantum::Ledger::kSlots) {
        return Status::kLimit;
    }
    const quantum::Identity identity = quantum::identity_of(link.pid, link.uid);
    UniqueFd state;
    if (width != 0) {
        auto made = make_state(width);
        if (!made) {
            return made.error();
        }
        state = std::move(*made);
    }
    const ObjectId object =
        table_.can_allocate(link.id) ? directory_.open(core::Directory::What::kQubit, link.id) : ObjectId{0};
    if (object == 0) {
        return Verdict::kTableFull;
    }
    Qubit& qubit = qubits_[object];
    qubit = {.number = ledger_.next_number(),
             .ledger_slot = slot,
             .holder = link.id,
             .identity = identity,
             .deadline_ns = request.value,
             .fidelity_ppb = request.badge,
             .width = width,
             .state = std::move(state)};
    charge_state(qubit, link.user);
    give_root(object, qubit, link);
    record(qubit);
    describe(qubit, object, reply);
    return {};
}

// The one capability for a qubit; its owner is the holder.
void Router::Impl::give_root(ObjectId object, Qubit& qubit, Link& link) {
    // A tick later than the deadline: the deadline itself is watched to the nanosecond, here.
    const std::uint32_t expiry = core::Now::at(qubit.deadline_ns, origin_ns_).tick + 1;
    const core::CapabilityId root = table_.make_root({.owner = link.id,
                                                      .kind = Kind::kQubit,
                                                      .object = object,
                                                      .rights = kQubitRights,
                                                      .flags = entry_flag::kLinear,
                                                      .badge = qubit.number,
                                                      .expiry = expiry,
                                                      .payer = link.id});
    KEYWAY_CHECK(root != 0);
    directory_.set_root(object, core::slot_of(root));
    qubit.holder = link.id;
}

void Router::Impl::describe(const Qubit& qubit, ObjectId object, Answer& reply) const {
    const SlotId root = directory_.root(object);
    reply.describe(table_.entry(root), table_.id(root));
    reply.message.target = qubit.number;
    reply.message.value = qubit.deadline_ns;
    reply.message.lifetime = qubit.width;
    reply.message.submission_bytes = qubit.fidelity_ppb;
    if (qubit.state) {
        reply.attach(qubit.state.get());
    }
}

Result<void> Router::Impl::show_qubit(Link& link, const ControlMessage& request, Answer& reply) {
    const SlotId slot = table_.find(request.capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    const ObjectId object = table_.entry(slot).object();
    const auto found = Kind{table_.entry(slot).kind()} == Kind::kQubit ? qubits_.find(object) : qubits_.end();
    if (found == qubits_.end()) {
        return Verdict::kWrongObject;
    }
    if (found->second.deadline_ns <= now_ns_) {
        return Verdict::kDecohered;
    }
    describe(found->second, object, reply);
    return {};
}

// `target` is a qubit's number, or 0 for any that this process held last.
Result<void> Router::Impl::reclaim_qubit(Link& link, const ControlMessage& request, Answer& reply) {
    const quantum::Identity identity = quantum::identity_of(link.pid, link.uid);
    for (auto& [object, qubit] : qubits_) {
        if (qubit.holder != 0 || qubit.identity != identity || identity.pid == 0 ||
            (request.target != 0 && request.target != qubit.number)) {
            continue;
        }
        if (qubit.deadline_ns <= now_ns_) {
            return Verdict::kDecohered;
        }
        if (!table_.can_allocate(link.id)) {
            return Verdict::kTableFull;
        }
        if (qubit.width != 0 && !qubit.state) {
            // The memory ended with the router that had it. A holder that has it mapped puts it into this.
            auto made = make_state(qubit.width);
            if (!made) {
                return made.error();
            }
            qubit.state = std::move(*made);
            reply.message.delivery_bytes = 1;
        }
        charge_state(qubit, link.user);
        give_root(object, qubit, link);
        describe(qubit, object, reply);
        return {};
    }
    return Status::kNoSuchQubit;
}

// The qubit that a message carries, if it is one; null for everything else.
Qubit* Router::Impl::carried_qubit(const Link& link, const Header& header) {
    const SlotId slot = header.carried() != 0 ? table_.find(header.carried(), link.id) : 0;
    if (slot == 0 || Kind{table_.entry(slot).kind()} != Kind::kQubit) {
        return nullptr;
    }
    const auto found = qubits_.find(table_.entry(slot).object());
    return found == qubits_.end() ? nullptr : &found->second;
}

// The moment of a hand-off: from here on it is the receiver's.
void Router::Impl::hand_off(ObjectId object, Qubit& qubit, const Link& receiver) {
    KEYWAY_CRASH_POINT("router.moved");
    qubit.holder = receiver.id;
    charge_state(qubit, receiver.user);
    qubit.identity = quantum::identity_of(receiver.pid, receiver.uid);
    keep_object(object);
    record(qubit);
    KEYWAY_CRASH_POINT("router.recorded");
}

// The holder's capability has ended. If its link ends too the router takes over; otherwise the holder has
// given the qubit up: it was measured, or discarded.
void Router::Impl::qubit_released(ObjectId object) {
    const auto found = qubits_.find(object);
    KEYWAY_CHECK(found != qubits_.end());
    Qubit& qubit = found->second;
    const Link* holder = link_of(qubit.holder);
    if (holder != nullptr && holder->closing && qubit.deadline_ns > now_ns_) {
        qubit.holder = 0;
        charge_state(qubit, nullptr);
        directory_.set_root(object, 0);
        keep_object(object);
        return;
    }
    forget_qubit(found);
}

void Router::Impl::forget_qubit(QubitMap::iterator found) {
    Qubit& qubit = found->second;
    charge_state(qubit, nullptr);
    ledger_.write(qubit.ledger_slot, {});
    drop_kept_object(found->first);
    directory_.close(found->first);
    qubits_.erase(found);
}

// What the router holds doesn't wait for ever: it ends with its coherence.
void Router::Impl::sweep_qubits() {
    if (now_ns_ < next_sweep_ns_) {
        return;
    }
    next_sweep_ns_ = now_ns_ + kSweepNs;
    for (auto at = qubits_.begin(); at != qubits_.end();) {
        const auto here = at++;
        if (here->second.holder == 0 && here->second.deadline_ns <= now_ns_) {
            forget_qubit(here);
        }
    }
}

}  // namespace keyway
