#pragma once

// The options of a command line that say which engine a router has.

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "daemon/engines.hpp"

namespace keyway::daemon {

/// `choice` and `cross_check` must live as long as `command` does.
inline void add_engine_options(CLI::App& command, EngineChoice& choice, bool& cross_check) {
    command.add_option("--engine", choice.name, "What judges messages before the software does")
        ->check(CLI::IsMember(engine_names()))
        ->capture_default_str();
    command.add_option("--board", choice.board, "Number or place of the board, if there are several");
    command.add_option("--bitstream", choice.bitstream, "For the board's FPGA, each time that it is opened")
        ->check(CLI::ExistingFile)
        ->type_name("FILE");
    command.add_flag("--cross-check", cross_check, "Compare each verdict with the software's");
}

}  // namespace keyway::daemon
