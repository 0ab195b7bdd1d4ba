// One-way messages: oneway receive COUNT | oneway send COUNT
#include <keyway/connection.hpp>

#include <iostream>
#include <string>

// [receive]
keyway::Result<void> receive(keyway::Connection& connection, int count) {
    if (auto endpoint = connection.register_endpoint("recipe/log"); !endpoint) {
        return endpoint.error();
    }
    std::cout << "ready" << std::endl;
    for (; count > 0; --count) {
        auto message = connection.receive();
        if (!message) {
            return message.error();
        }
        // Who sent it is the router's word, not the sender's.
        std::cout << message->text() << '\n';
    }
    return {};
}
// [end]

// [send]
keyway::Result<void> send(keyway::Connection& connection, int count) {
    auto log = connection.lookup("recipe/log");
    if (!log) {
        return log.error();
    }
    for (int i = 1; i <= count; ++i) {  // without waiting for each verdict
        auto posted = connection.post(keyway::Outgoing::to(*log, "line " + std::to_string(i)));
        if (!posted) {
            return posted.error();
        }
    }
    if (auto judged = connection.flush(); !judged) {  // now all of them are judged
        return judged.error();
    }
    int refused = 0;
    while (auto refusal = connection.next_refusal()) {
        std::cerr << refusal->reason.message() << '\n';
        ++refused;
    }
    std::cout << "sent " << count << ", refused " << refused << '\n';
    return {};
}
// [end]

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: oneway receive COUNT | oneway send COUNT\n";
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    const int count = std::stoi(argv[2]);
    auto done = std::string(argv[1]) == "receive" ? receive(*connection, count) : send(*connection, count);
    if (!done) {
        std::cerr << done.error().message() << '\n';
    }
    return done ? 0 : 1;
}
