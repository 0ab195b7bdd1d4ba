// Request and response, the answering side: says back what it is told, until Ctrl-C.
// What was asked before the end is still answered. Start a router first: `keyway run`.
// Run: echo_service, and in another terminal: echo_client hello
#include <keyway/service.hpp>

#include <csignal>
#include <iostream>

namespace {
keyway::Service* running = nullptr;
}

int main() {
    auto connection = keyway::Connection::open().value();
    auto service = keyway::Service::open(connection, "echo").value();
    service.on(1, [](const keyway::Call& call) { return std::string(call.text()); });
    running = &service;
    std::signal(SIGINT, [](int) { running->stop(); });
    std::signal(SIGTERM, [](int) { running->stop(); });
    std::cout << "serving" << std::endl;
    service.run().value();
    std::cout << service.counters().handled << " calls answered\n";
}
