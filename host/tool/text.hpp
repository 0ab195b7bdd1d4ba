#pragma once

// Output for people.

#include <string>
#include <string_view>
#include <vector>

namespace keyway::tool {

/// True when `fd` is a terminal that shows colours and NO_COLOR (no-color.org) is not set.
[[nodiscard]] bool colours(int fd);
/// `text` in bold, or green or red, if stdout shows it.
[[nodiscard]] std::string bold(std::string_view text);
[[nodiscard]] std::string good(std::string_view text);
[[nodiscard]] std::string bad(std::string_view text);

/// What a stranger wrote, with nothing in it that a terminal would obey: control characters and bytes that
/// are no UTF-8 become \xNN. `lines` keeps line ends and tabs.
[[nodiscard]] std::string printable(std::string_view text, bool lines = false);
[[nodiscard]] bool is_utf8(std::string_view text);
[[nodiscard]] std::string in_hex(std::string_view bytes);

/// Columns that line up. A title that begins with '>' makes its column's cells end together, as numbers do.
class Table {
  public:
    explicit Table(std::vector<std::string> titles);
    void add(std::vector<std::string> cells);
    [[nodiscard]] bool empty() const { return rows_.size() == 1; }
    /// The whole table, each line ended.
    [[nodiscard]] std::string text() const;

  private:
    std::vector<bool> to_the_right_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace keyway::tool
