#pragma once

// Who keeps the router's descriptors while there is no router.
//
// Under a service manager that is the manager. Elsewhere it is a process of our own, as small as can be: it
// holds what it is given, and hands all of it to the next router of the same user that comes to its socket
// DIR/keeper. It ends when a router ends in order, or when none has come for a minute; then every process
// hears that the router is gone for good.

#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "keep/store.hpp"

namespace keyway::daemon {

/// The word for --state that means the service manager.
inline constexpr const char* kManager = "manager";

/// The store that `where` names: kManager, or a folder that is made if need be and is its owner's alone.
/// `passed`: what the manager passed at the start. Call it while there is one thread.
[[nodiscard]] std::expected<std::shared_ptr<StateStore>, std::string> open_store(
    const std::string& where, std::multimap<std::string, UniqueFd> passed);

}  // namespace keyway::daemon
