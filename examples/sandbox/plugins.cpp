#include "plugins.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>

using namespace std::chrono_literals;
using keyway::Connection;
using keyway::Deadline;
using keyway::Outgoing;

namespace sandbox {

namespace {

void say(Connection& connection, const keyway::Capability& host, const std::string& line) {
    (void)connection.send(Outgoing::to(host, line), Deadline::in(10s));
}

// Does what it is there for.
int good(Connection& connection, const keyway::Capability& host) {
    auto answer = connection.call(host, "six times seven", Deadline::in(10s));
    say(connection, host,
        "the answer is " + (answer ? std::string(answer->text()) : answer.error().message()));
    say(connection, host, "done");
    // The host takes its capability back now, and says so: it is of no use any more.
    auto word = connection.receive(Deadline::in(10s));
    auto again = connection.call(host, "six times seven", Deadline::in(10s));
    return word && !again && again.error() == keyway::Error{keyway::Verdict::kNoSuchCapability} ? 0 : 1;
}

// Tries everything else, and tells.
int nosy(Connection& connection, const keyway::Capability& host) {
    const auto outcome = [](bool worked) { return worked ? std::string("it works!") : std::strerror(errno); };
    say(connection, host, "reading /etc/passwd: " + outcome(::open("/etc/passwd", O_RDONLY) >= 0));
    say(connection, host, "opening a socket: " + outcome(::socket(AF_INET, SOCK_STREAM, 0) >= 0));
    say(connection, host, "starting a process: " + outcome(::fork() >= 0));
    say(connection, host, "signalling its host: " + outcome(::kill(::getppid(), 0) == 0));
    auto name = connection.register_endpoint("host");
    say(connection, host,
        "taking the host's name: " + (name ? "it works!" : std::string(name.error().name())));
    auto other = connection.lookup("plugin/1");
    say(connection, host, "looking another up: " + (other ? "it works!" : std::string(other.error().name())));
    int delivered = 0;
    for (std::uint32_t slot = 1; slot < 64; ++slot) {
        for (std::uint32_t generation = 0; generation < 16; ++generation) {
            auto guess = host;
            guess.id = generation << keyway::limit::kSlotBits | slot;
            guess.object = slot;
            if (guess.id != host.id && guess.id != connection.self().id &&
                connection.try_send(Outgoing::to(guess, "x"))) {
                ++delivered;
            }
        }
    }
    say(connection, host, "1000 guessed capabilities: " + std::to_string(delivered) + " messages delivered");
    say(connection, host, "done");
    return 0;
}

// Never says a word.
int stuck(Connection& /*connection*/, const keyway::Capability& /*host*/) {
    for (;;) {
        ::pause();  // not allowed either, so it spins
    }
}

}  // namespace

Plugin* plugin(std::string_view name) {
    return name == "good" ? good : name == "nosy" ? nosy : name == "stuck" ? stuck : nullptr;
}

}  // namespace sandbox
