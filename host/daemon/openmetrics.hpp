#pragma once

// Counters as text for Prometheus and what is compatible with it.

#include <string>

#include "keyway/observe.hpp"

namespace keyway::daemon {

/// The two forms that scrapers ask for. They differ in how counters are declared and in the last line.
enum class Exposition { kOpenMetrics, kPrometheus };

/// All figures of a snapshot. docs/metrics.md describes each.
[[nodiscard]] std::string exposition_of(const Snapshot& snapshot, Exposition form);

/// The value of Content-Type for it.
[[nodiscard]] const char* content_type_of(Exposition form);

}  // namespace keyway::daemon
