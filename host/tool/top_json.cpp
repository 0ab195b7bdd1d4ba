// The figures of `keyway top` for programs.

#include "tool/top_model.hpp"

namespace keyway::tool {

namespace {

nlohmann::json latency_json(const Latency& latency) {
    nlohmann::json buckets = nlohmann::json::array();
    for (std::size_t i = 0; i < Latency::kBuckets; ++i) {
        if (latency.count[i] != 0) {
            const std::uint64_t bound = Latency::bound(i);
            buckets.push_back(
                {{"below_ns", bound == UINT64_MAX ? nlohmann::json(nullptr) : nlohmann::json(bound)},
                 {"count", latency.count[i]}});
        }
    }
    return {{"p50_ns", latency.quantile(0.5)},
            {"p99_ns", latency.quantile(0.99)},
            {"buckets", std::move(buckets)}};
}

template <std::size_t kSize>
nlohmann::json verdicts_json(const std::uint64_t (&counts)[kSize]) {
    nlohmann::json verdicts = nlohmann::json::object();
    for (std::size_t i = 0; i < kSize; ++i) {
        verdicts[std::string(name_of(static_cast<Verdict>(i)))] = counts[i];
    }
    return verdicts;
}

}  // namespace

nlohmann::json TopModel::json() const {
    const RouterFigures& r = now_.router;
    nlohmann::json all{{"interval_s", seconds_},
                       {"everything", r.everything != 0},
                       {"more", now_.more},
                       {"router",
                        {{"pid", r.pid},
                         {"uptime_ns", r.uptime_ns},
                         {"engine", name_of(r.engine)},
                         {"awake", r.awake != 0},
                         {"sent", r.sent()},
                         {"delivered", r.delivered()},
                         {"refused", r.refused()},
                         {"expired", r.expired()},
                         {"sent_per_s", rate(r.sent(), before_.router.sent())},
                         {"verdicts", verdicts_json(r.verdict)},
                         {"capabilities", {{"used", r.capabilities}, {"slots", r.capability_slots}}},
                         {"processes", r.processes},
                         {"endpoints", r.endpoints},
                         {"regions", r.regions},
                         {"channels", r.channels},
                         {"qubits", r.qubits},
                         {"calls", latency_json(r.latency)}}}};
    nlohmann::json& processes_json = all["processes"] = nlohmann::json::array();
    for (const ProcessRow& row : processes()) {
        const ProcessFigures& p = row.now;
        nlohmann::json queues = nlohmann::json::array();
        for (std::size_t i = 0; i < limit::kPriorities; ++i) {
            queues.push_back({{"priority", i},
                              {"used_bytes", p.queues[i].used_bytes},
                              {"high_water_bytes", p.queues[i].high_water_bytes},
                              {"bytes", p.queue_bytes}});
        }
        processes_json.push_back({{"id", p.id},
                                  {"pid", p.pid},
                                  {"uid", p.uid},
                                  {"name", p.get_name()},
                                  {"capabilities", p.capabilities},
                                  {"waiting", p.waiting != 0},
                                  {"sent", p.sent},
                                  {"received", p.received},
                                  {"sent_per_s", row.sent_rate},
                                  {"received_per_s", row.received_rate},
                                  {"verdicts", verdicts_json(p.verdict)},
                                  {"region_bytes", p.region_bytes},
                                  {"queues", std::move(queues)}});
    }
    nlohmann::json& endpoints_json = all["endpoints"] = nlohmann::json::array();
    for (const EndpointRow& row : endpoints()) {
        const EndpointFigures& e = row.now;
        endpoints_json.push_back({{"id", e.id},
                                  {"name", e.get_name()},
                                  {"owner", e.owner},
                                  {"kind", name_of(e.kind)},
                                  {"subscribers", e.subscribers},
                                  {"messages", e.messages},
                                  {"bytes", e.bytes},
                                  {"calls", e.calls},
                                  {"replies", e.replies},
                                  {"messages_per_s", row.message_rate},
                                  {"bytes_per_s", row.byte_rate},
                                  {"latency", latency_json(e.latency)}});
    }
    nlohmann::json& regions_json = all["regions"] = nlohmann::json::array();
    for (const RegionFigures& region : regions()) {
        regions_json.push_back({{"id", region.id},
                                {"owner", region.owner},
                                {"bytes", region.bytes},
                                {"mapped", region.mapped},
                                {"revocable", region.revocable != 0}});
    }
    return all;
}

}  // namespace keyway::tool
