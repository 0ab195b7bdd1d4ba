// One-way messages: a thousand are posted without waiting for each, then `flush` learns of all verdicts at
// once. Here both ends are in one program, each with a connection of its own; they could be two programs.
// Run: oneway
#include <keyway/connection.hpp>

#include <iostream>
#include <thread>

int main() {
    constexpr int kMessages = 1000;
    auto receiver = keyway::Connection::open().value();
    receiver.register_endpoint("notes").value();
    int received = 0;
    std::thread receiving([&] {
        for (; received < kMessages; ++received) {
            receiver.receive().value();
        }
    });

    auto sender = keyway::Connection::open().value();
    const auto notes = sender.lookup("notes").value();
    for (int i = 0; i < kMessages; ++i) {
        sender.post(keyway::Outgoing::to(notes, "note " + std::to_string(i))).value();
    }
    sender.flush().value();
    int refused = 0;
    while (auto refusal = sender.next_refusal()) {
        std::cerr << refusal->reason.message() << '\n';
        ++refused;
    }
    receiving.join();
    std::cout << received << " received, " << refused << " refused\n";
}
