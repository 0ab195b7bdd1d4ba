// The way of a message through the router. Everything here runs for each message and neither allocates nor
// enters the kernel, except to wake somebody who sleeps.

#include <algorithm>
#include <cstddef>

#include "base/check.hpp"
#include "base/crash_point.hpp"
#include "ring/park.hpp"
#include "ring/shared_copy.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::ObjectId;
using core::ProcessId;
using router::Link;

namespace {

constexpr std::uint32_t kMessagesPerTurn = 64;  ///< then the next link gets its turn

// A request to the router itself: no capability names the router, so no message can be taken for one.
bool is_request(const Header& header) {
    return header.receiver() == 0 && header.capability() == 0 && Type{header.type()} == Type::kControl &&
           header.length() == sizeof(link::ControlMessage);
}

// True when its sender gave the message up before its turn came. What was before it is forgotten.
bool was_given_up(Link& link, std::uint64_t ticket) {
    const bool was = std::ranges::find(link.given_up, ticket) != link.given_up.end();
    std::erase_if(link.given_up, [&](std::uint64_t one) { return one <= ticket; });
    return was;
}

/// The destinations of one message: the delivery rings of the endpoints' owners, or a topic's broadcast ring.
/// `has_room` remembers who had none. A topic is its own one destination, so an event is written once.
class DeliveryRings {
  public:
    DeliveryRings(Router::Impl& router, const Link& sender, const Header& header,
                  std::span<const std::byte> payload, std::uint64_t ticket)
        : router_(router),
          sender_(sender),
          payload_(payload),
          ticket_(ticket),
          qubit_(router.carried_qubit(sender, header)) {}

    [[nodiscard]] bool has_room(ObjectId destination, unsigned priority, std::uint32_t length) {
        // Asked after all other checks, so this is the place of the last: a qubit keeps only for so long.
        decohered_ = qubit_ != nullptr && qubit_->deadline_ns <= router_.now_ns_;
        if (decohered_) {
            return false;
        }
        if (is_topic(destination)) {
            const bool room = router_.topic_has_room(destination, length);
            full_topic_ = room ? ObjectId{0} : destination;
            return room;
        }
        Link& link = owner(destination);
        full_ = &link;
        if (link.state == Link::State::kAway) [[unlikely]] {
            return false;
        }
        auto& ring = *link.delivery[priority];
        if (ring.has_room(limit::kHeaderBytes + length)) {
            return true;
        }
        return false;
    }

    void push(ObjectId destination, unsigned priority, const Header& header) {
        if (is_topic(destination)) {
            if (router_.keeping_ != nullptr) {
                keep_event(destination);
            }
            router_.publish(destination, header, payload_);
            if (router_.keeping_ != nullptr) {
                router_.keeping_->arena.settle(sender_.id, ticket_);
            }
            count(destination);
            return;
        }
        Link& link = owner(destination);
        if (qubit_ != nullptr) {
            router_.hand_off(
                static_cast<ObjectId>(router_.table_.entry(core::slot_of(header.carried())).object()),
                *qubit_, link);
        }
        auto& ring = *link.delivery[priority];
        const auto length = static_cast<std::uint32_t>(payload_.size());
        std::byte* body = ring.try_reserve(limit::kHeaderBytes + length);
        KEYWAY_CHECK(body != nullptr);
        ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&header), sizeof header);
        ring::copy_shared_to_shared(body + sizeof header, payload_.data(), payload_.size());
        if (router_.keeping_ != nullptr) {
            keep_grant(header);
            router_.arm(sender_, ticket_, link, priority, ring);
            ring.commit();
            KEYWAY_CRASH_POINT("keep.shown");
            router_.keeping_->arena.settle(sender_.id, ticket_);
        } else {
            ring.commit();
        }
        ++link.counters.received;
        count(destination);
        router_.touch_receiver(link, priority);
    }

    [[nodiscard]] Link* full() const { return full_; }
    [[nodiscard]] ObjectId full_topic() const { return full_topic_; }
    [[nodiscard]] bool decohered() const { return decohered_; }
    [[nodiscard]] bool carries_qubit() const { return qubit_ != nullptr; }

  private:
    [[nodiscard]] bool is_topic(ObjectId destination) const {
        return router_.directory_.what(destination) == core::Directory::What::kTopic;
    }
    void count(ObjectId destination) {
        router::Reached& reached = router_.watching_.reached[destination];
        ++reached.messages;
        reached.bytes += payload_.size();
    }
    [[nodiscard]] Link& owner(ObjectId destination) const {
        return *router_.link_of(router_.directory_.owner(destination));
    }
    // The sender asks for the new id when it knows that the message was delivered.
    void keep_grant(const Header& header) {
        if (Type{header.type()} != Type::kCapability && Type{header.type()} != Type::kQuantum) {
            return;
        }
        auto& arena = router_.keeping_->arena;
        arena.put(arena.link(sender_.id).granted_ticket, ticket_);
        arena.put(arena.link(sender_.id).granted, header.carried());
    }
    void keep_event(ObjectId destination) {
        auto& arena = router_.keeping_->arena;
        const auto& writer = *router_.topics_.find(destination)->second.writer;
        arena.object(destination).sequence = writer.sequence();
        arena.arm({.at = writer.tail_after(static_cast<std::uint32_t>(payload_.size())),
                   .word = 0,
                   .ticket = ticket_,
                   .sender = sender_.id,
                   .receiver = destination,
                   .ring = keep::kTopicRing});
    }
    Router::Impl& router_;
    const Link& sender_;
    std::span<const std::byte> payload_;
    std::uint64_t ticket_;
    router::Qubit* qubit_;
    Link* full_ = nullptr;
    ObjectId full_topic_ = 0;
    bool decohered_ = false;
};
static_assert(core::DestinationQueues<DeliveryRings>);

}  // namespace

