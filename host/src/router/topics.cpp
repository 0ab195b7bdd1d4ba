// Topics: an event is written once, into a ring that all subscribers map and only the router can write.
//
// A subscriber can read whatever is in a ring that it once got. So when one of them may not read on, the
// topic goes on in a fresh ring, which the others ask for: everything in the old ring is there too, at the
// same positions, so nobody loses or sees anything twice. That is done before the next event is written, and
// only then, so many recalls at once cost one move.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/crash_point.hpp"
#include "ring/park.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using broadcast::ReaderSlot;
using core::CapabilityId;
using core::ObjectId;
using core::SlotId;
using link::ControlMessage;
using ring::NativeAtomics;
using router::Answer;
using router::Link;
using router::Subscriber;
using router::Topic;

namespace {

constexpr std::uint32_t kMostKept = 4096;
constexpr std::uint64_t kRetryMoveNs = 10'000'000;  ///< when memory for a fresh ring was short

ReaderSlot& slot_of(const Subscriber& reader) {
    return reader.link->memory.shared().readers[reader.slot];
}

// Full means that it has been told already.
void write_token(const UniqueFd& pipe) {
    const char token = 1;
    [[maybe_unused]] const ssize_t written = ::write(pipe.get(), &token, 1);
}

void wake_after_fence(const Subscriber& reader) {
    if (reader.wake) {
        ring::wake_if_parked_after_fence(slot_of(reader).park, [&] { write_token(reader.wake); });
    } else {
        ring::wake_if_parked_after_fence(reader.link->memory.shared().receiver,
                                         [&] { write_token(reader.link->receiver_wake); });
    }
}

void wake_reader(const Subscriber& reader) {
    ring::publication_fence<NativeAtomics>();
    wake_after_fence(reader);
}

void drop_pipe(Subscriber& reader) {
    if (reader.wake) {
        reader.wake.reset();
        --reader.link->user->descriptors;
    }
}

}  // namespace

// `kind` 1: block, 0: drop the oldest; `lifetime`: events kept; `submission_bytes`; `value`: patience in ns.
Result<void> Router::Impl::make_topic(Link& link, const ControlMessage& request, Answer& reply) {
    if (!broadcast::valid_ring_bytes(request.submission_bytes) || request.kind > 1 ||
        request.lifetime > kMostKept || request.value == 0) {
        return Status::kBadArgument;
    }
    router::User& user = *link.user;
    const std::uint64_t bytes = broadcast::kControlBytes + request.submission_bytes;
    if (bytes > policy_.process.queue_bytes || user.queue_bytes + bytes > policy_.user.queue_bytes ||
        user.descriptors + 1 > policy_.user.descriptors) {
        return Status::kLimit;
    }
    Topic topic;
    auto memory = broadcast::RingMemory::create(request.submission_bytes, topic.file);
    if (!memory) {
        return memory.error();
    }
    auto object = make_named(link, request.get_name(), core::Directory::What::kTopic);
    if (!object) {
        return object.error();
    }
    topic.user = &user;
    topic.blocks = request.kind == 1;
    topic.ring_bytes = request.submission_bytes;
    topic.patience_ns = request.value;
    topic.recent.resize(request.lifetime);
    topic.memory = std::move(*memory);
    topic.writer.emplace(topic.memory.base(), topic.ring_bytes);
    user.queue_bytes += bytes;
    ++user.descriptors;
    topics_.emplace(*object, std::move(topic));
    // The topic is its own one destination: route() asks it for room and pushes to it once.
    directory_.subscribe(*object, *object);
    reply.describe(table_.entry(directory_.root(*object)), table_.id(directory_.root(*object)));
    return {};
}

