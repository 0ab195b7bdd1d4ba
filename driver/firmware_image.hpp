#pragma once

// The firmware that the driver carries for the board's USB controller; firmware/build.py writes it.

#include <cstdint>
#include <string_view>

namespace keyway::device {

/// First 64 bits of the SHA-256 of the firmware's sources: what `identify` of a board that runs it answers.
extern const std::uint64_t kFirmwareHash;
/// Intel HEX. Empty when the driver was built without SDCC.
extern const std::string_view kFirmwareHex;

}  // namespace keyway::device
