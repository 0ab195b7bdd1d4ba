// Copies a file from one process to another through a stream, and compares a checksum.
//
//     example_stream FILE
//
// Two processes. The child reads the file straight into the stream; the parent writes it from the stream into
// a copy, in place on both sides, and runs a router for the two of them.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <keyway/router.hpp>
#include <keyway/stream.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 10s;

// FNV-1a: for accidents, not for attackers.
class Checksum {
  public:
    void add(std::span<const std::byte> bytes) {
        for (const std::byte byte : bytes) {
            value_ = (value_ ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3U;
        }
    }
    [[nodiscard]] std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xCBF29CE484222325U;
};

int sender(const std::string& socket, const char* file) {
    keyway::Connection connection = keyway::Connection::open({.socket = socket}).value();
    const keyway::Capability archive = connection.lookup("archive").value();
    keyway::StreamWriter stream =
        keyway::open_stream(connection, archive, {}, keyway::Deadline::in(kPatience)).value();
    const int from = ::open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        stream.abort(static_cast<std::uint32_t>(errno), std::strerror(errno)).value();
        return 1;
    }
    Checksum checksum;
    while (true) {
        // read(2) puts the bytes where the other process will see them.
        const auto room = stream.reserve(64 * 1024, keyway::Deadline::in(kPatience)).value();
        const ssize_t count = ::read(from, room.data(), room.size());
        if (count < 0) {
            stream.abort(static_cast<std::uint32_t>(errno), std::strerror(errno)).value();
            return 1;
        }
        checksum.add(room.first(static_cast<std::size_t>(count)));
        stream.commit(static_cast<std::size_t>(count)).value();
        if (count == 0) {
            break;
        }
    }
    ::close(from);
    const std::uint64_t value = checksum.value();
    stream.write(std::as_bytes(std::span(&value, 1)), keyway::Deadline::in(kPatience)).value();
    stream.finish().value();
    std::printf("sender:   checksum %016llx\n", static_cast<unsigned long long>(value));
    return 0;
}

int receiver(keyway::Connection& connection, const std::string& copy) {
    const keyway::Received offer = connection.receive(keyway::Deadline::in(kPatience)).value();
    keyway::StreamReader stream = keyway::accept_stream(connection, offer).value();
    const int to = ::open(copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    Checksum checksum;
    std::size_t total = 0;
    std::uint64_t theirs = 0;
    while (true) {
        // The last 8 bytes are the sender's checksum, so as many stay in the stream until its end is known.
        const auto seen = stream.peek(keyway::Deadline::in(kPatience), sizeof theirs + 1);
        if (!seen) {
            std::fprintf(stderr, "receiver: %s %s\n", seen.error().message().c_str(),
                         stream.reason().text.c_str());
            return 1;
        }
        if (seen->size() == sizeof theirs) {
            std::memcpy(&theirs, seen->data(), sizeof theirs);
            stream.release(sizeof theirs).value();
            break;
        }
        const auto part = seen->first(seen->size() - sizeof theirs);
        if (::write(to, part.data(), part.size()) != static_cast<ssize_t>(part.size())) {
            stream.abort(static_cast<std::uint32_t>(errno), std::strerror(errno)).value();
            return 1;
        }
        checksum.add(part);
        total += part.size();
        stream.release(part.size()).value();
    }
    ::close(to);
    std::printf("receiver: checksum %016llx of %zu bytes\n",
                static_cast<unsigned long long>(checksum.value()), total);
    return stream.state() == keyway::StreamState::kEnded && theirs == checksum.value() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: example_stream FILE\n");
        return 2;
    }
    std::string folder = (std::filesystem::temp_directory_path() / "keyway-stream-XXXXXX").string();
    int ready[2];
    if (::mkdtemp(folder.data()) == nullptr || ::pipe(ready) != 0) {
        std::perror("example_stream");
        return 1;
    }
    const std::string socket = folder + "/router.sock";
    const pid_t child = ::fork();  // before there are threads
    if (child == 0) {
        ::close(ready[1]);
        char token = 0;
        const int code = ::read(ready[0], &token, 1) == 1 ? sender(socket, argv[1]) : 1;
        std::fflush(stdout);
        ::_exit(code);
    }
    int result = 1;
    {
        keyway::Router router({.policy = keyway::Policy::permissive(), .socket = socket});
        router.start().value();
        keyway::Connection connection = router.connect().value();
        connection.register_endpoint("archive").value();
        if (::write(ready[1], "x", 1) == 1) {
            result = receiver(connection, folder + "/copy");
        }
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    std::filesystem::remove_all(folder);
    return status == 0 ? result : 1;
}
