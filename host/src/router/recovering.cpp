// What an earlier router has left is taken over, and processes come back to it.
//
//     Away       known from the record of its link; its submissions wait in the memory that the earlier
//     router
//                sealed, which we can only look at; messages to it wait with their senders
//     coming     it has shown its token on a new socket and got new memory
//     live       it has copied its memory over and said how far its rings go
//
// A process that never comes back is noticed as any other: by its pidfd, or because nobody has the other end
// of its pipe any more.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/crash_point.hpp"
#include "base/sigpipe_guard.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::Directory;
using core::ObjectId;
using core::ProcessId;
using core::SlotId;
using keep::LinkRecord;
using keep::ObjectRecord;
using link::ControlMessage;
using ring::NativeAtomics;
using router::Answer;
using router::Link;
using router::tag_of;

namespace kept = router::kept;

namespace {

/// For so long after the start, who may not wait for room waits all the same for a receiver that has yet to
/// come back.
constexpr std::uint64_t kGraceNs = 2'000'000'000;

std::uint64_t word_at(std::span<const std::byte> ring, std::uint64_t position) {
    std::uint64_t word = 0;
    std::memcpy(&word, ring.data() + (position & (ring.size() - 1)), sizeof word);
    return word;
}

// Without a branch that depends on what is compared.
bool same_token(const std::array<std::uint8_t, keep::kTokenBytes>& ours, std::string_view text) {
    std::uint8_t differs = text.size() == 2 * ours.size() ? 0 : 1;
    for (std::size_t i = 0; i < ours.size() && 2 * i + 1 < text.size(); ++i) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        differs |= static_cast<std::uint8_t>(kDigits[ours[i] >> 4] ^ text[2 * i]);
        differs |= static_cast<std::uint8_t>(kDigits[ours[i] & 15] ^ text[2 * i + 1]);
    }
    return differs == 0;
}

void write_token(const UniqueFd& pipe) {
    const char token = 1;
    [[maybe_unused]] const ssize_t written = ::write(pipe.get(), &token, 1);
}

}  // namespace

Result<void> Router::Impl::open_keeping() {
    if (options_.state == nullptr || keeping_ != nullptr) {
        return {};
    }
    const SigpipeGuard guard;
    keeping_ = std::make_unique<router::Keeping>(options_.state);
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    const UniqueFd left = store->take(kept::kState);
    if (left && arena.open(left.get(), table_.slot_count())) {
        recover();
    } else {
        if (left) {
            log("what an earlier router has left is of another version, or for another --slots: it is "
                "dropped");
        }
        UniqueFd file;
        if (auto made = arena.create(table_.slot_count(), origin_ns_, file); !made) {
            return made;
        }
        store->forget(kept::kState);
        if (!store->keep(kept::kState, file.get())) {
            return Error::system(ENOTCONN);
        }
    }
    store->drop_rest();
    table_.set_shadow(keeping_.get());
    return {};
}

// Whether a step that was armed became visible before the router died.
bool Router::Impl::was_shown(const keep::Intent& intent) const {
    const auto& arena = keeping_->arena;
    const auto& store = keeping_->store;
    if (intent.ring == keep::kTopicRing) {
        const ObjectRecord& record = arena.object(static_cast<ObjectId>(intent.receiver));
        const int file = store->look(kept::object(static_cast<ObjectId>(intent.receiver), record.serial));
        auto ring = broadcast::RingMemory::map(file, static_cast<std::uint32_t>(record.bytes));
        return ring && reinterpret_cast<const broadcast::BroadcastControl*>(ring->base())->tail >= intent.at;
    }
    const auto id = static_cast<ProcessId>(intent.receiver);
    const LinkRecord& record = arena.link(id);
    const link::Geometry geometry{.submission_bytes = record.submission_bytes,
                                  .delivery_bytes = record.delivery_bytes};
    auto memory = link::LinkMemory::map_copy(store->look(kept::memory(id, record.serial)), geometry);
    if (!memory) {
        return false;
    }
    const auto ring = intent.ring < limit::kPriorities ? memory->delivery(intent.ring) : memory->notices();
    return word_at(ring, intent.at) == intent.word;
}

