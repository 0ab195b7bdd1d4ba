#pragma once

// The two conversations with a service manager: taking over a socket that it made, and telling it how we are.
//
// Both are small, stable, documented protocols (sd_listen_fds(3), sd_notify(3)): two environment variables,
// and datagrams to a socket. Speaking them here, in a screenful, keeps libsystemd and what it loads
// (compressors, the journal's format) out of a program that everybody's messages go through. Other managers
// speak them as well.

#include <expected>
#include <map>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace keyway::daemon {

/// What the manager passed: a listening socket, or none; and what an earlier router has given it to keep, by
/// name.
struct Passed {
    int listener = -1;
    std::multimap<std::string, UniqueFd> kept;
};
/// An error when what it passed can't be served: several sockets, or one that is no listening SOCK_SEQPACKET
/// socket of AF_UNIX.
[[nodiscard]] std::expected<Passed, std::string> passed_descriptors();

/// Connected to where the manager wants to be told things; none when there is no manager.
[[nodiscard]] UniqueFd manager_socket();

/// Tells the manager, e.g. "READY=1"; does nothing when there is none.
void notify_manager(std::string_view state);

}  // namespace keyway::daemon
