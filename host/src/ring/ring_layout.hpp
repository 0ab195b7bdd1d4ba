// The bytes of a ring: offsets, sizes, the commit word. No behaviour; ring.hpp has that.
//
//   RingControl (one line)                data area (a power of two, in lines of 64 bytes)
//   +--------------------+      +--------+--------+--------+--------+-- ... --+--------+
//   | head | reserved    |      | line 0 | line 1 | line 2 | line 3 |         | line N-1
//   +--------------------+      +--------+--------+--------+--------+-- ... --+--------+
//
//   A record starts on a line and is one contiguous span of whole lines:
//
//   byte 0        8                                8+length      next multiple of 64
//   +-------------+--------------------------------+--------------+
//   | commit word | body                           | never read   |
//   +-------------+--------------------------------+--------------+
//    \_ 64 bits, little-endian: tag (bits 0-31), length (32-47), kind (48-63)
//
// A body of up to 56 bytes shares its line with the commit word, so a small message costs one line transfer.
// A record never crosses the end of the data area: a padding record fills what is left there.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace keyway::ring {

static_assert(std::endian::native == std::endian::little,
              "ring words are little-endian and read as they lie");

inline constexpr std::uint32_t kLineBytes = 64;
inline constexpr std::uint32_t kCommitBytes = 8;
inline constexpr std::uint32_t kMaxBodyBytes = 32 + 4096;  // router header and the largest payload

// Bytes that a record of this body occupies, commit word and fill included.
constexpr std::uint32_t record_bytes(std::uint32_t body_bytes) {
    return (kCommitBytes + body_bytes + kLineBytes - 1) & ~(kLineBytes - 1);
}

inline constexpr std::uint32_t kMaxRecordBytes = record_bytes(kMaxBodyBytes);

// A ring that is to carry every body size needs room for the longest padding, the longest record and the one
// line that is always kept clear: 64 + 65 + 1 lines, hence 256. Smaller rings work, with a smaller largest
// body.
inline constexpr std::uint64_t kMinRingBytes = 2 * kLineBytes;
inline constexpr std::uint64_t kMinFullSizeRingBytes = 16384;
// Fewer lines than tags, so that two laps never share a tag.
inline constexpr std::uint64_t kMaxRingBytes = std::uint64_t{1} << 30;

// The largest body that always fits, once the ring has drained, wherever the position is: half of the lines.
constexpr std::uint32_t max_body_bytes(std::uint64_t ring_bytes) {
    const std::uint64_t half = ring_bytes / 2 - kCommitBytes;
    return half < kMaxBodyBytes ? static_cast<std::uint32_t>(half) : kMaxBodyBytes;
}
static_assert(max_body_bytes(kMinFullSizeRingBytes) == kMaxBodyBytes);
static_assert(max_body_bytes(kMinFullSizeRingBytes / 2) < kMaxBodyBytes);

constexpr bool valid_ring_bytes(std::uint64_t ring_bytes) {
    return std::has_single_bit(ring_bytes) && ring_bytes >= kMinRingBytes && ring_bytes <= kMaxRingBytes;
}

// Never zero, so that no commit word is zero; any two differ in more than one bit.
enum class RecordKind : std::uint16_t { kMessage = 0x5101, kPadding = 0xA602 };

// The commit word, unpacked. `kind` is a plain number here because a hostile peer may have written any.
struct Commit {
    std::uint32_t tag;
    std::uint16_t length;
    std::uint16_t kind;
};

// Names the line and the lap of a position (a byte count that never wraps); differs in each lap.
constexpr std::uint32_t tag_of(std::uint64_t position) {
    return static_cast<std::uint32_t>(position / kLineBytes + 1);
}

constexpr std::uint64_t pack(Commit commit) {
    return std::uint64_t{commit.tag} | std::uint64_t{commit.length} << 32 | std::uint64_t{commit.kind} << 48;
}

constexpr Commit unpack(std::uint64_t word) {
    return Commit{static_cast<std::uint32_t>(word), static_cast<std::uint16_t>(word >> 32),
                  static_cast<std::uint16_t>(word >> 48)};
}

constexpr std::uint64_t message_word(std::uint64_t position, std::uint32_t body_bytes) {
    return pack({tag_of(position), static_cast<std::uint16_t>(body_bytes),
                 static_cast<std::uint16_t>(RecordKind::kMessage)});
}

constexpr std::uint64_t padding_word(std::uint64_t position) {
    return pack({tag_of(position), 0, static_cast<std::uint16_t>(RecordKind::kPadding)});
}

// The shared part besides the data. Written by the consumer only, read by the producer only.
struct alignas(kLineBytes) RingControl {
    std::uint64_t head;  // byte position up to which the consumer has given lines back
    std::uint8_t reserved[kLineBytes - 8];
};

static_assert(sizeof(RingControl) == kLineBytes);
static_assert(alignof(RingControl) == kLineBytes);
static_assert(offsetof(RingControl, head) == 0);
static_assert(std::is_trivially_copyable_v<RingControl> && std::is_standard_layout_v<RingControl>);
static_assert(sizeof(Commit) == kCommitBytes);

}  // namespace keyway::ring
