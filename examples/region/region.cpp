// Shared memory between two processes, and taking it back.
//
//     keyway run --socket /tmp/router.sock &                a router
//     example_region viewer /tmp/router.sock &              looks at frames
//     example_region camera /tmp/router.sock                makes them
//
// The camera has one frame buffer, which the viewer may read and not write. For each frame it sends a message
// that says where the row is which changed; no pixel goes through the router. At the end it recalls the
// buffer and writes on: the viewer's next read says so, and shows nothing of it.

#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "keyway/region.hpp"

using namespace std::chrono_literals;
using keyway::Deadline;

namespace {

constexpr std::size_t kRow = 1920 * 4;
constexpr std::size_t kRows = 1080;
constexpr int kFrames = 3;

int fail(const keyway::Error& error) {
    std::fprintf(stderr, "region: %s\n", error.message().c_str());
    return 1;
}

int camera(keyway::Connection& connection) {
    const auto viewer = connection.lookup("region/viewer");
    if (!viewer) {
        return fail(viewer.error());
    }
    auto buffer = keyway::RevocableRegion::create(connection, kRow * kRows);
    if (!buffer) {
        return fail(buffer.error());
    }
    const auto grant = buffer->give_read(*viewer);
    if (!grant) {
        return fail(grant.error());
    }
    std::array<std::byte, kRow> row{};
    for (int frame = 1; frame <= kFrames; ++frame) {
        row.fill(static_cast<std::byte>(frame));
        const std::size_t at = static_cast<std::size_t>(frame) * 100 * kRow;
        if (auto written = buffer->write(at, row); !written) {
            return fail(written.error());
        }
        const auto where = std::as_bytes(std::span(&at, 1));
        if (auto sent = connection.send(keyway::Outgoing::to(*viewer, where)); !sent) {
            return fail(sent.error());
        }
    }
    // The call comes back when the viewer has looked at all of them.
    if (auto seen = connection.call(*viewer, "seen?", Deadline::in(30s)); !seen) {
        return fail(seen.error());
    }
    if (auto recalled = buffer->recall(*grant, keyway::Recall::kHard); !recalled) {
        return fail(recalled.error());
    }
    row.fill(std::byte{99});
    if (auto written = buffer->write(0, row); !written) {
        return fail(written.error());
    }
    std::puts("camera: recalled the buffer and goes on alone");
    if (auto told = connection.call(*viewer, "look again", Deadline::in(30s)); !told) {
        return fail(told.error());
    }
    return 0;
}

int viewer(keyway::Connection& connection) {
    if (auto home = connection.register_endpoint("region/viewer"); !home) {
        return fail(home.error());
    }
    std::puts("viewer: ready");
    std::fflush(stdout);
    auto given = connection.receive(Deadline::in(60s));
    if (!given) {
        return fail(given.error());
    }
    auto buffer = keyway::RevocableView::accept(connection, *given);
    if (!buffer) {
        return fail(buffer.error());
    }
    int frames = 0;
    while (true) {
        auto message = connection.receive(Deadline::in(60s));
        if (!message) {
            return fail(message.error());
        }
        std::byte pixel{};
        if (!message->is_call()) {
            std::size_t at = 0;  // what comes from another process is checked: read() does it
            if (message->payload().size() == sizeof at) {
                std::memcpy(&at, message->payload().data(), sizeof at);
            }
            if (auto read = buffer->read(at, std::span(&pixel, 1)); !read) {
                return fail(read.error());
            }
            std::printf("viewer: frame %d shows %d\n", ++frames, std::to_integer<int>(pixel));
            continue;
        }
        const bool last = message->text() == "look again";
        const auto read = buffer->read(0, std::span(&pixel, 1));
        std::printf("viewer: the buffer is %s\n",
                    read ? "readable" : std::string(read.error().name()).c_str());
        if (auto answered = connection.reply(*message, "yes"); !answered) {
            return fail(answered.error());
        }
        if (last) {
            return 0;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 || (std::strcmp(argv[1], "camera") != 0 && std::strcmp(argv[1], "viewer") != 0)) {
        std::fputs("usage: example_region viewer|camera SOCKET\n", stderr);
        return 2;
    }
    keyway::ConnectOptions options;
    options.socket = argv[2];
    auto connection = keyway::Connection::open(options);
    if (!connection) {
        return fail(connection.error());
    }
    return std::strcmp(argv[1], "camera") == 0 ? camera(*connection) : viewer(*connection);
}
