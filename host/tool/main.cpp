// keyway: the command-line tool.

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "tool/session.hpp"

namespace {

using namespace keyway;

int run(int argc, char** argv) {
    tool::Session session;
    CLI::App app("Talk through a Keyway router, look into it, and decide who may do what.", "keyway");
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
    tool::add_demo_command(app, session);
    app.footer(
        "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no router, 4 too late, 5 the other side is gone,\n"
        "6 trouble with a file or the system. `keyway COMMAND --help` has more.");
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
