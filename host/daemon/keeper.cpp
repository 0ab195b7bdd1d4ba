#include "daemon/keeper.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "daemon/systemd.hpp"
#include "keyway/result.hpp"

namespace keyway::daemon {

namespace {

constexpr int kPatienceMs = 60'000;
constexpr std::size_t kMostText = 512;

struct Packet {
    std::string text;
    UniqueFd fd;
};

// False at the end of the conversation.
bool receive(int socket, Packet& packet) {
    char text[kMostText];
    iovec part{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size <= 0) {
        return false;
    }
    packet.text.assign(text, static_cast<std::size_t>(size));
    packet.fd.reset();
    const cmsghdr* head = CMSG_FIRSTHDR(&message);
    if (head != nullptr && head->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
        packet.fd.reset(fd);
    }
    return true;
}

bool send(int socket, const std::string& text, int fd) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

std::string value_of(const std::string& text, const std::string& key) {
    const std::size_t at = text.find(key + "=");
    if (at == std::string::npos) {
        return {};
    }
    const std::size_t begin = at + key.size() + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
}

bool is_ours(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

// The life of the keeper.
[[noreturn]] void keep(const UniqueFd& listener, const std::string& path) {
    std::multimap<std::string, UniqueFd> kept;
    UniqueFd router;
    while (true) {
        pollfd wanted[] = {{listener.get(), POLLIN, 0}, {router.get(), POLLIN, 0}};
        const int ready = ::poll(wanted, 2, router ? -1 : kPatienceMs);
        if (ready == 0) {
            break;
        }
        if (wanted[1].revents != 0) {
            Packet packet;
            if (!receive(router.get(), packet)) {
                router.reset();
                continue;
            }
            const std::string name = value_of(packet.text, "FDNAME");
            if (!value_of(packet.text, "KEYWAY_END").empty()) {
                break;
            }
            if (!value_of(packet.text, "FDSTOREREMOVE").empty()) {
                kept.erase(name);
            } else if (packet.fd) {
                kept.emplace(name, std::move(packet.fd));
            }
            continue;  // first all that the router has said, then another one
        }
        if ((wanted[0].revents & POLLIN) != 0) {
            UniqueFd next(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!next || router || !is_ours(next.get())) {
                continue;
            }
            bool told = true;
            for (const auto& [name, fd] : kept) {
                told = told && send(next.get(), name, fd.get());
            }
            if (told && send(next.get(), "END", -1)) {
                router = std::move(next);
            }
        }
    }
    ::unlink(path.c_str());
    std::_Exit(0);
}

Result<UniqueFd> connect_to(const sockaddr_un& address) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return Error::system();
    }
    return socket;
}

std::string begin_keeper(const sockaddr_un& address) {
    ::unlink(address.sun_path);
    const UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!listener ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(address.sun_path, 0600) != 0 || ::listen(listener.get(), 4) != 0) {
        return std::strerror(errno);
    }
    const pid_t child = ::fork();
    if (child < 0) {
        return std::strerror(errno);
    }
    if (child == 0) {
        // A session of its own, so that what ends the router's doesn't end it; and nothing of the router's.
        ::setsid();
        ::prctl(PR_SET_NAME, "keyway-keeper");
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
        std::signal(SIGHUP, SIG_IGN);
        const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; fd < 3; ++fd) {
            ::dup2(nowhere, fd);
        }
        for (int fd = 3; fd < 1024; ++fd) {
            if (fd != listener.get()) {
                ::close(fd);
            }
        }
        keep(listener, address.sun_path);
    }
    return {};
}

}  // namespace

std::expected<std::shared_ptr<StateStore>, std::string> open_store(
    const std::string& where, std::multimap<std::string, UniqueFd> passed) {
    if (where == kManager) {
        UniqueFd manager = manager_socket();
        if (!manager) {
            return std::unexpected(std::string("no service manager listens ($NOTIFY_SOCKET)"));
        }
        return std::make_shared<StateStore>(std::move(manager), std::move(passed));
    }
    if (::mkdir(where.c_str(), 0700) != 0 && errno != EEXIST) {
        return std::unexpected(std::string(std::strerror(errno)));
    }
    struct stat status {};
    if (::lstat(where.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() ||
        (status.st_mode & 0077) != 0) {
        return std::unexpected(std::string("it must be a folder of this user's that nobody else may enter"));
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = where + "/keeper";
    if (path.size() >= sizeof address.sun_path) {
        return std::unexpected(std::string(std::strerror(ENAMETOOLONG)));
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    auto keeper = connect_to(address);
    if (!keeper) {
        if (const std::string why = begin_keeper(address); !why.empty()) {
            return std::unexpected(why);
        }
        keeper = connect_to(address);
    }
    std::multimap<std::string, UniqueFd> kept;
    Packet packet;
    do {
        if (!keeper || !receive(keeper->get(), packet)) {
            return std::unexpected(std::string("another router keeps its state there"));
        }
        if (packet.fd) {
            kept.emplace(packet.text, std::move(packet.fd));
        }
    } while (packet.text != "END");
    return std::make_shared<StateStore>(std::move(*keeper), std::move(kept));
}

}  // namespace keyway::daemon
