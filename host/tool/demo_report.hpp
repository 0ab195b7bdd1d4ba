#pragma once

#include <string>
#include <string_view>

namespace keyway::tool::demo {

/// What a person sees of the demo: a line for each thing that was checked, in at most 80 columns.
class Report {
  public:
    void heading(std::string_view text);
    void line(std::string_view text) const;
    /// `ok   what ............ result`, or FAIL. `expected` is shown when it failed.
    bool check(bool passed, std::string_view what, std::string_view result, std::string_view expected = {});
    /// The same, passed when `result` is `expected`.
    bool check_equal(std::string_view what, std::string_view result, std::string_view expected);
    /// The last line, and the exit code.
    [[nodiscard]] int finish() const;
    [[nodiscard]] bool failed() const { return failed_ != 0; }

  private:
    unsigned passed_ = 0;
    unsigned failed_ = 0;
};

}  // namespace keyway::tool::demo
