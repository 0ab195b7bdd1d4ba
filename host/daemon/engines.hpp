#pragma once

// The engines that a router can be started with, by name.

#include <string>
#include <vector>

#include "keyway/router.hpp"

namespace keyway::daemon {

/// What --engine takes.
[[nodiscard]] std::vector<std::string> engine_names();

/// As the command line says it.
struct EngineChoice {
    /// `auto` is the board that is plugged in and loaded already, else software. `usb` loads a board, and
    /// without one there is no router.
    std::string name = "auto";
    std::string board{};      ///< its number or place; empty: the only one
    std::string bitstream{};  ///< file for its FPGA; empty: the FPGA is loaded
};

/// Fills in `router.engine`. Returns why that can't be done and what to do, or nothing.
[[nodiscard]] std::string choose_engine(const EngineChoice& choice, RouterOptions& router);

}  // namespace keyway::daemon