void Router::Impl::touch_receiver(Link& link, unsigned priority) {
    if (!link.wake_receiver && !link.wake_sender) {
        touched_.push_back(&link);
    }
    link.wake_receiver = true;
    link.fresh = static_cast<std::uint8_t>(link.fresh | 1U << priority);
}

void Router::Impl::touch_sender(Link& link) {
    if (!link.wake_receiver && !link.wake_sender) {
        touched_.push_back(&link);
    }
    link.wake_sender = true;
}

bool Router::Impl::pass() {
    bool worked = false;
    for (std::size_t i = 0; i < stuck_notices_.size();) {
        Link& link = *stuck_notices_[i];
        if (flush_notices(link)) {
            stuck_notices_[i] = stuck_notices_.back();
            stuck_notices_.pop_back();
        } else {
            ++i;
        }
    }
    for (std::size_t i = 0; i < held_.size();) {
        Link& link = *held_[i];
        worked |= retry_held(link);
        if (link.held) {
            ++i;
        } else {
            held_[i] = held_.back();
            held_.pop_back();
        }
    }
    // Links may join the list while we walk it; none leaves it, and none is closed, before the pass is over.
    for (std::size_t i = 0; i < active_.size(); ++i) {
        Link& link = *active_[i];
        if (pump(link, kMessagesPerTurn) != 0) {
            link.idle_since = now_ns_;
            worked = true;
        }
    }
    if (!touched_.empty() || !touched_topics_.empty()) {
        wake_touched();
    }
    return worked;
}

std::uint32_t Router::Impl::pump(Link& link, std::uint32_t most) {
    std::uint32_t count = 0;
    ring::Record record;
    link.awaits_log = false;
    while (count < most && !link.held && !link.doomed) {
        // A refusal must have a place to be told in. Who doesn't read its notices isn't served.
        link.choked = !link.closing &&
                      (!link.pending_notices.empty() || !link.notices->has_room(sizeof(link::NoticeBody)));
        if (link.choked) {
            if (link.notices->corrupt()) {
                doom(link, Status::kCorrupt);
            }
            break;
        }
        const ring::Poll poll = link.submissions->peek(record);
        if (poll == ring::Poll::kEmpty) {
            break;
        }
        if (poll == ring::Poll::kCorrupt) {
            doom(link, Status::kCorrupt);
            break;
        }
        served_request_ = false;
        if (!judge(link, record)) {
            break;
        }
        ++count;
        if (served_request_) {
            break;  // a request can take as long as many messages: others first
        }
    }
    if (count != 0) {
        KEYWAY_CRASH_POINT("judge.told");
        link.submissions->release();
        KEYWAY_CRASH_POINT("judge.released");
        touch_sender(link);
    }
    return count;
}

