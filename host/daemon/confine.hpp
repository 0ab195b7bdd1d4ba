#pragma once

#include <string>

namespace keyway::daemon {

/// Gives up what a router never needs, for this process and all threads that it will have, for good: new
/// privileges (no_new_privs), core dumps and being traced by processes of its own user, memory that is
/// writable and executable at once, sockets other than AF_UNIX (and those of IP, if `network` asks for them:
/// the port of the metrics; and the kernel's word of what is plugged in, if `board` does), and all system
/// calls but those that are listed in confine.cpp. A call that is not listed fails with EPERM. Call it while
/// there is one thread. Empty on success, else what could not be had.
[[nodiscard]] std::string confine(bool network, bool board);

}  // namespace keyway::daemon
