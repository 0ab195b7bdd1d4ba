// Those who look on: observer capabilities, published counters, and the trace.
//
// The routing path pays for them: one test whether anybody traces or times, and counters that it keeps in its
// own memory anyway. Counters are copied into the boards here, from the loop's control interval, a few rows a
// turn, so that no message waits for more than that; and only while somebody has a board, and after something
// happened.

#include <algorithm>
#include <cstring>

#include "base/wall_clock.hpp"
#include "ring/shared_copy.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::CapabilityId;
using core::ObjectId;
using core::SlotId;
using link::ControlMessage;
using router::Answer;
using router::Link;
using router::Tracer;
using router::Watcher;

namespace {

constexpr std::uint64_t kPublishNs = 100'000'000;
constexpr std::size_t kLeastRowsATurn = 2;
constexpr std::size_t kMostTurns = 500;  ///< in which all rows are written, however many there are
constexpr std::uint32_t kSpareRows = 32;

enum class Row : std::uint8_t { kProcess = 1, kEndpoint, kRegion };
constexpr std::uint64_t item(Row row, std::uint64_t id, std::uint32_t serial = 0) {
    return static_cast<std::uint64_t>(row) << 56 | id << 32 | serial;
}

template <std::size_t kSize>
void copy_name(char (&to)[kSize], std::string_view from) {
    std::memcpy(to, from.data(), std::min(from.size(), kSize - 1));
}

}  // namespace

// ---- who may ----

