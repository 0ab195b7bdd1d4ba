// A service that comes back: a supervisor starts it, asks it now and then whether it lives, and starts it
// anew when it died or does not answer. Callers look its name up again and go on.
//
//     supervised watch            the supervisor; starts `supervised serve` and keeps it going, until SIGTERM
//     supervised call NUMBER      asks for the square, however often the service is restarted meanwhile
//
// What stands in for the kernel's and the router's word is nobody's time-out: the death of the service is a
// pidfd that becomes readable, and every caller that waits for it hears `peer_gone` at once. Only a service
// that hangs is found by a deadline. Each restart waits twice as long as the one before, until the service
// has run a while.

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "keyway/service.hpp"

using namespace std::chrono_literals;
using keyway::Deadline;

namespace {

constexpr const char* kName = "squares";
constexpr std::uint32_t kPing = 0;
constexpr std::uint32_t kSquare = 1;

int fail(const char* what, const keyway::Error& error) {
    std::fprintf(stderr, "supervised: %s: %s\n", what, error.message().c_str());
    return 1;
}

// ---- the service ----

int serve() {
    auto connection = keyway::Connection::open();
    if (!connection) {
        return fail("connecting", connection.error());
    }
    auto service = keyway::Service::open(*connection, kName);
    if (!service) {
        return fail("registering", service.error());
    }
    service->on(kPing, [](const keyway::Call&) { return std::string("here"); });
    service->on(kSquare, [](const keyway::Call& call) -> keyway::Result<std::string> {
        char* end = nullptr;
        const std::string text(call.text());
        const long number = std::strtol(text.c_str(), &end, 10);
        if (text.empty() || *end != '\0' || std::abs(number) > 1'000'000) {
            return keyway::Status::kBadArgument;
        }
        return std::to_string(number * number);
    });
    auto served = service->run();
    return served ? 0 : fail("serving", served.error());
}

// ---- the supervisor ----

struct Child {
    pid_t pid = -1;
    int pidfd = -1;
};

Child start(const char* self) {
    Child child;
    child.pid = ::fork();
    if (child.pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // without its supervisor it ends in order
        ::execl(self, self, "serve", nullptr);
        std::perror("supervised: starting the service");
        ::_exit(127);
    }
    child.pidfd = child.pid < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0));
    return child;
}

// How a process ended, in words; takes it off the system's books.
std::string reap(Child& child) {
    int status = 0;
    ::waitpid(child.pid, &status, 0);
    ::close(child.pidfd);
    child = {};
    return WIFSIGNALED(status) ? "was killed by signal " + std::to_string(WTERMSIG(status))
                               : "ended with " + std::to_string(WEXITSTATUS(status));
}

// True when the service answers. It may not have registered yet, and then no_such_name is no fault.
bool answers(keyway::Connection& connection, std::chrono::milliseconds patience) {
    const auto name = connection.lookup(kName);
    if (!name) {
        return name.error() == keyway::Error{keyway::Status::kNoSuchName};
    }
    auto answer = keyway::ServiceClient(connection, *name).call(kPing, "", Deadline::in(patience));
    (void)connection.release(name->id);  // a look-up a ping would fill the table
    return answer || !(answer.error() == keyway::Error{keyway::Status::kTimeout});
}

int watch(const char* self) {
    constexpr auto kPingEvery = 500ms;
    constexpr auto kPatience = 2000ms;
    constexpr auto kFirstPause = 50ms;
    constexpr auto kLongestPause = 10s;
    constexpr auto kSettled = 5s;  // who ran so long starts again without a long pause

    auto connection = keyway::Connection::open();
    if (!connection) {
        return fail("connecting", connection.error());
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    const int signals = ::signalfd(-1, &ends, SFD_CLOEXEC);
    std::chrono::milliseconds pause = kFirstPause;

    while (true) {
        Child child = start(self);
        if (child.pidfd < 0) {
            std::perror("supervised: starting the service");
            return 1;
        }
        const auto began = std::chrono::steady_clock::now();
        std::printf("started %d\n", child.pid);
        std::fflush(stdout);
        pollfd watched[] = {{.fd = child.pidfd, .events = POLLIN, .revents = 0},
                            {.fd = signals, .events = POLLIN, .revents = 0}};
        while (::poll(watched, 2, static_cast<int>(std::chrono::milliseconds(kPingEvery).count())) == 0) {
            if (!answers(*connection, kPatience)) {
                std::printf("%d does not answer\n", child.pid);
                ::kill(child.pid, SIGKILL);
            }
        }
        if ((watched[1].revents & POLLIN) != 0) {
            ::kill(child.pid, SIGTERM);
            reap(child);
            std::puts("stopped");
            return 0;
        }
        const pid_t pid = child.pid;
        std::printf("%d %s\n", pid, reap(child).c_str());
        std::fflush(stdout);
        if (std::chrono::steady_clock::now() - began > kSettled) {
            pause = kFirstPause;
        }
        pollfd stop = {.fd = signals, .events = POLLIN, .revents = 0};
        if (::poll(&stop, 1, static_cast<int>(pause.count())) > 0) {
            std::puts("stopped");
            return 0;
        }
        pause = std::min(std::chrono::milliseconds(kLongestPause), pause * 2);
    }
}

// ---- a caller ----

// True for outcomes after which the same call may succeed: the service was not there, or ended before it
// answered. The call may have been carried out all the same; squares can be asked for twice, a payment could
// not.
bool may_come_back(const keyway::Error& error) {
    const keyway::Error passing[] = {keyway::Status::kNoSuchName, keyway::Status::kPeerGone,
                                     keyway::Verdict::kNoSuchCapability, keyway::Verdict::kWrongObject,
                                     keyway::Verdict::kClosed};
    return std::find(std::begin(passing), std::end(passing), error) != std::end(passing);
}

keyway::Result<std::string> call_until(keyway::Connection& connection, std::uint32_t method,
                                       const std::string& argument, Deadline deadline) {
    for (auto pause = 5ms;; pause = std::min(pause * 2, std::chrono::milliseconds(500))) {
        keyway::Error error{keyway::Status::kTimeout};
        if (auto name = connection.lookup(kName)) {
            auto answer = keyway::ServiceClient(connection, *name).call(method, argument, deadline);
            (void)connection.release(name->id);
            if (answer) {
                return answer;
            }
            error = answer.error();
        } else {
            error = name.error();
        }
        if (!may_come_back(error) || deadline.passed()) {
            return error;
        }
        std::this_thread::sleep_for(pause);
    }
}

int call(const std::string& number) {
    auto connection = keyway::Connection::open();
    if (!connection) {
        return fail("connecting", connection.error());
    }
    auto answer = call_until(*connection, kSquare, number, Deadline::in(30s));
    if (!answer) {
        return fail("asking", answer.error());
    }
    std::printf("%s\n", answer->c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 1 ? argv[1] : "";
    if (role == "serve" && argc == 2) {
        return serve();
    }
    if (role == "watch" && argc == 2) {
        return watch("/proc/self/exe");
    }
    if (role == "call" && argc == 3) {
        return call(argv[2]);
    }
    std::fputs("usage: supervised watch | serve | call NUMBER\n", stderr);
    return 2;
}
