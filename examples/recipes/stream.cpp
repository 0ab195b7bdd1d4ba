// Streams: stream receive | stream send COUNT
#include <keyway/stream.hpp>

#include <array>
#include <iostream>
#include <string>

// [receive]
keyway::Result<void> receive(keyway::Connection& connection) {
    if (auto endpoint = connection.register_endpoint("recipe/sink"); !endpoint) {
        return endpoint.error();
    }
    std::cout << "ready" << std::endl;
    auto offer = connection.receive();
    if (!offer) {
        return offer.error();
    }
    auto reader = keyway::accept_stream(connection, *offer);  // or decline(connection, *offer)
    if (!reader) {
        return reader.error();
    }
    std::array<char, 4096> piece{};
    while (true) {
        auto count = reader->read(std::as_writable_bytes(std::span(piece)));
        if (!count) {
            return count.error();  // peer_gone: what came is not all of it
        }
        if (*count == 0) {
            return {};  // the writer has finished
        }
        std::cout.write(piece.data(), static_cast<std::streamsize>(*count));
    }
}
// [end]

// [send]
keyway::Result<void> send(keyway::Connection& connection, int count) {
    auto sink = connection.lookup("recipe/sink");
    if (!sink) {
        return sink.error();
    }
    auto writer = keyway::open_stream(connection, *sink);  // until the other side accepts
    if (!writer) {
        return writer.error();
    }
    for (int i = 1; i <= count; ++i) {
        const std::string line = "line " + std::to_string(i) + '\n';
        // Waits when the reader is slow.
        if (auto written = writer->write(std::as_bytes(std::span(line))); !written) {
            return written.error();
        }
    }
    return writer->finish();  // without this the reader would think that we had died
}
// [end]

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: stream receive | stream send COUNT\n";
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    auto done = argc == 3 ? send(*connection, std::stoi(argv[2])) : receive(*connection);
    if (!done) {
        std::cerr << done.error().message() << '\n';
    }
    return done ? 0 : 1;
}
