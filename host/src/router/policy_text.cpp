#include "router/policy_text.hpp"

#include <algorithm>
#include <cctype>

namespace keyway {

namespace {

// Behind the quote at `at`: where the string that begins there ends, or the end of the text when it never
// does.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const std::string_view rest = text.substr(at);
    const bool long_one = rest.size() >= 3 && rest[1] == quote && rest[2] == quote;
    for (at += long_one ? 3 : 1; at < text.size(); ++at) {
        if (text[at] == '\\' && quote == '"') {
            ++at;
        } else if (text[at] == '\n' && !long_one) {
            return text.size();  // a fault, which the parser has the words for
        } else if (text[at] == quote && !long_one) {
            return at + 1;
        } else if (text[at] == quote && text.substr(at, 3) == rest.substr(0, 3)) {
            // Up to two more quotes may stand before the closing three.
            const std::size_t behind = text.find_first_not_of(quote, at);
            return std::min({behind, at + 5, text.size()});
        }
    }
    return text.size();
}

}  // namespace

PlaceInText nameless_header(std::string_view text) {
    PlaceInText at{.line = 0, .column = 1};
    while (!text.empty()) {
        ++at.line;
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const std::size_t bracket = line.find_first_not_of(" \t");
        const std::size_t name = line.find_first_not_of(" \t[", bracket);
        if (bracket != std::string_view::npos && line[bracket] == '[' && name != std::string_view::npos &&
            std::isalnum(static_cast<unsigned char>(line[name])) == 0 &&
            std::string_view("\"'_-").find(line[name]) == std::string_view::npos) {
            at.column = static_cast<std::uint32_t>(name + 1);
            return at;
        }
    }
    return {};
}

std::optional<PlaceInText> odd_letter(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.remove_prefix(3);  // the mark that some editors begin a file with
    }
    const auto outside = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
    std::size_t at = 0;
    while (at < text.size() && !outside(text[at])) {
        if (text[at] == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else if (text[at] == '"' || text[at] == '\'') {
            const std::size_t end = end_of_string(text, at);
            const auto odd = std::ranges::find_if(text.substr(at, end - at), outside);
            at = static_cast<std::size_t>(odd - text.begin());
        } else {
            ++at;
        }
    }
    if (at == text.size()) {
        return std::nullopt;
    }
    const std::string_view before = text.substr(0, at);
    const std::size_t line_start = before.find_last_of('\n') + 1;  // 0 in the first line
    const auto letters = std::ranges::count_if(before.substr(line_start), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;  // what goes on with a letter is none
    });
    return PlaceInText{.line = static_cast<std::uint32_t>(std::ranges::count(before, '\n') + 1),
                       .column = static_cast<std::uint32_t>(letters + 1)};
}

}  // namespace keyway
