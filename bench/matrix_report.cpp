// The matrix as tables for people and as JSON for programs.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "matrix.hpp"

namespace keyway::bench {

namespace {

using Json = nlohmann::ordered_json;

double three_places(double value) {
    return std::round(value * 1000) / 1000;
}

Json percentiles(const Histogram& histogram) {
    Json all{{"count", histogram.count()}};
    for (const auto& [name, percent] :
         {std::pair{"p50", 50.0}, {"p90", 90.0}, {"p99", 99.0}, {"p99.9", 99.9}}) {
        all[name] = three_places(histogram.percentile(percent));
    }
    all["max"] = histogram.greatest();
    return all;
}

Json spread(const std::vector<double>& values) {
    const auto [least, greatest] = std::ranges::minmax_element(values);
    return {three_places(*least), three_places(*greatest)};
}

std::string size_name(std::size_t bytes) {
    if (bytes >= (1U << 20)) {
        return std::to_string(bytes >> 20) + " MiB";
    }
    return bytes >= (64U << 10) ? std::to_string(bytes >> 10) + " KiB" : std::to_string(bytes) + " B";
}

std::string time_name(double ns) {
    char text[32];
    if (ns < 10'000) {
        std::snprintf(text, sizeof text, "%.0f ns", ns);
    } else if (ns < 10'000'000) {
        std::snprintf(text, sizeof text, ns < 100'000 ? "%.1f us" : "%.0f us", ns / 1e3);
    } else {
        std::snprintf(text, sizeof text, "%.1f ms", ns / 1e6);
    }
    return text;
}

std::string rate_name(double rate) {
    char text[32];
    if (rate >= 1e6) {
        std::snprintf(text, sizeof text, "%.2f M/s", rate / 1e6);
    } else {
        std::snprintf(text, sizeof text, rate >= 1e4 ? "%.0f k/s" : "%.2f k/s", rate / 1e3);
    }
    return text;
}

std::string metric_name(const std::string& system, const char* what, const Cell& cell) {
    std::string name =
        system + "_" + what + "_" + std::to_string(cell.bytes) + "_" + cell.waiting + "_" + cell.placement;
    std::ranges::replace(name, ' ', '_');
    return name;
}

// One row of Report's JSON: `ours` beside `theirs`, and the ratio's range over the repetitions.
Json row(std::string name, const char* unit, const std::string& peer, const std::vector<double>& ours,
         const std::vector<double>& theirs) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
        ratios.push_back(theirs[i] > 0 ? ours[i] / theirs[i] : 0);
    }
    const double value = median(ours);
    const double floor = median(theirs);
    return {{"name", std::move(name)},
            {"value", three_places(value)},
            {"unit", unit},
            {"floor", three_places(floor)},
            {"ratio", three_places(floor > 0 ? value / floor : 0)},
            {"spread", spread(ratios)},
            {"peer", peer}};
}

}  // namespace

Json Matrix::systems_json() const {
    Json all = Json::array();
    for (const System& system : systems) {
        all.push_back({{"name", system.name},
                       {"kind", system.keyway  ? "keyway"
                                : system.floor ? "floor"
                                               : "peer"},
                       {"built", static_cast<bool>(system.make)},
                       {"package", system.package},
                       {"authority", system.authority},
                       {"audit", system.audit},
                       {"integrity", system.integrity}});
    }
    return all;
}

Json Matrix::cells_json() const {
    Json all = Json::array();
    for (const Cell& cell : cells) {
        Json one{{"system", systems[cell.system].name},
                 {"bytes", cell.bytes},
                 {"waiting", cell.waiting},
                 {"placement", cell.placement}};
        if (!cell.skipped.empty()) {
            one["skipped"] = cell.skipped;
        } else {
            const double rate = median(cell.messages_per_second);
            one["alone"] = cell.alone;
            one["round_trip"] = percentiles(cell.round_trip);
            one["round_trip"]["p50_spread"] = spread(cell.round_trip_p50);
            one["one_way"] = percentiles(cell.one_way);
            one["messages_per_second"] = three_places(rate);
            one["messages_per_second_spread"] = spread(cell.messages_per_second);
            one["bytes_per_second"] = three_places(rate * static_cast<double>(cell.bytes));
            one["cpu_ns_a_message"] = three_places(median(cell.cpu_round_trip));
            one["cpu_ns_a_message_streamed"] = three_places(median(cell.cpu_one_way));
            one["system_calls_a_message"] =
                cell.system_calls ? Json(three_places(*cell.system_calls)) : Json(nullptr);
            one["memory_bytes"] = cell.memory;
        }
        all.push_back(std::move(one));
    }
    return all;
}

