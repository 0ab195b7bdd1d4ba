#pragma once

// Processes that a measurement is made between.

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace keyway::bench {

/// Keeps the calling thread on one core. Ends the process with a message when that is refused.
void pin_to(int core);

/// Ends the process with a message: a measurement that can't be made is not to be reported.
[[noreturn]] void give_up(const char* what);

/// A child process on a core of its own, which ends with its parent.
class Child {
  public:
    /// Forks; `body` runs in the child and is not expected to return.
    Child(int core, const std::function<void()>& body);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    /// Takes it off its core, so that something else can be measured there; returns once it has stopped.
    void pause();
    void resume();
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// It has ended by itself.
    [[nodiscard]] bool ended() const;

  private:
    pid_t pid_ = -1;
};

/// Memory that parent and children share, zeroed and present, in whole pages.
class SharedPages {
  public:
    explicit SharedPages(std::size_t bytes);
    SharedPages(const SharedPages&) = delete;
    SharedPages& operator=(const SharedPages&) = delete;
    ~SharedPages();
    template <typename T>
    [[nodiscard]] T& as() const {
        return *static_cast<T*>(data_);
    }

  private:
    void* data_;
    std::size_t bytes_;
};

}  // namespace keyway::bench
