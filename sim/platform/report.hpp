// What a run leaves behind: a summary for people, the same as JSON, and the latencies as a table.
#pragma once

#include <string>

#include "platform.hpp"

namespace keyway::sim {

[[nodiscard]] std::string summary_text(const Scenario& scenario, const Result& result);
[[nodiscard]] std::string summary_json(const Scenario& scenario, const Result& result);
/// Columns: what, clocks, count.
[[nodiscard]] std::string latency_csv(const Result& result);

}  // namespace keyway::sim
