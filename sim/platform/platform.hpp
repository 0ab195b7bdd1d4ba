// A scenario's run: clock, router, host, memory, the senders and receivers at the ports, and the scoreboard.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scenario.hpp"
#include "scoreboard.hpp"

namespace keyway::sim {

struct Result {
    Scoreboard::Totals totals;
    /// Why the run is no success: what differed from the core, what was expected and did not come. Empty: it
    /// is.
    std::vector<std::string> faults;
    std::uint64_t clocks = 0, misses = 0, fills = 0, recalls = 0, host_accesses = 0, sent = 0;
    double simulated_us = 0;
};

/// Once a process: SystemC has one simulation. `waveform`: a file for it, or empty for none. `distort`:
/// number of the message, from 1 on, whose verdict is changed before it is compared; 0 for none. Throws
/// std::runtime_error when the simulation can't go on.
Result run_scenario(const Scenario& scenario, const std::string& waveform, std::uint64_t distort = 0);

}  // namespace keyway::sim