// `object`: the process, 0 for ourselves; `target` 1: the connection's own descriptor tells of events.
Result<void> Router::Impl::subscribe(Link& link, const ControlMessage& request, Answer& reply) {
    const SlotId slot = table_.find(request.capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    const Entry& entry = table_.entry(slot);
    if (core::is_expired(entry, now())) {
        return Verdict::kExpired;
    }
    const auto found = Kind{entry.kind()} == Kind::kTopic ? topics_.find(entry.object()) : topics_.end();
    if (found == topics_.end()) {
        return Verdict::kWrongObject;
    }
    if ((entry.rights() & right::kRead) == 0) {
        return Verdict::kInsufficientRights;
    }
    if (request.object != 0 && request.object != link.id) {
        return subscribe_other(link, slot, request, reply);
    }
    Topic& topic = found->second;
    const auto index = static_cast<std::uint32_t>(std::countr_one(link.reader_slots));
    const bool own_pipe = request.target == 0;
    if (index >= broadcast::kReaderSlots ||
        (own_pipe && link.user->descriptors + 1 > policy_.user.descriptors)) {
        return Status::kLimit;
    }
    if (topic.stale) {
        if (auto moved = move_topic(found->first, topic); !moved) {
            return moved;
        }
    }
    Subscriber reader{.capability = request.capability,
                      .link = &link,
                      .slot = index,
                      .expiry = entry.expiry(),
                      .wake = UniqueFd(),
                      .position = topic.writer->tail()};
    if (own_pipe) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
            return Error::system();
        }
        reader.wake.reset(ends[1]);
        reply.attach(topic.file.get());
        reply.attach(UniqueFd(ends[0]));
        ++link.user->descriptors;
    } else {
        reply.attach(topic.file.get());
    }
    // A late joiner starts as far back as it was promised, and as the ring still goes.
    const std::uint64_t next = topic.writer->sequence();
    std::uint64_t back = std::min<std::uint64_t>(topic.recent.size(), next - 1);
    for (; back > 0; --back) {
        const std::uint64_t at = topic.recent[(next - back) % topic.recent.size()];
        if (at >= topic.writer->oldest()) {
            reader.position = at;
            break;
        }
    }
    ReaderSlot& shared = slot_of(reader);
    NativeAtomics::store(shared.park.parked, 0U, std::memory_order_relaxed);
    NativeAtomics::store(shared.position, reader.position, std::memory_order_relaxed);
    NativeAtomics::store(shared.sequence, next - back, std::memory_order_relaxed);
    NativeAtomics::store(shared.lost, std::uint64_t{0}, std::memory_order_relaxed);
    NativeAtomics::store(shared.closed, 0U, std::memory_order_relaxed);
    link.reader_slots |= 1U << index;
    topic.safe_until = std::min(topic.safe_until, reader.position);
    if (reader.expiry != 0) {
        topic.next_expiry = std::min(topic.next_expiry, reader.expiry);
    }
    topic.subscribers.push_back(std::move(reader));
    keep_reading(link, index, &topic.subscribers.back(), found->first);
    reply.message.object = found->first;
    reply.message.target = index;
    reply.message.submission_bytes = topic.ring_bytes;
    return {};
}

// Another process gets a READ capability of its own, in a message of the router's; what it does with it is
// its own affair (the C library subscribes at once). Needs GRANT on the topic and PROCESS over the other.
Result<void> Router::Impl::subscribe_other(Link& link, SlotId topic, const ControlMessage& request,
                                           Answer& reply) {
    const Entry from = table_.entry(topic);
    if ((from.rights() & right::kGrant) == 0) {
        return Verdict::kNotGrantable;
    }
    bool acts_for = false;
    for (SlotId slot = table_.first_owned(link.id); slot != 0 && !acts_for; slot = table_.next_owned(slot)) {
        const Entry& entry = table_.entry(slot);
        acts_for = Kind{entry.kind()} == Kind::kEndpoint && entry.object() == request.object &&
                   (entry.rights() & right::kProcess) != 0 && !core::is_expired(entry, now());
    }
    Link* target = acts_for && request.object <= UINT16_MAX
                       ? link_of(static_cast<core::ProcessId>(request.object))
                       : nullptr;
    if (target == nullptr || target->state != Link::State::kLive) {
        return Verdict::kInsufficientRights;  // whether there is such a process is not for us to tell
    }
    constexpr unsigned kPriority = 1;
    if (!target->delivery[kPriority]->has_room(limit::kHeaderBytes)) {
        return Verdict::kFull;
    }
    const CapabilityId id = table_.derive(topic, {.owner = target->id,
                                                  .kind = Kind::kTopic,
                                                  .object = from.object(),
                                                  .rights = right::kRead,
                                                  .flags = entry_flag::kRevocable,
                                                  .badge = from.badge(),
                                                  .expiry = from.expiry(),
                                                  .payer = link.id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kCapability));
    header.set_priority(kPriority);
    header.set_receiver(target->id);
    header.set_carried(id);
    header.set_sequence(from.object());  // tells it from a grant: the topic that it shall read
    header.set_timestamp(now_ns_);
    deliver_from_router(*target, header);
    reply.message.capability = id;
    return {};
}

