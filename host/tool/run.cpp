// keyway run: a router in the foreground.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "daemon/engine_options.hpp"
#include "daemon/engines.hpp"
#include "daemon/log.hpp"
#include "daemon/serve.hpp"
#include "tool/session.hpp"

namespace keyway::tool {

namespace {

struct RunOptions {
    std::string policy;
    std::uint32_t slots = 65536;
    std::uint32_t spin_us = 50;
    daemon::EngineChoice engine;
    bool cross_check = false;
};

// Without a policy file: the user who starts it, and nobody else, may do everything.
Policy own_user_only() {
    Policy policy;
    Rule rule;
    rule.who.users = {::geteuid()};
    rule.names = {"*"};
    rule.lookup = {{.name = "*", .rights = right::kRead | right::kWrite | right::kExecute}};
    rule.observe = true;
    rule.administer = true;
    rule.qubits = true;
    policy.rules.push_back(std::move(rule));
    return policy;
}

std::string socket_path(const Session& session) {
    const char* const from_environment = std::getenv("KEYWAY_SOCKET");
    if (!session.socket.empty()) {
        return session.socket;
    }
    return from_environment != nullptr && *from_environment != '\0' ? from_environment
                                                                    : "/run/keyway/router.sock";
}

int run(const Session& session, const RunOptions& options) {
    daemon::set_log_name("keyway run");
    const bool own = options.policy.empty();
    daemon::ServeOptions serving;
    serving.router.socket = socket_path(session);
    serving.router.capability_slots = options.slots;
    serving.router.spin = std::chrono::microseconds(options.spin_us);
    serving.router.cross_check = options.cross_check;
    if (const std::string why = daemon::choose_engine(options.engine, serving.router); !why.empty()) {
        daemon::log(daemon::Severity::kError, why);
        return exit_code::kUsage;
    }
    if (own) {
        serving.router.policy = own_user_only();
        serving.router.socket_mode = 0600;
    } else {
        serving.policy_file = options.policy;
    }
    switch (daemon::serve(std::move(serving))) {
        case daemon::exit_code::kOk:
            return exit_code::kOk;
        case daemon::exit_code::kBadPolicy:
            return exit_code::kUsage;
        default:
            return exit_code::kSystem;
    }
}

}  // namespace

void add_run_command(CLI::App& app, Session& session) {
    auto options = std::make_shared<RunOptions>();
    CLI::App* command = app.add_subcommand("run", "Run a router in the foreground");
    command->add_option("--policy", options->policy,
                        "Policy file; without one your user may do everything, others nothing");
    command->add_option("--slots", options->slots, "Capabilities that the table can hold")
        ->check(CLI::Range(2U, limit::kSlots))
        ->capture_default_str();
    daemon::add_engine_options(*command, options->engine, options->cross_check);
    command->add_option("--spin-us", options->spin_us, "Microseconds to look for messages before sleeping")
        ->check(CLI::Range(0U, 60'000'000U))
        ->capture_default_str();
    session.add_options(*command, false);
    command->callback([&session, options] { session.exit = run(session, *options); });
    command->footer("Ctrl-C ends it, once what was submitted is routed. SIGHUP reads the policy file again.");
}

}  // namespace keyway::tool
