#pragma once

// Whether a board does its work: each thing that the engine relies on is done once, over the link that the
// engine uses, and the time of it is taken. For `keyway device test`, and for tests with a board that is
// simulated.

#include <cstdint>
#include <string>
#include <vector>

#include "driver/link.hpp"

namespace keyway::device {

struct SelfTest {
    struct Check {
        std::string what;
        bool good = false;
        std::string why;  ///< empty when it is good
    };
    std::vector<Check> checks;  ///< in their order; none after the first that failed
    // Of the messages that were given one at a time, and of those that were given as fast as the window lets.
    double round_trip_us = 0;  ///< median, from giving a message to having its verdict
    double slowest_us = 0;
    double messages_per_second = 0;
    std::uint32_t table_rows = 0;

    [[nodiscard]] bool good() const { return !checks.empty() && checks.back().good; }
};

struct SelfTestOptions {
    std::uint32_t alone = 100;      ///< messages that are given one at a time
    std::uint32_t together = 2000;  ///< and as fast as it goes
};

/// Opens a session of its own on a configured board, which empties its table, and leaves it empty again.
/// Takes the board for itself meanwhile. Used by one thread; a failure of the link is a check that failed.
[[nodiscard]] SelfTest test_board(Transport& transport, const SelfTestOptions& options = {});

}  // namespace keyway::device
