#pragma once

#include "report.hpp"

namespace keyway::bench {

/// route() and the queues, in one thread. Runs on the core that the caller is pinned to.
void measure_core(const Effort& effort, Report& report);

}  // namespace keyway::bench
