#pragma once

// For tests, the demo and fuzzers: messages that the library would not send.

#include <span>

#include "keyway/connection.hpp"

namespace keyway::raw {

/// Submits exactly this header and payload, and returns the router's verdict on them. `payload` has at most
/// 4096 bytes; that the header's length agrees is not checked here, it is the router's business.
Result<void> submit(Connection& connection, const Header& header, std::span<const std::byte> payload = {});

}  // namespace keyway::raw