Result<void> Router::Impl::unsubscribe(Link& link, const ControlMessage& request) {
    if (request.target >= broadcast::kReaderSlots || (link.reader_slots >> request.target & 1U) == 0) {
        return Status::kNoSuchSubscription;
    }
    link.reader_slots &= ~(1U << request.target);
    keep_reading(link, request.target, nullptr, 0);
    for (auto& [object, topic] : topics_) {
        for (Subscriber& reader : topic.subscribers) {
            if (reader.reads && reader.link == &link && reader.slot == request.target) {
                reader.reads = false;
                drop_pipe(reader);
                return {};
            }
        }
    }
    return {};  // it had ended already
}

// `target`: the subscription; `value` 1: wake the connection's receiving half, it may have missed something.
Result<void> Router::Impl::show_topic_ring(Link& link, const ControlMessage& request, Answer& reply) {
    for (auto& [object, topic] : topics_) {
        for (const Subscriber& reader : topic.subscribers) {
            if (reader.reads && reader.link == &link && reader.slot == request.target) {
                reply.attach(topic.file.get());
                reply.message.submission_bytes = topic.ring_bytes;
                if (request.value == 1) {
                    touch_receiver(link, 0);
                }
                return {};
            }
        }
    }
    return Status::kNoSuchSubscription;
}

Result<void> Router::Impl::move_topic(ObjectId id, Topic& topic) {
    UniqueFd file;
    auto memory = broadcast::RingMemory::create(topic.ring_bytes, file);
    if (!memory) {
        return memory.error();
    }
    topic.writer->move_to(memory->base());
    topic.memory = std::move(*memory);
    topic.file = std::move(file);
    topic.stale = false;
    if (keeping_ != nullptr) {
        keep_object(id, topic.file.get());
        keeping_->arena.settle();
        keeping_->forget_outdated();
    }
    std::erase_if(topic.subscribers, [](const Subscriber& reader) { return !reader.reads; });
    if (!std::exchange(topic.touched, true)) {
        touched_topics_.push_back(id);
    }
    return {};
}

void Router::Impl::close_subscription(Topic&, Subscriber& reader, Error reason) {
    if (!reader.reads) {
        return;
    }
    reader.reads = false;
    NativeAtomics::store(slot_of(reader).closed, std::uint32_t{reason.code()}, std::memory_order_release);
    wake_reader(reader);
    drop_pipe(reader);
}

bool Router::Impl::topic_has_room(ObjectId id, std::uint32_t length) {
    const auto found = topics_.find(id);
    if (found == topics_.end()) {
        return true;  // it has ended: the capability's check says so
    }
    Topic& topic = found->second;
    const std::uint32_t tick = now().tick;
    if (tick >= topic.next_expiry) {
        topic.next_expiry = UINT32_MAX;
        std::erase_if(topic.subscribers, [&](Subscriber& reader) {
            if (reader.expiry == 0 || tick < reader.expiry) {
                topic.next_expiry =
                    reader.expiry == 0 ? topic.next_expiry : std::min(topic.next_expiry, reader.expiry);
                return false;
            }
            close_subscription(topic, reader, Verdict::kExpired);
            topic.stale = true;
            return true;
        });
    }
    if (topic.stale && !move_topic(id, topic)) {
        return false;
    }
    const std::uint64_t needed = topic.writer->needs_from(length);
    if (!topic.blocks || needed <= topic.safe_until) {
        return true;
    }
    bool room = true;
    std::uint64_t slowest = UINT64_MAX;
    for (Subscriber& reader : topic.subscribers) {
        if (!reader.reads || reader.overrun) {
            continue;
        }
        // The one look at it. Acquire: what it has given back it has finished reading.
        const std::uint64_t position =
            NativeAtomics::load(slot_of(reader).position, std::memory_order_acquire);
        if (position < reader.position || position > topic.writer->tail() ||
            position % broadcast::kLineBytes != 0) {
            log("process " + std::to_string(reader.link->id) +
                " wrote something impossible as its place in a topic: that subscription is closed");
            close_subscription(topic, reader, Status::kCorrupt);
            continue;
        }
        reader.position = position;
        if (position >= needed) {
            reader.blocks_since = 0;
        } else if (reader.blocks_since == 0) {
            reader.blocks_since = now_ns_;
        } else if (now_ns_ - reader.blocks_since > topic.patience_ns) {
            reader.overrun = true;
            continue;
        }
        room = room && position >= needed;
        slowest = std::min(slowest, position);
    }
    topic.safe_until = slowest;
    return room;
}

