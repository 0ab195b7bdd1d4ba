#include "tool/text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace keyway::tool {

namespace {

std::string coloured(std::string_view code, std::string_view text) {
    return colours(STDOUT_FILENO) ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

// Length of the valid UTF-8 sequence that `text` begins with; 0 if it begins with none.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (length == 0 || text.size() < length) {
        return 0;
    }
    std::uint32_t point = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) {
            return 0;
        }
        point = point << 6 | (byte(i) & 0x3FU);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    return overlong || surrogate || point > 0x10FFFF ? 0 : length;
}

// Control characters, also those of two bytes.
bool is_control(std::string_view sequence) {
    const auto first = static_cast<unsigned char>(sequence[0]);
    return first < ' ' || first == 127 || (first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0);
}

std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

}  // namespace

bool colours(int fd) {
    const char* const none = std::getenv("NO_COLOR");
    const char* const terminal = std::getenv("TERM");
    return (none == nullptr || *none == '\0') && terminal != nullptr &&
           std::string_view(terminal) != "dumb" && ::isatty(fd) != 0;
}

std::string bold(std::string_view text) {
    return coloured("1", text);
}
std::string good(std::string_view text) {
    return coloured("32", text);
}
std::string bad(std::string_view text) {
    return coloured("1;31", text);
}

std::string printable(std::string_view text, bool lines) {
    std::string shown;
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const std::string_view sequence = text.substr(0, std::max<std::size_t>(length, 1));
        const bool kept = lines && (sequence == "\n" || sequence == "\t");
        if (length != 0 && (kept || !is_control(sequence))) {
            shown += sequence;
        } else {
            for (const char c : sequence) {
                shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
            }
        }
        text.remove_prefix(sequence.size());
    }
    return shown;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

std::string in_hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    return text;
}

Table::Table(std::vector<std::string> titles) {
    for (std::string& title : titles) {
        to_the_right_.push_back(title.starts_with('>'));
        title.erase(0, to_the_right_.back() ? 1 : 0);
    }
    rows_.push_back(std::move(titles));
}

void Table::add(std::vector<std::string> cells) {
    cells.resize(to_the_right_.size());
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<std::size_t> widths(to_the_right_.size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width(row[i]));
        }
    }
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string gap(widths[i] - width(row[i]), ' ');
            line += (i == 0 ? "" : "  ") + (to_the_right_[i] ? gap + row[i] : row[i] + gap);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += (&row == &rows_.front() ? bold(line) : line) + '\n';
    }
    return text;
}

}  // namespace keyway::tool