Json Matrix::ratios_json() const {
    Json all = Json::array();
    for (const Cell& ours : cells) {
        const System& system = systems[ours.system];
        if (!system.keyway || !ours.skipped.empty()) {
            continue;
        }
        for (std::size_t peer = 0; peer < systems.size(); ++peer) {
            const Cell* theirs = systems[peer].keyway ? nullptr : find(peer, ours);
            if (theirs != nullptr) {
                all.push_back(row(metric_name(system.name, "rtt_p50", ours), "ns", systems[peer].name,
                                  ours.round_trip_p50, theirs->round_trip_p50));
                all.push_back(row(metric_name(system.name, "throughput", ours), "msg/s", systems[peer].name,
                                  ours.messages_per_second, theirs->messages_per_second));
            }
        }
    }
    return all;
}

void Matrix::print() const {
    std::set<std::size_t> sizes;
    std::vector<std::pair<std::string, std::string>> settings;
    for (const Cell& cell : cells) {
        sizes.insert(cell.bytes);
        if (std::pair one(cell.waiting, cell.placement); std::ranges::find(settings, one) == settings.end()) {
            settings.push_back(std::move(one));
        }
    }
    std::map<std::string, std::set<std::string>> skipped;
    for (const auto& [waiting, placement] : settings) {
        for (const bool rates : {false, true}) {
            std::printf("\n%s, %s: %s\n%-16s", waiting.c_str(), placement.c_str(),
                        rates ? "messages a second, one way" : "there and back, median", "");
            for (const std::size_t bytes : sizes) {
                std::printf(" %10s", size_name(bytes).c_str());
            }
            std::printf("\n");
            for (std::size_t system = 0; system < systems.size(); ++system) {
                std::string line;
                bool any = false;
                for (const Cell& cell : cells) {
                    if (cell.system != system || cell.waiting != waiting || cell.placement != placement) {
                        continue;
                    }
                    char text[32];
                    std::snprintf(text, sizeof text, " %10s",
                                  !cell.skipped.empty() ? "-"
                                  : rates               ? rate_name(median(cell.messages_per_second)).c_str()
                                                        : time_name(cell.round_trip.percentile(50)).c_str());
                    line += text;
                    any = any || cell.skipped.empty();
                    if (!cell.skipped.empty()) {
                        const bool of_size = cell.skipped.starts_with("takes");
                        std::string what = systems[system].name;
                        what += ": ";
                        what += cell.skipped;
                        std::string where = of_size ? size_name(cell.bytes) : waiting;
                        if (!of_size) {
                            where += ", ";
                            where += placement;
                        }
                        skipped[what].insert(std::move(where));
                    }
                }
                std::printf("%-16s%s\n", systems[system].name.c_str(), line.c_str());
            }
        }
    }
    std::printf("\n");
    for (const auto& [what, where] : skipped) {
        std::string list;
        for (const std::string& one : where) {
            list += (list.empty() ? "" : "; ") + one;
        }
        std::printf("%s (%s)\n", what.c_str(), list.c_str());
    }
    std::printf("\n%-16s %-50s %-42s %s\n", "what is checked", "authority", "audit", "integrity");
    for (const System& system : systems) {
        std::printf("%-16s %-50s %-42s %s\n", system.name.c_str(), system.authority.c_str(),
                    system.audit.c_str(), system.integrity.c_str());
    }
}

}  // namespace keyway::bench