void Router::Impl::recover() {
    auto& arena = keeping_->arena;
    arena.recover([&](const keep::Intent& intent) { return was_shown(intent); });
    origin_ns_ = arena.head().origin_ns;
    grace_until_ns_ = now_ns_ + kGraceNs;
    std::uint32_t found = 0;
    for (std::size_t id = 1; id < limit::kIds; ++id) {
        if (arena.head().link_used[id] == 0) {
            continue;
        }
        if (recover_link(static_cast<ProcessId>(id))) {
            ++found;
        } else {
            arena.put(arena.head().link_used[id], std::uint8_t{0});
        }
    }
    recover_table();
    recover_objects();
    table_.relink();
    directory_.relink();
    table_.set_shadow(keeping_.get());
    arena.settle();
    if (const std::string broken = table_.audit(); !broken.empty()) {
        log("the table that an earlier router has left: " + broken);
    }
    log("taken over from an earlier router: " + std::to_string(found) + " processes, " +
        std::to_string(table_.in_use()) + " capabilities");
    // Who died meanwhile, ends now. All others shall look.
    for (auto& link : links_) {
        if (link != nullptr && !link->pidfd) {
            close_link(*link, Status::kPeerGone);
        } else if (link != nullptr) {
            watch(link->pidfd.get(), EPOLLIN, tag_of(router::Watch::kPidfd, link->id, link->serial));
            watch(link->receiver_wake.get(), EPOLLERR, tag_of(router::Watch::kPidfd, link->id, link->serial));
            write_token(link->sender_wake);
            write_token(link->receiver_wake);
        }
    }
}

// False when something that it needs was not kept: it ends then.
bool Router::Impl::recover_link(ProcessId id) {
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    const LinkRecord& record = arena.link(id);
    const link::Geometry geometry{.submission_bytes = record.submission_bytes,
                                  .delivery_bytes = record.delivery_bytes};
    const UniqueFd file = store->take(kept::memory(id, record.serial));
    auto link = std::make_unique<Link>();
    link->sender_wake = store->take(kept::sender_wake(id));
    link->receiver_wake = store->take(kept::receiver_wake(id));
    if (!file || !link->sender_wake || !link->receiver_wake || !geometry.valid()) {
        return false;
    }
    auto memory = link::LinkMemory::map_copy(file.get(), geometry);
    if (!memory) {
        return false;
    }
    link->state = Link::State::kAway;
    link->id = id;
    link->serial = next_serial_++;
    link->pid = record.who.pid;
    link->uid = record.who.uid;
    link->gid = record.gid;
    link->groups.assign(record.groups,
                        record.groups + std::min<std::size_t>(record.groups_count, keep::kMostGroups));
    link->name.assign(record.name, ::strnlen(record.name, sizeof record.name));
    link->home = record.home;
    std::copy_n(record.token, keep::kTokenBytes, link->token.begin());
    link->memory = std::move(*memory);
    link->submissions.emplace(link->memory.shared().submission, link->memory.submission(),
                              arena.head().heads[id]);
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, link->pid, 0)));
    if (pidfd && quantum::identity_of(link->pid, link->uid) == record.who) {
        link->pidfd = std::move(pidfd);
    }
    router::User& user =
        users_.try_emplace(link->uid, router::User{.uid = link->uid, .capabilities = {}}).first->second;
    user.capabilities.limit = policy_.user.capabilities;
    ++user.connections;
    ++connections_of_pid_[link->pid];
    user.queue_bytes += geometry.total();
    user.descriptors += router::kDescriptorsPerLink;
    link->user = &user;
    table_.open_account(id, policy_.process.capabilities, user.capabilities);
    directory_.restore(id, Directory::What::kEndpoint, id, core::slot_of(link->home));
    links_[id] = std::move(link);
    bump(counters_.links_opened);
    return true;
}

