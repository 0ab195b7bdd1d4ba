#pragma once

namespace keyway {

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
class Waitable {
  public:
    Waitable() = default;
    virtual ~Waitable() = default;

    /// For poll, select and epoll (EPOLLIN); the same for as long as the source lives.
    [[nodiscard]] virtual int descriptor() const noexcept = 0;
    /// True: something is there to be taken, also an end or an error. False: nothing, and the descriptor is
    /// armed. Takes older wake-ups out of the descriptor.
    [[nodiscard]] virtual bool arm() = 0;
    /// Nobody waits any more.
    virtual void disarm() = 0;

  protected:
    Waitable(const Waitable&) = default;
    Waitable(Waitable&&) = default;
    Waitable& operator=(const Waitable&) = default;
    Waitable& operator=(Waitable&&) = default;
};

}  // namespace keyway
