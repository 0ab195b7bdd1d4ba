// A file server whose readers share one copy: a file is read into a region once, and each client maps that.
//
//     files serve FOLDER        serves the regular files below FOLDER
//     files get NAME            writes one to stdout
//
// A client introduces itself with a capability for its own endpoint, so that the server can send to it, and
// to nobody that it was not shown. For each file it asks for by a call; the region comes in a message of its
// own, before the answer. The region is stable and read-only: the kernel sees to both, so a client can parse
// it in place, and no client can change what another sees.

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "keyway/region.hpp"

using namespace std::chrono_literals;
using keyway::Deadline;
using keyway::Error;
using keyway::Result;

namespace {

constexpr const char* kName = "files";
constexpr std::uint64_t kMostBytes = 256U << 20;
constexpr std::size_t kMostClients = 1000;
constexpr std::size_t kMostFiles = 100;

int fail(const char* what, const Error& error) {
    std::fprintf(stderr, "files: %s: %s\n", what, error.message().c_str());
    return 1;
}

// ---- the server ----

// A file as it was when it was read.
struct Loaded {
    keyway::StableRegion region;
    std::uint64_t bytes = 0;
    struct timespec changed {};
};

// Opens a file below `folder`. The kernel resolves the name, and neither "..", nor a symbolic link, nor
// /proc's magic ones lead out.
int open_below(int folder, const std::string& name) {
    struct open_how how {};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how));
}

class Server {
  public:
    Server(keyway::Connection& connection, int folder) : connection_(connection), folder_(folder) {}

    int serve() {
        while (true) {
            auto message = connection_.receive();
            if (!message) {
                return fail("serving", message.error());
            }
            if (message->type() == keyway::Type::kCapability) {
                introduced(*message);
            } else if (message->is_call()) {
                auto sent = give(message->sender(), std::string(message->text()));
                const std::string answer = sent ? "ok" : std::string(sent.error().name());
                if (auto answered = connection_.reply(*message, answer); !answered) {
                    std::fprintf(stderr, "files: a client did not take its answer: %s\n",
                                 answered.error().message().c_str());
                }
            }
        }
    }

  private:
    // A client's capability for its own endpoint. The latest one counts; who has too many is forgotten.
    void introduced(const keyway::Received& message) {
        auto client = connection_.inspect(message.carried());
        if (!client || client->kind != keyway::Kind::kEndpoint || client->object != message.sender()) {
            (void)connection_.release(message.carried());
            return;
        }
        if (clients_.size() >= kMostClients) {
            (void)connection_.release(clients_.begin()->second.id);
            clients_.erase(clients_.begin());
        }
        if (auto old = clients_.find(message.sender()); old != clients_.end()) {
            (void)connection_.release(old->second.id);
        }
        clients_[message.sender()] = *client;
    }

    Result<void> give(std::uint32_t sender, const std::string& name) {
        const auto client = clients_.find(sender);
        if (client == clients_.end()) {
            return keyway::Verdict::kNoSuchCapability;
        }
        auto file = load(name);
        if (!file) {
            return file.error();
        }
        // Not waiting for a client's full queue: it would hold up the others.
        auto sent = keyway::send_slice(connection_, client->second, (*file)->region, 0, (*file)->bytes,
                                       Deadline::now());
        if (!sent && sent.error() == Error{keyway::Verdict::kNoSuchCapability}) {
            clients_.erase(client);  // it has gone
        }
        return sent;
    }

    // The file, from memory if it has not changed.
    Result<Loaded*> load(const std::string& name) {
        const int fd = name.empty() ? -1 : open_below(folder_, name);
        if (fd < 0) {
            return keyway::Status::kNoSuchName;
        }
        auto loaded = load(name, fd);
        ::close(fd);
        return loaded;
    }

    Result<Loaded*> load(const std::string& name, int fd) {
        struct stat status {};
        if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
            return keyway::Status::kNoSuchName;
        }
        const auto bytes = static_cast<std::uint64_t>(status.st_size);
        if (bytes == 0 || bytes > kMostBytes) {
            return keyway::Status::kLimit;
        }
        if (auto known = files_.find(name); known != files_.end()) {
            const auto& changed = known->second.changed;
            if (known->second.bytes == bytes && changed.tv_sec == status.st_mtim.tv_sec &&
                changed.tv_nsec == status.st_mtim.tv_nsec) {
                return &known->second;
            }
            (void)known->second.region.destroy();  // who has it mapped keeps the old bytes
            files_.erase(known);
        }
        if (files_.size() >= kMostFiles) {
            (void)files_.begin()->second.region.destroy();
            files_.erase(files_.begin());
        }
        auto region = keyway::StableRegion::create(connection_, bytes);
        if (!region) {
            return region.error();
        }
        std::uint64_t have = 0;
        while (have < bytes) {
            const ssize_t got = ::read(fd, region->bytes().data() + have, bytes - have);
            if (got <= 0) {
                break;  // it became shorter while we read
            }
            have += static_cast<std::uint64_t>(got);
        }
        std::printf("read %s, %llu bytes\n", name.c_str(), static_cast<unsigned long long>(have));
        std::fflush(stdout);
        auto [place, made] = files_.emplace(
            name, Loaded{.region = std::move(*region), .bytes = have, .changed = status.st_mtim});
        return &place->second;
    }

    keyway::Connection& connection_;
    int folder_;
    std::map<std::uint32_t, keyway::Capability> clients_;
    std::map<std::string, Loaded> files_;
};

int serve(keyway::Connection& connection, const char* folder) {
    const int root = ::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        std::perror(folder);
        return 1;
    }
    if (auto endpoint = connection.register_endpoint(kName); !endpoint) {
        return fail("registering", endpoint.error());
    }
    std::puts("serving");
    std::fflush(stdout);
    return Server(connection, root).serve();
}

// ---- a client ----

int get(keyway::Connection& connection, const std::string& name) {
    const auto files = connection.lookup(kName);
    if (!files) {
        return fail("looking the server up", files.error());
    }
    if (auto met = connection.give(connection.self(), *files, keyway::right::kWrite, 0); !met) {
        return fail("introducing ourselves", met.error());
    }
    auto answer = connection.call(*files, name, Deadline::in(30s));
    if (!answer) {
        return fail("asking", answer.error());
    }
    if (answer->text() != "ok") {
        std::fprintf(stderr, "files: %s: %s\n", name.c_str(), std::string(answer->text()).c_str());
        return 1;
    }
    // What came while we waited for the answer is there now.
    auto message = connection.receive(Deadline::in(30s));
    if (!message) {
        return fail("receiving", message.error());
    }
    auto file = keyway::open_slice(connection, *message);
    if (!file) {
        return fail("mapping", file.error());
    }
    const auto bytes = file->bytes();  // in place: nothing was copied for us
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0) {
        std::perror("files");
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 1 ? argv[1] : "";
    if (argc != 3 || (role != "serve" && role != "get")) {
        std::fputs("usage: files serve FOLDER | files get NAME\n", stderr);
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        return fail("connecting", connection.error());
    }
    return role == "serve" ? serve(*connection, argv[2]) : get(*connection, argv[2]);
}
