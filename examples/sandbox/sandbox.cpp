// Plug-ins that can talk only by capability: each runs in a process of its own, which can do nothing but
// compute and use the one connection that it was born with.
//
//     sandbox NAME...      runs plug-ins one after another: good, nosy, stuck
//
// Two walls stand around a plug-in. The kernel's: a seccomp filter, no descriptor but its socket, no
// environment. And the router's, which is embedded in the host: the policy lets nobody register anything, and
// look up only the host's door, to introduce himself. What a plug-in may do beyond that is a capability that
// the host gives it, and can take back at any moment; when the host has taken it back, that is complete.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>

#include "keyway/router.hpp"
#include "lockdown.hpp"
#include "plugins.hpp"

using namespace std::chrono_literals;
using keyway::Connection;
using keyway::Deadline;

namespace {

constexpr int kSocket = 3;      // where a plug-in finds its connection
constexpr auto kPatience = 2s;  // a plug-in that says nothing for so long is ended

int fail(const char* what, const keyway::Error& error) {
    std::fprintf(stderr, "sandbox: %s: %s\n", what, error.message().c_str());
    return 1;
}

// ---- in the plug-in's process ----

int run_plugin(const char* name) {
    sandbox::Plugin* const plugin = sandbox::plugin(name);
    auto connection = Connection::over(kSocket);
    if (plugin == nullptr || !connection) {
        return 1;
    }
    const auto door = connection->lookup("host");
    if (!door || !connection->give(connection->self(), *door, keyway::right::kWrite, 0)) {
        return 1;
    }
    auto given = connection->receive(Deadline::in(10s));
    const auto host = given ? connection->inspect(given->carried()) : given.error();
    if (!host || !sandbox::lock_down()) {
        return 1;
    }
    // Everything up to here is the host's own code; what follows need not be trusted.
    ::_exit(plugin(*connection, *host));
}

// ---- in the host ----

// Starts the program again as a plug-in with `socket` and nothing else.
pid_t start(const char* name, int socket) {
    const pid_t host = ::getpid();
    const pid_t pid = ::fork();
    if (pid != 0) {
        return pid;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != host) {
        ::_exit(1);  // it is gone already
    }
    const int self = ::open("/proc/self/exe", O_PATH | O_CLOEXEC);
    const int raised = ::fcntl(socket, F_DUPFD_CLOEXEC, 10);
    const int program = ::fcntl(self, F_DUPFD_CLOEXEC, 10);
    if (raised < 0 || program < 0) {
        ::_exit(1);
    }
    ::dup2(raised, kSocket);
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) {
        ::dup2(nothing, fd);
    }
    ::fcntl(program, F_SETFD, FD_CLOEXEC);
    for (int fd = kSocket + 1; fd < 1024; ++fd) {
        if (fd != program) {
            ::close(fd);
        }
    }
    const char* const arguments[] = {"plug-in", "--plugin", name, nullptr};
    const char* const environment[] = {nullptr};
    ::fexecve(program, const_cast<char**>(arguments), const_cast<char**>(environment));
    ::_exit(127);
}

// Listens to one plug-in until it is done or silent. True when it was done in time.
bool listen(Connection& connection, std::uint32_t badge, const char* name) {
    while (true) {
        auto message = connection.receive(Deadline::in(kPatience));
        if (!message) {
            std::printf("%s: silent for too long\n", name);
            return false;
        }
        if (message->badge() != badge) {
            continue;  // somebody else at the door; this host has one guest at a time
        }
        if (message->is_call()) {
            (void)connection.reply(*message, "42");
            continue;
        }
        // What it says is its own: for a terminal, control characters would have to go.
        std::printf("%s: %s\n", name, std::string(message->text()).c_str());
        if (message->text() == "done") {
            return true;
        }
    }
}

int run(keyway::Router& router, Connection& connection, std::uint32_t badge, const char* name) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail("a socket", keyway::Error::system());
    }
    router.adopt(ends[0]);
    const pid_t pid = start(name, ends[1]);
    ::close(ends[1]);
    // It introduces itself with a capability for its own endpoint.
    auto hello = connection.receive(Deadline::in(10s));
    if (!hello) {
        return fail(name, hello.error());
    }
    const auto guest = connection.inspect(hello->carried());
    if (!guest) {
        return fail(name, guest.error());
    }
    const auto grant =
        connection.give(connection.self(), *guest, keyway::right::kWrite | keyway::right::kExecute, badge);
    if (!grant) {
        return fail(name, grant.error());
    }
    const bool in_time = listen(connection, badge, name);
    // One that has ended already took its capability along.
    if (auto ended = connection.revoke(connection.self(), *grant);
        !ended && !(ended.error() == keyway::Error{keyway::Verdict::kNoSuchCapability})) {
        return fail("taking it back", ended.error());
    }
    if (in_time) {
        (void)connection.try_send(keyway::Outgoing::to(*guest, "that was all"));
    } else {
        ::kill(pid, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFEXITED(status)) {
        std::printf("%s: ended with %d\n", name, WEXITSTATUS(status));
    } else {
        std::printf("%s: killed\n", name);
    }
    (void)connection.release(guest->id);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::string(argv[1]) == "--plugin") {
        return run_plugin(argv[2]);
    }
    if (argc < 2) {
        std::fputs("usage: sandbox NAME...; NAME: good, nosy, stuck\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; ++i) {
        if (sandbox::plugin(argv[i]) == nullptr) {
            std::fprintf(stderr, "sandbox: there is no plug-in %s\n", argv[i]);
            return 2;
        }
    }
    // The host and its plug-ins are one user, which is what the policy goes by: so the host registers its
    // door while it is alone, and then nobody may register any more.
    keyway::Policy policy;
    keyway::Rule rule;
    rule.who.everyone = true;
    rule.names = {"host"};
    rule.lookup = {{.name = "host", .rights = keyway::right::kWrite}};
    policy.rules = {rule};
    keyway::Router router(keyway::RouterOptions{.policy = policy});
    if (auto started = router.start(); !started) {
        return fail("the router", started.error());
    }
    auto connection = router.connect();
    if (!connection) {
        return fail("connecting", connection.error());
    }
    if (auto door = connection->register_endpoint("host"); !door) {
        return fail("the door", door.error());
    }
    policy.rules[0].names.clear();
    router.set_policy(policy);

    int worst = 0;
    for (int i = 1; i < argc; ++i) {
        worst = std::max(worst, run(router, *connection, 1000U + static_cast<unsigned>(i), argv[i]));
        std::fflush(stdout);
    }
    return worst;
}
