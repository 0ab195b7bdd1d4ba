#pragma once

#include <poll.h>

#include <cerrno>
#include <ctime>
#include <span>

#include "keyway/deadline.hpp"

namespace keyway {

/// poll() with a deadline. False when the deadline passed with nothing ready; an interrupted wait goes on.
inline bool wait_for(std::span<pollfd> fds, Deadline deadline) {
    while (true) {
        timespec left{};
        timespec* limit = nullptr;
        if (!deadline.is_never()) {
            const std::uint64_t now = deadline.ns() == 0 ? 0 : Deadline::clock_ns();
            const std::uint64_t ns = deadline.ns() > now ? deadline.ns() - now : 0;
            left.tv_sec = static_cast<time_t>(ns / 1'000'000'000U);
            left.tv_nsec = static_cast<long>(ns % 1'000'000'000U);
            limit = &left;
        }
        const int ready = ::ppoll(fds.data(), fds.size(), limit, nullptr);
        if (ready > 0) {
            return true;
        }
        if (ready == 0) {
            return false;
        }
        if (errno != EINTR) {
            return true;  // let the caller's next call meet the error
        }
    }
}

}  // namespace keyway
