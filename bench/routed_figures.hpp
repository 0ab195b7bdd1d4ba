#pragma once

#include "machine.hpp"
#include "report.hpp"

namespace keyway::bench {

/// Messages through a router in a process of its own, each figure in turns with its floor. This process must
/// be pinned to `cores.ours`; router and partners run on `cores.partner`.
void measure_routed(const CorePair& cores, const Effort& effort, Report& report);

}  // namespace keyway::bench
