#pragma once

// Time stamps that are cheap enough to measure a call of ten nanoseconds, and percentiles of many of them.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace keyway::bench {

/// A counter that runs at a constant rate on all cores: the time-stamp counter where the processor has a
/// constant one (`machine.cpp` checks), else the system's clock.
using Ticks = std::uint64_t;

/// For moments that other work surrounds: costs least, orders nothing.
inline Ticks ticks() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    std::uint64_t value;
    asm volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    return static_cast<Ticks>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// Around a single call: everything before is finished, nothing after has begun. The processor can't overlap
/// such a call with its neighbours, so it looks slower than it is in a loop; batches show the other side.
inline Ticks ticks_begin() {
#if defined(__x86_64__)
    asm volatile("lfence" : : : "memory");
    const Ticks now = __builtin_ia32_rdtsc();
    asm volatile("lfence" : : : "memory");
    return now;
#elif defined(__aarch64__)
    asm volatile("isb" : : : "memory");
    return ticks();
#else
    return ticks();
#endif
}
inline Ticks ticks_end() {
#if defined(__x86_64__)
    unsigned core;
    const Ticks now = __builtin_ia32_rdtscp(&core);
    asm volatile("lfence" : : : "memory");
    return now;
#else
    return ticks_begin();
#endif
}

/// Nanoseconds in a tick, measured once against CLOCK_MONOTONIC.
double ns_per_tick();

/// The counter may go up in larger steps than 1: the smallest step seen, in ticks. Virtual machines show 10
/// ns.
Ticks tick_step();

/// Keeps the compiler from leaving out the work that made `value`, which must be in a register.
template <typename T>
requires(sizeof(T) <= sizeof(std::uint64_t)) void keep(T value) {
    asm volatile("" : : "r"(value));
}

/// Durations in ticks. `percentile` sorts, so add first and ask after.
class Samples {
  public:
    explicit Samples(std::size_t expected) { ticks_.reserve(expected); }
    void add(Ticks ticks) {
        ticks_.push_back(static_cast<std::uint32_t>(std::min<Ticks>(ticks, UINT32_MAX)));
    }
    [[nodiscard]] std::size_t size() const { return ticks_.size(); }
    [[nodiscard]] double mean() const {
        double sum = 0;
        for (const std::uint32_t one : ticks_) {
            sum += one;
        }
        return ticks_.empty() ? 0 : sum / static_cast<double>(ticks_.size()) * ns_per_tick();
    }
    /// In ns, after `overhead_ns` is taken off; never below 0. Readings that differ by less than a step of
    /// the counter look equal, so the percentile is placed within the step by how many samples fell into it.
    [[nodiscard]] double percentile(double percent, double overhead_ns = 0) {
        if (ticks_.empty()) {
            return 0;
        }
        const double rank = percent / 100.0 * static_cast<double>(ticks_.size() - 1);
        const auto at = ticks_.begin() + static_cast<std::ptrdiff_t>(std::lround(rank));
        std::nth_element(ticks_.begin(), at, ticks_.end());
        const auto step = static_cast<double>(tick_step());
        const double middle = *at;
        double below = 0;
        double inside = 0;
        for (const std::uint32_t one : ticks_) {
            below += one < middle - step / 2 ? 1 : 0;
            inside += one >= middle - step / 2 && one <= middle + step / 2 ? 1 : 0;
        }
        const double value = middle - step / 2 + step * (rank + 0.5 - below) / inside;
        return std::max(0.0, value * ns_per_tick() - overhead_ns);
    }

  private:
    std::vector<std::uint32_t> ticks_;
};

/// What ticks_begin() and ticks_end() around nothing cost in ns: the median, placed as above.
double timer_overhead_ns();

}  // namespace keyway::bench
