// The router that Keyway builds ready for use: 4 ports of 64 bits, 256 table rows, 16 destinations, 4 headers
// a queue.
#pragma once

#include "Vsim_router.h"
#include "keyway/sim/router.hpp"

namespace keyway::sim {
/// The router that Keyway builds ready for use.
using RouterModel = Simulated<Vsim_router>;
}  // namespace keyway::sim
