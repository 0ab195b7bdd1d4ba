// Processes come and go: listening, accepting, and the end of a link.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "router/router_impl.hpp"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace keyway {

using router::Link;
using router::tag_of;
using router::Watch;

namespace {

std::string command_name(std::int32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    std::ranges::replace_if(
        name, [](char c) { return c < ' ' || c > '~'; }, '?');
    return name;
}

// A descriptor for exactly the process that connected. Kernels before 6.5 have no SO_PEERPIDFD; there the
// process could have died, and its pid be taken, since it connected. Then its socket has hung up already,
// which ends the link as well.
UniqueFd pidfd_of_peer(int socket, std::int32_t pid) {
    int fd = -1;
    socklen_t size = sizeof fd;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) {
        return UniqueFd(fd);
    }
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

std::vector<std::uint32_t> groups_of_peer(int socket) {
    std::vector<gid_t> groups(64);
    socklen_t size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
        if (errno != ERANGE) {
            return {};
        }
        groups.resize(size / sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
            return {};
        }
    }
    groups.resize(size / sizeof(gid_t));
    return {groups.begin(), groups.end()};
}

// True when somebody listens at `address`.
bool is_served(const sockaddr_un& address) {
    const UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
           errno == EAGAIN;
}

}  // namespace

Result<void> Router::Impl::listen() {
    if (listener_) {
        return {};
    }
    if (!options_.audit.directory.empty() && audit_ == nullptr) {
        if (auto opened = open_audit(); !opened) {
            return opened;
        }
    }
    if (auto opened = open_keeping(); !opened) {
        return opened;
    }
    if (!options_.qubit_ledger.empty()) {
        auto ledger = quantum::Ledger::open(options_.qubit_ledger);
        if (!ledger) {
            if (ledger.error() == Error{Status::kCorrupt}) {
                log(options_.qubit_ledger + " is no qubit ledger of this version");
            }
            return ledger.error();
        }
        ledger_ = std::move(*ledger);
        options_.qubit_ledger.clear();
        recover_qubits();
    }
    UniqueFd socket;
    if (options_.listening_socket >= 0) {
        socket.reset(std::exchange(options_.listening_socket, -1));
        ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    } else if (!options_.socket.empty()) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (options_.socket.size() >= sizeof address.sun_path) {
            return Error::system(ENAMETOOLONG);
        }
        std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
        struct stat status {};
        if (::lstat(options_.socket.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
            if (is_served(address)) {
                return Error::system(EADDRINUSE);
            }
            ::unlink(options_.socket.c_str());
        }
        socket.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!socket ||
            ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            return Error::system();
        }
        bound_path_ = options_.socket;
        if (::chmod(options_.socket.c_str(), options_.socket_mode) != 0 || ::listen(socket.get(), 128) != 0) {
            return Error::system();
        }
    } else {
        return {};
    }
    watch(socket.get(), EPOLLIN, tag_of(Watch::kListener));
    listener_ = std::move(socket);
    return {};
}

void Router::Impl::accept_all() {
    // Bounded, so that a flood of connections can't keep messages waiting.
    for (int i = 0; i < 16 && (i == 0 || !control_share_used()); ++i) {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket) {
            admit(std::move(socket));
            continue;
        }
        if ((errno == EMFILE || errno == ENFILE) && spare_) {
            // Without a descriptor we could not even say no, and would be told of the same connection for
            // ever.
            spare_.reset();
            const UniqueFd refused(
                ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (refused) {
                [[maybe_unused]] auto told = link::send_control(
                    refused.get(),
                    {.status = static_cast<std::uint8_t>(Status::kLimit), .system_error = EMFILE});
            }
            log("out of descriptors: a connection was refused");
            spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        }
        return;
    }
}

