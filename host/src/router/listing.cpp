// What `list` answers: the part of the router's state that the asker may see. Everybody sees itself, its own
// endpoints and capabilities, and the router's totals; observers and administrators see all.

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "router/router_impl.hpp"

namespace keyway {

using core::SlotId;
using nlohmann::json;
using router::Link;

namespace {

json describe_rights(std::uint8_t rights) {
    constexpr std::pair<std::uint8_t, const char*> kNames[] = {
        {right::kRead, "read"},     {right::kWrite, "write"},     {right::kExecute, "execute"},
        {right::kGrant, "grant"},   {right::kRevoke, "revoke"},   {right::kQuantum, "quantum"},
        {right::kDevice, "device"}, {right::kProcess, "process"},
    };
    json names = json::array();
    for (const auto& [bit, name] : kNames) {
        if ((rights & bit) != 0) {
            names.push_back(name);
        }
    }
    return names;
}

// Asks each ring how much its reader has taken; the routing path asks that only when room is short.
json describe_process(Link& link, const core::CapabilityTable& table) {
    json queues = json::array();
    for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
        auto& ring = link.delivery[priority];
        queues.push_back({{"priority", priority},
                          {"used_bytes", ring->tail() - ring->consumed()},
                          {"bytes", ring->capacity()}});
    }
    return {{"id", link.id},
            {"pid", link.pid},
            {"uid", link.uid},
            {"name", link.name},
            {"capabilities", table.share(link.id).used},
            {"sent", link.counters.sent},
            {"delivered", link.counters.verdict[0]},
            {"refused", link.counters.refused},
            {"expired", link.counters.expired},
            {"received", link.counters.received},
            {"waiting", link.held},
            {"queues", std::move(queues)}};
}

json describe_refusal(const router::Refused& refused) {
    const TraceHead& head = refused.head;
    const Header& header = refused.header;
    return {{"number", head.number()},
            {"time_ns", head.time()},
            {"sender", head.process()},
            {"receiver", header.receiver()},
            {"type", name_of(Type{header.type()})},
            {"call", (header.flags() & flag::kExpectsReply) != 0},
            {"reply", (header.flags() & flag::kReply) != 0},
            {"sequence", header.sequence()},
            {"bytes", header.length()},
            {"capability", header.capability()},
            {"kind", head.kind() == 0 ? json(nullptr) : json(name_of(Kind{head.kind()}))},
            {"object", head.object()},
            {"rights", describe_rights(head.rights())},
            {"carried", header.carried()},
            {"verdict", name_of(Verdict{head.verdict()})}};
}

}  // namespace

