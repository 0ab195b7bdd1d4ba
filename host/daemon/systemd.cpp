#include "daemon/systemd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace keyway::daemon {

namespace {

constexpr int kFirstFd = 3;

std::optional<int> number_in(const char* variable) {
    const char* const text = std::getenv(variable);
    if (text == nullptr) {
        return std::nullopt;
    }
    int value = 0;
    const char* const end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, value);
    return error == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

int socket_option(int fd, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

std::expected<Passed, std::string> passed_descriptors() {
    const auto pid = number_in("LISTEN_PID");
    const auto count = number_in("LISTEN_FDS");
    const char* const text = std::getenv("LISTEN_FDNAMES");
    std::string names = text == nullptr ? "" : text;
    for (const char* const variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        ::unsetenv(variable);
    }
    Passed passed;
    if (pid != ::getpid() || count.value_or(0) < 1) {
        return passed;  // none, or meant for the process that started us
    }
    int sockets = 0;
    for (int fd = kFirstFd; fd < kFirstFd + *count; ++fd) {
        const std::size_t colon = names.find(':');
        const std::string name = names.substr(0, colon);
        names.erase(0, colon == std::string::npos ? colon : colon + 1);
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (name.starts_with("keyway-")) {
            passed.kept.emplace(name, UniqueFd(fd));
        } else {
            passed.listener = fd;
            ++sockets;
        }
    }
    if (sockets > 1) {
        return std::unexpected(fmt::format("the service manager passed {} sockets; one is wanted", sockets));
    }
    const int listener = passed.listener;
    if (sockets == 1 &&
        (socket_option(listener, SO_DOMAIN) != AF_UNIX ||
         socket_option(listener, SO_TYPE) != SOCK_SEQPACKET || socket_option(listener, SO_ACCEPTCONN) != 1)) {
        return std::unexpected(
            std::string("the service manager passed a descriptor that is no listening SOCK_SEQPACKET "
                        "socket of AF_UNIX; the socket unit needs ListenSequentialPacket="));
    }
    return passed;
}

UniqueFd manager_socket() {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path == nullptr || std::strlen(path) < 2 || std::strlen(path) >= sizeof address.sun_path) {
        return {};
    }
    std::memcpy(address.sun_path, path, std::strlen(path));
    if (path[0] == '@') {
        address.sun_path[0] = '\0';  // a name in the abstract namespace
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
        return {};
    }
    return socket;
}

void notify_manager(std::string_view state) {
    // A manager that doesn't listen is no reason to stop routing.
    if (const UniqueFd socket = manager_socket()) {
        [[maybe_unused]] const ssize_t sent = ::send(socket.get(), state.data(), state.size(), MSG_NOSIGNAL);
    }
}

}  // namespace keyway::daemon
