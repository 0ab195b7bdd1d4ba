#pragma once

// Every system at every size, waiting and placement, in one run: what somebody would use instead, beside
// Keyway.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "histogram.hpp"
#include "machine.hpp"
#include "peers/transport.hpp"
#include "report.hpp"

namespace keyway::bench {

struct MatrixEffort {
    int repetitions = 7;    ///< in turns: A B C A B C ...
    double seconds = 0.15;  ///< that one measurement of one cell takes in one repetition
    std::vector<std::size_t> sizes{8, 64, 256, 1024, 4096, 64 << 10, 1 << 20, 16 << 20};
    std::vector<std::string> systems{};  ///< only these; empty: all
};

/// One system at one size in one setting.
struct Cell {
    std::size_t system = 0;  ///< in Matrix::systems
    std::size_t bytes = 0;
    std::string waiting{};
    std::string placement{};
    std::string skipped{};  ///< why there are no figures; empty: there are
    bool alone = false;     ///< one process was both sides
    Histogram round_trip{};
    Histogram one_way{};
    std::vector<double> round_trip_p50{};       ///< ns, of each repetition
    std::vector<double> messages_per_second{};  ///< one way, of each repetition
    std::vector<double> cpu_round_trip{};       ///< ns a message, of all processes; of each repetition
    std::vector<double> cpu_one_way{};
    std::optional<double> system_calls{};  ///< a message, in round trips
    double memory = 0;                     ///< bytes
};

struct Matrix {
    std::vector<System> systems;
    std::vector<Cell> cells;

    [[nodiscard]] const Cell* find(std::size_t system, const Cell& like) const;
    void print() const;
    [[nodiscard]] nlohmann::ordered_json systems_json() const;
    [[nodiscard]] nlohmann::ordered_json cells_json() const;
    /// Each figure of Keyway's beside the same one of each other system, as Report has them: `floor` is the
    /// other's, and `peer` its name.
    [[nodiscard]] nlohmann::ordered_json ratios_json() const;
};

/// Measures all of it. Not pinned itself: it only gives orders.
[[nodiscard]] Matrix measure_matrix(const CorePair& cores, const MatrixEffort& effort);

}  // namespace keyway::bench
