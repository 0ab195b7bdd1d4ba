#pragma once

// Until when something waits.

#include <chrono>
#include <cstdint>

namespace keyway {

/// A moment on CLOCK_MONOTONIC at which waiting ends. Every call of Keyway that can block takes one.
class Deadline {
  public:
    /// Waits as long as it takes; ends all the same when the peer or the router dies.
    [[nodiscard]] static constexpr Deadline never() noexcept { return Deadline(UINT64_MAX); }
    /// Doesn't wait.
    [[nodiscard]] static constexpr Deadline now() noexcept { return Deadline(0); }
    /// So long from now; a negative duration is `now()`, one that is too long to express is `never()`.
    [[nodiscard]] static Deadline in(std::chrono::nanoseconds duration) noexcept {
        if (duration.count() <= 0) {
            return now();
        }
        const std::uint64_t ns = clock_ns() + static_cast<std::uint64_t>(duration.count());
        return Deadline(ns < static_cast<std::uint64_t>(duration.count()) ? UINT64_MAX : ns);
    }
    /// At that many ns of CLOCK_MONOTONIC; 0 is `now()`, UINT64_MAX `never()`.
    [[nodiscard]] static constexpr Deadline at_ns(std::uint64_t monotonic_ns) noexcept {
        return Deadline(monotonic_ns);
    }

    /// ns of CLOCK_MONOTONIC; 0 has always passed, the largest value never comes.
    [[nodiscard]] constexpr std::uint64_t ns() const noexcept { return ns_; }
    /// It never comes.
    [[nodiscard]] constexpr bool is_never() const noexcept { return ns_ == UINT64_MAX; }
    /// It has come. Reads the clock, unless it is `now()` or `never()`.
    [[nodiscard]] bool passed() const noexcept { return ns_ == 0 || (!is_never() && clock_ns() >= ns_); }

    /// CLOCK_MONOTONIC now, in ns.
    [[nodiscard]] static std::uint64_t clock_ns() noexcept {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::steady_clock::now().time_since_epoch())
                                              .count());
    }

  private:
    constexpr explicit Deadline(std::uint64_t ns) noexcept : ns_(ns) {}
    std::uint64_t ns_;
};

}  // namespace keyway
