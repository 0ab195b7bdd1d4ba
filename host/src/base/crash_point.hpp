#pragma once

// Places at which a test makes the process end or stand still, to see what is left: compiled into the crash
// tests' own build of the library (KEYWAY_CRASH_POINTS) and nothing at all anywhere else.
//
//     KEYWAY_CRASH_POINT("router.recorded");
//
// The process whose environment has KEYWAY_CRASH_AT=router.recorded (or router.recorded#3: the third time)
// does what KEYWAY_CRASH_HOW says: `kill`, also without it: SIGKILL, so that no destructor and no handler
// runs; `exit`: _exit(42); `exec`: becomes another program, which keeps what was not closed on exec; `stop`:
// stands still for some milliseconds by SIGSTOP and goes on with SIGCONT; `hold`: the thread that came there
// stands still until the file that KEYWAY_CRASH_HOLD names is removed.

#ifdef KEYWAY_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace keyway {

// Who is continued before it has stopped stops for good.
inline void wait_until_stopped(pid_t process) {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/stat", process);
    char state = 'R';
    while (state != 'T') {
        ::usleep(500);
        std::FILE* file = std::fopen(path, "r");
        if (file == nullptr || std::fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            ::_exit(1);
        }
        std::fclose(file);
    }
}

inline void crash(std::string_view how) {
    if (how == "exit") {
        ::_exit(42);
    }
    if (how == "exec") {
        ::execl("/bin/sleep", "sleep", "0.01", nullptr);
    }
    if (how == "stop") {
        const pid_t self = ::getpid();
        if (::fork() == 0) {
            wait_until_stopped(self);
            ::usleep(5000);
            ::kill(self, SIGCONT);
            ::_exit(0);
        }
        ::raise(SIGSTOP);
        return;
    }
    if (how == "hold") {
        const char* file = std::getenv("KEYWAY_CRASH_HOLD");
        while (file != nullptr && ::access(file, F_OK) == 0) {
            ::usleep(1000);
        }
        return;
    }
    ::kill(::getpid(), SIGKILL);
}

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
        const char* how = std::getenv("KEYWAY_CRASH_HOW");
        crash(how != nullptr ? how : "kill");
    }
}

}  // namespace keyway

#define KEYWAY_CRASH_POINT(name) ::keyway::crash_point(name)
#else
#define KEYWAY_CRASH_POINT(name) static_cast<void>(0)
#endif
