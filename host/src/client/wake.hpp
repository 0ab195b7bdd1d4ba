#pragma once

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <span>

#include "base/wait.hpp"
#include "keyway/deadline.hpp"
#include "ring/park.hpp"

namespace keyway::client {

/// How one half of a connection sleeps: a park word in shared memory and the reading end of a pipe.
class Sleeper {
  public:
    Sleeper() = default;
    Sleeper(ring::ParkWord& word, int pipe) : word_(&word), pipe_(pipe) {}

    /// From here on the router writes to the pipe when it has something for this half.
    void announce() { ring::Waiter<>(*word_).announce(); }
    void retract() { ring::Waiter<>(*word_).retract(); }
    /// The announcement stands: nobody has been woken by it yet.
    [[nodiscard]] bool announced() const {
        return ring::NativeAtomics::load(word_->parked, std::memory_order_relaxed) != 0;
    }
    /// Takes all wake-ups out of the pipe.
    void quiet() const {
        char tokens[64];
        while (::read(pipe_, tokens, sizeof tokens) == static_cast<ssize_t>(sizeof tokens)) {
        }
    }
    [[nodiscard]] int pipe() const { return pipe_; }
    /// The word has another place.
    void move_to(ring::ParkWord& word) { word_ = &word; }

  private:
    ring::ParkWord* word_ = nullptr;
    int pipe_ = -1;
};

/// Spins, then sleeps on all of `sleepers`, until ready() or the deadline. Sleeping ends at once when the
/// router hangs `socket` up; `gone` is set then, after one more look. Returns what ready() said last.
template <typename Ready>
bool wait_until(std::span<Sleeper* const> sleepers, int socket, std::chrono::nanoseconds spin,
                Deadline deadline, bool& gone, Ready&& ready) {
    const auto looked_long_enough = [&](std::uint64_t since) {
        const std::uint64_t now = Deadline::clock_ns();
        return now - since >= static_cast<std::uint64_t>(spin.count()) ||
               (!deadline.is_never() && now >= deadline.ns());
    };
    if (ready()) {
        return true;
    }
    if (deadline.ns() == 0) {
        return false;
    }
    const std::uint64_t since = Deadline::clock_ns();
    do {
        for (int i = 0; i < 64; ++i) {
            if (ready()) {
                return true;
            }
            ring::NativeAtomics::pause();
        }
    } while (!looked_long_enough(since));

    pollfd fds[3];
    std::size_t count = 0;
    for (const Sleeper* sleeper : sleepers) {
        fds[count++] = {sleeper->pipe(), POLLIN, 0};
    }
    fds[count++] = {socket, POLLRDHUP, 0};
    bool found = false;
    while (true) {
        for (Sleeper* sleeper : sleepers) {
            sleeper->announce();
        }
        found = ready();
        if (found || gone) {
            break;
        }
        const bool woken = wait_for(std::span(fds, count), deadline);
        for (Sleeper* sleeper : sleepers) {
            sleeper->quiet();
        }
        if ((fds[count - 1].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
            gone = true;  // what is in the rings already still counts: look once more
        }
        if (!woken) {
            found = ready();
            break;
        }
    }
    for (Sleeper* sleeper : sleepers) {
        sleeper->retract();
    }
    return found;
}

}  // namespace keyway::client
