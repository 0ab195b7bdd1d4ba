#pragma once

// The engines that a router can be started with, by name.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyway/engine.hpp"
#include "keyway/router.hpp"

namespace keyway::daemon {

/// What --engine takes. `auto` is the best that there is: software, as long as no board can be driven.
[[nodiscard]] std::vector<std::string> engine_names();

/// Fills in `router.engine`. Returns why that can't be done, or nothing.
[[nodiscard]] std::string choose_engine(std::string_view name, RouterOptions& router);

}  // namespace keyway::daemon
