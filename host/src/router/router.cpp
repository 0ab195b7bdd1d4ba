// The router's life: the loop, sleeping, draining; and what an application sees of it.

#include "keyway/router.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "base/sigpipe_guard.hpp"
#include "base/wall_clock.hpp"
#include "ring/park.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using router::Link;
using router::tag_of;
using router::Watch;

namespace {

constexpr std::uint64_t kQuietNs = 10'000;  ///< without work for so long, the router may prepare something
constexpr std::uint64_t kControlIntervalNs = 20'000;  ///< how often a busy router looks at its descriptors
/// After so long messages have their turn again, whoever may be asking for whatever.
constexpr std::uint64_t kControlShareNs = 20'000;

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
    watching_.reached.resize(limit::kIds);
    wall_offset_ns_ = wall_clock_ns() - now_ns_;
    watch(wake_.get(), EPOLLIN, tag_of(Watch::kWake));
}

Router::Impl::~Impl() {
    const SigpipeGuard guard;
    if (hands_on()) {
        close_audit();
        return;  // who listens next takes the path over too
    }
    drain_all();
    close_audit();
    if (keeping_ != nullptr) {
        keeping_->store->forget(router::kept::kState);
        keeping_->store->end();
    }
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

void Router::Impl::run() {
    const SigpipeGuard guard;
    read_clock();
    std::uint64_t last_work = now_ns_;
    std::uint64_t last_control = 0;
    bool publishing = false;
    const auto spin = static_cast<std::uint64_t>(options_.spin.count());
    while (!stopping_.load(std::memory_order_acquire)) {
        const bool worked = pass();
        // After the pass and not before: a timestamp is then older by one idle look at most, and reading the
        // clock costs nobody's message any time.
        read_clock();
        if (worked) {
            last_work = now_ns_;
            ++watching_.stir;
        }
        reap();
        if (now_ns_ - last_control >= kControlIntervalNs) {
            handle_events(0);
            last_control = Deadline::clock_ns();  // the end of it: messages have as long a turn at least
            rest_quiet_links();
            sweep_qubits();
            tend_audit();
            tend_channels();
            publishing = tend_watchers();
        }
        if (!worked && now_ns_ - last_work >= kQuietNs && region_pool_.refill()) {
            continue;
        }
        if (!worked && !publishing && now_ns_ - last_work >= spin) {
            flush_runs();
            sleep();
            read_clock();
            last_work = now_ns_;
        }
    }
    if (hands_on()) {
        return;
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

void Router::Impl::adopt(int socket, bool observes) {
    const std::lock_guard lock(errands_mutex_);
    adopted_.emplace_back(UniqueFd(socket), observes);
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
    std::vector<std::pair<UniqueFd, bool>> adopted;
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
    for (auto& [socket, observes] : adopted) {
        admit(std::move(socket), observes);
    }
    if (audit_changed_.exchange(false, std::memory_order_acquire)) {
        // First what is beyond the log's queue: as long as there is any, all have to wait.
        audit_->tend();
        // What had to wait for the log is still in the rings.
        for (auto& link : links_) {
            if (link != nullptr) {
                activate(*link);
            }
        }
    }
}

bool Router::Impl::control_share_used() const {
    return Deadline::clock_ns() >= control_until_ns_;
}

void Router::Impl::handle_events(int timeout_ms) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, 64, timeout_ms);
    watching_.stir += count > 0 ? 1 : 0;
    control_until_ns_ = Deadline::clock_ns() + kControlShareNs;
    bool asked = false;  // the first is served in any case
    for (int i = 0; i < count; ++i) {
        const std::uint64_t tag = events[i].data.u64;
        const auto watch = static_cast<Watch>(tag >> 56);
        // What asks for work waits for the next look, and is reported again; by then others come first. A
        // bell is reported once, and an end has no work in it that anybody else could order.
        if (watch == Watch::kListener || watch == Watch::kSocket) {
            if (std::exchange(asked, true) && control_share_used()) {
                continue;
            }
        }
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
                        if (link->state == Link::State::kAway) {
                            stay_away(*link);
                            break;
                        }
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
    std::uint64_t earliest = std::min(channels_.due_ns, watchers_due());
    for (Link* link : held_) {
        if (link->held_topic != 0) {
            if (!await_topic(link->held_topic, link->held_length, earliest)) {
                return;
            }
            earliest = link->held_deadline != 0 ? std::min(earliest, link->held_deadline) : earliest;
            continue;
        }
        Link* full = link_of(link->held_for);
        if (link->held_deadline != 0) {
            earliest = std::min(earliest, link->held_deadline);
        }
        if (full != nullptr && full->state == Link::State::kAway) {
            continue;  // it comes back by its socket, or ends
        }
        if (full == nullptr || full->state != Link::State::kLive) {
            return;
        }
        ring::Waiter<>(full->memory.shared().room).announce();
        if (full->delivery[link->held_priority]->consumed() != link->held_consumed) {
            return;
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

void Router::hand_on() noexcept {
    impl_->handing_on_.store(true, std::memory_order_release);
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

Result<Connection> Router::connect_observer(const ConnectOptions& options) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        return Error::system();
    }
    impl_->adopt(pair[0], true);
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
    to.engine_judged = from.engine_judged.load(std::memory_order_relaxed);
    to.engine_missed = from.engine_missed.load(std::memory_order_relaxed);
    to.engine_differences = from.engine_differences.load(std::memory_order_relaxed);
    return to;
}

}  // namespace keyway
