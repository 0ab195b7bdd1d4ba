#pragma once

// What can be waited for, in a wait set (wait_set.hpp) or in another event loop.

#include <memory>
#include <utility>

#include "keyway/api.hpp"

namespace keyway {

class Waitable;

namespace detail {
/// What ties a source to the wait set that it is in. The source keeps it up to date when it moves or ends.
struct Membership {
    Waitable* source = nullptr;  ///< null: the source is gone
};
}  // namespace detail

/// Something that can be waited for: a connection's messages, a subscription's events, either end of a stream
/// or lane. Made for wait sets and for other people's event loops; the protocol is the same for all:
///
///     while (!source.arm()) {            // nothing there; from here on the descriptor tells
///         epoll_wait(...);               // until source.descriptor() is readable
///     }
///     source.disarm();                   // optional: spares whoever produces a system call
///     … take what is there …
///
/// Between `arm()` saying false and the descriptor becoming readable no arrival is missed. A descriptor may
/// be readable with nothing there: look again. It is never to be read from or closed. The far side's death
/// makes it readable too. Not thread-safe: to be called by the thread that receives from the source.
///
/// A source that is in a WaitSet may be moved, and may be destroyed before the set or after it: the set
/// follows it, and forgets it at its end.
class KEYWAY_API Waitable {
  public:
    Waitable() = default;
    virtual ~Waitable() { leave(); }

    /// For poll, select and epoll (EPOLLIN); the same for as long as the source lives.
    [[nodiscard]] virtual int descriptor() const noexcept = 0;
    /// True: something is there to be taken, also an end or an error. False: nothing, and the descriptor is
    /// armed. Takes older wake-ups out of the descriptor.
    [[nodiscard]] virtual bool arm() = 0;
    /// Nobody waits any more.
    virtual void disarm() = 0;
    /// True: surely armed, with nothing there, so that `arm()` may be spared. False says nothing. Cheap: no
    /// system call.
    [[nodiscard]] virtual bool still_armed() const { return false; }

  protected:
    // A copy is another source and in no set.
    Waitable(const Waitable& /*other*/) {}
    Waitable(Waitable&& other) noexcept { follow(other); }
    // NOLINTNEXTLINE(bugprone-unhandled-self-assignment,cert-oop54-cpp): nothing is assigned
    Waitable& operator=(const Waitable& /*other*/) { return *this; }
    Waitable& operator=(Waitable&& other) noexcept {
        if (this != &other) {
            leave();
            follow(other);
        }
        return *this;
    }

  private:
    friend class WaitSet;

    void leave() noexcept {
        if (membership_) {
            membership_->source = nullptr;
            membership_.reset();
        }
    }
    void follow(Waitable& other) noexcept {
        membership_ = std::move(other.membership_);
        if (membership_) {
            membership_->source = this;
        }
    }

    std::shared_ptr<detail::Membership> membership_;
};

}  // namespace keyway