void Router::Impl::doom(Link& link, Error reason) {
    if (!link.doomed) {
        link.doomed = reason;
        doomed_.push_back(&link);
    }
}

// Judges one record and takes it off the ring; false when it waits for room and stays.
bool Router::Impl::judge(Link& link, const ring::Record& record) {
    const std::uint64_t ticket =
        record.position + ring::record_bytes(static_cast<std::uint32_t>(record.body.size()));
    Header header;
    const bool whole = record.body.size() >= limit::kHeaderBytes;
    if (whole) {
        ring::copy_from_shared(reinterpret_cast<std::byte*>(&header), record.body.data(), sizeof header);
    }
    const auto payload = record.body.subspan(whole ? limit::kHeaderBytes : 0);
    const bool agrees = whole && header.length() == payload.size();
    const bool asks = agrees && is_request(header);
    if (asks ? requests_wait() : !may_go_on()) {
        link.awaits_log = true;
        return false;
    }
    if (asks) {
        link::ControlMessage request;
        ring::copy_from_shared(reinterpret_cast<std::byte*>(&request), payload.data(), sizeof request);
        link.submissions->advance();
        serve_record(link, request, ticket);
        served_request_ = true;
        return true;
    }
    if (!agrees) {
        link.submissions->advance();
        finish(link, header, Verdict::kMalformed, ticket, payload);
        return true;
    }
    if (!link.given_up.empty() && was_given_up(link, ticket)) {
        link.submissions->advance();
        finish(link, header, Verdict::kTimedOut, ticket, payload);
        return true;
    }
    DeliveryRings rings(*this, link, header, payload, ticket);
    if (rings.carries_qubit()) {
        KEYWAY_CRASH_POINT("router.taken");
    }
    KEYWAY_CRASH_POINT("judge.taken");
    const auto by_core = [&] { return core::route(table_, directory_, rings, header, link.id, now()); };
    core::Outcome outcome = options_.engine == nullptr ? by_core() : beside_engine(link, header, by_core);
    if (rings.decohered() || (outcome.verdict == Verdict::kCarriedExpired && rings.carries_qubit())) {
        outcome.verdict = Verdict::kDecohered;
    }
    if (rings.carries_qubit()) {
        KEYWAY_CRASH_POINT("router.delivered");
    }
    KEYWAY_CRASH_POINT("judge.routed");
    if (outcome.created != 0 && core::slot_of(outcome.created) == core::slot_of(header.carried())) {
        moved_away(header.carried(), outcome.created);
    }
    if (outcome.verdict == Verdict::kFull) {
        const bool waits = (header.flags() & flag::kNoWait) == 0 && !link.closing;
        if (rings.full_topic() != 0) {
            if (waits) {
                hold(link, header, ticket);
                link.held_topic = rings.full_topic();
                link.held_length = header.length();
                return false;
            }
        } else {
            Link& full = *rings.full();
            if (full.state == Link::State::kAway) {
                // For a while everybody is waited for.
                if (waits || (now_ns_ < grace_until_ns_ && !link.closing)) {
                    hold(link, header, ticket);
                    link.held_for = full.id;
                    if (!waits) {
                        link.held_deadline = grace_until_ns_;
                    }
                    return false;
                }
            } else if (full.delivery[header.priority()]->corrupt()) {
                doom(full, Status::kCorrupt);  // until it is closed it is merely full
            }
            if (waits) {
                hold(link, header, ticket);
                link.held_for = full.id;
                link.held_consumed = full.delivery[header.priority()]->seen_consumed();
                return false;
            }
        }
    }
    link.submissions->advance();
    const bool gives = Type{header.type()} == Type::kCapability || Type{header.type()} == Type::kQuantum;
    if (outcome.created != 0 && gives) {
        notify(link, {.kind = static_cast<std::uint8_t>(Notice::kGranted),
                      .code = 0,
                      .reserved = 0,
                      .value = outcome.created,
                      .ticket = ticket});
    }
    finish(link, header, outcome.verdict, ticket, payload, outcome.created);
    return true;
}