std::string Router::Impl::listing(const Link& viewer) const {
    const bool all = observes(viewer) || administers(viewer);
    json verdicts = json::object();
    std::uint64_t sent = 0;
    for (std::size_t i = 0; i < kVerdictCount; ++i) {
        const std::uint64_t count = counters_.verdict[i].load(std::memory_order_relaxed);
        verdicts[std::string(name_of(static_cast<Verdict>(i)))] = count;
        sent += count;
    }
    const std::uint64_t delivered = verdicts["delivered"];
    const std::uint64_t expired = std::uint64_t{verdicts["expired"]} + std::uint64_t{verdicts["timed_out"]};

    json processes = json::array();
    for (const auto& link : links_) {
        if (link != nullptr && link->state == Link::State::kLive && (all || link.get() == &viewer)) {
            processes.push_back(describe_process(*link, table_));
        }
    }
    json endpoints = json::array();
    for (const auto& [name, id] : names_) {
        if (all || directory_.owner(id) == viewer.id) {
            endpoints.push_back({{"id", id}, {"name", name}, {"owner", directory_.owner(id)}});
        }
    }
    json qubits = json::array();
    for (const auto& [object, qubit] : qubits_) {
        if (all || (qubit.holder != 0 && qubit.holder == viewer.id)) {
            const std::uint64_t left = qubit.deadline_ns > now_ns_ ? qubit.deadline_ns - now_ns_ : 0;
            qubits.push_back({{"number", qubit.number},
                              {"object", object},
                              {"holder", qubit.holder},
                              {"decoheres_in_ms", left / 1'000'000},
                              {"fidelity", qubit.fidelity_ppb / double{limit::kFullFidelity}},
                              {"simulated", qubit.width != 0},
                              {"width", qubit.width}});
        }
    }
    json regions = json::array();
    for (const auto& [object, region] : regions_) {
        const core::ProcessId owner = table_.entry(directory_.root(object)).owner();
        if (all || owner == viewer.id) {
            regions.push_back({{"object", object},
                               {"owner", owner},
                               {"bytes", region.bytes},
                               {"revocable", region.revocable},
                               {"mapped", region.holders.size()}});
        }
    }
    json topics = json::array();
    for (const auto& [object, topic] : topics_) {
        if (!all && directory_.owner(object) != viewer.id) {
            continue;
        }
        json readers = json::array();
        for (const auto& reader : topic.subscribers) {
            if (reader.reads) {
                const auto& slot = reader.link->memory.shared().readers[reader.slot];
                // A subscriber's own word on itself.
                readers.push_back({{"process", reader.link->id},
                                   {"lost", ring::NativeAtomics::load(slot.lost, std::memory_order_relaxed)},
                                   {"overrun", reader.overrun}});
            }
        }
        topics.push_back({{"id", object},
                          {"name", name_of_.at(object)},
                          {"owner", directory_.owner(object)},
                          {"policy", topic.blocks ? "block" : "drop_oldest"},
                          {"keep", topic.recent.size()},
                          {"ring_bytes", topic.ring_bytes},
                          {"events", topic.events},
                          {"written_bytes", topic.written_bytes},
                          {"subscribers", std::move(readers)}});
    }
    json capabilities = json::array();
    const auto add = [&](SlotId slot) {
        const Entry& entry = table_.entry(slot);
        json expires = nullptr;
        if (entry.expiry() != 0) {
            const std::uint32_t tick = now().tick;
            const std::uint64_t ticks = entry.expiry() > tick ? entry.expiry() - tick : 0;
            expires = (ticks << limit::kTickShift) / 1'000'000;
        }
        const SlotId parent = table_.parent(slot);
        // Whose capability ours was derived from is nobody's business but an observer's.
        const json shown_parent = parent != 0 && all ? json(table_.id(parent)) : json(nullptr);
        capabilities.push_back({{"id", table_.id(slot)},
                                {"owner", entry.owner()},
                                {"kind", name_of(Kind{entry.kind()})},
                                {"object", entry.object()},
                                {"rights", describe_rights(entry.rights())},
                                {"badge", entry.badge()},
                                {"expires_in_ms", expires},
                                {"parent", shown_parent}});
    };
    for (const auto& link : links_) {
        if (link != nullptr && (all || link.get() == &viewer)) {
            for (SlotId slot = table_.first_owned(link->id); slot != 0; slot = table_.next_owned(slot)) {
                add(slot);
            }
        }
    }
    json refusals = json::array();
    const auto& w = watching_;
    for (std::uint64_t i = w.refused - std::min<std::uint64_t>(w.refused, w.refusals.size()); i < w.refused;
         ++i) {
        const router::Refused& refused = w.refusals[i % w.refusals.size()];
        if (all || refused.header.sender() == viewer.id) {
            refusals.push_back(describe_refusal(refused));
        }
    }
    return json{{"router",
                 {{"pid", ::getpid()},
                  {"uptime_ns", now_ns_ - origin_ns_},
                  {"sent", sent},
                  {"delivered", delivered},
                  {"refused", sent - delivered - expired},
                  {"expired", expired},
                  {"verdicts", std::move(verdicts)},
                  {"processes", counters_.links_opened.load() - counters_.links_closed.load()},
                  {"capabilities", {{"used", table_.in_use()}, {"slots", table_.slot_count()}}},
                  {"engine",
                   {{"name", name_of(engine_kind())},
                    {"judged", counters_.engine_judged.load()},
                    {"missed", counters_.engine_missed.load()},
                    {"differences", counters_.engine_differences.load()}}}}},
                {"processes", std::move(processes)},
                {"endpoints", std::move(endpoints)},
                {"topics", std::move(topics)},
                {"qubits", std::move(qubits)},
                {"regions", std::move(regions)},
                {"capabilities", std::move(capabilities)},
                {"channels", list_channels(viewer, all)},
                {"refusals", std::move(refusals)}}
        .dump();
}

}  // namespace keyway
