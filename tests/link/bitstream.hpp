#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace keyway::device {

/// What a simulated FPGA takes for a bitstream: an iCE40's preamble, and anything.
inline std::vector<std::byte> any_bitstream(std::size_t size = 10000) {
    std::vector<std::byte> made(size, std::byte{0x5A});
    constexpr std::array kPreamble{std::byte{0x7E}, std::byte{0xAA}, std::byte{0x99}, std::byte{0x7E}};
    std::ranges::copy(kPreamble, made.begin());
    return made;
}

}  // namespace keyway::device
