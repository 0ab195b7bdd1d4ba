#pragma once

// One place to wait for everything: connections and other Waitables, timers, and foreign file descriptors.
//
//     #include <keyway/wait_set.hpp>
//
//     auto set = keyway::WaitSet::make().value();
//     set.add(connection, [&](const keyway::WaitSet::Ready&) {
//         while (auto message = connection.try_receive()) { … }
//     }).value();
//     set.add_periodic(1s, [&](const auto&) { report(); });
//     while (set.dispatch()) {
//     }
//
// NO LOST ARRIVAL. Before it sleeps the set arms every source that is not surely armed still. So whatever is
// done to a source in between, also a `call` on a connection of the set, which sets messages aside, is seen.
//
// FAIRNESS. A wait returns all that is ready, each source once, and begins each time with another source. A
// source that always has something delays the others by one callback of its own, no more, as long as its
// callback ends: take a bounded number of messages in it. What is left there makes it ready again at once.
//
// LEVEL. A source stays ready until what is there was taken. A callback that takes nothing is called again.
// That holds for the end of the router too: receive, see `router_gone`, remove the source.
//
// LIFETIMES. A Waitable may be moved, and may be destroyed before or after its set: the set forgets it. A
// foreign descriptor must be removed before it is closed. Anything may be removed in any callback, also in
// its own; what was removed is not called any more, not even if it was ready already. The set itself must not
// be destroyed in a callback.
//
// NESTING. A set is a Waitable: add it to another one and dispatch it, with `Deadline::now()`, in the
// callback. Or give `descriptor()` to any epoll, poll or select, following the protocol in waitable.hpp.
//
// THREADS. A set belongs to one thread, the one that receives from its sources. Only `wake()` may be called
// from others.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "keyway/api.hpp"
#include "keyway/deadline.hpp"
#include "keyway/result.hpp"
#include "keyway/waitable.hpp"

namespace keyway {

/// How a set waits.
struct WaitSetOptions {
    /// How long a wait looks around before it sleeps. 0: sleeps at once.
    std::chrono::nanoseconds spin = std::chrono::microseconds(20);
};

/// A set of things to wait for: see the top of this header.
class KEYWAY_API WaitSet : public Waitable {
  public:
    /// Names an entry of this set. Never 0, never used twice.
    using Id = std::uint64_t;
    /// An entry that is ready.
    struct Ready {
        Id id = 0;                 ///< what `add` and the like returned
        std::uint32_t events = 0;  ///< of a foreign descriptor: EPOLLIN and so on; otherwise 0
    };
    /// Called by `dispatch`, in its thread. May add and remove entries; an exception comes out of `dispatch`.
    using Callback = std::function<void(const Ready&)>;

    /// Errors: `system` (out of descriptors), `bad_argument` (negative spin).
    static Result<WaitSet> make(const WaitSetOptions& options = {});
    WaitSet(const WaitSet&) = delete;
    WaitSet& operator=(const WaitSet&) = delete;
    WaitSet(WaitSet&&) noexcept;
    WaitSet& operator=(WaitSet&&) noexcept;
    ~WaitSet() override;

    /// Adds a source. It costs a descriptor. Errors: `bad_argument` when it is in a set already, or is this
    /// set; `system`.
    Result<Id> add(Waitable& source, Callback callback = {});
    /// Adds a descriptor that the caller owns; `events` as for epoll_ctl, level-triggered. EPOLLERR and
    /// EPOLLHUP are always reported. Errors: `bad_argument` for EPOLLET, EPOLLONESHOT or EPOLLEXCLUSIVE;
    /// `system`, e.g. with EEXIST (it is in the set already) or EPERM (a plain file).
    Result<Id> add_descriptor(int descriptor, std::uint32_t events, Callback callback = {});
    /// Ready once, when `due` has passed, and then no longer in the set.
    Id add_timer(Deadline due, Callback callback = {});
    /// Ready each `period`, for the first time a period from now. Periods that were missed are left out.
    /// `bad_argument` when `period` is not positive.
    Result<Id> add_periodic(std::chrono::nanoseconds period, Callback callback = {});
    /// Takes an entry out; false when it is not in the set (any more).
    bool remove(Id id);
    /// How many entries there are.
    [[nodiscard]] std::size_t size() const noexcept;

    /// Waits until something is ready, and says what. Empty when `wake()` was called and nothing is ready.
    /// Calls no callbacks. Errors: `timeout`, `system`.
    Result<std::vector<Ready>> wait(Deadline deadline = Deadline::never());
    /// `wait`, and then calls the callbacks of what is ready. Returns how many were called.
    Result<std::size_t> dispatch(Deadline deadline = Deadline::never());

    /// Ends the wait that goes on, or else the next one. From any thread, and from signal handlers. Several
    /// before one wait count once.
    void wake() const noexcept;

    [[nodiscard]] int descriptor() const noexcept override;
    [[nodiscard]] bool arm() override;
    void disarm() override;

  private:
    struct Impl;
    explicit WaitSet(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyway
