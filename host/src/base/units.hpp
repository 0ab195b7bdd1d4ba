#pragma once

// How people write durations, sizes, rights and capability ids: the same in the policy file and on the tool's
// command line.

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "keyway/protocol.hpp"

namespace keyway::units {

inline constexpr std::array<std::pair<std::string_view, std::uint8_t>, 8> kRights = {{
    {"read", right::kRead},
    {"write", right::kWrite},
    {"execute", right::kExecute},
    {"grant", right::kGrant},
    {"revoke", right::kRevoke},
    {"quantum", right::kQuantum},
    {"device", right::kDevice},
    {"process", right::kProcess},
}};
inline constexpr std::string_view kRightNames =
    "read, write, execute, grant, revoke, quantum, device, process";

/// The bit of a right; 0 for no right's name.
[[nodiscard]] constexpr std::uint8_t right_of(std::string_view name) noexcept {
    for (const auto& [known, bit] : kRights) {
        if (known == name) {
            return bit;
        }
    }
    return 0;
}

/// "write,execute"; "none" for 0.
[[nodiscard]] inline std::string describe_rights(std::uint8_t rights) {
    std::string text;
    for (const auto& [name, bit] : kRights) {
        if ((rights & bit) != 0) {
            text += (text.empty() ? "" : ",") + std::string(name);
        }
    }
    return text.empty() ? "none" : text;
}

namespace detail {
// A whole number and what follows it, multiplied by the factor of its unit; nothing on overflow or an unknown
// unit.
template <std::size_t kScales>
[[nodiscard]] constexpr std::optional<std::uint64_t> scaled(
    std::string_view text, const std::array<std::pair<std::string_view, std::uint64_t>, kScales>& scales) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    for (const auto& [name, factor] : scales) {
        if (std::string_view(rest, static_cast<std::size_t>(end - rest)) == name) {
            return number <= UINT64_MAX / factor ? std::optional(number * factor) : std::nullopt;
        }
    }
    return std::nullopt;
}
}  // namespace detail

inline constexpr std::string_view kDurationForm =
    "a whole number and ns, us, ms, s, min, h or d, such as \"10s\"";
/// "10s", "500ms", "2h". A unit is needed, but for "0".
[[nodiscard]] inline std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 7> kScales = {
        {{"ns", 1},
         {"us", 1'000},
         {"ms", 1'000'000},
         {"s", 1'000'000'000},
         {"min", 60'000'000'000},
         {"h", 3'600'000'000'000},
         {"d", 86'400'000'000'000}}};
    if (text == "0") {
        return std::chrono::nanoseconds{0};
    }
    const auto ns = detail::scaled(text, kScales);
    if (!ns || *ns > static_cast<std::uint64_t>(INT64_MAX)) {
        return std::nullopt;
    }
    return std::chrono::nanoseconds(static_cast<std::int64_t>(*ns));
}

inline constexpr std::string_view kSizeForm = "a number of bytes, or such as \"64KiB\", \"64MiB\", \"1GiB\"";
[[nodiscard]] inline std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kScales = {
        {{"", 1}, {"B", 1}, {"KiB", 1U << 10}, {"MiB", 1U << 20}, {"GiB", 1U << 30}}};
    return detail::scaled(text, kScales);
}

/// A number as people write ids: decimal, or hexadecimal with 0x.
[[nodiscard]] inline std::optional<std::uint32_t> parse_id(std::string_view text) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    text.remove_prefix(hex ? 2 : 0);
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    return error == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

}  // namespace keyway::units