Result<void> Router::Impl::observe(Link& link, Answer& reply) {
    if (!link.hosted && !observes(link) && !administers(link)) {
        return Status::kNotAllowed;
    }
    const CapabilityId id = table_.make_root(
        {.owner = link.id,
         .kind = Kind::kObserver,
         .object = 0,
         .rights = static_cast<std::uint8_t>(right::kRead | right::kGrant |
                                             (sees_payloads(link) ? right::kProcess : std::uint8_t{0})),
         .flags = entry_flag::kRevocable,
         .payer = link.id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    reply.describe(table_.entry(core::slot_of(id)), id);
    return {};
}

// The slot of an observer capability that has these rights.
Result<SlotId> Router::Impl::observer(const Link& link, CapabilityId capability, std::uint8_t rights) const {
    const SlotId slot = table_.find(capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    const Entry& entry = table_.entry(slot);
    if (core::is_expired(entry, now())) {
        return Verdict::kExpired;
    }
    if (Kind{entry.kind()} != Kind::kObserver) {
        return Verdict::kWrongObject;
    }
    if ((entry.rights() & rights) != rights) {
        return Verdict::kInsufficientRights;
    }
    return slot;
}

Result<void> Router::Impl::open_counters(Link& link, const ControlMessage& request, Answer& reply) {
    const bool all = request.capability != 0;
    if (all) {
        if (auto slot = observer(link, request.capability, right::kRead); !slot) {
            return slot.error();
        }
    }
    end_watching(link, true, false);
    const auto observers = std::ranges::count_if(
        watching_.watchers, [](const auto& watcher) { return watcher->capability != 0; });
    if (all && static_cast<std::size_t>(observers) >= router::Watching::kMostObservers) {
        return Status::kLimit;
    }
    const auto roomy = [](std::size_t rows) { return static_cast<std::uint32_t>(rows * 2 + kSpareRows); };
    const watch::Rows room{
        .processes = all ? roomy(watching_.live.size()) : 1,
        .endpoints = roomy(all ? names_.size() : link.endpoints.size()),
        .regions = roomy(all ? regions_.size() : link.region_descriptors),
    };
    const std::uint64_t bytes = watch::Board::bytes_for(room);
    if (link.user->queue_bytes + bytes > policy_.user.queue_bytes) {
        return Status::kLimit;
    }
    UniqueFd file;
    auto board = watch::Board::create(room, file);
    if (!board) {
        return board.error();
    }
    auto watcher = std::make_unique<Watcher>();
    watcher->link = &link;
    watcher->capability = request.capability;
    watcher->board = std::move(*board);
    link.user->queue_bytes += bytes;
    time_calls(true);
    watching_.watchers.push_back(std::move(watcher));
    reply.attach(std::move(file));
    return {};
}

Result<void> Router::Impl::open_trace(Link& link, const ControlMessage& request, Answer& reply) {
    const auto rights = static_cast<std::uint8_t>(right::kRead | (request.rights & right::kProcess));
    const auto slot = observer(link, request.capability, rights);
    if (!slot) {
        return slot.error();
    }
    if (!broadcast::valid_ring_bytes(request.submission_bytes)) {
        return Status::kBadArgument;
    }
    end_watching(link, false, true);
    const std::uint64_t bytes = broadcast::kControlBytes + request.submission_bytes;
    if (watching_.tracers.size() >= router::Watching::kMostObservers ||
        link.user->queue_bytes + bytes > policy_.user.queue_bytes) {
        return Status::kLimit;
    }
    UniqueFd file;
    auto memory = broadcast::RingMemory::create(request.submission_bytes, file);
    if (!memory) {
        return memory.error();
    }
    auto tracer = std::make_unique<Tracer>();
    tracer->link = &link;
    tracer->capability = request.capability;
    tracer->payloads = (rights & right::kProcess) != 0;
    tracer->charged = bytes;
    tracer->memory = std::move(*memory);
    tracer->writer.emplace(tracer->memory.base(), request.submission_bytes);
    link.user->queue_bytes += bytes;
    wall_offset_ns_ = wall_clock_ns() - now_ns_;
    watching_.tracers.push_back(std::move(tracer));
    reply.attach(std::move(file));
    return {};
}

// ---- and how long ----

// Whether the capability by which something was opened still holds: it may have expired, or been moved to
// somebody else. What was revoked has ended by itself.
bool Router::Impl::may_see(const Link& link, CapabilityId capability) const {
    if (capability == 0) {
        return true;
    }
    const SlotId slot = table_.find(capability, link.id);
    return slot != 0 && !core::is_expired(table_.entry(slot), now());
}

void Router::Impl::end_watcher(Watcher& watcher) {
    watcher.board.end();
    watcher.link->user->queue_bytes -= watcher.board.bytes();
}

void Router::Impl::end_tracer(Tracer& tracer) {
    tracer.writer->set_state(broadcast::RingState::kEnded);
    tracer.link->user->queue_bytes -= tracer.charged;
}

// Ends what those for whom `over` is true look at. Nothing is written to it any more.
template <class Over>
void Router::Impl::end_watching_if(const Over& over) {
    std::erase_if(watching_.watchers, [&](const auto& watcher) {
        const bool ends = over(*watcher->link, watcher->capability, true);
        if (ends) {
            end_watcher(*watcher);
        }
        return ends;
    });
    std::erase_if(watching_.tracers, [&](const auto& tracer) {
        const bool ends = over(*tracer->link, tracer->capability, false);
        if (ends) {
            end_tracer(*tracer);
        }
        return ends;
    });
    if (watching_.watchers.empty()) {
        time_calls(false);
    }
}

void Router::Impl::end_watching(const Link& link, bool counters, bool trace) {
    end_watching_if([&](const Link& whose, CapabilityId, bool counts) {
        return &whose == &link && (counts ? counters : trace);
    });
}

void Router::Impl::observer_ended(CapabilityId capability) {
    end_watching_if([&](const Link&, CapabilityId which, bool) { return which == capability; });
}

void Router::Impl::time_calls(bool on) {
    if (on && !watching_.timing) {
        watching_.calls.assign(table_.slot_count(), {});
    }
    watching_.timing = on;
}

// ---- counters ----

ProcessFigures Router::Impl::figures_of(Link& link) const {
    ProcessFigures row{.id = link.id,
                       .serial = link.serial,
                       .pid = link.pid,
                       .uid = link.uid,
                       .capabilities = table_.share(link.id).used,
                       .waiting = link.held ? 1U : 0U,
                       .queue_bytes = static_cast<std::uint32_t>(link.delivery[0]->capacity()),
                       .region_bytes = link.region_bytes,
                       .sent = link.counters.sent,
                       .delivered = link.counters.verdict[0],
                       .refused = link.counters.refused,
                       .expired = link.counters.expired,
                       .received = link.counters.received,
                       .verdict = {},
                       .queues = {}};
    copy_name(row.name, link.name);
    std::ranges::copy(link.counters.verdict, row.verdict);
    for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
        auto& ring = *link.delivery[priority];
        const auto used = static_cast<std::uint32_t>(ring.tail() - ring.consumed());
        link.high_water[priority] = std::max(link.high_water[priority], used);
        row.queues[priority] = {.used_bytes = used, .high_water_bytes = link.high_water[priority]};
    }
    return row;
}

EndpointFigures Router::Impl::figures_of(ObjectId object) const {
    EndpointFigures row{.id = object,
                        .owner = directory_.owner(object),
                        .messages = watching_.reached[object].messages,
                        .bytes = watching_.reached[object].bytes,
                        .latency = {}};
    copy_name(row.name, name_of_.at(object));
    if (const auto topic = topics_.find(object); topic != topics_.end()) {
        row.kind = Kind::kTopic;
        row.subscribers = static_cast<std::uint32_t>(
            std::ranges::count(topic->second.subscribers, true, &router::Subscriber::reads));
    }
    if (object < watching_.call_times.size() && watching_.call_times[object] != nullptr) {
        const router::CallTimes& times = *watching_.call_times[object];
        row.calls = times.calls;
        row.replies = times.replies;
        row.latency = times.latency;
    }
    return row;
}

RouterFigures Router::Impl::figures(bool all) const {
    RouterFigures row{.pid = ::getpid(),
                      .engine = engine_kind(),
                      .awake = active_.empty() ? 0U : 1U,
                      .everything = all ? 1U : 0U,
                      .published_ns = now_ns_,
                      .uptime_ns = now_ns_ - origin_ns_,
                      .capabilities = table_.in_use(),
                      .capability_slots = table_.slot_count(),
                      .processes = watching_.live.size(),
                      .audit_open = audit_ == nullptr     ? 0U
                                    : audit_->accepting() ? 1U
                                                          : 2U,
                      .latency = {}};
    if (all) {
        row.links_opened = counters_.links_opened.load(std::memory_order_relaxed);
        row.links_closed = counters_.links_closed.load(std::memory_order_relaxed);
        row.links_quarantined = counters_.links_quarantined.load(std::memory_order_relaxed);
        row.sleeps = counters_.sleeps.load(std::memory_order_relaxed);
        row.endpoints = names_.size();
        row.regions = regions_.size();
        row.channels = channels_.all.size();
        row.qubits = qubits_.size();
        row.latency = watching_.latency;
    }
    for (std::size_t i = 0; i < kVerdictCount; ++i) {
        row.verdict[i] = counters_.verdict[i].load(std::memory_order_relaxed);
    }
    return row;
}

// Which rows a board shall have, as they are now. What goes before its turn comes is left out; what comes is
// in the next writing.
void Router::Impl::plan(Watcher& watcher) const {
    auto& todo = watcher.todo;
    if (watcher.capability != 0) {
        for (const auto& [object, region] : regions_) {
            todo.push_back(item(Row::kRegion, object));
        }
        for (const auto& [name, object] : names_) {
            todo.push_back(item(Row::kEndpoint, object));
        }
        for (const Link* link : watching_.live) {
            todo.push_back(item(Row::kProcess, link->id, link->serial));
        }
    } else {
        const Link& link = *watcher.link;
        for (SlotId slot = table_.first_owned(link.id); slot != 0; slot = table_.next_owned(slot)) {
            const Entry& entry = table_.entry(slot);
            if (Kind{entry.kind()} == Kind::kRegion && directory_.root(entry.object()) == slot) {
                todo.push_back(item(Row::kRegion, entry.object()));
            }
        }
        for (const ObjectId object : link.endpoints) {
            todo.push_back(item(Row::kEndpoint, object));
        }
        todo.push_back(item(Row::kProcess, link.id, link.serial));
    }
    watcher.a_turn = std::max(kLeastRowsATurn, todo.size() / kMostTurns);
}

void Router::Impl::write_row(Watcher& watcher, std::uint64_t what) {
    const auto id = static_cast<ObjectId>(what >> 32);
    switch (static_cast<Row>(what >> 56)) {
        case Row::kProcess: {
            Link* link = link_of(id);
            if (link != nullptr && link->serial == static_cast<std::uint32_t>(what)) {
                const ProcessFigures row = figures_of(*link);
                watcher.undrained |= std::ranges::any_of(
                    row.queues, [](const QueueFigures& queue) { return queue.used_bytes != 0; });
                watcher.board.add(row);
            }
            break;
        }
        case Row::kEndpoint:
            if (name_of_.contains(id)) {
                watcher.board.add(figures_of(id));
            }
            break;
        case Row::kRegion:
            if (const auto region = regions_.find(id); region != regions_.end()) {
                watcher.board.add({.id = id,
                                   .owner = table_.entry(directory_.root(id)).owner(),
                                   .mapped = static_cast<std::uint32_t>(region->second.holders.size()),
                                   .revocable = region->second.revocable ? 1U : 0U,
                                   .bytes = region->second.bytes});
            }
            break;
    }
}

// Writes a turn's worth of rows.
void Router::Impl::publish(Watcher& watcher) {
    if (!watcher.board.writing()) {
        watcher.seen_stir = watching_.stir;
        watcher.undrained = false;
        watcher.next_ns = now_ns_ + kPublishNs;
        plan(watcher);
        watcher.board.begin();
    }
    for (std::size_t i = 0; !watcher.todo.empty() && i < watcher.a_turn; ++i) {
        const std::uint64_t next = watcher.todo.back();
        watcher.todo.pop_back();
        write_row(watcher, next);
    }
    if (watcher.todo.empty()) {
        watcher.board.finish(figures(watcher.capability != 0));
    }
}

bool Router::Impl::wants_publishing(const Watcher& watcher) const {
    return watcher.board.writing() || watcher.seen_stir != watching_.stir || watcher.undrained;
}

// True while there is a board to be written to right now, so that the router must not sleep yet.
bool Router::Impl::tend_watchers() {
    bool busy = false;
    bool over = false;
    for (const auto& watcher : watching_.watchers) {
        if (!wants_publishing(*watcher) || (!watcher->board.writing() && now_ns_ < watcher->next_ns)) {
            continue;
        }
        if (!may_see(*watcher->link, watcher->capability)) {
            over = true;
            continue;
        }
        publish(*watcher);
        busy |= watcher->board.writing();
    }
    if (over) {
        end_watching_if(
            [&](const Link& link, CapabilityId capability, bool) { return !may_see(link, capability); });
    }
    if (!watching_.tracers.empty() && audit_ == nullptr) {
        wall_offset_ns_ = wall_clock_ns() - now_ns_;
    }
    return busy;
}

// When a sleeping router has to write to a board next.
std::uint64_t Router::Impl::watchers_due() const {
    std::uint64_t due = UINT64_MAX;
    for (const auto& watcher : watching_.watchers) {
        if (wants_publishing(*watcher)) {
            due = std::min(due, watcher->board.writing() ? 0 : watcher->next_ns);
        }
    }
    return due;
}

// ---- messages ----

// A call was delivered, or its reply.
void Router::Impl::time_call(const Header& header, CapabilityId created) {
    auto& w = watching_;
    if ((header.flags() & flag::kExpectsReply) != 0 && created != 0) {
        const auto endpoint = static_cast<ObjectId>(header.receiver());
        w.calls[core::slot_of(created)] = {.since_ns = now_ns_, .endpoint = endpoint};
        ++times_of(endpoint).calls;
        return;
    }
    if ((header.flags() & flag::kReply) == 0) {
        return;
    }
    auto& call = w.calls[core::slot_of(header.capability())];
    if (call.since_ns != 0) {
        const std::uint64_t took = now_ns_ - call.since_ns;
        router::CallTimes& times = times_of(call.endpoint);
        ++times.replies;
        for (Latency* latency : {&times.latency, &w.latency}) {
            ++latency->count[Latency::bucket_of(took)];
            latency->sum_ns += took;
        }
        call.since_ns = 0;
    }
}

router::CallTimes& Router::Impl::times_of(ObjectId endpoint) {
    auto& all = watching_.call_times;
    if (all.size() <= endpoint) {
        all.resize(limit::kIds);
    }
    if (all[endpoint] == nullptr) {
        all[endpoint] = std::make_unique<router::CallTimes>();
    }
    return *all[endpoint];
}

// The id names another object from now on.
void Router::Impl::forget_figures(ObjectId object) {
    watching_.reached[object] = {};
    if (object < watching_.call_times.size()) {
        watching_.call_times[object].reset();
    }
}

TraceHead Router::Impl::trace_head(const Link& link, const Header& header, Verdict verdict,
                                   CapabilityId created) const {
    TraceHead head;
    head.set_verdict(static_cast<std::uint8_t>(verdict));
    head.set_process(link.id);
    head.set_created(created);
    head.set_number(watching_.judged);
    head.set_time(now_ns_ + wall_offset_ns_);
    if (const SlotId slot = table_.find(header.capability(), link.id); slot != 0) {
        const Entry& entry = table_.entry(slot);
        head.set_rights(entry.rights());
        head.set_kind(entry.kind());
        head.set_object(entry.object());
        const bool named = Kind{entry.kind()} != Kind::kObserver;
        head.set_owner(named ? directory_.owner(entry.object()) : core::ProcessId{0});
    } else if (verdict == Verdict::kDelivered) {
        // A one-shot, which is used up now.
        const auto object = static_cast<ObjectId>(header.receiver());
        head.set_object(object);
        head.set_owner(directory_.owner(object));
    }
    return head;
}

void Router::Impl::remember_refusal(const Link& link, const Header& header, Verdict verdict) {
    auto& w = watching_;
    router::Refused& place = w.refusals[w.refused++ % w.refusals.size()];
    place = {.head = trace_head(link, header, verdict, 0), .header = header};
    place.header.set_sender(link.id);
}

void Router::Impl::trace(const Link& link, const Header& header, std::span<const std::byte> payload,
                         Verdict verdict, CapabilityId created) {
    TraceHead head = trace_head(link, header, verdict, created);
    Header shown = header;
    shown.set_sender(link.id);
    std::byte buffer[limit::kPayloadBytes];
    bool over = false;
    for (const auto& tracer : watching_.tracers) {
        if (!may_see(*tracer->link, tracer->capability)) {
            over = true;
            continue;
        }
        const std::size_t captured =
            tracer->payloads ? std::min(payload.size(), sizeof buffer - sizeof head) : 0;
        head.set_captured(static_cast<std::uint16_t>(captured));
        std::memcpy(buffer, &head, sizeof head);
        ring::copy_from_shared(buffer + sizeof head, payload.data(), captured);
        tracer->writer->write(shown, {buffer, sizeof head + captured});
    }
    if (over) {
        end_watching_if(
            [&](const Link& whose, CapabilityId capability, bool) { return !may_see(whose, capability); });
    }
}

}  // namespace keyway
