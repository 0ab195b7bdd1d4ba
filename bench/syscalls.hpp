#pragma once

// Counts the system calls of other processes of ours, without any privilege: by ptrace.

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <vector>

namespace keyway::bench {

/// Attaches to all threads that `processes` have now; they are children of the calling thread's process. A
/// call takes some ten times as long while it is counted, so nothing else is to be measured meanwhile; and
/// who waits by asking again and again asks more often.
class SystemCallCounter {
  public:
    explicit SystemCallCounter(const std::vector<pid_t>& processes);
    SystemCallCounter(const SystemCallCounter&) = delete;
    SystemCallCounter& operator=(const SystemCallCounter&) = delete;
    /// Lets them go.
    ~SystemCallCounter();

    /// False where it may not trace.
    [[nodiscard]] bool works() const { return works_; }
    void clear() { count_ = 0; }
    /// Lets them run until `tokens` bytes have come on `fd`, which are taken. False when one of them ends, or
    /// after half a minute.
    bool run_until(int fd, int tokens);
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    bool attach(pid_t thread);
    bool handle(pid_t thread, int status);

    std::set<pid_t> threads_;
    bool works_ = true;
    std::uint64_t count_ = 0;
};

}  // namespace keyway::bench
