// A test that comes in two lengths: one for every run, and one for `./dev test --long`.

#pragma once

#include <cstdlib>

namespace keyway::test {

/// How much to do: `ordinary` in every run, `in_long` where it runs as `long.NAME` (LONG_TOO of keyway_test).
template <typename T>
[[nodiscard]] T ordinary_or_long(T ordinary, T in_long) {
    return std::getenv("KEYWAY_LONG") != nullptr ? in_long : ordinary;
}

}  // namespace keyway::test
