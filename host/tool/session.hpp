#pragma once

// What every sub-command of `keyway` shares: the connection, the two forms of output, and the exit codes.
//
// A sub-command describes its options to CLI11, and its callback leaves an exit code in the Session. Data
// goes to stdout, for people or, with --json, for programs; everything else goes to stderr.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "keyway/connection.hpp"

namespace keyway::tool {

/// How `keyway` ends; docs/tool.md lists them for people. Scripts rely on the numbers.
namespace exit_code {
inline constexpr int kOk = 0;
inline constexpr int kRefused = 1;  ///< by the router or the policy; stderr has the verdict's name
inline constexpr int kUsage = 2;
inline constexpr int kNoRouter = 3;
inline constexpr int kTimeout = 4;
inline constexpr int kPeerGone = 5;  ///< the callee ended, or gave the call up
inline constexpr int kSystem = 6;    ///< a file or the operating system
}  // namespace exit_code

[[nodiscard]] int exit_code_of(const Error& error);

struct Session {
    std::string socket;
    bool json = false;
    int exit = exit_code::kOk;

    /// Adds --socket, and --json where the output is data.
    void add_options(CLI::App& command, bool with_json);

    [[nodiscard]] Result<Connection> connect() const;

    /// Says what went wrong, with the name of the verdict first, and what to do; sets the exit code.
    void fail(const Error& error, std::string_view doing);
    /// Wrong usage that only shows when the command runs.
    void fail_usage(std::string_view what);
    /// Trouble with a file or the system.
    void fail_system(std::string_view what);
    /// One line of JSON on stdout.
    static void print(const nlohmann::json& value);
};

/// The sub-commands, a file for each group.
void add_run_command(CLI::App& app, Session& session);         // run.cpp
void add_message_commands(CLI::App& app, Session& session);    // messages.cpp: send, call, listen, publish
void add_topic_commands(CLI::App& app, Session& session);      // topics.cpp: subscribe
void add_list_command(CLI::App& app, Session& session);        // list.cpp: ls
void add_top_command(CLI::App& app, Session& session);         // top.cpp: top
void add_trace_command(CLI::App& app, Session& session);       // trace.cpp: trace
void add_why_command(CLI::App& app, Session& session);         // explain.cpp: why
void add_graph_command(CLI::App& app, Session& session);       // graph.cpp: graph
void add_authority_commands(CLI::App& app, Session& session);  // authority.cpp: grant, revoke
void add_device_commands(CLI::App& app,
                         Session& session);              // device.cpp: device ls, info, load, reset, test...
void add_demo_command(CLI::App& app, Session& session);  // demo.cpp: demo
void add_audit_commands(CLI::App& app, Session& session);  // audit.cpp: audit show, verify, why

// --- option types ---

/// An option that takes a duration such as 10s.
CLI::Option* add_duration(CLI::App& command, const std::string& flag, std::chrono::nanoseconds& value,
                          const std::string& description);

}  // namespace keyway::tool
