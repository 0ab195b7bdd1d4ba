#pragma once

#include <signal.h>
#include <time.h>

namespace keyway {

/// While it lives, writing to a pipe that nobody reads any more gives this thread EPIPE and no signal. A
/// process can close its end of a wake pipe at any moment; that must not end the router. Leaves the thread's
/// signal mask, and any SIGPIPE of somebody else's that was pending, as they were.
class SigpipeGuard {
  public:
    SigpipeGuard() {
        sigemptyset(&sigpipe_);
        sigaddset(&sigpipe_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    }
    ~SigpipeGuard() {
        if (!was_pending_) {
            const timespec at_once{};
            while (sigtimedwait(&sigpipe_, nullptr, &at_once) == SIGPIPE) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    SigpipeGuard(const SigpipeGuard&) = delete;
    SigpipeGuard& operator=(const SigpipeGuard&) = delete;

  private:
    sigset_t sigpipe_;
    sigset_t before_;
    bool was_pending_;
};

}  // namespace keyway
