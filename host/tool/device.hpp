#pragma once

// What the commands `keyway device` share.

#include <optional>
#include <string>

#include "tool/session.hpp"

namespace keyway::tool {

/// The content of a file of 8 MiB at most; nothing, after the session was told why.
[[nodiscard]] std::optional<std::string> content_of(Session& session, const std::string& path);
/// As Session::fail, with what is meant by several boards.
void fail_device(Session& session, const Error& error, std::string_view doing);
/// The positional BOARD.
void add_board_option(CLI::App& command, std::string& serial);

/// test, record, replay; device_frames.cpp.
void add_device_frame_commands(CLI::App& device, Session& session);

}  // namespace keyway::tool