// Rows whose owner or object is no more have no meaning; those of channels and observers end with the router,
// because what they allow was in its memory alone.
bool Router::Impl::row_is_good(SlotId slot) const {
    const auto& arena = keeping_->arena;
    const keep::Row& row = arena.row(slot);
    const Entry& entry = row.entry;
    const auto there = [&](std::uint32_t id) { return id < limit::kIds && links_[id] != nullptr; };
    if ((entry.flags() & entry_flag::kValid) == 0 || !there(entry.owner()) || !there(row.payer) ||
        row.parent >= table_.slot_count()) {
        return false;
    }
    const auto object = static_cast<ObjectId>(entry.object());
    const ObjectRecord& record = arena.object(object);
    const auto is = [&](Directory::What what) {
        return arena.head().object_used[object] != 0 && static_cast<Directory::What>(record.what) == what;
    };
    SlotId root = record.root;
    switch (Kind{entry.kind()}) {
        case Kind::kReply:
            return there(object) && row.parent == core::slot_of(links_[object]->home);
        case Kind::kEndpoint:
            if (there(object)) {
                root = core::slot_of(links_[object]->home);
            } else if (!is(Directory::What::kEndpoint) || !there(record.owner)) {
                return false;
            }
            break;
        case Kind::kTopic:
            if (!is(Directory::What::kTopic) || !there(record.owner)) {
                return false;
            }
            break;
        case Kind::kRegion:
            if (!is(Directory::What::kRegion)) {
                return false;
            }
            break;
        case Kind::kQubit:
            if (!is(Directory::What::kQubit)) {
                return false;
            }
            break;
        default:
            return false;
    }
    return row.parent != 0 || root == slot;
}

void Router::Impl::recover_table() {
    auto& arena = keeping_->arena;
    enum : std::uint8_t { kUnknown, kGood, kBad };
    std::vector<std::uint8_t> known(table_.slot_count(), kUnknown);
    std::vector<SlotId> path;
    for (SlotId slot = 1; slot < table_.slot_count(); ++slot) {
        // Up to an ancestor that is decided, then down again: good is who is so with all of its ancestors.
        SlotId at = slot;
        path.clear();
        while (at != 0 && known[at] == kUnknown) {
            known[at] = row_is_good(at) ? kGood : kBad;
            path.push_back(at);
            at = known[at] == kGood ? arena.row(at).parent : 0;
        }
        bool good = path.empty() || known[path.back()] == kGood;
        good = good && (at == 0 || known[at] == kGood);
        for (auto each = path.rbegin(); each != path.rend(); ++each) {
            known[*each] = good ? kGood : kBad;
        }
    }
    for (SlotId slot = 1; slot < table_.slot_count(); ++slot) {
        const keep::Row& row = arena.row(slot);
        if (row.entry.generation() == 0) {
            continue;  // never used
        }
        if (known[slot] != kGood && (row.entry.flags() & entry_flag::kValid) != 0) {
            keep::Row free;
            free.entry.set_generation(core::next_generation(row.entry.generation()));
            arena.put(arena.row(slot), free);
        }
        table_.restore(slot, row.entry, row.parent, row.uses, static_cast<ProcessId>(row.payer));
    }
}

void Router::Impl::recover_objects() {
    auto& arena = keeping_->arena;
    for (std::size_t each = 1; each < limit::kIds; ++each) {
        const auto id = static_cast<ObjectId>(each);
        if (arena.head().object_used[id] == 0) {
            continue;
        }
        if (links_[id] != nullptr || !recover_object(id)) {
            arena.put(arena.head().object_used[id], std::uint8_t{0});
            continue;
        }
    }
    for (auto& link : links_) {
        if (link != nullptr) {
            recover_readings(*link);
        }
    }
}

