#pragma once

#include <cstddef>
#include <cstdint>

namespace keyway::sim {

/// xorshift64*: the same numbers on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U | 1) {
        next();
        next();
    }
    std::uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1DU;
    }
    std::uint32_t below(std::size_t bound) {
        return static_cast<std::uint32_t>((next() >> 32) * bound >> 32);
    }
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    bool percent(unsigned share) { return below(100) < share; }

  private:
    std::uint64_t state_;
};

}  // namespace keyway::sim
