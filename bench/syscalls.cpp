#include "syscalls.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

namespace keyway::bench {

namespace {

long trace(int request, pid_t thread, unsigned long address, void* data) {
    return ::ptrace(static_cast<__ptrace_request>(request), thread, address, data);
}

void* as_pointer(std::uintptr_t value) {
    return reinterpret_cast<void*>(value);  // NOLINT(performance-no-int-to-ptr): ptrace takes numbers so
}

}  // namespace

SystemCallCounter::SystemCallCounter(const std::vector<pid_t>& processes) {
    for (const pid_t process : processes) {
        std::error_code error;
        for (const auto& task :
             std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task", error)) {
            works_ = works_ && attach(static_cast<pid_t>(std::stol(task.path().filename())));
        }
    }
}

SystemCallCounter::~SystemCallCounter() {
    for (const pid_t thread : threads_) {
        int status = 0;
        trace(PTRACE_INTERRUPT, thread, 0, nullptr);
        // A stop that was under way comes first; any will do to let go.
        if (::waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
            const int signal = WSTOPSIG(status);
            const bool real = status >> 16 == 0 && signal != SIGTRAP && signal != (SIGTRAP | 0x80);
            trace(PTRACE_DETACH, thread, 0, as_pointer(real ? static_cast<std::uintptr_t>(signal) : 0));
        }
    }
}

bool SystemCallCounter::attach(pid_t thread) {
    constexpr std::uintptr_t kOptions = PTRACE_O_TRACESYSGOOD;
    int status = 0;
    if (trace(PTRACE_SEIZE, thread, 0, as_pointer(kOptions)) != 0 ||
        trace(PTRACE_INTERRUPT, thread, 0, nullptr) != 0 || ::waitpid(thread, &status, __WALL) != thread) {
        return false;
    }
    threads_.insert(thread);
    return trace(PTRACE_SYSCALL, thread, 0, nullptr) == 0;
}

// False when it has ended.
bool SystemCallCounter::handle(pid_t thread, int status) {
    if (!WIFSTOPPED(status)) {
        threads_.erase(thread);
        return false;
    }
    std::uintptr_t signal = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
        __ptrace_syscall_info info{};
        trace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
        count_ += info.op == PTRACE_SYSCALL_INFO_ENTRY ? 1 : 0;
    } else if (status >> 16 == 0) {
        signal = static_cast<std::uintptr_t>(WSTOPSIG(status));
    }
    trace(PTRACE_SYSCALL, thread, 0, as_pointer(signal));
    return true;
}

bool SystemCallCounter::run_until(int fd, int tokens) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (tokens > 0) {
        int status = 0;
        bool idle = true;
        for (const pid_t thread : std::set<pid_t>(threads_)) {
            if (::waitpid(thread, &status, __WALL | WNOHANG) == thread) {
                idle = false;
                if (!handle(thread, status)) {
                    return false;
                }
            }
        }
        if (!idle) {
            continue;
        }
        pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
        const timespec shortly{.tv_sec = 0, .tv_nsec = 20'000};
        if (::ppoll(&ready, 1, &shortly, nullptr) > 0) {
            char token = 0;
            if (::read(fd, &token, 1) != 1) {
                return false;
            }
            --tokens;
        }
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
    }
    return true;
}

}  // namespace keyway::bench