bool Router::Impl::recover_object(ObjectId id) {
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    const ObjectRecord& record = arena.object(id);
    const auto what = static_cast<Directory::What>(record.what);
    const Entry& root = table_.entry(record.root < table_.slot_count() ? record.root : 0);
    const bool rooted = record.root != 0 && record.root < table_.slot_count() &&
                        (root.flags() & entry_flag::kValid) != 0 && root.object() == id;
    UniqueFd file = store->take(kept::object(id, record.serial));
    if (what == Directory::What::kQubit) {
        recover_qubit(id, rooted, std::move(file));
        return true;
    }
    if (!rooted) {
        return false;
    }
    directory_.restore(id, what, record.owner, record.root);
    if (what == Directory::What::kRegion) {
        return recover_region(id, std::move(file));
    }
    Link& owner = *links_[record.owner];
    const std::string name(record.name, ::strnlen(record.name, sizeof record.name));
    if (what == Directory::What::kTopic && !recover_topic(id, file)) {
        return false;
    }
    names_.emplace(name, id);
    name_of_.emplace(id, name);
    owner.endpoints.push_back(id);
    ++owner.user->endpoints;
    return true;
}

bool Router::Impl::recover_topic(ObjectId id, const UniqueFd& left) {
    const ObjectRecord record = keeping_->arena.object(id);
    const auto bytes = static_cast<std::uint32_t>(record.bytes);
    auto before = broadcast::RingMemory::map(left.get(), bytes);
    router::Topic topic;
    auto memory = broadcast::RingMemory::create(bytes, topic.file);
    if (!before || !memory) {
        return false;
    }
    topic.user = links_[record.owner]->user;
    topic.blocks = record.flag == 1;
    topic.ring_bytes = bytes;
    topic.patience_ns = record.time;
    topic.recent.resize(record.count);
    topic.memory = std::move(*memory);
    topic.writer.emplace(topic.memory.base(), bytes);
    topic.writer->go_on_from(before->base(), record.sequence, [&](std::uint64_t sequence, std::uint64_t at) {
        if (!topic.recent.empty()) {
            topic.recent[sequence % topic.recent.size()] = at;
        }
    });
    topic.events = topic.writer->sequence() - 1;
    topic.user->queue_bytes += broadcast::kControlBytes + bytes;
    ++topic.user->descriptors;
    const auto [place, made] = topics_.emplace(id, std::move(topic));
    directory_.subscribe(id, id);
    keep_object(id, place->second.file.get());
    return made;
}

bool Router::Impl::recover_region(ObjectId id, UniqueFd left) {
    const ObjectRecord& record = keeping_->arena.object(id);
    const ProcessId owner = static_cast<ProcessId>(table_.entry(record.root).owner());
    router::Region region;
    region.bytes = record.bytes;
    region.revocable = record.flag == 1;
    region.closed_to_writers = record.closed == 1;
    region.epoch = record.number;
    region.payer = record.payer < links_.size() && links_[record.payer] != nullptr ? record.payer : owner;
    if (record.count == 0) {
        auto file = region::open_again(std::move(left), record.bytes);
        if (!file) {
            return false;
        }
        region.file = std::move(*file);
    }
    // Who had it mapped was in memory alone: whoever may have, has.
    for (SlotId slot = 1; slot < table_.slot_count(); ++slot) {
        const Entry& entry = table_.entry(slot);
        if ((entry.flags() & entry_flag::kValid) != 0 && Kind{entry.kind()} == Kind::kRegion &&
            entry.object() == id) {
            region.holders[table_.id(slot)] = {.process = static_cast<ProcessId>(entry.owner()),
                                               .writes = (entry.rights() & right::kWrite) != 0,
                                               .epoch = region.epoch};
        }
    }
    charge_region(*links_[region.payer], region, true);
    regions_.emplace(id, std::move(region));
    return true;
}

// The table says who holds it, and the ledger is brought in line: a hand-off that nobody saw did not happen.
void Router::Impl::recover_qubit(ObjectId id, bool rooted, UniqueFd left) {
    const ObjectRecord& record = keeping_->arena.object(id);
    const ProcessId owner = rooted ? static_cast<ProcessId>(table_.entry(record.root).owner()) : ProcessId{0};
    directory_.restore(id, Directory::What::kQubit, owner == 0 ? id : owner, rooted ? record.root : 0);
    router::Qubit& qubit = qubits_[id];
    qubit = {.number = record.number,
             .ledger_slot = record.slot,
             .holder = owner,
             .identity = record.who,
             .deadline_ns = record.time,
             .fidelity_ppb = record.fidelity,
             .width = record.count,
             .state = std::move(left)};
    if (owner != 0) {
        qubit.identity = keeping_->arena.link(owner).who;
        charge_state(qubit, links_[owner]->user);
    }
}

