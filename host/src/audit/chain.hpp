#pragma once

// How the log is sealed, and the bytes of its files.
//
//     DIRECTORY/audit-00000001.log   segment:  header | frame | frame | …
//     DIRECTORY/audit-00000002.log
//     DIRECTORY/head                 which segment is the first, and which frame is the newest
//
//     header   number of the segment and of its first frame, the seal before it, time, boot    | seal
//     frame    magic, count of records, number of the frame (never begins anew) | records …    | seal
//
// A seal is a keyed BLAKE2b hash (libsodium's crypto_generichash, 256 bits) over the seal before it and all
// bytes that it closes. So a byte that was changed, a frame that was taken out, put in, doubled or moved
// breaks the chain at that place, and nobody without the key can mend it. The head closes the end, which no
// chain can: without it the newest frames could be cut off unseen. It has a seal of its own, and is rewritten
// after each frame; a log may be ahead of it by what was being written when the router was killed.
//
// A machine that loses power keeps what was synced, which is done every second, on rotation and at the end.
// Of what came after, any part may be gone, and the head may be the newer. It says up to which frame all is
// synced and in which boot it was written; in a later boot frames after that may be missing without being a
// fault.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "keyway/result.hpp"

namespace keyway::audit {

using Seal = std::array<std::uint8_t, 32>;
using Key = std::array<std::uint8_t, 32>;

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::array<char, 8> kSegmentMagic{'K', 'W', 'A', 'U', 'D', 'I', 'T', '1'};
inline constexpr std::array<char, 8> kHeadMagic{'K', 'W', 'A', 'H', 'E', 'A', 'D', '1'};
inline constexpr std::uint32_t kFrameMagic = 0x4D41524B;
inline constexpr std::uint32_t kMostInFrame = 256;  ///< records

struct SegmentHeader {
    std::array<char, 8> magic = kSegmentMagic;
    std::uint32_t version = kFormatVersion;
    std::uint32_t record_bytes = 0;
    std::uint64_t number = 0;       ///< of the segment, from 1
    std::uint64_t first_frame = 0;  ///< number of its first frame
    std::uint64_t start_ns = 0;     ///< CLOCK_REALTIME
    Seal before{};                  ///< of the last frame of the segment before; zero in the first
    std::array<char, 24> reserved{};
    Seal seal{};
};
static_assert(sizeof(SegmentHeader) == 128);

struct FrameHead {
    std::uint32_t magic = kFrameMagic;
    std::uint32_t count = 0;
    std::uint64_t number = 0;
};
static_assert(sizeof(FrameHead) == 16);

struct Head {
    std::array<char, 8> magic = kHeadMagic;
    std::uint64_t first_segment = 1;  ///< older ones were removed by the rule of how many to keep
    std::uint64_t segment = 1;        ///< that is being written
    std::uint64_t frame = 0;          ///< number of the newest frame; 0: none yet
    std::uint64_t synced = 0;         ///< frames up to this one are on the disk for good
    std::array<char, 16> boot{};      ///< of the machine, in which this was written
    Seal newest{};                    ///< its seal, or the segment header's
    Seal seal{};
};
static_assert(sizeof(Head) == 120);

/// The seal over `before` and the parts, in this order.
[[nodiscard]] Seal seal_of(const Key& key, const Seal& before,
                           std::initializer_list<std::span<const std::byte>> parts);
[[nodiscard]] Seal seal_of(const Key& key, const SegmentHeader& header);
[[nodiscard]] Seal seal_of(const Key& key, const Head& head);

/// Which boot of the machine this is (the kernel's boot_id); zero when it doesn't say.
[[nodiscard]] std::array<char, 16> this_boot();

/// Reads a key file of exactly 32 bytes. With `make`, makes one of mode 0600 when there is none. Errors:
/// `system`; `corrupt` when it has another size.
Result<Key> load_key(const std::filesystem::path& file, bool make);

/// Overwrites a key that is not needed any more, whatever the compiler thinks of that.
void wipe(Key& key);

[[nodiscard]] std::string segment_name(std::uint64_t number);
/// The segment's number; 0 when the file is none.
[[nodiscard]] std::uint64_t segment_number(const std::string& file_name);

}  // namespace keyway::audit
