#include "keep/store.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace keyway {

UniqueFd StateStore::take(const std::string& name) {
    const auto found = kept_.find(name);
    if (found == kept_.end()) {
        return {};
    }
    UniqueFd fd = std::move(found->second);
    kept_.erase(found);
    return fd;
}

int StateStore::look(const std::string& name) const {
    const auto found = kept_.find(name);
    return found == kept_.end() ? -1 : found->second.get();
}

void StateStore::drop_rest() {
    for (const auto& [name, fd] : kept_) {
        forget(name);
    }
    kept_.clear();
}

bool StateStore::keep(const std::string& name, int fd) {
    return send("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, fd);
}

void StateStore::forget(const std::string& name) {
    send("FDSTOREREMOVE=1\nFDNAME=" + name, -1);
}

void StateStore::end() {
    send("KEYWAY_END=1", -1);
}

// Waits when the other side is behind: it is the service manager, or ours.
bool StateStore::send(const std::string& text, int fd) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (fd >= 0) {
        packet.msg_control = control;
        packet.msg_controllen = sizeof control;
        cmsghdr* head = CMSG_FIRSTHDR(&packet);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket_.get(), &packet, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(text.size());
}

}  // namespace keyway
