#pragma once

#include <cerrno>
#include <type_traits>
#include <utility>

#include "keyway/result.hpp"
#include "processes.hpp"

namespace keyway::bench {

/// The value of a result that must be one; otherwise says why not, and ends the program.
template <typename T>
T good(Result<T> result) {
    if (!result) {
        errno = 0;
        give_up(result.error().message().c_str());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

}  // namespace keyway::bench
