#pragma once

// Places at which a test kills the process, to see what is left: compiled into the crash tests' own build of
// the library (KEYWAY_CRASH_POINTS) and nothing at all anywhere else.
//
//     KEYWAY_CRASH_POINT("router.recorded");
//
// The process whose environment has KEYWAY_CRASH_AT=router.recorded kills itself there, with SIGKILL, so that
// no destructor and no handler runs.

#ifdef KEYWAY_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace keyway {

inline void crash_point(std::string_view name) {
    const char* armed = std::getenv("KEYWAY_CRASH_AT");
    if (armed == nullptr) {
        return;
    }
    const std::string_view wanted(armed);
    const std::size_t mark = wanted.find('#');
    if (name != wanted.substr(0, mark)) {
        return;
    }
    static int passed = 0;
    int turn = 1;
    if (mark != std::string_view::npos) {
        std::from_chars(wanted.data() + mark + 1, wanted.data() + wanted.size(), turn);
    }
    if (++passed == turn) {
        ::kill(::getpid(), SIGKILL);
    }
}

}  // namespace keyway

#define KEYWAY_CRASH_POINT(name) ::keyway::crash_point(name)
#else
#define KEYWAY_CRASH_POINT(name) static_cast<void>(0)
#endif
