// A connection goes on with the router that came after the one that died.
//
// Everything that this process and the dead router shared is in memory that is still mapped here. The new
// router can't write to it (it is sealed), so it makes new memory, all is copied over as it lies, and both go
// on at the same positions: tickets, unread messages and places in topics stay what they were. What the old
// router had not judged is in the submission ring still, and is judged by the new one.
//
// The two halves may be in two threads. Who finds the router gone waits until the other half is out of the
// library, or is here as well, and moves both.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include <cstring>
#include <thread>

#include "client/connection_impl.hpp"

namespace keyway {

using link::ControlMessage;
using ring::NativeAtomics;

namespace {

constexpr auto kHandshake = std::chrono::seconds(2);
constexpr auto kShortPause = std::chrono::microseconds(500);
constexpr auto kLongPause = std::chrono::milliseconds(10);

bool hung_up(int socket) {
    pollfd look{socket, POLLRDHUP, 0};
    return ::poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

Connection::Impl::Use::Use(Impl& impl, unsigned halves) : impl_(&impl), halves_(halves) {
    if (!impl.resumable()) {
        impl_ = nullptr;
        return;
    }
    for (unsigned half = 0; half < 2; ++half) {
        if ((halves >> half & 1U) != 0) {
            impl.enter(half);
        }
    }
    if (halves == (kSending | kReceiving)) {
        impl.again.both = true;
    }
}

Connection::Impl::Use::~Use() {
    if (impl_ == nullptr) {
        return;
    }
    if (halves_ == (kSending | kReceiving)) {
        impl_->again.both = false;
    }
    for (unsigned half = 0; half < 2; ++half) {
        if ((halves_ >> half & 1U) != 0) {
            std::atomic<int>& depth = impl_->again.depth[half];
            depth.store(depth.load(std::memory_order_relaxed) - 1, std::memory_order_release);
        }
    }
}

// Says that this half is in use, unless both are being moved right now. The fence is the one of Dekker:
// either we see that a move has begun, or who begins it sees us.
void Connection::Impl::enter(unsigned half) {
    std::atomic<int>& depth = again.depth[half];
    const int before = depth.load(std::memory_order_relaxed);
    depth.store(before + 1, std::memory_order_relaxed);
    if (before != 0) {
        return;
    }
    NativeAtomics::fence();
    while (again.moving.load(std::memory_order_acquire)) {
        depth.store(0, std::memory_order_release);
        { const std::lock_guard wait(again.lock); }
        depth.store(1, std::memory_order_relaxed);
        NativeAtomics::fence();
    }
}

bool Connection::Impl::go_on(unsigned halves, bool& gone, Deadline deadline) {
    if (!resumable() || !usable() || again.patience.count() == 0) {
        return false;
    }
    Deadline until = Deadline::in(again.patience);
    if (!deadline.is_never() && deadline.ns() < until.ns()) {
        until = deadline;
    }
    if (!reattach(halves, until)) {
        return false;
    }
    gone = false;
    return true;
}

Error Connection::Impl::late_or_gone(Deadline deadline) const {
    const bool late = resumable() && again.patience.count() != 0 && !deadline.is_never() &&
                      Deadline::clock_ns() >= deadline.ns();
    return late ? Status::kTimeout : Status::kRouterGone;
}

void Connection::Impl::go_on_later(unsigned halves, bool& gone) {
    if (gone && resumable() && usable() && reattach(halves, Deadline::now())) {
        gone = false;
    }
}

bool Connection::Impl::reattach(unsigned halves, Deadline until) {
    halves = again.both ? kSending | kReceiving : halves;
    for (unsigned half = 0; half < 2; ++half) {
        if ((halves >> half & 1U) != 0) {
            again.rests[half].store(true, std::memory_order_release);
        }
    }
    bool whole = false;
    {
        const std::lock_guard one_at_a_time(again.lock);
        again.moving.store(true, std::memory_order_relaxed);
        NativeAtomics::fence();
        for (unsigned half = 0; half < 2; ++half) {
            while (again.depth[half].load(std::memory_order_acquire) != 0 &&
                   !again.rests[half].load(std::memory_order_acquire)) {
                std::this_thread::sleep_for(std::chrono::microseconds(20));
            }
        }
        auto pause = std::chrono::nanoseconds(kShortPause);
        whole = !hung_up(socket.get());
        sending.read_notices();
        if (!whole && sending.closed()) {
            again.token.clear();  // it has ended this link in order: there is nothing to go on with
        }
        while (!whole && resumable()) {
            whole = try_reattach();
            if (whole || Deadline::clock_ns() >= until.ns()) {
                break;
            }
            std::this_thread::sleep_for(pause);
            pause = std::min<std::chrono::nanoseconds>(2 * pause, kLongPause);
        }
        again.moving.store(false, std::memory_order_release);
    }
    for (unsigned half = 0; half < 2; ++half) {
        if ((halves >> half & 1U) != 0) {
            again.rests[half].store(false, std::memory_order_release);
        }
    }
    return whole;
}

// One attempt. The router may die in any line of it; then the next one tells us which memory counts.
bool Connection::Impl::try_reattach() {
    auto fresh = connect_to(again.path);
    if (!fresh) {
        return false;
    }
    const link::Geometry& geometry = memory.geometry();
    ControlMessage hello;
    hello.request = static_cast<std::uint8_t>(Request::kHello);
    hello.object = self.object;
    hello.submission_bytes = geometry.submission_bytes;
    hello.delivery_bytes = geometry.delivery_bytes;
    hello.set_name(again.token);
    if (!link::send_control(fresh->get(), hello)) {
        return false;
    }
    auto welcome = link::receive_control(fresh->get(), Deadline::in(kHandshake));
    if (!welcome) {
        return false;
    }
    if (welcome->message.status != 0 &&
        welcome->message.status != std::uint8_t{Error{Status::kNotAllowed}.code()}) {
        return false;  // not now: one connection too many, or it is ending
    }
    if (welcome->message.status != 0 || welcome->message.object != self.object || welcome->fd_count != 2) {
        // It knows nothing of us: another router, or one that begins afresh.
        again.token.clear();
        return false;
    }
    if (again.coming && again.coming_serial == welcome->message.target) {
        move_to(std::move(*again.coming));  // the last attempt had got that far
    }
    again.coming.reset();
    auto mapped = link::LinkMemory::map(welcome->fds[0].get(), geometry);
    if (!mapped) {
        return false;
    }
    const auto from = memory.whole();
    std::memcpy(mapped->whole().data(), from.data(), from.size());
    NativeAtomics::store(mapped->shared().submission.head, welcome->message.value, std::memory_order_relaxed);
    ControlMessage ready;
    ready.request = static_cast<std::uint8_t>(Request::kMapped);
    std::uint64_t ends[limit::kPriorities + 1];
    receiving.ends(ends);
    ends[limit::kPriorities] = sending.notices_end();
    static_assert(sizeof ends <= sizeof ready.name);
    std::memcpy(ready.name, ends, sizeof ends);
    again.coming.emplace(std::move(*mapped));
    again.coming_serial = welcome->message.badge;
    if (!link::send_control(fresh->get(), ready)) {
        return false;
    }
    auto sealed = link::receive_control(fresh->get(), Deadline::in(kHandshake));
    if (!sealed || sealed->message.status != 0) {
        return false;
    }
    move_to(std::move(*again.coming));
    again.coming.reset();
    // In the places of the old ones, since others know these numbers.
    if (::dup3(welcome->fds[1].get(), bell.get(), O_CLOEXEC) < 0 ||
        ::dup3(fresh->get(), socket.get(), O_CLOEXEC) < 0) {
        return false;
    }
    sending.regions_may_have_changed();
    again.epoch.fetch_add(1, std::memory_order_release);
    return true;
}

// Views of messages that are out may lie in the old memory, so that stays until there are none.
void Connection::Impl::move_to(link::LinkMemory fresh) {
    if (!receiving.has_views()) {
        again.earlier.clear();
    }
    sending.move_to(fresh);
    receiving.move_to(fresh);
    again.earlier.push_back(std::exchange(memory, std::move(fresh)));
}

}  // namespace keyway
