// The first program of the book: a service that answers calls, and sees who calls.
#include <keyway/connection.hpp>

#include <iostream>
#include <string>

int main() {
    auto connection = keyway::Connection::open().value();
    connection.register_endpoint("greeter").value();
    std::cout << "greeter is ready" << std::endl;
    while (auto call = connection.receive()) {
        std::cout << "process " << call->sender() << " asks: " << call->text() << std::endl;
        if (auto answered = connection.reply(*call, "hello, " + std::string(call->text())); !answered) {
            std::cerr << answered.error().message() << std::endl;  // the caller's trouble, not ours
        }
    }
}
