// The parameter sets that are verilated, as types for the tests. The numbers are those of CMakeLists.txt.
#pragma once

#include "Vrouter_board.h"
#include "Vrouter_board___024root.h"
#include "Vrouter_middle.h"
#include "Vrouter_middle___024root.h"
#include "Vrouter_small.h"
#include "Vrouter_small___024root.h"
#include "Vrouter_wide.h"
#include "Vrouter_wide___024root.h"

namespace keyway::rtl {

struct Wide {
    using Model = Vrouter_wide;
    static constexpr unsigned kDataBits = 256, kPorts = 4, kIndexBits = 6, kDestBits = 4, kDepth = 4,
                              kFreeIds = 8;
    static constexpr bool kVerdictCounters = true, kDualRead = true, kNarrow = false;
};
struct Board {
    using Model = Vrouter_board;
    static constexpr unsigned kDataBits = 32, kPorts = 1, kIndexBits = 8, kDestBits = 3, kDepth = 4,
                              kFreeIds = 4;
    static constexpr bool kVerdictCounters = true, kDualRead = false,
                          kNarrow = kPorts == 1 && kDataBits == 32;
};
struct Small {
    using Model = Vrouter_small;
    static constexpr unsigned kDataBits = 512, kPorts = 2, kIndexBits = 3, kDestBits = 2, kDepth = 1,
                              kFreeIds = 2;
    static constexpr bool kVerdictCounters = true, kDualRead = true, kNarrow = false;
};
struct Middle {
    using Model = Vrouter_middle;
    static constexpr unsigned kDataBits = 128, kPorts = 2, kIndexBits = 5, kDestBits = 3, kDepth = 2,
                              kFreeIds = 4;
    static constexpr bool kVerdictCounters = true, kDualRead = false,
                          kNarrow = kPorts == 1 && kDataBits == 32;
};

}  // namespace keyway::rtl
