#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "keyway/protocol.hpp"

namespace keyway {

/// A lifetime in router ticks, rounded up, so that nothing ends early; 0 for zero and below.
[[nodiscard]] constexpr std::uint32_t ticks_of(std::chrono::nanoseconds lifetime) noexcept {
    if (lifetime.count() <= 0) {
        return 0;
    }
    constexpr std::uint64_t kTickNs = std::uint64_t{1} << limit::kTickShift;
    const std::uint64_t ticks = (static_cast<std::uint64_t>(lifetime.count()) + kTickNs - 1) / kTickNs;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, UINT32_MAX));
}

}  // namespace keyway