// Counts a verdict, writes it down, and tells the sender unless the message was delivered.
void Router::Impl::finish(Link& link, const Header& header, Verdict verdict, std::uint64_t ticket,
                          std::span<const std::byte> payload, core::CapabilityId created) {
    if (audit_ != nullptr) {
        note(link, header, verdict, created);
    }
    ++watching_.judged;
    if (!watching_.tracers.empty()) {
        trace(link, header, payload, verdict, created);
    }
    bump(counters_.verdict[static_cast<std::size_t>(verdict)]);
    ++link.counters.sent;
    ++link.counters.verdict[static_cast<std::size_t>(verdict)];
    switch (verdict) {
        case Verdict::kDelivered:
            if (watching_.timing) {
                time_call(header, created);
            }
            return;
        case Verdict::kExpired:
        case Verdict::kTimedOut:
            ++link.counters.expired;
            break;
        default:
            ++link.counters.refused;
            break;
    }
    remember_refusal(link, header, verdict);
    const link::NoticeBody refusal{.kind = static_cast<std::uint8_t>(Notice::kRefused),
                                   .code = static_cast<std::uint8_t>(verdict),
                                   .reserved = 0,
                                   .value = 0,
                                   .ticket = ticket};
    if (keeping_ != nullptr) {
        refuse_kept(link, ticket, refusal);
    } else {
        notify(link, refusal);
    }
}

// The refusal and the end of the submission are one step.
void Router::Impl::refuse_kept(Link& link, std::uint64_t ticket, const link::NoticeBody& notice) {
    const bool told = link.state == Link::State::kLive && !link.closing && link.pending_notices.empty();
    std::byte* body = told ? link.notices->try_reserve(sizeof notice) : nullptr;
    if (body == nullptr) {
        notify(link, notice);
    } else {
        ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&notice), sizeof notice);
        arm(link, ticket, link, keep::kNoticeRing, *link.notices);
        link.notices->commit();
        KEYWAY_CRASH_POINT("keep.refused");
        link.notices->tidy();
        touch_sender(link);
    }
    keeping_->arena.settle(link.id, ticket);
}

void Router::Impl::hold(Link& link, const Header& header, std::uint64_t ticket) {
    link.held = true;
    link.held_priority = header.priority();
    link.held_deadline = header.carried() == 0 ? header.timestamp() : 0;
    link.held_ticket = ticket;
    link.held_header = header;
    link.held_topic = 0;
    if (std::ranges::find(held_, &link) == held_.end()) {
        held_.push_back(&link);
    }
}

// Looks whether a held message can go on; true when it was judged.
bool Router::Impl::retry_held(Link& link) {
    if (!link.held) {
        return true;
    }
    if (link.held_deadline != 0 && now_ns_ >= link.held_deadline) {
        const bool waits = (link.held_header.flags() & flag::kNoWait) == 0;
        give_up_held(link, waits ? Verdict::kTimedOut : Verdict::kFull);
        return true;
    }
    if (link.held_topic != 0 && !topic_has_room(link.held_topic, link.held_length)) {
        return false;
    }
    const Link* full = link.held_topic == 0 ? link_of(link.held_for) : nullptr;
    if (full != nullptr && full->state == Link::State::kAway) {
        return false;
    }
    if (full != nullptr && full->state == Link::State::kLive) {
        auto& ring = const_cast<Link*>(full)->delivery[link.held_priority];
        if (ring->consumed() == link.held_consumed && !ring->corrupt()) {
            return false;
        }
    }
    // Room, or nobody there any more: either way route() decides anew, from the first check on.
    link.held = false;
    activate(link);
    return pump(link, kMessagesPerTurn) != 0;
}

void Router::Impl::give_up_held(Link& link, Verdict verdict) {
    link.held = false;
    ring::Record record;
    if (link.submissions->peek(record) == ring::Poll::kRecord) {
        link.submissions->advance();
        const auto body = record.body.size() >= limit::kHeaderBytes ? record.body.subspan(limit::kHeaderBytes)
                                                                    : std::span<const std::byte>();
        finish(link, link.held_header, verdict, link.held_ticket,
               body);  // told before it is given back: see Impl::await_judged
        link.submissions->release();
        touch_sender(link);
    }
    activate(link);
}

