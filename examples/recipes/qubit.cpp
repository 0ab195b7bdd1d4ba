// Quantum hand-off: qubit receive | qubit send
#include <keyway/quantum.hpp>

#include <cstdio>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

// [receive]
keyway::Result<void> receive(keyway::Connection& connection) {
    if (auto endpoint = connection.register_endpoint("recipe/lab"); !endpoint) {
        return endpoint.error();
    }
    std::cout << "ready" << std::endl;
    auto message = connection.receive();
    if (!message) {
        return message.error();
    }
    auto qubit = keyway::Qubit::accept(connection, *message);  // now nobody else has it
    if (!qubit) {
        return qubit.error();
    }
    std::printf("%.2f %.2f\n", std::norm(qubit->state()[0]), std::norm(qubit->state()[1]));
    return qubit->discard();  // it was measured
}
// [end]

// [send]
keyway::Result<void> send(keyway::Connection& connection) {
    auto lab = connection.lookup("recipe/lab");
    if (!lab) {
        return lab.error();
    }
    auto qubit = keyway::Qubit::prepare(connection, {.coherence = 60s, .width = 1});
    if (!qubit) {
        return qubit.error();
    }
    qubit->state()[0] = 0.6;
    qubit->state()[1] = {0, 0.8};
    if (auto given = qubit->hand_off(*lab); !given) {
        return given.error();  // refused: it is still ours
    }
    std::cout << "handed off\n";
    return {};
}
// [end]

int main(int argc, char** argv) {
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    auto done = argc == 2 && std::string(argv[1]) == "receive" ? receive(*connection) : send(*connection);
    if (!done) {
        std::cerr << done.error().message() << '\n';
    }
    return done ? 0 : 1;
}
