#include "keyway/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace keyway::detail {

void no_value(const Error& error) {
    std::fprintf(stderr, "keyway: the value of a failed result was taken: %s\n", error.message().c_str());
    std::abort();
}

}  // namespace keyway::detail
