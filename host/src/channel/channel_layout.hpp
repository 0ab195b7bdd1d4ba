#pragma once

// The memory of a channel, that is of a lane or a stream: what lies where, and who writes it. No behaviour.
//
// Four files, all made by the router and all sealed against changing their size before anybody else has them,
// so that no mapping of them can ever be shortened under its user:
//
//     status           the router writes, both ends map it read-only (sealed against writing by anybody else)
//     data             both ends write; the router never looks at it
//     counts, 2 times  each end writes its own, and its peer doesn't have it; the router reads it with
//     pread()
//
// `data` is not sealed against new writable mappings or holes, unlike a link's memory: both ends may write
// any byte of it anyhow, so a hole is one more way to write zeros, and neither end believes what it reads
// there.
//
// Data of a lane:                                Data of a stream:
//   +-------------+--------------+------------+    +---------------+------------------+
//   | LaneShared  | ring, opener | ring back, |    | StreamShared  | bytes, mapped    |
//   | (64 KiB)    | to acceptor  | same size  |    | (64 KiB)      | twice in a row   |
//   +-------------+--------------+------------+    +---------------+------------------+
// The head takes 64 KiB so that what follows can be mapped by itself whatever the size of a page; what is not
// touched of it costs nothing.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "keyway/protocol.hpp"
#include "ring/park.hpp"
#include "ring/ring_layout.hpp"
#include "stream/stream_ring.hpp"

namespace keyway::channel {

inline constexpr std::size_t kHeadBytes = 64 * 1024;
inline constexpr std::size_t kPageBytes = 4096;

enum class What : std::uint8_t { kLane = 1, kStream = 2 };
inline constexpr std::uint8_t kRecords = 1;  ///< flag of a stream: it carries records, not bytes

/// How far a channel is. Everything from kOver on is final.
enum class Phase : std::uint8_t { kOffered = 1, kOpen = 2, kOver = 3 };

/// What the router's table says of the one capability that a channel hangs on: the part of it that these two
/// ends may see. `word` changes last, and at once for both.
struct StatusPage {
    std::uint64_t word;       ///< see status_word()
    std::uint64_t expiry_ns;  ///< CLOCK_MONOTONIC; 0: never
    Entry entry;              ///< the authorising entry as it was when the channel was opened
    std::uint32_t authority;  ///< its id
    std::uint32_t opener;     ///< process ids
    std::uint32_t acceptor;
    std::uint32_t endpoint;  ///< that the capability is for
    std::uint64_t opened_ns;
    std::uint64_t reserved;
};
static_assert(sizeof(StatusPage) == 64 && std::is_trivially_copyable_v<StatusPage>);

/// Generation, rights and validity of the authority, the phase, and why it is over: one word, so that the
/// check of a message is one load and one comparison.
[[nodiscard]] constexpr std::uint64_t status_word(const Entry& entry, Phase phase,
                                                  std::uint8_t reason = 0) noexcept {
    const bool valid = phase != Phase::kOver;
    return std::uint64_t{entry.generation()} | std::uint64_t{entry.rights()} << 16 |
           std::uint64_t{valid} << 24 | static_cast<std::uint64_t>(phase) << 32 | std::uint64_t{reason} << 40;
}
[[nodiscard]] constexpr Phase phase_of(std::uint64_t word) noexcept {
    return static_cast<Phase>(word >> 32 & 0xFFU);
}
[[nodiscard]] constexpr std::uint8_t reason_of(std::uint64_t word) noexcept {
    return static_cast<std::uint8_t>(word >> 40);
}

/// What one end says it has put in or taken out. One line each, because two threads may write them.
struct alignas(64) Count {
    std::uint64_t messages;  ///< 0 for a stream
    std::uint64_t bytes;
    std::uint32_t last_sequence;
    std::uint8_t reserved[44];
};
struct CountPage {
    Count sent;
    Count received;
};
static_assert(sizeof(CountPage) == 128 && std::has_unique_object_representations_v<CountPage>);

/// Index 0 is the direction from opener to acceptor.
struct LaneShared {
    ring::RingControl ring[2];
    ring::ParkWord sender[2];    ///< waits for room in ring i
    ring::ParkWord receiver[2];  ///< waits for a message in ring i
};
static_assert(sizeof(LaneShared) <= kHeadBytes);

struct StreamShared {
    stream::Cursors cursors;
    ring::ParkWord writer;
    ring::ParkWord reader;
};
static_assert(sizeof(StreamShared) <= kHeadBytes);

/// Payload of the message that offers a channel to the owner of an endpoint.
struct OfferBody {
    std::uint8_t what = 0;
    std::uint8_t flags = 0;
    std::uint16_t reserved = 0;
    std::uint32_t bytes = 0;   ///< of each ring
    std::uint32_t opener = 0;  ///< process id
};
static_assert(sizeof(OfferBody) == 12);

inline constexpr std::uint32_t kMinLaneBytes = static_cast<std::uint32_t>(ring::kMinFullSizeRingBytes);
inline constexpr std::uint32_t kMaxLaneBytes = 16U << 20;
inline constexpr std::uint32_t kMinStreamBytes = 64U << 10;
inline constexpr std::uint32_t kMaxStreamBytes = 256U << 20;

[[nodiscard]] constexpr bool valid_bytes(What what, std::uint64_t bytes) noexcept {
    const bool lane = what == What::kLane;
    return std::has_single_bit(bytes) && bytes >= (lane ? kMinLaneBytes : kMinStreamBytes) &&
           bytes <= (lane ? kMaxLaneBytes : kMaxStreamBytes);
}
[[nodiscard]] constexpr unsigned directions(What what) noexcept {
    return what == What::kLane ? 2U : 1U;
}
[[nodiscard]] constexpr std::uint64_t data_bytes(What what, std::uint64_t bytes) noexcept {
    return kHeadBytes + directions(what) * bytes;
}

/// Descriptors that the router sends with an end, in this order; kSocket is followed by that of the second
/// direction.
enum class EndFd : std::uint8_t { kData, kStatus, kCounts, kSocket };
[[nodiscard]] constexpr std::size_t end_fds(What what) noexcept {
    return 3 + directions(what);
}

}  // namespace keyway::channel
