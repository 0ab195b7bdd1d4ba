#pragma once

// CRC-32C (Castagnoli; RFC 3720, section 12.1), as it ends every frame of the device link.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace keyway::device {

namespace detail {
consteval std::array<std::uint32_t, 256> crc32c_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
        }
        table[byte] = value;
    }
    return table;
}
inline constexpr auto kCrc32cTable = crc32c_table();
}  // namespace detail

/// CRC-32C of `bytes`. `before` is the result for what came before them, 0 at the beginning, so that pieces
/// can be taken one after another.
[[nodiscard]] constexpr std::uint32_t crc32c(std::span<const std::byte> bytes,
                                             std::uint32_t before = 0) noexcept {
    std::uint32_t value = ~before;
    for (const std::byte byte : bytes) {
        value = (value >> 8) ^ detail::kCrc32cTable[(value ^ std::to_integer<std::uint32_t>(byte)) & 0xFFU];
    }
    return ~value;
}

}  // namespace keyway::device
