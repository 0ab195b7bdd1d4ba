#include "tool/demo_report.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "tool/text.hpp"

namespace keyway::tool::demo {

namespace {
constexpr std::size_t kWhat = 55;  // 5 columns before it, a space and the longest verdict (19) after it
}

void Report::heading(std::string_view text) {
    fmt::print("\n{}\n", bold(text));
    std::fflush(stdout);
}

void Report::line(std::string_view text) const {
    fmt::print("     {}\n", text);
    std::fflush(stdout);
}

bool Report::check(bool passed, std::string_view what, std::string_view result, std::string_view expected) {
    ++(passed ? passed_ : failed_);
    fmt::print("{} {:<{}} {}\n", passed ? good("ok  ") : bad("FAIL"), what, kWhat, result);
    if (!passed && !expected.empty()) {
        fmt::print("     expected: {}\n", expected);
    }
    std::fflush(stdout);  // before the next step, which may take a moment
    return passed;
}

bool Report::check_equal(std::string_view what, std::string_view result, std::string_view expected) {
    return check(result == expected, what, result, expected);
}

int Report::finish() const {
    fmt::print("\ndemo: {} passed, {} failed\n", passed_, failed_);
    return failed_ == 0 ? 0 : 1;
}

}  // namespace keyway::tool::demo
