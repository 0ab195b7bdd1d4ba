#pragma once

// Identifiers of the core, and the clock that is put into it.

#include <cstdint>

#include "keyway/protocol.hpp"

namespace keyway::core {

/// A process on a link; at the same time the id of its home endpoint, to which replies go. 1 to 65535.
using ProcessId = std::uint16_t;
/// An endpoint or topic; shares its number space with processes. 1 to 65535.
using ObjectId = std::uint16_t;
/// {generation 12, slot 20}; 0 names nothing, because slot 0 is never used.
using CapabilityId = std::uint32_t;
/// A row of the capability table; 0 is none.
using SlotId = std::uint32_t;

inline constexpr std::uint32_t kSlotMask = (1U << limit::kSlotBits) - 1;
inline constexpr std::uint32_t kGenerationMask = (1U << limit::kGenerationBits) - 1;

[[nodiscard]] constexpr SlotId slot_of(CapabilityId id) noexcept {
    return id & kSlotMask;
}
[[nodiscard]] constexpr std::uint16_t generation_of(CapabilityId id) noexcept {
    return static_cast<std::uint16_t>(id >> limit::kSlotBits);
}
[[nodiscard]] constexpr CapabilityId make_capability_id(std::uint16_t generation, SlotId slot) noexcept {
    return (static_cast<std::uint32_t>(generation) << limit::kSlotBits) | slot;
}

/// The generation after this one; skips 0, so that no valid id is 0 whatever its slot.
[[nodiscard]] constexpr std::uint16_t next_generation(std::uint16_t generation) noexcept {
    return generation == kGenerationMask ? std::uint16_t{1} : static_cast<std::uint16_t>(generation + 1);
}

/// A moment of the router's life, read once a message (or once a batch) and passed in.
struct Now {
    std::uint64_t ns = 0;    ///< router clock, stamped into messages
    std::uint32_t tick = 0;  ///< what expiry is compared with

    /// `origin_ns` is the clock at the router's start. The tick saturates after 2.28 years: from then on
    /// whatever expires is expired, rather than valid again.
    [[nodiscard]] static constexpr Now at(std::uint64_t clock_ns, std::uint64_t origin_ns) noexcept {
        const std::uint64_t ticks = (clock_ns - origin_ns) >> limit::kTickShift;
        return {clock_ns, ticks > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(ticks)};
    }
};

}  // namespace keyway::core