void Router::Impl::publish(ObjectId id, const Header& header, std::span<const std::byte> payload) {
    Topic& topic = topics_.find(id)->second;
    const std::uint64_t sequence = topic.writer->sequence();
    topic.written_bytes += topic.writer->write(header, payload);
    KEYWAY_CRASH_POINT("publish.written");
    ++topic.events;
    if (!topic.recent.empty()) {
        topic.recent[sequence % topic.recent.size()] =
            topic.writer->tail() - broadcast::event_bytes(static_cast<std::uint32_t>(payload.size()));
    }
    if (!std::exchange(topic.touched, true)) {
        touched_topics_.push_back(id);
    }
}

// After the fence of wake_touched().
void Router::Impl::wake_topics() {
    for (const ObjectId id : touched_topics_) {
        const auto found = topics_.find(id);
        if (found == topics_.end()) {
            continue;
        }
        found->second.touched = false;
        for (const Subscriber& reader : found->second.subscribers) {
            if (reader.reads) {
                wake_after_fence(reader);
            }
        }
    }
    touched_topics_.clear();
}

void Router::Impl::end_topic_ring(ObjectId object) {
    if (const auto found = topics_.find(object); found != topics_.end()) {
        found->second.writer->set_state(broadcast::RingState::kEnded);
    }
}

void Router::Impl::recall_subscriber(Topic& topic, CapabilityId id) {
    const auto ended = std::erase_if(topic.subscribers, [&](Subscriber& reader) {
        if (reader.capability != id) {
            return false;
        }
        close_subscription(topic, reader, Status::kRevoked);
        return true;
    });
    topic.stale = topic.stale || ended != 0;
}

void Router::Impl::topic_capability_ended(SlotId slot, CapabilityId id, ObjectId object) {
    const auto found = topics_.find(object);
    if (found == topics_.end()) {
        return;
    }
    Topic& topic = found->second;
    if (directory_.root(object) != slot) {
        recall_subscriber(topic, id);
        return;
    }
    // The topic's existence. What is in the ring may still be read.
    topic.writer->set_state(broadcast::RingState::kEnded);
    for (Subscriber& reader : topic.subscribers) {
        if (reader.reads) {
            wake_reader(reader);
            drop_pipe(reader);
        }
    }
    topic.user->queue_bytes -= broadcast::kControlBytes + topic.ring_bytes;
    --topic.user->descriptors;
    topics_.erase(found);
}

bool Router::Impl::await_topic(ObjectId id, std::uint32_t length, std::uint64_t& earliest) {
    const auto found = topics_.find(id);
    if (found == topics_.end()) {
        return false;
    }
    Topic& topic = found->second;
    for (const Subscriber& reader : topic.subscribers) {
        if (reader.reads && !reader.overrun) {
            ring::Waiter<>(reader.link->memory.shared().room).announce();
        }
    }
    read_clock();
    if (topic_has_room(id, length)) {
        return false;
    }
    if (topic.stale) {
        earliest = std::min(earliest, now_ns_ + kRetryMoveNs);
    }
    for (const Subscriber& reader : topic.subscribers) {
        if (reader.reads && !reader.overrun && reader.blocks_since != 0) {
            const std::uint64_t until = reader.blocks_since + topic.patience_ns + 1;
            earliest = std::min(earliest, until < topic.patience_ns ? UINT64_MAX : until);
        }
    }
    return true;
}

}  // namespace keyway