void Router::Impl::recover_readings(Link& link) {
    auto& arena = keeping_->arena;
    auto& store = keeping_->store;
    for (std::uint32_t slot = 0; slot < broadcast::kReaderSlots; ++slot) {
        const keep::Reading& reading = arena.link(link.id).readings[slot];
        const auto topic = reading.used != 0 ? topics_.find(reading.topic) : topics_.end();
        const SlotId authority = core::slot_of(reading.capability);
        UniqueFd wake = reading.own_pipe != 0 ? store->take(kept::reader(link.id, slot)) : UniqueFd();
        if (topic == topics_.end() || (reading.own_pipe != 0 && !wake)) {
            if (reading.used != 0) {
                link.reader_slots |= 1U << slot;
                link.memory.shared().readers[slot].closed = std::uint32_t{Error{Verdict::kClosed}.code()};
            }
            continue;
        }
        link.reader_slots |= 1U << slot;
        const bool may = table_.find(reading.capability, link.id) != 0;
        const std::uint64_t position =
            std::min(link.memory.shared().readers[slot].position, topic->second.writer->tail());
        if (!may) {
            link.memory.shared().readers[slot].closed = std::uint32_t{Error{Status::kRevoked}.code()};
            continue;
        }
        const std::uint32_t expiry = table_.entry(authority).expiry();
        if (expiry != 0) {
            topic->second.next_expiry = std::min(topic->second.next_expiry, expiry);
        }
        link.user->descriptors += wake ? 1U : 0U;
        topic->second.subscribers.push_back(
            {.capability = reading.capability,
             .link = &link,
             .slot = slot,
             .expiry = expiry,
             .wake = std::move(wake),
             .position = position / broadcast::kLineBytes * broadcast::kLineBytes});
    }
}

// ---- coming back ----

// A hello on a new connection, of a process that had one before. The new link gives its socket away and ends.
void Router::Impl::begin_return(Link& fresh, const ControlMessage& request) {
    Answer reply(request);
    Link* link = request.object < limit::kIds ? link_of(static_cast<ProcessId>(request.object)) : nullptr;
    const bool its_own = keeping_ != nullptr && link != nullptr && link->state == Link::State::kAway &&
                         request.version_major == kVersionMajor && link->pid == fresh.pid &&
                         link->uid == fresh.uid && same_token(link->token, request.get_name()) &&
                         quantum::identity_of(fresh.pid, fresh.uid) == keeping_->arena.link(link->id).who;
    int file = -1;
    Result<link::LinkMemory> memory = Status::kNotAllowed;
    if (its_own) {
        memory = link::LinkMemory::create(link->memory.geometry(), file);
    }
    UniqueFd bell(memory ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1);
    if (!memory || !bell) {
        reply.fail(memory ? Error::system() : memory.error());
        [[maybe_unused]] auto told = link::send_control(fresh.socket.get(), reply.message);
        close_link(fresh, Status::kNotAllowed);
        return;
    }
    auto& head = keeping_->arena.head();
    link->coming = std::make_unique<Link::Coming>();
    link->coming->memory = std::move(*memory);
    link->coming->file.reset(file);
    link->coming->bell = std::move(bell);
    link->coming->serial = ++head.next_serial;
    reply.message.object = link->id;
    reply.message.value = head.heads[link->id];
    reply.message.target = keeping_->arena.link(link->id).serial;
    reply.message.badge = link->coming->serial;
    reply.attach(link->coming->file.get());
    reply.attach(link->coming->bell.get());
    UniqueFd socket = std::move(fresh.socket);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket.get(), nullptr);
    close_link(fresh, Status::kPeerGone);
    if (!link::send_control(socket.get(), reply.message, reply.fds())) {
        link->coming.reset();
        return;
    }
    watch(socket.get(), EPOLLIN | EPOLLRDHUP, tag_of(router::Watch::kSocket, link->id, link->serial));
    link->socket = std::move(socket);
}

