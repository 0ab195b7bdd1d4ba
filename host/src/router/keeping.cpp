// What is written down for the router's successor, as it happens (docs/decisions/0076). Capabilities write
// themselves (core::Shadow); messages are armed and settled in pump.cpp; here is the rest.
//
// Order: a descriptor is in the store before a record names it, and leaves it after no record does.

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "base/crash_point.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::Directory;
using core::ObjectId;
using keep::LinkRecord;
using keep::ObjectRecord;
using link::ControlMessage;
using router::Answer;
using router::Link;

namespace kept = router::kept;

// Called once a link is live, new or again.
void Router::Impl::keep_link(Link& link, std::uint32_t serial) {
    if (keeping_ == nullptr) {
        return;
    }
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    const bool again = arena.head().link_used[link.id] != 0;
    const std::uint32_t before = arena.link(link.id).serial;
    if (serial == 0) {
        serial = ++arena.head().next_serial;
    }
    bool kept = store->keep(kept::memory(link.id, serial), link.memory_fd.get());
    if (!again) {
        // Who had the id before may have died with the router before it could take these out.
        store->forget(kept::sender_wake(link.id));
        store->forget(kept::receiver_wake(link.id));
        kept = kept && store->keep(kept::sender_wake(link.id), link.sender_wake.get()) &&
               store->keep(kept::receiver_wake(link.id), link.receiver_wake.get());
        LinkRecord record;
        record.who = quantum::identity_of(link.pid, link.uid);
        record.gid = link.gid;
        record.serial = serial;
        record.submission_bytes = link.memory.geometry().submission_bytes;
        record.delivery_bytes = link.memory.geometry().delivery_bytes;
        record.home = link.home;
        record.groups_count = static_cast<std::uint32_t>(std::min(link.groups.size(), keep::kMostGroups));
        std::copy_n(link.groups.begin(), record.groups_count, record.groups);
        std::memcpy(record.token, link.token.data(), sizeof record.token);
        std::memcpy(record.name, link.name.data(), std::min(link.name.size(), sizeof record.name - 1));
        arena.put(arena.link(link.id), record);
        arena.head().heads[link.id] = 0;
    } else {
        arena.put(arena.link(link.id).serial, serial);
    }
    if (kept) {
        arena.put(arena.head().link_used[link.id], std::uint8_t{1});
    } else {
        log("what process " + std::to_string(link.id) + " needs to outlive the router could not be kept");
    }
    KEYWAY_CRASH_POINT("keep.link");
    arena.settle();
    if (again) {
        store->forget(kept::memory(link.id, before));
    }
}

// The first thing that happens to a link that ends: whatever it has goes with it, also after a death.
void Router::Impl::drop_kept_link(const Link& link) {
    if (keeping_ == nullptr || keeping_->arena.head().link_used[link.id] == 0) {
        return;
    }
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    const LinkRecord& record = arena.link(link.id);
    arena.put(arena.head().link_used[link.id], std::uint8_t{0});
    arena.settle();
    KEYWAY_CRASH_POINT("keep.dropped");
    store->forget(kept::memory(link.id, record.serial));
    store->forget(kept::sender_wake(link.id));
    store->forget(kept::receiver_wake(link.id));
    for (std::uint32_t slot = 0; slot < std::size(record.readings); ++slot) {
        if (record.readings[slot].used != 0 && record.readings[slot].own_pipe != 0) {
            store->forget(kept::reader(link.id, slot));
        }
    }
}

