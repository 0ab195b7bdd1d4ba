#pragma once

#include <cstdint>
#include <ctime>

namespace keyway {

/// ns since 1970, by CLOCK_REALTIME.
[[nodiscard]] inline std::uint64_t wall_clock_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace keyway
