// Handing out a right, and taking it back: grant guest | grant owner
#include <keyway/connection.hpp>

#include <iostream>
#include <string>

// [owner]
keyway::Result<void> owner(keyway::Connection& connection) {
    auto door = connection.register_endpoint("recipe/door");
    auto guest = connection.lookup("recipe/guest");
    if (!door || !guest) {
        return door ? guest.error() : door.error();
    }
    // The guest may send to the door, nothing else, and we shall know it by the number 7.
    auto grant = connection.give(door->capability, *guest, keyway::right::kWrite, 7);
    if (!grant) {
        return grant.error();
    }
    auto knock = connection.receive();
    if (!knock) {
        return knock.error();
    }
    std::cout << knock->text() << " by " << knock->badge() << '\n';
    if (auto ended = connection.revoke(door->capability, *grant); !ended) {
        return ended.error();
    }
    return connection.send(keyway::Outgoing::to(*guest, "try again"));  // it is too late for it now
}
// [end]

// [guest]
keyway::Result<void> guest(keyway::Connection& connection) {
    if (auto endpoint = connection.register_endpoint("recipe/guest"); !endpoint) {
        return endpoint.error();
    }
    std::cout << "ready" << std::endl;
    auto given = connection.receive();
    if (!given) {
        return given.error();
    }
    auto door = connection.inspect(given->carried());
    if (!door) {
        return door.error();
    }
    if (auto sent = connection.send(keyway::Outgoing::to(*door, "knock")); !sent) {
        return sent.error();
    }
    if (auto message = connection.receive(); !message) {
        return message.error();
    }
    auto sent = connection.send(keyway::Outgoing::to(*door, "knock"));
    std::cout << (sent ? "open" : sent.error().name()) << '\n';
    return {};
}
// [end]

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: grant guest | grant owner\n";
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    auto done = std::string(argv[1]) == "guest" ? guest(*connection) : owner(*connection);
    if (!done) {
        std::cerr << done.error().message() << '\n';
    }
    return done ? 0 : 1;
}
