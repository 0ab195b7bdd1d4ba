#pragma once

// A router as a process of its own: what keywayd and `keyway run` have in common.
//
//     signal            what happens
//     SIGTERM, SIGINT   takes nothing new, routes what has been submitted, tells every process, ends with 0
//     the same again    ends at once
//     SIGUSR2           with a state that is kept: ends at once without a word, for another router to go on
//     SIGHUP            reads the policy file again; a faulty one changes nothing. Without a file: as SIGTERM
//
// Signals are blocked in every thread and read from a signalfd, so nothing ever runs in a signal handler.

#include <filesystem>
#include <functional>
#include <optional>

#include "keyway/router.hpp"

namespace keyway::daemon {

/// How a serving process ends. docs/tool.md lists them for people.
namespace exit_code {
inline constexpr int kOk = 0;
inline constexpr int kBadPolicy = 1;
inline constexpr int kUsage = 2;
inline constexpr int kCannotListen = 3;
inline constexpr int kCannotConfine = 4;
inline constexpr int kHandedOn = 5;
}  // namespace exit_code

struct ServeOptions {
    RouterOptions router;
    /// Read at the start and on SIGHUP; none: `router.policy` stays in force.
    std::optional<std::filesystem::path> policy_file;
    /// Called once processes can connect.
    std::function<void()> on_ready;
    /// Give up all that a router does not need before anybody is served (confine.hpp). Not for a process that
    /// does other things too.
    bool confined = false;
};

/// Serves until a signal ends it; returns the process's exit code. Call it from `main` before there are other
/// threads.
[[nodiscard]] int serve(ServeOptions options);

}  // namespace keyway::daemon
