#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include <nlohmann/json.hpp>

namespace keyway::sim {

namespace {

std::uint64_t count_of(const Histogram& histogram) {
    std::uint64_t all = 0;
    for (const auto& [clocks, count] : histogram) {
        all += count;
    }
    return all;
}

/// The clocks that `share` of all measurements don't exceed; 0 without any.
std::uint64_t quantile(const Histogram& histogram, double share) {
    const auto wanted =
        static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_of(histogram))));
    std::uint64_t seen = 0;
    for (const auto& [clocks, count] : histogram) {
        seen += count;
        if (seen >= wanted) {
            return clocks;
        }
    }
    return 0;
}

void draw(std::ostringstream& text, const std::string& title, const Histogram& histogram, double clock_mhz) {
    const std::uint64_t all = count_of(histogram);
    if (all == 0) {
        return;
    }
    text << '\n'
         << title << ": " << all << " measured, least " << histogram.begin()->first << ", half "
         << quantile(histogram, 0.5) << ", 99 % " << quantile(histogram, 0.99) << ", most "
         << histogram.rbegin()->first << " clocks (" << std::fixed << std::setprecision(0)
         << 1000.0 / clock_mhz * static_cast<double>(quantile(histogram, 0.5)) << " ns at half)\n";
    // Steps of equal width that are powers of two, at most 20 of them.
    std::uint64_t width = 1;
    const std::uint64_t least = histogram.begin()->first;
    while ((histogram.rbegin()->first - least) / width >= 20) {
        width *= 2;
    }
    Histogram steps;
    std::uint64_t most = 0;
    for (const auto& [clocks, count] : histogram) {
        most = std::max(most, steps[least + (clocks - least) / width * width] += count);
    }
    for (const auto& [from, count] : steps) {
        text << std::setw(7) << from << (width == 1 ? "        " : " to ");
        if (width != 1) {
            text << std::setw(4) << from + width - 1;
        }
        text << std::setw(9) << count << ' ' << std::string(static_cast<std::size_t>(count * 50 / most), '#')
             << '\n';
    }
}

nlohmann::ordered_json json_of(const Histogram& histogram) {
    nlohmann::ordered_json json;
    json["count"] = count_of(histogram);
    if (!histogram.empty()) {
        json["min"] = histogram.begin()->first;
        json["p50"] = quantile(histogram, 0.5);
        json["p99"] = quantile(histogram, 0.99);
        json["max"] = histogram.rbegin()->first;
    }
    return json;
}

}  // namespace

std::string summary_text(const Scenario& scenario, const Result& result) {
    std::ostringstream text;
    text << scenario.title << "\n\n"
         << std::fixed << std::setprecision(1) << "simulated    " << result.simulated_us << " us, "
         << result.clocks << " clocks of " << scenario.clock_mhz << " MHz, seed " << scenario.seed << '\n'
         << "messages     " << result.totals.messages << ", of them " << result.totals.torn << " torn\n"
         << "copies out   " << result.totals.copies << ", of them " << result.totals.replies << " replies\n"
         << "host         " << result.misses << " misses served, " << result.totals.host_refused
         << " of them refused; " << result.fills << " rows filled, " << result.recalls << " recalled; "
         << result.host_accesses << " accesses\n"
         << "verdicts\n";
    for (const auto& [name, count] : result.totals.verdicts) {
        text << "  " << std::left << std::setw(22) << name << std::right << std::setw(9) << count << '\n';
    }
    draw(text, "Last beat in to audit event out", result.totals.verdict_clocks, scenario.clock_mhz);
    draw(text, "First beat in to first beat out", result.totals.through_clocks, scenario.clock_mhz);
    text << '\n';
    if (result.faults.empty()) {
        text << "The router and the software core agree.\n";
    }
    for (const std::string& fault : result.faults) {
        text << "FAULT: " << fault << '\n';
    }
    return text.str();
}

std::string summary_json(const Scenario& scenario, const Result& result) {
    nlohmann::ordered_json json;
    json["title"] = scenario.title;
    json["passed"] = result.faults.empty();
    json["faults"] = result.faults;
    json["clock_mhz"] = scenario.clock_mhz;
    json["seed"] = scenario.seed;
    json["clocks"] = result.clocks;
    json["simulated_us"] = result.simulated_us;
    json["messages"] = result.totals.messages;
    json["torn"] = result.totals.torn;
    json["copies"] = result.totals.copies;
    json["replies"] = result.totals.replies;
    json["verdicts"] = result.totals.verdicts;
    json["host"] = {{"misses", result.misses},
                    {"refused", result.totals.host_refused},
                    {"fills", result.fills},
                    {"recalls", result.recalls},
                    {"accesses", result.host_accesses}};
    json["verdict_clocks"] = json_of(result.totals.verdict_clocks);
    json["through_clocks"] = json_of(result.totals.through_clocks);
    return json.dump(2) + '\n';
}

std::string latency_csv(const Result& result) {
    std::ostringstream text;
    text << "what,clocks,count\n";
    for (const auto& [clocks, count] : result.totals.verdict_clocks) {
        text << "verdict," << clocks << ',' << count << '\n';
    }
    for (const auto& [clocks, count] : result.totals.through_clocks) {
        text << "through," << clocks << ',' << count << '\n';
    }
    return text.str();
}

}  // namespace keyway::sim
