#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/fd.hpp"
#include "broadcast/broadcast_layout.hpp"
#include "keyway/result.hpp"

namespace keyway::broadcast {

/// One party's mapping of a broadcast ring.
class RingMemory {
  public:
    RingMemory() = default;
    RingMemory(RingMemory&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_) {}
    RingMemory& operator=(RingMemory&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    RingMemory(const RingMemory&) = delete;
    RingMemory& operator=(const RingMemory&) = delete;
    ~RingMemory();

    /// Router: makes the file, maps it writable, and seals it, so that nobody else ever writes to it, cuts it
    /// or punches holes into it; then populates the mapping, so that no access of ours can fault.
    static Result<RingMemory> create(std::uint32_t ring_bytes, UniqueFd& file);
    /// Subscriber: maps the file for reading.
    static Result<RingMemory> map(int file, std::uint32_t ring_bytes);

    [[nodiscard]] std::byte* base() const { return base_; }

  private:
    RingMemory(std::byte* base, std::size_t bytes) : base_(base), bytes_(bytes) {}

    std::byte* base_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace keyway::broadcast
