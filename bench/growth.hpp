#pragma once

// What it costs when there is more of everything: processes, endpoints, capabilities, subscribers, regions.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "machine.hpp"

namespace keyway::bench {

struct GrowthStep {
    std::string series;
    std::uint32_t count = 0;  ///< how many there are
    double add_ns = 0;        ///< what each took that was added since the step before, on average
    double use_ns = 0;        ///< the median of using one: a message there and back, an event published
    double memory = 0;        ///< bytes of the router's process
};

struct Growth {
    std::vector<GrowthStep> steps;
    double idle_cpu = 0;      ///< of a core, of a router with 100 processes that say nothing
    double idle_seconds = 0;  ///< that it was watched
    double awake_ns = 0;      ///< a message there and back, both spinning
    double asleep_ns = 0;     ///< the same, both asleep in between
    std::vector<std::string> notes;

    void print() const;
    [[nodiscard]] nlohmann::ordered_json json() const;
};

/// `factor`: of the largest counts; 1: 1000 processes, 10,000 endpoints, 1,000,000 capabilities, 10,000
/// regions.
[[nodiscard]] Growth measure_growth(const CorePair& cores, double factor);

}  // namespace keyway::bench
