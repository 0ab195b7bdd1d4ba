#pragma once

// Firmware as Intel HEX, taken apart without trust: the file may be anybody's.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "keyway/result.hpp"

namespace keyway::device {

struct Segment {
    std::uint16_t address = 0;
    std::vector<std::byte> bytes;
    friend bool operator==(const Segment&, const Segment&) = default;
};

/// Segments in the order of their addresses, neighbours joined. kBadImage when a record is malformed or its
/// checksum is wrong, when records overlap, when the end record is missing or anything follows it, when there
/// is no data, or when bytes lie outside 0 to `limit`.
[[nodiscard]] Result<std::vector<Segment>> parse_intel_hex(std::string_view text,
                                                           std::uint32_t limit = 0x4000);

/// Puts `serial` where the firmware keeps its serial number, if it is Keyway's: printable ASCII, cut or
/// filled with '-' to 16 characters. False when the place was not found, and nothing is changed.
bool set_serial(std::vector<Segment>& segments, std::string_view serial);

}  // namespace keyway::device
