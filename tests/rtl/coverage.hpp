// What a model counted while it ran, for tests/rtl/coverage.py. Nothing in ordinary builds.
#pragma once

#include "verilated.h"
#ifdef KEYWAY_RTL_COVERAGE
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "verilated_cov.h"
#endif

namespace keyway::rtl {

#ifdef KEYWAY_RTL_COVERAGE
/// Counts from here on, within the reset: what has no reset jumps once at the start, and that is no test's
/// doing.
inline void begin_coverage(VerilatedContext& context) {
    context.coveragep()->zero();
}
inline void write_coverage(VerilatedContext& context) {
    static unsigned number = 0;
    if (const char* folder = std::getenv("KEYWAY_COVERAGE_DIR")) {
        const std::string name = std::to_string(getpid()) + "-" + std::to_string(++number) + ".dat";
        context.coveragep()->write((std::string(folder) + "/" + name).c_str());
    }
}
#else
inline void begin_coverage(VerilatedContext&) {}
inline void write_coverage(VerilatedContext&) {}
#endif

}  // namespace keyway::rtl
