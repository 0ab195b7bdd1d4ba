#pragma once

#include "machine.hpp"
#include "report.hpp"

namespace keyway::bench {

/// Shared regions through a router in a process of its own: what one costs to set up, and what it saves
/// against copying. Placement as for `measure_routed`.
void measure_regions(const CorePair& cores, const Effort& effort, Report& report);

}  // namespace keyway::bench