void Router::Impl::notify(Link& link, const link::NoticeBody& notice) {
    if (link.state != Link::State::kLive || link.closing) {
        return;
    }
    std::byte* body = link.pending_notices.empty() ? link.notices->try_reserve(sizeof notice) : nullptr;
    if (body == nullptr) {
        if (link.pending_notices.empty()) {
            stuck_notices_.push_back(&link);
        }
        link.pending_notices.push_back(notice);
        return;
    }
    ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&notice), sizeof notice);
    link.notices->commit();
    link.notices->tidy();
    touch_sender(link);
}

// True when nothing is pending any more.
bool Router::Impl::flush_notices(Link& link) {
    while (!link.pending_notices.empty()) {
        std::byte* body = link.notices->try_reserve(sizeof(link::NoticeBody));
        if (body == nullptr) {
            return false;
        }
        ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&link.pending_notices.front()),
                             sizeof(link::NoticeBody));
        link.notices->commit();
        link.pending_notices.pop_front();
        touch_sender(link);
    }
    return true;
}

// The high-water mark of a queue. How much its reader has taken is asked only when what is known from earlier
// would make a new mark, and that is of some size: the word is the reader's, and costs a transfer.
void Router::Impl::note_depth(Link& link, std::size_t priority, ring::Producer<>& ring) {
    const std::uint64_t most = ring.tail() - ring.seen_consumed();
    if (most > link.high_water[priority] && most >= ring.capacity() / 8) {
        const std::uint64_t depth = ring.tail() - ring.consumed();
        link.high_water[priority] = std::max(link.high_water[priority], static_cast<std::uint32_t>(depth));
    }
}

void Router::Impl::wake_touched() {
    ring::publication_fence<ring::NativeAtomics>();
    const auto wake = [](const UniqueFd& pipe) {
        // Full means that it has been told already. The writing end is ours alone, so it can't be made to
        // block.
        const char token = 1;
        [[maybe_unused]] const ssize_t written = ::write(pipe.get(), &token, 1);
    };
    wake_topics();
    for (Link* link : touched_) {
        auto& shared = link->memory.shared();
        if (link->wake_receiver) {
            ring::wake_if_parked_after_fence(shared.receiver, [&] { wake(link->receiver_wake); });
            for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
                if ((unsigned{link->fresh} >> priority & 1U) != 0) {
                    auto& ring = *link->delivery[priority];
                    ring.tidy();
                    note_depth(*link, priority, ring);
                }
            }
            link->fresh = 0;
        }
        if (link->wake_sender) {
            ring::wake_if_parked_after_fence(shared.sender, [&] { wake(link->sender_wake); });
        }
        link->wake_receiver = link->wake_sender = false;
    }
    touched_.clear();
}

void Router::Impl::tell_ended(const Entry& entry, core::CapabilityId id, ProcessId by) {
    if (Kind{entry.kind()} == Kind::kReply) {
        // The callee can't answer any more: the caller hears at once.
        Link* caller = link_of(entry.object());
        if (caller != nullptr && entry.object() != by) {
            notify(*caller, {.kind = static_cast<std::uint8_t>(Notice::kPeerGone),
                             .code = 0,
                             .reserved = 0,
                             .value = entry.badge(),
                             .ticket = 0});
        }
        return;
    }
    Link* owner = link_of(entry.owner());
    if (owner != nullptr && entry.owner() != by) {
        notify(*owner, {.kind = static_cast<std::uint8_t>(Notice::kRevoked),
                        .code = 0,
                        .reserved = 0,
                        .value = id,
                        .ticket = 0});
    }
}

bool Router::Impl::deliver_from_router(Link& link, const Header& header) {
    std::byte* body = link.delivery[header.priority()]->try_reserve(limit::kHeaderBytes);
    if (body == nullptr) {
        return false;
    }
    ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&header), sizeof header);
    link.delivery[header.priority()]->commit();
    ++link.counters.received;
    touch_receiver(link, header.priority());
    return true;
}

}  // namespace keyway
