#pragma once

// What has to be known of a policy file's text before, or although, toml++ can't read it.

#include <cstdint>
#include <optional>
#include <string_view>

namespace keyway {

/// Both count from 1; a column is a letter, not a byte.
struct PlaceInText {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};

/// Where the first table header stands that has no name; the beginning of the text if none is.
[[nodiscard]] PlaceInText nameless_header(std::string_view text);

/// The first letter outside of ASCII that is in no comment. toml++ before 3.4 looks whether it is a blank by
/// a table with holes, which are undefined behaviour, and it looks into faulty strings too. Nothing that a
/// policy can say has such a letter.
[[nodiscard]] std::optional<PlaceInText> odd_letter(std::string_view text);

}  // namespace keyway
