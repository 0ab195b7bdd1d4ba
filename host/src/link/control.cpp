#include "link/control.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/check.hpp"
#include "base/wait.hpp"

namespace keyway::link {

bool valid_name(std::string_view name) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-' || c == '/';
    };
    return !name.empty() && name.size() <= limit::kNameBytes && std::ranges::all_of(name, allowed);
}

Result<void> send_control(int socket, const ControlMessage& message, std::span<const int> fds) {
    KEYWAY_CHECK(fds.size() <= kMostFds);
    iovec part{const_cast<ControlMessage*>(&message), sizeof message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostFds)] = {};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    if (!fds.empty()) {
        packet.msg_control = control;
        packet.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* head = CMSG_FIRSTHDR(&packet);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(head), fds.data(), sizeof(int) * fds.size());
    }
    while (true) {
        const ssize_t sent = ::sendmsg(socket, &packet, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            return {};
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN) {
            return Status::kWouldBlock;
        }
        if (errno == EPIPE || errno == ECONNRESET) {
            return Status::kRouterGone;
        }
        return Error::system();
    }
}

Result<ReceivedControl> receive_control(int socket, Deadline deadline) {
    ReceivedControl received;
    while (true) {
        iovec part{&received.message, sizeof received.message};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostFds)];
        msghdr packet{};
        packet.msg_iov = &part;
        packet.msg_iovlen = 1;
        packet.msg_control = control;
        packet.msg_controllen = sizeof control;
        const ssize_t size = ::recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size > 0) {
            for (cmsghdr* head = CMSG_FIRSTHDR(&packet); head != nullptr; head = CMSG_NXTHDR(&packet, head)) {
                if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
                    continue;
                }
                const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (std::size_t i = 0; i < count; ++i) {
                    int fd = -1;
                    std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
                    UniqueFd owned(fd);
                    if (received.fd_count < kMostFds) {
                        received.fds[received.fd_count++] = std::move(owned);
                    }
                }
            }
            const bool whole = static_cast<std::size_t>(size) == sizeof received.message &&
                               (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
            if (!whole || received.message.magic != kMagic) {
                return Status::kCorrupt;
            }
            return received;
        }
        if (size == 0) {
            return Status::kRouterGone;
        }
        // A peer that closes with something of ours unread resets the connection. The error comes once, and
        // before what it had sent: a refusal, with its reason.
        if (errno == EINTR || errno == ECONNRESET) {
            continue;
        }
        if (errno != EAGAIN) {
            return Error::system();
        }
        pollfd wanted{socket, POLLIN, 0};
        if (!wait_for(std::span(&wanted, 1), deadline)) {
            return Status::kTimeout;
        }
    }
}

}  // namespace keyway::link
