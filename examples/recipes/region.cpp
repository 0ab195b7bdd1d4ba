// Memory that is lent and taken back: region view | region lend TEXT
#include <keyway/region.hpp>

#include <iostream>
#include <string>

using namespace std::chrono_literals;
using keyway::Deadline;

constexpr std::size_t kBytes = 4096;

// [lend]
keyway::Result<void> lend(keyway::Connection& connection, const std::string& text) {
    auto viewer = connection.lookup("recipe/viewer");
    if (!viewer) {
        return viewer.error();
    }
    auto region = keyway::RevocableRegion::create(connection, kBytes);
    if (!region) {
        return region.error();
    }
    if (auto written = region->write(0, std::as_bytes(std::span(text))); !written) {
        return written.error();
    }
    auto grant = region->give_read(*viewer);
    if (!grant) {
        return grant.error();
    }
    if (auto looked = connection.call(*viewer, std::to_string(text.size()), Deadline::in(10s)); !looked) {
        return looked.error();
    }
    if (auto taken = region->recall(*grant, keyway::Recall::kFuture); !taken) {
        return taken.error();
    }
    const std::string secret = "not for the viewer";
    if (auto written = region->write(0, std::as_bytes(std::span(secret))); !written) {
        return written.error();
    }
    auto looked = connection.call(*viewer, std::to_string(text.size()), Deadline::in(10s));
    return looked ? keyway::Result<void>() : looked.error();
}
// [end]

// [view]
keyway::Result<void> view(keyway::Connection& connection) {
    if (auto endpoint = connection.register_endpoint("recipe/viewer"); !endpoint) {
        return endpoint.error();
    }
    std::cout << "ready" << std::endl;
    auto given = connection.receive();
    if (!given) {
        return given.error();
    }
    auto region = keyway::RevocableView::accept(connection, *given);
    if (!region) {
        return region.error();
    }
    for (int look = 0; look < 2; ++look) {
        auto call = connection.receive();
        if (!call) {
            return call.error();
        }
        std::string text(std::stoul(std::string(call->text())), '\0');
        auto read = region->read(0, std::as_writable_bytes(std::span(text)));  // never a signal
        std::cout << (read ? text : std::string(read.error().name())) << '\n';
        if (auto answered = connection.reply(*call, "looked"); !answered) {
            return answered.error();
        }
    }
    return {};
}
// [end]

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: region view | region lend TEXT\n";
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    auto done = argc == 2 ? view(*connection) : lend(*connection, argv[2]);
    if (!done) {
        std::cerr << done.error().message() << '\n';
    }
    return done ? 0 : 1;
}
