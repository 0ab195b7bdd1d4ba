// The router's life: listening, accepting, the loop, sleeping, draining.

#include "keyway/router.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/check.hpp"
#include "base/sigpipe_guard.hpp"
#include "ring/park.hpp"
#include "router/router_impl.hpp"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace keyway {

using router::Link;
using router::tag_of;
using router::Watch;

namespace {

constexpr std::uint64_t kQuietNs = 10'000;  ///< without work for so long, the router may prepare something
constexpr std::uint64_t kControlIntervalNs = 20'000;  ///< how often a busy router looks at its descriptors

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

Policy Policy::permissive() {
    Policy policy;
    Rule rule;
    rule.who.everyone = true;
    rule.names = {"*"};
    rule.lookup = {{.name = "*", .rights = right::kRead | right::kWrite | right::kExecute}};
    rule.qubits = true;
    policy.rules.push_back(std::move(rule));
    return policy;
}

Router::Impl::Impl(RouterOptions options)
    : options_(std::move(options)),
      policy_(options_.policy),
      table_(options_.capability_slots, limit::kIds),
      directory_(limit::kIds),
      links_(limit::kIds),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    KEYWAY_CHECK(epoll_ && wake_);
    origin_ns_ = now_ns_ = Deadline::clock_ns();
    active_.reserve(limit::kIds);
    touched_.reserve(limit::kIds);
    held_.reserve(limit::kIds);
    watch(wake_.get(), EPOLLIN, tag_of(Watch::kWake));
}

Router::Impl::~Impl() {
    const SigpipeGuard guard;
    drain_all();
    close_audit();
    if (!bound_path_.empty()) {
        ::unlink(bound_path_.c_str());
    }
}

void Router::Impl::read_clock() {
    now_ns_ = Deadline::clock_ns();
}

void Router::Impl::log(std::string_view line) const {
    if (options_.log != nullptr) {
        options_.log(line);
    }
}

