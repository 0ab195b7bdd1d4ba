#pragma once

#include "machine.hpp"
#include "report.hpp"

namespace keyway::bench {

/// Lanes and streams to a process on the partner's core, each figure in turns with its floor. This process
/// must be pinned to `cores.ours`. The router, in a process of its own, sleeps meanwhile.
void measure_channels(const CorePair& cores, const Effort& effort, Report& report);

}  // namespace keyway::bench
