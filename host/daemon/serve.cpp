#include "daemon/serve.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/check.hpp"
#include "base/fd.hpp"
#include "daemon/confine.hpp"
#include "daemon/log.hpp"
#include "daemon/metrics.hpp"
#include "daemon/systemd.hpp"
#include "keyway/engine.hpp"
#include "router/policy_faults.hpp"

namespace keyway::daemon {

namespace {

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) {
        sigaddset(&set, signal);
    }
    return set;
}

int next_signal(const UniqueFd& signals) {
    signalfd_siginfo info{};
    while (::read(signals.get(), &info, sizeof info) != sizeof info) {
        KEYWAY_CHECK(errno == EINTR);
    }
    return static_cast<int>(info.ssi_signo);
}

// The router holds several descriptors a process; the usual soft limit is there for programs that use
// select().
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

bool read_policy(const std::filesystem::path& file, Policy& policy) {
    const auto faults = check_policy_file(file, policy);
    for (const PolicyError& fault : faults) {
        log(Severity::kError, fault.message());
    }
    return faults.empty();
}

std::string why_not_listening(const Error& error) {
    if (error == Error{Status::kCorrupt}) {
        return "the audit log or the qubit ledger there is not of this version, or was changed; see the line "
               "above, and "
               "choose another --audit or --qubit-ledger";
    }
    switch (error.system_error()) {
        case 0:
            return error.message();
        case EWOULDBLOCK:
            return "another router has the audit log or the qubit ledger; stop it, or choose another --audit "
                   "or "
                   "--qubit-ledger";
        case EADDRINUSE:
            return "another router listens there; stop it, or choose another --socket";
        case ENOENT:
            return "the folder does not exist; make it, or choose another --socket";
        case EACCES:
            return "this user may not make a socket there; choose another --socket";
        default:
            return std::strerror(error.system_error());
    }
}

void reload(Router& router, const std::filesystem::path& file, const std::string& metrics_at) {
    notify_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", Deadline::clock_ns() / 1000));
    Policy policy;
    if (read_policy(file, policy)) {
        log(Severity::kInfo,
            fmt::format("policy {} was read again: {} rules", file.string(), policy.rules.size()));
        if (policy.metrics != metrics_at) {
            log(Severity::kWarning, "the address of metrics changes only when the router starts anew");
        }
        router.set_policy(std::move(policy));
        notify_manager("READY=1");
    } else {
        log(Severity::kWarning, "the new policy is faulty; the one in force stays");
        notify_manager("READY=1\nSTATUS=The policy file is faulty; an earlier one is in force.");
    }
}

}  // namespace

int serve(ServeOptions options) {
    const sigset_t handled = handled_signals();
    sigset_t before;
    KEYWAY_CHECK(::pthread_sigmask(SIG_BLOCK, &handled, &before) == 0);
    // stderr may be a pipe whose reader goes away; that is no reason to end.
    std::signal(SIGPIPE, SIG_IGN);
    const UniqueFd signals(::signalfd(-1, &handled, SFD_CLOEXEC));
    KEYWAY_CHECK(signals);
    raise_descriptor_limit();

    if (options.policy_file && !read_policy(*options.policy_file, options.router.policy)) {
        return exit_code::kBadPolicy;
    }
    const std::string where =
        options.router.listening_socket >= 0 ? "the service manager's socket" : options.router.socket;
    const std::size_t rules = options.router.policy.rules.size();
    const std::string metrics_at = options.router.policy.metrics;
    options.router.log = log_info;
    const bool keeps = options.router.state != nullptr;
    if (options.confined) {
        const bool network = !metrics_at.empty() && !metrics_at.starts_with("unix:");
        const bool board =
            options.router.engine != nullptr && options.router.engine->kind() == EngineKind::kUsb;
        if (const std::string why = confine(network, board); !why.empty()) {
            log(Severity::kError,
                "can't give up what a router does not need (" + why + "); --unconfined goes on all the same");
            return exit_code::kCannotConfine;
        }
    }
    Router router(std::move(options.router));
    if (auto started = router.start(); !started) {
        log(Severity::kError,
            fmt::format("can't listen at {}: {}", where, why_not_listening(started.error())));
        return exit_code::kCannotListen;
    }
    log(Severity::kInfo, fmt::format("listening at {}, {} rules, pid {}", where, rules, ::getpid()));
    MetricsServer metrics;
    if (!metrics_at.empty()) {
        if (const std::string fault = metrics.start(router, metrics_at); !fault.empty()) {
            log(Severity::kError, fmt::format("can't serve metrics at {}: {}", metrics_at, fault));
            return exit_code::kCannotListen;
        }
        log(Severity::kInfo, fmt::format("metrics at {}", metrics_at));
    }
    notify_manager("READY=1");
    if (options.on_ready) {
        options.on_ready();
    }

    int signal = next_signal(signals);
    while ((signal == SIGHUP && options.policy_file) || (signal == SIGUSR2 && !keeps)) {
        if (signal == SIGHUP) {
            reload(router, *options.policy_file, metrics_at);
        } else {
            log(Severity::kWarning, "there is nothing to hand on: no --state");
        }
        signal = next_signal(signals);
    }
    if (signal == SIGUSR2) {
        metrics.stop();
        router.hand_on();
        router.join();
        log(Severity::kInfo, "handed on");
        return exit_code::kHandedOn;
    }
    log(Severity::kInfo, fmt::format("signal {}: ending", signal));
    notify_manager("STOPPING=1");
    metrics.stop();
    router.stop();
    // From here on the same signal again has its default action, for a person who won't wait.
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    router.join();
    const RouterCounters counters = router.counters();
    log(Severity::kInfo, fmt::format("ended: {} sent, {} delivered, {} refused, {} expired", counters.sent,
                                     counters.delivered, counters.refused, counters.expired));
    return exit_code::kOk;
}

}  // namespace keyway::daemon