// Writes down what an object is by now. `file`: what its users map, when it is another than before.
void Router::Impl::keep_object(ObjectId id, int file) {
    if (keeping_ == nullptr) {
        return;
    }
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    ObjectRecord record;
    const Directory::What what = directory_.what(id);
    const bool known = arena.head().object_used[id] != 0;
    const std::uint32_t before = arena.object(id).serial;
    record.what = static_cast<std::uint8_t>(what);
    record.owner = directory_.owner(id);
    record.root = directory_.root(id);
    record.serial = before;
    if (const auto name = name_of_.find(id); name != name_of_.end()) {
        std::memcpy(record.name, name->second.data(), name->second.size());
    }
    if (file >= 0) {
        record.serial = ++arena.head().next_serial;
    }
    if (const auto topic = topics_.find(id); what == Directory::What::kTopic && topic != topics_.end()) {
        record.flag = topic->second.blocks ? 1 : 0;
        record.bytes = topic->second.ring_bytes;
        record.time = topic->second.patience_ns;
        record.count = static_cast<std::uint32_t>(topic->second.recent.size());
        record.sequence = topic->second.writer->sequence();
    }
    if (const auto found = regions_.find(id); what == Directory::What::kRegion && found != regions_.end()) {
        const router::Region& region = found->second;
        record.flag = region.revocable ? 1 : 0;
        record.closed = region.closed_to_writers ? 1 : 0;
        record.bytes = region.bytes;
        record.number = region.epoch;
        record.payer = region.payer;
        record.count = region.file.bytes == 0 ? 1 : 0;  // it was cut
    }
    if (const auto found = qubits_.find(id); what == Directory::What::kQubit && found != qubits_.end()) {
        const router::Qubit& qubit = found->second;
        record.payer = qubit.holder;
        record.time = qubit.deadline_ns;
        record.number = qubit.number;
        record.slot = qubit.ledger_slot;
        record.fidelity = qubit.fidelity_ppb;
        record.count = qubit.width;
        record.who = qubit.identity;
    }
    if (file >= 0 && !store->keep(kept::object(id, record.serial), file)) {
        log("the memory of object " + std::to_string(id) + " could not be kept");
    }
    arena.put(arena.object(id), record);
    arena.put(arena.head().object_used[id], std::uint8_t{1});
    if (file >= 0 && known) {
        keeping_->outdated.push_back(kept::object(id, before));
    }
}

void Router::Impl::drop_kept_object(ObjectId id) {
    if (keeping_ == nullptr || keeping_->arena.head().object_used[id] == 0) {
        return;
    }
    auto& arena = keeping_->arena;
    arena.put(arena.head().object_used[id], std::uint8_t{0});
    if (static_cast<Directory::What>(arena.object(id).what) != Directory::What::kEndpoint) {
        keeping_->outdated.push_back(kept::object(id, arena.object(id).serial));
    }
}

// A subscription begins, goes on in another process's slot, or ends.
void Router::Impl::keep_reading(const Link& link, std::uint32_t slot, const router::Subscriber* reader,
                                ObjectId topic) {
    if (keeping_ == nullptr) {
        return;
    }
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    keep::Reading& place = arena.link(link.id).readings[slot];
    if (place.used != 0 && place.own_pipe != 0) {
        store->forget(kept::reader(link.id, slot));
    }
    keep::Reading now;
    if (reader != nullptr) {
        now = {.capability = reader->capability,
               .topic = topic,
               .used = 1,
               .own_pipe = reader->wake ? std::uint8_t{1} : std::uint8_t{0}};
        if (reader->wake) {
            store->keep(kept::reader(link.id, slot), reader->wake.get());
        }
    }
    arena.put(place, now);
}

