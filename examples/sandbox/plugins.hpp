#pragma once

#include <string_view>

#include "keyway/connection.hpp"

namespace sandbox {

/// A plug-in: it has a connection and a capability to talk to its host (WRITE: to say a line, EXECUTE: to
/// ask), and returns its exit code.
using Plugin = int(keyway::Connection& connection, const keyway::Capability& host);

/// By name: "good", "nosy" or "stuck"; nullptr for any other.
[[nodiscard]] Plugin* plugin(std::string_view name);

}  // namespace sandbox
