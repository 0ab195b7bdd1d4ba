#pragma once

// The bytes of a broadcast ring: one writer, any number of readers that can only look.
//
//     memfd, made and mapped by the router, sealed before anybody else gets it:
//     +------------------------+--------------------------------------------+
//     | BroadcastControl, page | records, each on a line of 64 bytes        |
//     +------------------------+--------------------------------------------+
//     record:  | sequence 8 | length 4 | kind 4 | message header 32 | payload |  fill to the next line
//
// Positions count bytes and never wrap. What lies in [oldest, tail) is whole; the writer moves `oldest`
// before it writes over anything. A record never crosses the end: a padding record fills what is left there.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "keyway/protocol.hpp"
#include "ring/park.hpp"

namespace keyway::broadcast {

inline constexpr std::uint32_t kLineBytes = 64;
inline constexpr std::size_t kControlBytes = 4096;
inline constexpr std::uint32_t kMinRingBytes = 16 * 1024;
inline constexpr std::uint32_t kMaxRingBytes = 16U << 20;

enum class RingState : std::uint32_t {
    kLive = 0,
    kMoved = 1,  ///< everything in it, and all that follows, is in another ring at the same positions
    kEnded = 2,  ///< the topic is no more
};

/// The first page. Written by the router only.
struct BroadcastControl {
    alignas(kLineBytes) std::uint64_t tail;    ///< records up to here are complete
    alignas(kLineBytes) std::uint64_t oldest;  ///< below this the writer may be writing already
    std::uint32_t state;                       ///< RingState
};
static_assert(sizeof(BroadcastControl) <= kControlBytes && std::is_trivially_copyable_v<BroadcastControl>);

enum class RecordKind : std::uint32_t { kEvent = 1, kPadding = 2 };

struct RecordHead {
    std::uint64_t sequence;  ///< counts the topic's events from 1; not used in padding
    std::uint32_t length;    ///< payload bytes of an event; bytes to the end of the ring for padding
    std::uint32_t kind;      ///< RecordKind
};
static_assert(sizeof(RecordHead) == 16);

[[nodiscard]] constexpr std::uint32_t event_bytes(std::uint32_t payload) noexcept {
    const auto bytes = static_cast<std::uint32_t>(sizeof(RecordHead)) + limit::kHeaderBytes + payload;
    return (bytes + kLineBytes - 1) & ~(kLineBytes - 1);
}
[[nodiscard]] constexpr bool valid_ring_bytes(std::uint64_t bytes) noexcept {
    return std::has_single_bit(bytes) && bytes >= kMinRingBytes && bytes <= kMaxRingBytes;
}
// The longest record and the longest padding before it fit into the smallest ring.
static_assert(2 * event_bytes(limit::kPayloadBytes) <= kMinRingBytes);

/// Where one subscriber says how far it is. Lies in the first page of its link's memory, which is its and the
/// router's alone. The router starts it; from then on the subscriber writes the first line. Nothing in it is
/// believed before it was copied once and checked.
struct ReaderSlot {
    ring::ParkWord park;     ///< the subscriber sleeps
    std::uint64_t position;  ///< everything before it is taken
    std::uint64_t sequence;  ///< router, at the start: of the event that comes first
    std::uint64_t lost;      ///< events that were overwritten before they were read; for people
    std::uint32_t closed;    ///< router: 0, or the status for which the subscription ended
    std::uint8_t reserved[kLineBytes - 28];
};
static_assert(sizeof(ReaderSlot) == 2 * kLineBytes && std::is_trivially_copyable_v<ReaderSlot>);

/// Subscriptions of one connection.
inline constexpr std::uint32_t kReaderSlots = 24;

}  // namespace keyway::broadcast
