// Registers a name and says what comes to it, whichever router is there; for restart_test.py.

#include <iostream>

#include "keyway/connection.hpp"

int main() {
    using namespace keyway;
    auto connection = Connection::open({.reattach = std::chrono::minutes(1)}).value();
    connection.register_endpoint("box").value();
    std::cout << "ready " << connection.id() << std::endl;
    while (true) {
        const auto message = connection.receive();
        if (!message) {
            std::cout << "end: " << message.error().message() << std::endl;
            return 0;
        }
        std::cout << message->text() << std::endl;
    }
}
