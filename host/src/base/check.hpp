#pragma once

// Assertions against our own bugs. They stay on in release builds: a router that has lost count of its own
// state must stop rather than guess. What a peer sends is never asserted on; that is an outcome.

namespace keyway {

[[noreturn, gnu::cold]] void check_failed(const char* condition, const char* file, int line);

}  // namespace keyway

#define KEYWAY_CHECK(condition)                          \
    (static_cast<bool>(condition) ? static_cast<void>(0) \
                                  : ::keyway::check_failed(#condition, __FILE__, __LINE__))
