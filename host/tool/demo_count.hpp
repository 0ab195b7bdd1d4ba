#pragma once

// What the demo's service computes, so that something true comes out of it: lines, words and bytes as `wc`
// counts them, and the checksum of `cksum` (POSIX), over a run of files.

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keyway::tool::demo {

struct Totals {
    std::uint64_t lines = 0;
    std::uint64_t words = 0;
    std::uint64_t bytes = 0;
    std::uint32_t cksum = 0;

    friend bool operator==(const Totals&, const Totals&) = default;
    [[nodiscard]] std::string text() const;
    /// Reads what `text` wrote.
    [[nodiscard]] static Totals of(std::span<const std::string> words);
};

/// Counts piece by piece, as the pieces come in with messages.
class Counter {
  public:
    void add(std::string_view piece);
    /// A word ends with its file.
    void end_file() { in_word_ = false; }
    [[nodiscard]] Totals totals() const;

  private:
    Totals so_far_;
    std::uint32_t crc_ = 0;
    bool in_word_ = false;
};

/// The files that the demo works on.
struct Input {
    std::vector<std::filesystem::path> files;  ///< in the order of `LC_ALL=C sort`
    bool all = true;                           ///< false: there were more, or longer ones
};
/// A file, or the regular files of a folder and below, without hidden ones and build trees, up to a few MiB.
/// Empty when nothing can be read there.
[[nodiscard]] Input input_at(const std::filesystem::path& path);

/// The same totals computed directly, and differently: file by file, bit by bit.
[[nodiscard]] Totals count_directly(const std::vector<std::filesystem::path>& files);

}  // namespace keyway::tool::demo
