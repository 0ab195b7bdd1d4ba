// keyway: the command-line tool.

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "manual/manual.hpp"
#include "tool/session.hpp"

namespace {

using namespace keyway;

const manual::Page kPage{
    .section = 1,
    .version = KEYWAY_VERSION,
    .description =
        "Sends and receives messages by hand, shows what goes on at a router and why something was refused, "
        "and gives and takes capabilities. Data goes to the standard output and all else to the standard "
        "error. With --json, where a command has it, the data is JSON, and an error too. Durations are a "
        "whole "
        "number and ns, us, ms, s, min, h or d. Ids are decimal, or hexadecimal with 0x.",
    .exit_codes = {{"0", "Done"},
                   {"1",
                    "Refused by the router or the policy; the standard error begins with the verdict's name"},
                   {"2", "Wrong usage"},
                   {"3", "No router, or it ended"},
                   {"4", "Too late: the time given by --timeout passed"},
                   {"5", "The other side ended before it answered, or gave the call up"},
                   {"6", "Trouble with a file, a board or the operating system"}},
    .environment = {{"KEYWAY_SOCKET", "The router's socket, unless --socket says it"},
                    {"NO_COLOR", "No colours, whatever it is set to"}},
    .files = {{"/run/keyway/router.sock", "The router's socket, unless told otherwise"},
              {"/var/log/keyway/audit", "The audit log of keywayd as a system service"}},
    .see_also = ".BR keywayd (8)",
};

int run(int argc, char** argv) {
    tool::Session session;
    CLI::App app("Talk through a Keyway router, look into it, and decide who may do what.", "keyway");
    manual::use_help_form(app);
    app.set_version_flag(
        "--version", fmt::format("keyway {} (contract {}.{})", KEYWAY_VERSION, kVersionMajor, kVersionMinor));
    app.require_subcommand(1);
    tool::add_run_command(app, session);
    tool::add_message_commands(app, session);
    tool::add_topic_commands(app, session);
    tool::add_list_command(app, session);
    tool::add_top_command(app, session);
    tool::add_trace_command(app, session);
    tool::add_why_command(app, session);
    tool::add_graph_command(app, session);
    tool::add_authority_commands(app, session);
    tool::add_audit_commands(app, session);
#ifdef KEYWAY_WITH_USB
    tool::add_device_commands(app, session);
#endif
    tool::add_demo_command(app, session);
    app.footer(
        "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no router, 4 too late, 5 peer gone, 6 file or "
        "system. "
        "`keyway COMMAND --help` and keyway(1) have more.");
    if (const auto text = manual::generated(app, kPage, argc, argv)) {
        fmt::print("{}", *text);
        return tool::exit_code::kOk;
    }
    // CLI11 would only say that a sub-command is missing.
    if (argc > 1 && argv[1][0] != '-' &&
        app.get_subcommands([&](CLI::App* command) { return command->check_name(argv[1]); }).empty()) {
        session.fail_usage(
            fmt::format("there is no command \"{}\"; `keyway --help` lists the commands", argv[1]));
        return session.exit;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? tool::exit_code::kOk : tool::exit_code::kUsage;
    }
    return session.exit;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {  // no library of ours throws; the file system and JSON may
        std::fprintf(stderr, "keyway: %s\n", error.what());
        return tool::exit_code::kSystem;
    }
}