void Router::Impl::watch(int fd, std::uint32_t events, std::uint64_t tag) {
    epoll_event event{.events = events, .data = {.u64 = tag}};
    KEYWAY_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

Result<void> Router::Impl::listen() {
    if (listener_) {
        return {};
    }
    if (!options_.audit.directory.empty() && audit_ == nullptr) {
        if (auto opened = open_audit(); !opened) {
            return opened;
        }
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

void Router::Impl::run() {
    const SigpipeGuard guard;
    read_clock();
    std::uint64_t last_work = now_ns_;
    std::uint64_t last_control = 0;
    const auto spin = static_cast<std::uint64_t>(options_.spin.count());
    while (!stopping_.load(std::memory_order_acquire)) {
        const bool worked = pass();
        // After the pass and not before: a timestamp is then older by one idle look at most, and reading the
        // clock costs nobody's message any time.
        read_clock();
        if (worked) {
            last_work = now_ns_;
        }
        reap();
        if (now_ns_ - last_control >= kControlIntervalNs) {
            last_control = now_ns_;
            handle_events(0);
            rest_quiet_links();
            sweep_qubits();
            tend_audit();
            tend_channels();
        }
        if (!worked && now_ns_ - last_work >= kQuietNs && region_pool_.refill()) {
            continue;
        }
        if (!worked && now_ns_ - last_work >= spin) {
            flush_runs();
            sleep();
            read_clock();
            last_work = now_ns_;
        }
    }
    handle_events(0);
    log("draining");
    drain_all();
}

// Everything that was submitted is judged while everybody is still there to receive it; then everybody is
// told, and nobody hears of the others' end.
void Router::Impl::drain_all() {
    for (auto& link : links_) {
        if (link != nullptr && link->state == Link::State::kLive) {
            drain(*link);
        }
    }
    for (auto& link : links_) {
        if (link != nullptr && link->state == Link::State::kLive) {
            notify(*link, {.kind = static_cast<std::uint8_t>(Notice::kClosed),
                           .code = static_cast<std::uint8_t>(Status::kShuttingDown)});
            link->closing = true;
        }
    }
    wake_touched();
    for (auto& link : links_) {
        if (link != nullptr) {
            close_link(*link, Status::kShuttingDown);
        }
    }
}

void Router::Impl::stop() noexcept {
    stopping_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Router::Impl::adopt(int socket) {
    const std::lock_guard lock(errands_mutex_);
    adopted_.emplace_back(socket);
    errands_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Router::Impl::set_policy(Policy policy) {
    const std::lock_guard lock(errands_mutex_);
    new_policy_ = std::make_unique<Policy>(std::move(policy));
    errands_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Router::Impl::take_over_requests() {
    std::vector<UniqueFd> adopted;
    {
        const std::lock_guard lock(errands_mutex_);
        errands_.store(false, std::memory_order_relaxed);
        adopted.swap(adopted_);
        if (new_policy_ != nullptr) {
            policy_ = std::move(*new_policy_);
            new_policy_.reset();
            log("policy replaced");
        }
    }
    for (UniqueFd& socket : adopted) {
        admit(std::move(socket));
    }
    if (audit_changed_.exchange(false, std::memory_order_acquire)) {
        // What had to wait for the log is still in the rings.
        for (auto& link : links_) {
            if (link != nullptr) {
                activate(*link);
            }
        }
    }
}

void Router::Impl::handle_events(int timeout_ms) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, 64, timeout_ms);
    for (int i = 0; i < count; ++i) {
        const std::uint64_t tag = events[i].data.u64;
        const auto watch = static_cast<Watch>(tag >> 56);
        if (watch == Watch::kListener) {
            accept_all();
            continue;
        }
        if (watch == Watch::kWake) {
            std::uint64_t value = 0;
            [[maybe_unused]] const ssize_t size = ::read(wake_.get(), &value, sizeof value);
            take_over_requests();
            continue;
        }
        if (watch == Watch::kChannel) {
            channel_hung_up(static_cast<core::ObjectId>(tag >> 32 & 0xFFFF), static_cast<std::uint32_t>(tag));
            continue;
        }
        Link* link = link_of(static_cast<core::ProcessId>(tag >> 32 & 0xFFFF));
        if (link == nullptr || link->serial != static_cast<std::uint32_t>(tag)) {
            continue;  // closed by an earlier event of this round
        }
        switch (watch) {
            case Watch::kBell:
                activate(*link);
                break;
            case Watch::kPidfd:
                close_link(*link, Status::kPeerGone);
                break;
            default:
                if ((events[i].events & EPOLLIN) != 0) {
                    serve(*link);
                }
                if ((events[i].events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0) {
                    link = link_of(static_cast<core::ProcessId>(tag >> 32 & 0xFFFF));
                    if (link != nullptr && link->serial == static_cast<std::uint32_t>(tag)) {
                        close_link(*link, Status::kPeerGone);
                    }
                }
                break;
        }
    }
    reap();
    if (!touched_.empty() || !touched_topics_.empty()) {
        wake_touched();
    }
}

void Router::Impl::accept_all() {
    // Bounded, so that a flood of connections can't keep messages waiting.
    for (int i = 0; i < 16; ++i) {
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
void Router::Impl::admit(UniqueFd socket) {
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
    link->user = &user;
    link->socket = std::move(socket);
    link->pidfd = std::move(pidfd);
    user.capabilities.limit = policy_.user.capabilities;
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
    if (audit_ != nullptr && link.state == Link::State::kLive) {
        note_link(link, false, reason);
    }
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
    links_[id].reset();
    bump(counters_.links_closed);
}

// Judges everything that a process has submitted and that is still in its ring. What waits for room is
// refused: there is nobody left to wait.
void Router::Impl::drain(Link& link) {
    if (link.doomed) {
        return;
    }
    if (link.held) {
        give_up_held(link, Verdict::kClosed);
    }
    // A live process may go on submitting: one ring's worth is what it can have submitted before.
    const std::uint64_t end = link.submissions->head() + link.submissions->capacity();
    while (link.submissions->head() < end && pump(link, 64) != 0) {
    }
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

void Router::Impl::activate(Link& link) {
    if (link.state != Link::State::kLive || link.active) {
        return;
    }
    link.active = true;
    link.idle_since = now_ns_;
    ring::Waiter<>(link.memory.shared().router).retract();
    active_.push_back(&link);
}

// From here on the process rings its bell when it submits. It may have submitted just before it could see
// that.
void Router::Impl::deactivate(Link& link) {
    ring::Waiter<> waiter(link.memory.shared().router);
    waiter.announce();
    if (link.submissions->pending() && !link.held && !link.choked && !link.awaits_log) {
        waiter.retract();
        link.idle_since = now_ns_;
        return;
    }
    if (link.choked) {
        // It rings as well when it has read its notices, unless it has already.
        ring::Waiter<>(link.memory.shared().room).announce();
        if (link.pending_notices.empty() && link.notices->has_room(sizeof(link::NoticeBody))) {
            waiter.retract();
            link.idle_since = now_ns_;
            return;
        }
    }
    link.active = false;
    std::erase(active_, &link);
}

void Router::Impl::rest_quiet_links() {
    const auto spin = static_cast<std::uint64_t>(options_.spin.count());
    for (std::size_t i = active_.size(); i-- > 0;) {
        if (now_ns_ - active_[i]->idle_since > spin) {
            deactivate(*active_[i]);
        }
    }
}

void Router::Impl::sleep() {
    for (std::size_t i = active_.size(); i-- > 0;) {
        deactivate(*active_[i]);
    }
    if (!active_.empty()) {
        return;
    }
    // Whoever makes room for a held message, or reads its notices, rings as well.
    std::uint64_t earliest = channels_.due_ns;
    for (Link* link : held_) {
        if (link->held_topic != 0) {
            if (!await_topic(link->held_topic, link->held_length, earliest)) {
                return;
            }
            earliest = link->held_deadline != 0 ? std::min(earliest, link->held_deadline) : earliest;
            continue;
        }
        Link* full = link_of(link->held_for);
        if (full == nullptr || full->state != Link::State::kLive) {
            return;
        }
        ring::Waiter<>(full->memory.shared().room).announce();
        if (full->delivery[link->held_priority]->consumed() != link->held_consumed) {
            return;
        }
        if (link->held_deadline != 0) {
            earliest = std::min(earliest, link->held_deadline);
        }
    }
    for (Link* link : stuck_notices_) {
        ring::Waiter<>(link->memory.shared().room).announce();
        if (link->notices->has_room(sizeof(link::NoticeBody))) {
            return;
        }
    }
    // The token of a stop() may have been taken from the eventfd by an earlier look at the events.
    if (stopping_.load(std::memory_order_acquire)) {
        return;
    }
    bump(counters_.sleeps);
    int timeout_ms = -1;
    if (earliest != UINT64_MAX) {
        read_clock();
        timeout_ms =
            earliest <= now_ns_
                ? 0
                : static_cast<int>(std::min<std::uint64_t>((earliest - now_ns_) / 1'000'000 + 1, 60'000));
    }
    handle_events(timeout_ms);
}

// ---------------------------------------------------------------------------------------------------------------

Router::Router(RouterOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Router::~Router() {
    stop();
    join();
}

Result<void> Router::listen() {
    return impl_->listen();
}

void Router::run() {
    impl_->run();
}

Result<void> Router::start() {
    if (auto listening = impl_->listen(); !listening) {
        return listening;
    }
    thread_ = std::thread([this] { impl_->run(); });
    return {};
}

void Router::stop() noexcept {
    impl_->stop();
}

void Router::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

Result<Connection> Router::connect(const ConnectOptions& options) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        return Error::system();
    }
    adopt(pair[0]);
    return Connection::over(pair[1], options);
}

void Router::adopt(int socket) {
    impl_->adopt(socket);
}

void Router::set_policy(Policy policy) {
    impl_->set_policy(std::move(policy));
}

RouterCounters Router::counters() const {
    const auto& from = impl_->counters_;
    RouterCounters to;
    for (std::size_t i = 0; i < std::size(to.verdict); ++i) {
        to.verdict[i] = from.verdict[i].load(std::memory_order_relaxed);
        to.sent += to.verdict[i];
    }
    to.delivered = to.verdict[static_cast<std::size_t>(Verdict::kDelivered)];
    to.expired = to.verdict[static_cast<std::size_t>(Verdict::kExpired)] +
                 to.verdict[static_cast<std::size_t>(Verdict::kTimedOut)];
    to.refused = to.sent - to.delivered - to.expired;
    to.links_opened = from.links_opened.load(std::memory_order_relaxed);
    to.links_closed = from.links_closed.load(std::memory_order_relaxed);
    to.links_quarantined = from.links_quarantined.load(std::memory_order_relaxed);
    to.sleeps = from.sleeps.load(std::memory_order_relaxed);
    return to;
}

}  // namespace keyway
