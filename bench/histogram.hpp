#pragma once

// Counts of durations in buckets whose width grows with the value, as HDR histograms have them: as good at a
// second as at ten nanoseconds, and the same size whatever is added. It is plain memory, so that a process
// can count into pages that it shares.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace keyway::bench {

/// Values are ns. Every bucket is at most 1/64 of its value wide. All zero is empty.
class Histogram {
  public:
    static constexpr unsigned kBits = 6;          ///< of a value that are kept
    static constexpr unsigned kGreatestBit = 40;  ///< values from 2^40 ns (18 minutes) on count as that
    static constexpr std::uint64_t kGreatest = (std::uint64_t{1} << kGreatestBit) - 1;

    void clear() { *this = Histogram(); }
    void add(std::uint64_t ns) {
        const std::uint64_t value = std::min(ns, kGreatest);
        ++counts_[bucket_of(value)];
        ++count_;
        greatest_ = std::max(greatest_, value);
    }
    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            counts_[i] += other.counts_[i];
        }
        count_ += other.count_;
        greatest_ = std::max(greatest_, other.greatest_);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t greatest() const { return greatest_; }
    /// The value that `percent` of all values do not exceed: the middle of its bucket, and never more than
    /// the greatest. 0 when it is empty.
    [[nodiscard]] double percentile(double percent) const {
        if (count_ == 0) {
            return 0;
        }
        const double rank = percent / 100.0 * static_cast<double>(count_);
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            below += counts_[i];
            if (counts_[i] != 0 && static_cast<double>(below) >= rank) {
                return std::min(middle_of(i), static_cast<double>(greatest_));
            }
        }
        return static_cast<double>(greatest_);
    }

  private:
    static constexpr std::size_t kEach = std::size_t{1} << kBits;
    static constexpr std::size_t kBuckets = (kGreatestBit - kBits + 1) * kEach;

    // Below 2^kBits a bucket for each value; above, kEach buckets for each power of two.
    static std::size_t bucket_of(std::uint64_t value) {
        if (value < kEach) {
            return static_cast<std::size_t>(value);
        }
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kBits;
        return (std::size_t{shift} + 1) * kEach + static_cast<std::size_t>((value >> shift) - kEach);
    }
    static double middle_of(std::size_t bucket) {
        if (bucket < 2 * kEach) {
            return static_cast<double>(bucket);
        }
        const std::size_t shift = bucket / kEach - 1;
        const auto least = static_cast<double>((kEach + bucket % kEach) << shift);
        return least + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
    }

    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t greatest_ = 0;
};

}  // namespace keyway::bench
