#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace keyway::bench {

double median(std::vector<double> values) {
    if (values.empty()) {
        return 0;
    }
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    if (values.size() % 2 != 0) {
        return *middle;
    }
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

namespace {

double to_three_places(double value) {
    return std::round(value * 1000) / 1000;
}

// 8.4 ns, 612 ns, 41.2 us, 9.52 GB/s, 6.31 M/s
std::string readable(double value, const std::string& unit) {
    char text[48];
    if (unit == "ns") {
        const char* scaled = "ns";
        if (value >= 10'000) {
            value /= 1000;
            scaled = "us";
        }
        std::snprintf(text, sizeof text, value < 100 ? "%.1f %s" : "%.0f %s", value, scaled);
    } else if (unit == "GB/s") {
        std::snprintf(text, sizeof text, "%.2f GB/s", value);
    } else {
        std::snprintf(text, sizeof text, "%.2f M/s", value / 1e6);
    }
    return text;
}

std::string reach_of(const Figure& figure) {
    const Reach& reach = figure.reach;
    if (!reach.value && !reach.ratio) {
        return "";
    }
    const char* sign = reach.at_least ? ">= " : "<= ";
    std::string text;
    bool reached = true;
    const auto judge = [&](double measured, double bound) {
        reached = reached && (reach.at_least ? measured >= bound : measured <= bound);
    };
    if (reach.ratio) {
        char ratio[32];
        std::snprintf(ratio, sizeof ratio, "%s%.2f x", sign, *reach.ratio);
        text += ratio;
        judge(figure.ratio(), *reach.ratio);
    }
    if (reach.value) {
        text += (text.empty() ? "" : ", ") + (sign + readable(*reach.value, figure.unit));
        judge(figure.value(), *reach.value);
    }
    return text + (reached ? "  yes" : "  NO");
}

}  // namespace

double Figure::value() const {
    return median(values);
}
double Figure::floor() const {
    return median(floors);
}

std::pair<double, double> Figure::spread() const {
    double least = 0;
    double greatest = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double one = floors[i] > 0 ? values[i] / floors[i] : 0;
        least = i == 0 ? one : std::min(least, one);
        greatest = std::max(greatest, one);
    }
    return {least, greatest};
}

void Report::print() const {
    std::printf("\n%-26s %12s %12s %8s %15s   %s\n", "figure (median)", "measured", "floor", "ratio",
                "from..to", "reach");
    for (const Figure& figure : figures_) {
        const auto [least, greatest] = figure.spread();
        std::printf("%-26s %12s %12s %7.2fx %6.2f..%7.2f   %s\n", figure.name.c_str(),
                    readable(figure.value(), figure.unit).c_str(),
                    readable(figure.floor(), figure.unit).c_str(), figure.ratio(), least, greatest,
                    reach_of(figure).c_str());
    }
    std::printf("\nwhat each figure is, and its floor:\n");
    for (const Figure& figure : figures_) {
        std::printf("  %-24s %s\n  %-24s floor: %s\n", figure.name.c_str(), figure.what.c_str(), "",
                    figure.floor_what.c_str());
    }
    for (const std::string& line : notes_) {
        std::printf("%s\n", line.c_str());
    }
    std::printf(
        "machine: %s, %u cores, kernel %s, timer: %s, steps of %.1f ns, %.1f ns a pair of readings, "
        "taken off\n",
        machine_.processor.c_str(), machine_.cores, machine_.kernel.c_str(), machine_.timer.c_str(),
        machine_.timer_step_ns, machine_.timer_ns);
}

nlohmann::ordered_json Report::json() const {
    auto metrics = nlohmann::ordered_json::array();
    for (const Figure& figure : figures_) {
        const auto [least, greatest] = figure.spread();
        metrics.push_back({{"name", figure.name},
                           {"value", to_three_places(figure.value())},
                           {"unit", figure.unit},
                           {"floor", to_three_places(figure.floor())},
                           {"ratio", to_three_places(figure.ratio())},
                           {"spread", {to_three_places(least), to_three_places(greatest)}}});
    }
    return {{"metrics", metrics},
            {"machine",
             {{"processor", machine_.processor},
              {"kernel", machine_.kernel},
              {"cores", machine_.cores},
              {"timer", machine_.timer},
              {"timer_ns", to_three_places(machine_.timer_ns)},
              {"timer_step_ns", to_three_places(machine_.timer_step_ns)}}}};
}

}  // namespace keyway::bench