// After a request was carried out, and before it is answered. What it did, and its answer, become one step.
void Router::Impl::keep_request(const Link& link, Request what, const ControlMessage& request,
                                const Answer& reply) {
    auto& arena = keeping_->arena;
    const auto object = static_cast<ObjectId>(reply.message.object);
    const bool done = reply.message.status == 0;
    switch (what) {
        case Request::kRegister:
            if (done) {
                keep_object(object);
            }
            break;
        case Request::kTopic:
            if (done) {
                keep_object(object, topics_.at(object).file.get());
            }
            break;
        case Request::kRegionCreate:
            if (done) {
                keep_object(object, regions_.at(object).file.writing.get());
            }
            break;
        case Request::kRegionMoved:
            if (done) {
                const ObjectId moved = table_.entry(core::slot_of(request.capability)).object();
                keep_object(moved, regions_.at(moved).file.writing.get());
            }
            break;
        case Request::kRegionMap:
        case Request::kRegionCut:
            if (done) {
                keep_object(static_cast<ObjectId>(table_.entry(core::slot_of(request.capability)).object()));
            }
            break;
        case Request::kPrepare:
            if (done) {
                keep_object(object, qubits_.at(object).state.get());
            }
            break;
        case Request::kReclaim:
            if (done) {  // what was lost has been made anew
                keep_object(object, reply.message.delivery_bytes != 0 ? qubits_.at(object).state.get() : -1);
            }
            break;
        default:
            break;
    }
    LinkRecord& record = arena.link(link.id);
    arena.put(record.answer, reply.message);
    arena.put(record.answered_tag, request.tag);
}

// True when the process asks again what it was answered before the router died: it may not have got the
// answer. What only looks, or gives a descriptor for what is there already, is simply done again.
bool Router::Impl::answer_again(Link& link, Request what, const ControlMessage& request, Answer& reply) {
    if (keeping_ == nullptr || request.tag == 0 || link.state != Link::State::kLive) {
        return false;
    }
    const LinkRecord& record = keeping_->arena.link(link.id);
    if (record.answered_tag != request.tag || record.answer.request != request.request) {
        return false;
    }
    const ControlMessage& before = record.answer;
    switch (what) {
        case Request::kRegionCreate: {
            const auto found = regions_.find(static_cast<ObjectId>(before.object));
            if (before.status == 0 && found != regions_.end()) {
                reply.attach(found->second.file.writing.get());
            }
            break;
        }
        case Request::kPrepare:
        case Request::kReclaim: {
            const auto found = qubits_.find(static_cast<ObjectId>(before.object));
            if (before.status == 0 && found != qubits_.end() && found->second.state) {
                reply.attach(found->second.state.get());
            }
            break;
        }
        case Request::kSubscribe: {
            ControlMessage undo;
            undo.target = before.target;
            if (before.status == 0 && request.object == 0) {
                [[maybe_unused]] const auto undone = unsubscribe(link, undo);
                return false;
            }
            break;
        }
        case Request::kRegister:
        case Request::kLookup:
        case Request::kClose:
        case Request::kGrant:
        case Request::kRevoke:
        case Request::kRelease:
        case Request::kDerive:
        case Request::kTopic:
        case Request::kRegionMoved:
        case Request::kRegionCut:
        case Request::kUnsubscribe:
        case Request::kObserve:
            break;
        default:
            return false;
    }
    reply.message = before;
    return true;
}

void Router::Impl::settle_request(const Link& link, std::uint64_t ticket) {
    if (keeping_ == nullptr) {
        return;
    }
    KEYWAY_CRASH_POINT("keep.request");
    if (ticket != 0) {
        keeping_->arena.settle(link.id, ticket);
    } else {
        keeping_->arena.settle();
    }
    keeping_->forget_outdated();
}

// A record stands ready in `ring`, which is the receiver's: everything that it does is done, but to be seen.
void Router::Impl::arm(const Link& sender, std::uint64_t ticket, const Link& receiver, std::uint32_t number,
                       const ring::Producer<>& ring) {
    const auto shown = ring.will_show();
    keeping_->arena.arm({.at = shown.at,
                         .word = shown.word,
                         .ticket = ticket,
                         .sender = sender.id,
                         .receiver = receiver.id,
                         .ring = number});
    KEYWAY_CRASH_POINT("keep.armed");
}

Result<void> Router::Impl::make_token(Link& link) {
    if (::getrandom(link.token.data(), link.token.size(), 0) != static_cast<ssize_t>(link.token.size())) {
        return Error::system();
    }
    return {};
}

}  // namespace keyway
