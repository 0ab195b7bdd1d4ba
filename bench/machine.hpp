#pragma once

// What a figure depends on besides the code.

#include <string>
#include <vector>

namespace keyway::bench {

struct Machine {
    std::string processor;
    std::string kernel;
    unsigned cores = 0;        ///< that this process may use
    std::string timer;         ///< what `Ticks` are
    double timer_ns = 0;       ///< of one pair of readings, taken off where single calls are measured
    double timer_step_ns = 0;  ///< its resolution
};

[[nodiscard]] Machine this_machine();

/// Cores that this process may use, in order.
[[nodiscard]] std::vector<int> usable_cores();
/// Two cores for two processes that talk: not two threads of one core, if that can be helped.
struct CorePair {
    int ours = 0;
    int partner = 0;
    bool siblings = false;
};
[[nodiscard]] CorePair choose_cores();

}  // namespace keyway::bench
