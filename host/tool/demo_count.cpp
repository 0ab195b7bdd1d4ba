#include "tool/demo_count.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace keyway::tool::demo {

namespace {

constexpr std::uint32_t kPolynomial = 0x04C11DB7;
constexpr std::size_t kMostFiles = 2000;
constexpr std::uint64_t kMostBytes = 8U << 20;

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i << 24;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc << 1) ^ ((crc >> 31) != 0 ? kPolynomial : 0);
        }
        table[i] = crc;
    }
    return table;
}
constexpr auto kTable = make_table();

constexpr std::uint32_t step(std::uint32_t crc, std::uint8_t byte) {
    return (crc << 8) ^ kTable[(crc >> 24) ^ byte];
}

constexpr bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string contents(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

}  // namespace

std::string Totals::text() const {
    return fmt::format("{} {} {} {}", lines, words, bytes, cksum);
}

Totals Totals::of(std::span<const std::string> words) {
    Totals totals;
    const auto read = [&](std::size_t index, auto& value) {
        if (index < words.size()) {
            std::from_chars(words[index].data(), words[index].data() + words[index].size(), value);
        }
    };
    read(0, totals.lines);
    read(1, totals.words);
    read(2, totals.bytes);
    read(3, totals.cksum);
    return totals;
}

void Counter::add(std::string_view piece) {
    for (const char c : piece) {
        crc_ = step(crc_, static_cast<std::uint8_t>(c));
        so_far_.lines += c == '\n' ? 1U : 0U;
        so_far_.words += !is_space(c) && !in_word_ ? 1U : 0U;
        in_word_ = !is_space(c);
    }
    so_far_.bytes += piece.size();
}

Totals Counter::totals() const {
    Totals totals = so_far_;
    std::uint32_t crc = crc_;
    for (std::uint64_t length = totals.bytes; length != 0; length >>= 8) {
        crc = step(crc, static_cast<std::uint8_t>(length));
    }
    totals.cksum = ~crc;
    return totals;
}

Input input_at(const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    Input input;
    std::error_code error;
    std::vector<fs::path> found;
    if (fs::is_regular_file(path, error)) {
        found.push_back(path);
    }
    auto entry = fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        std::error_code ignored;
        const bool hidden = entry->path().filename().string().starts_with('.');
        if (entry->is_directory(ignored)) {
            if (hidden || fs::exists(entry->path() / "CMakeCache.txt", ignored)) {
                entry.disable_recursion_pending();
            }
        } else if (!hidden && !entry->is_symlink(ignored) && entry->is_regular_file(ignored)) {
            found.push_back(entry->path());
        }
    }
    std::ranges::sort(found, {}, [](const fs::path& file) { return file.native(); });
    std::uint64_t bytes = 0;
    for (const fs::path& file : found) {
        const std::uint64_t size = fs::file_size(file, error);
        if (!error && ::access(file.c_str(), R_OK) == 0 && input.files.size() < kMostFiles &&
            bytes + size <= kMostBytes) {
            input.files.push_back(file);
            bytes += size;
        } else {
            input.all = false;
        }
    }
    return input;
}

Totals count_directly(const std::vector<std::filesystem::path>& files) {
    Totals totals;
    std::uint32_t crc = 0;
    const auto shift_in = [&crc](std::uint8_t byte) {
        for (unsigned bit = 8; bit-- != 0;) {
            const bool carry = ((crc >> 31) ^ (std::uint32_t{byte} >> bit & 1U)) != 0;
            crc = (crc << 1) ^ (carry ? kPolynomial : 0);
        }
    };
    for (const std::filesystem::path& file : files) {
        const std::string text = contents(file);
        totals.lines += static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
        totals.bytes += text.size();
        std::istringstream stream(text);
        for (std::string word; stream >> word;) {
            ++totals.words;
        }
        for (const char c : text) {
            shift_in(static_cast<std::uint8_t>(c));
        }
    }
    for (std::uint64_t length = totals.bytes; length != 0; length >>= 8) {
        shift_in(static_cast<std::uint8_t>(length));
    }
    totals.cksum = ~crc;
    return totals;
}

}  // namespace keyway::tool::demo
