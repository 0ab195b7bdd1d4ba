// Submits messages to itself when told to, and then says what became of them; for daemon_test.py.

#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "keyway/connection.hpp"

int main(int argc, char** argv) {
    using namespace keyway;
    const unsigned long count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
    auto connection = Connection::open().value();
    const auto say = [](const std::string& line) { std::cout << line << std::endl; };  // and flush
    say("connected");
    for (std::string word; std::getline(std::cin, word) && word != "post";) {
    }
    for (unsigned long i = 0; i < count; ++i) {
        if (const auto posted = connection.post(Outgoing::to(connection.self(), std::to_string(i)));
            !posted) {
            say(posted.error().message());
            return 1;
        }
    }
    say(fmt::format("posted {}", count));
    unsigned long received = 0;
    bool in_order = true;
    while (true) {
        const auto message = connection.receive();
        if (!message) {
            say(fmt::format("received {} {}, then {}", received, in_order ? "in order" : "out of order",
                            message.error().name()));
            return 0;
        }
        in_order = in_order && message->text() == std::to_string(received);
        ++received;
    }
}