// Makes a link of a connected socket, if the limits allow.
void Router::Impl::admit(UniqueFd socket, bool observes) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return;
    }
    const auto refuse = [&](Status status) {
        [[maybe_unused]] auto told =
            link::send_control(socket.get(), {.status = static_cast<std::uint8_t>(status)});
    };
    auto& user =
        users_.try_emplace(peer.uid, router::User{.uid = peer.uid, .capabilities = {}}).first->second;
    auto& of_pid = connections_of_pid_[peer.pid];
    const auto drop_if_idle = [&] {
        if (user.connections == 0) {
            users_.erase(peer.uid);
        }
        if (of_pid == 0) {
            connections_of_pid_.erase(peer.pid);
        }
    };
    if (stopping_.load(std::memory_order_relaxed)) {
        refuse(Status::kShuttingDown);
        return drop_if_idle();
    }
    if (user.connections >= policy_.user.connections || of_pid >= policy_.process.connections) {
        refuse(Status::kLimit);
        log("uid " + std::to_string(peer.uid) + " has reached its limit of connections");
        return drop_if_idle();
    }
    UniqueFd pidfd = pidfd_of_peer(socket.get(), peer.pid);
    const core::ObjectId id =
        pidfd ? directory_.open(core::Directory::What::kEndpoint, 0) : core::ObjectId{0};
    if (id == 0) {
        refuse(Status::kLimit);
        return drop_if_idle();
    }
    auto link = std::make_unique<Link>();
    link->id = id;
    link->serial = next_serial_++;
    link->pid = peer.pid;
    link->uid = peer.uid;
    link->gid = peer.gid;
    link->groups = groups_of_peer(socket.get());
    link->name = command_name(peer.pid);
    link->hosted = observes;
    link->user = &user;
    link->socket = std::move(socket);
    link->pidfd = std::move(pidfd);
    user.capabilities.limit = policy_.user.capabilities;
    forget_figures(id);
    table_.open_account(id, policy_.process.capabilities, user.capabilities);
    ++user.connections;
    ++of_pid;
    watch(link->socket.get(), EPOLLIN | EPOLLRDHUP, tag_of(Watch::kSocket, id, link->serial));
    watch(link->pidfd.get(), EPOLLIN, tag_of(Watch::kPidfd, id, link->serial));
    links_[id] = std::move(link);
    bump(counters_.links_opened);
}

void Router::Impl::close_link(Link& link, Error reason) {
    const core::ProcessId id = link.id;
    if (link.state == Link::State::kLive) {
        notify(link, {.kind = static_cast<std::uint8_t>(Notice::kClosed), .code = reason.code()});
        link.closing = true;
        drain(link);
    }
    if (link.state == Link::State::kAway) {
        link.closing = true;
        drain(link);
    }
    drop_kept_link(link);
    if (audit_ != nullptr && (link.state == Link::State::kLive || link.state == Link::State::kAway)) {
        note_link(link, false, reason);
    }
    end_watching(link, true, true);
    std::erase(watching_.live, &link);
    // Authority ends first: whatever is routed from here on can't reach or come from this process.
    std::vector<core::ObjectId> gone = link.endpoints;
    gone.push_back(id);
    for (const core::ObjectId object : link.endpoints) {
        end_topic_ring(object);
    }
    table_.revoke_owned(id, [&](core::SlotId slot, const Entry& entry) { on_ended(slot, entry, id); });
    rehome_regions(id);
    for (const core::ObjectId object : gone) {
        forget_named(object);
    }
    table_.close_account(id);
    router::User& user = *link.user;
    if (link.state != Link::State::kGreeting) {
        user.queue_bytes -= link.memory.geometry().total();
        user.descriptors -= router::kDescriptorsPerLink;
    }
    user.endpoints -= static_cast<std::uint32_t>(link.endpoints.size());
    if (--user.connections == 0) {
        users_.erase(user.uid);
    }
    if (auto pid = connections_of_pid_.find(link.pid); --pid->second == 0) {
        connections_of_pid_.erase(pid);
    }
    if (link.wake_sender || link.wake_receiver) {
        wake_touched();  // it may be waiting for what it was just told
    }
    for (auto* list : {&active_, &held_, &stuck_notices_, &doomed_}) {
        std::erase(*list, &link);
    }
    if (keeping_ != nullptr) {
        keeping_->arena.settle();
        keeping_->forget_outdated();
    }
    links_[id].reset();
    bump(counters_.links_closed);
}

void Router::Impl::reap() {
    while (!doomed_.empty()) {
        Link& link = *doomed_.back();
        const Error reason = *link.doomed;
        if (reason == Error{Status::kCorrupt}) {
            bump(counters_.links_quarantined);
        }
        log("process " + std::to_string(link.id) + " (pid " + std::to_string(link.pid) + ") " +
            (reason == Error{Status::kCorrupt} ? "wrote something impossible into a ring"
                                               : "asks and does not read the answers") +
            ": its link is closed");
        close_link(link, reason);
    }
}

}  // namespace keyway
