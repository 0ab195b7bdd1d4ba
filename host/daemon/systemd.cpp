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

#include "base/fd.hpp"

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

std::expected<int, std::string> activated_socket() {
    const auto pid = number_in("LISTEN_PID");
    const auto count = number_in("LISTEN_FDS");
    for (const char* const variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        ::unsetenv(variable);
    }
    if (pid != ::getpid() || count.value_or(0) < 1) {
        return -1;  // none, or meant for the process that started us
    }
    if (*count != 1) {
        return std::unexpected(fmt::format("the service manager passed {} sockets; one is wanted", *count));
    }
    if (socket_option(kFirstFd, SO_DOMAIN) != AF_UNIX || socket_option(kFirstFd, SO_TYPE) != SOCK_SEQPACKET ||
        socket_option(kFirstFd, SO_ACCEPTCONN) != 1) {
        return std::unexpected(
            std::string("the service manager passed a descriptor that is no listening SOCK_SEQPACKET "
                        "socket of AF_UNIX; the socket unit needs ListenSequentialPacket="));
    }
    ::fcntl(kFirstFd, F_SETFD, FD_CLOEXEC);
    return kFirstFd;
}

void notify_manager(std::string_view state) {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path == nullptr || std::strlen(path) < 2 || std::strlen(path) >= sizeof address.sun_path) {
        return;
    }
    std::memcpy(address.sun_path, path, std::strlen(path));
    if (path[0] == '@') {
        address.sun_path[0] = '\0';  // a name in the abstract namespace
    }
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    // A manager that doesn't listen is no reason to stop routing.
    [[maybe_unused]] const ssize_t sent = ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                                   reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace keyway::daemon