// It did not get through with it, and may try again.
void Router::Impl::stay_away(Link& link) {
    link.socket.reset();
    link.coming.reset();
}

// It has mapped the new memory and copied the old over. `name` says where its five incoming rings end.
Result<void> Router::Impl::end_return(Link& link, const ControlMessage& request) {
    if (link.coming == nullptr) {
        return Status::kBadRequest;
    }
    std::uint64_t ends[limit::kPriorities + 1];
    static_assert(sizeof ends <= sizeof request.name);
    std::memcpy(ends, request.name, sizeof ends);
    if (auto sealed = link.coming->memory.seal(link.coming->file.get()); !sealed) {
        return sealed;
    }
    // What was written meanwhile for its subscriptions.
    for (std::uint32_t slot = 0; slot < broadcast::kReaderSlots; ++slot) {
        NativeAtomics::store(link.coming->memory.shared().readers[slot].closed,
                             link.memory.shared().readers[slot].closed, std::memory_order_relaxed);
    }
    const std::uint64_t judged = link.submissions->head();
    link.submissions.reset();
    link.memory = std::move(link.coming->memory);
    link.bell = std::move(link.coming->bell);
    link.memory_fd = std::move(link.coming->file);
    const std::uint32_t serial = link.coming->serial;
    link.coming.reset();
    link.open_rings();
    auto& shared = link.memory.shared();
    link.submissions.emplace(shared.submission, link.memory.submission(), judged);
    NativeAtomics::store(shared.submission.head, judged, std::memory_order_release);
    const auto head_of = [](const ring::RingControl& control) {
        return NativeAtomics::load(control.head, std::memory_order_acquire);
    };
    // No sum of positions may wrap.
    bool fits = std::ranges::all_of(ends, [](std::uint64_t end) { return end >> 62 == 0; });
    fits = fits && link.notices->go_on_at(ends[limit::kPriorities], head_of(shared.notices));
    for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
        fits = fits && link.delivery[priority]->go_on_at(ends[priority], head_of(shared.delivery[priority]));
    }
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link.receiver_wake.get(), nullptr);
    link.state = Link::State::kLive;
    if (!fits) {
        doom(link, Status::kCorrupt);
        return Status::kCorrupt;
    }
    keep_link(link, serial);
    link.memory_fd.reset();
    KEYWAY_CRASH_POINT("return.kept");
    watching_.live.push_back(&link);
    watch(link.bell.get(), EPOLLIN | EPOLLET, tag_of(router::Watch::kBell, link.id, link.serial));
    activate(link);
    const LinkRecord& record = keeping_->arena.link(link.id);
    if (record.granted_ticket != 0) {
        notify(link, {.kind = static_cast<std::uint8_t>(Notice::kGranted),
                      .value = record.granted,
                      .ticket = record.granted_ticket});
    }
    for (Link* waiting : held_) {
        if (waiting->held_for == link.id) {
            waiting->held_consumed = UINT64_MAX;  // there may be room now
        }
    }
    // What the earlier router had told it of, and not woken it for.
    write_token(link.sender_wake);
    write_token(link.receiver_wake);
    for (auto& [object, topic] : topics_) {
        for (const router::Subscriber& reader : topic.subscribers) {
            if (reader.link == &link && reader.wake) {
                write_token(reader.wake);
            }
        }
    }
    log("process " + std::to_string(link.id) + " is back");
    return {};
}

// Whether a call of this sequence can still be answered.
Result<void> Router::Impl::pending_call(const Link& link, std::uint32_t sequence) const {
    SlotId child = table_.first_child(core::slot_of(link.home));
    for (; child != 0; child = table_.next_sibling(child)) {
        const Entry& entry = table_.entry(child);
        if (Kind{entry.kind()} == Kind::kReply && entry.badge() == sequence) {
            return {};
        }
    }
    return Status::kPeerGone;
}

}  // namespace keyway
