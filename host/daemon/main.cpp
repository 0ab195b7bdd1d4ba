// keywayd: the router as a system service.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "base/units.hpp"
#include "daemon/engine_options.hpp"
#include "daemon/engines.hpp"
#include "daemon/keeper.hpp"
#include "daemon/log.hpp"
#include "daemon/serve.hpp"
#include "daemon/systemd.hpp"
#include "manual/manual.hpp"
#include "router/policy_faults.hpp"

namespace {

using namespace keyway;
namespace exit_code = daemon::exit_code;

struct Options {
    std::string policy = KEYWAY_SYSCONFDIR "/keyway/policy.toml";
    std::string socket = "/run/keyway/router.sock";
    std::string qubit_ledger;
    std::string state;
    AuditOptions audit;
    std::uint32_t slots = 65536;
    std::uint32_t spin_us = 50;
    daemon::EngineChoice engine;
    bool cross_check = false;
    bool check_policy = false;
    bool unconfined = false;
};

void describe(CLI::App& app, Options& options) {
    app.set_version_flag("--version", fmt::format("keywayd {} (contract {}.{})", KEYWAY_VERSION,
                                                  kVersionMajor, kVersionMinor));
    app.add_option("--policy", options.policy, "The policy file; read again on SIGHUP")
        ->capture_default_str();
    app.add_option("--socket", options.socket, "Where to listen, unless a service manager does")
        ->capture_default_str();
    app.add_option("--audit", options.audit.directory, "Folder of the audit log; none: no log");
    app.add_option("--audit-key", options.audit.key_file, "The log's key; else `key` in the folder");
    app.add_option_function<std::string>(
           "--audit-segment",
           [&options](const std::string& text) {
               const auto bytes = units::parse_size(text);
               if (!bytes || *bytes < 4096) {
                   throw CLI::ValidationError(
                       "--audit-segment",
                       std::string("needs ") + std::string(units::kSizeForm) + ", and no less than 4096");
               }
               options.audit.segment_bytes = *bytes;
           },
           "Size at which a new file is begun; else 64MiB")
        ->type_name("SIZE");
    app.add_option("--audit-keep", options.audit.keep, "Files of the log to keep; 0: all")
        ->capture_default_str();
    app.add_option("--qubit-ledger", options.qubit_ledger, "File that says who holds which qubit, for ever");
    app.add_option("--state", options.state, "Where connections outlive it: a folder, or `manager`");
    app.add_option("--slots", options.slots, "Capabilities that the table can hold")
        ->check(CLI::Range(2U, limit::kSlots))
        ->capture_default_str();
    app.add_option("--spin-us", options.spin_us, "Microseconds to look for messages before sleeping")
        ->check(CLI::Range(0U, 60'000'000U))
        ->capture_default_str();
    daemon::add_engine_options(app, options.engine, options.cross_check);
    app.add_flag("--check-policy", options.check_policy, "Say whether the policy file is good, and end");
    app.add_flag("--unconfined", options.unconfined, "Go on without the system call filter");
    app.footer("keywayd(8) says what signals do, and has the exit codes.");
}

manual::Page page() {
    return {
        .section = 8,
        .version = KEYWAY_VERSION,
        .description =
            "Serves processes that connect to its socket: it passes their messages if they hold a capability "
            "for it, and refuses all others. The policy file says who gets which capability. SIGTERM and "
            "SIGINT "
            "end it after what was submitted is routed; the same signal again ends it at once. SIGHUP reads "
            "the "
            "policy file again; a faulty one changes nothing. With --state, SIGUSR2 ends it without a word: "
            "a new "
            "one, perhaps of a newer release, goes on where it ended, as after a crash. It needs no "
            "privilege.",
        .exit_codes =
            {{"0", "Ended in order"},
             {"1",
              "The policy file is faulty or can't be read; the standard error has file, line and column"},
             {"2", "Wrong usage"},
             {"3", "Can't listen: another router does, or the place can't be used"},
             {"4", "The system call filter can't be set; --unconfined goes on without"},
             {"5", "SIGUSR2: what it kept is for the next one, which is to be started at once"}},
        .environment = {{"NOTIFY_SOCKET", "Where a service manager wants to be told of the state"},
                        {"LISTEN_FDS", "When a service manager passes the socket, and what it kept"}},
        .files = {{KEYWAY_SYSCONFDIR "/keyway/policy.toml",
                   "The policy file, unless told otherwise; keyway-policy(5) says what can stand in it"},
                  {"/run/keyway/router.sock", "The socket, unless told otherwise"}},
        .see_also = ".BR keyway (1),\n.BR keyway\\-policy (5)",
    };
}

int check_policy(const std::string& file) {
    Policy policy;
    const auto faults = check_policy_file(file, policy);
    for (const PolicyError& fault : faults) {
        fmt::print(stderr, "{}\n", fault.message());
    }
    if (faults.empty()) {
        fmt::print("{}: good, {} rules\n", file, policy.rules.size());
    }
    return faults.empty() ? exit_code::kOk : exit_code::kBadPolicy;
}

}  // namespace

// The router does without exceptions: one that gets here means out of memory, or a bug of ours, and ends the
// daemon on the spot, as a failed check does. NOLINTNEXTLINE(bugprone-exception-escape): as it should be
int main(int argc, char** argv) {
    Options options;
    CLI::App app("The Keyway router: passes messages for whom a capability allows it.", "keywayd");
    manual::use_help_form(app);
    describe(app, options);
    if (const auto text = manual::generated(app, page(), argc, argv)) {
        fmt::print("{}", *text);
        return exit_code::kOk;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? exit_code::kOk : exit_code::kUsage;
    }
    if (options.check_policy) {
        return check_policy(options.policy);
    }
    daemon::set_log_name("keywayd");
    auto passed = daemon::passed_descriptors();
    if (!passed) {
        daemon::log(daemon::Severity::kError, passed.error());
        return exit_code::kCannotListen;
    }
    std::shared_ptr<StateStore> store;
    if (!options.state.empty()) {
        auto opened = daemon::open_store(options.state, std::move(passed->kept));
        if (!opened) {
            daemon::log(daemon::Severity::kError,
                        fmt::format("can't keep state at {}: {}", options.state, opened.error()));
            return exit_code::kCannotListen;
        }
        store = std::move(*opened);
    }
    daemon::ServeOptions serving{.router = {.policy = {},
                                            .audit = options.audit,
                                            .socket = options.socket,
                                            .listening_socket = passed->listener,
                                            .capability_slots = options.slots,
                                            .qubit_ledger = options.qubit_ledger,
                                            .spin = std::chrono::microseconds(options.spin_us),
                                            .state = std::move(store),
                                            .cross_check = options.cross_check},
                                 .policy_file = options.policy,
                                 .on_ready = {},
                                 .confined = !options.unconfined};
    if (const std::string why = daemon::choose_engine(options.engine, serving.router); !why.empty()) {
        daemon::log(daemon::Severity::kError, why);
        return exit_code::kUsage;
    }
    return daemon::serve(std::move(serving));
}
