#pragma once

// A router in a process of its own that dies again and again, and is followed by another.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>

#include "keyway/connection.hpp"

namespace keyway::test {

class RestartStage {
  public:
    RestartStage();
    ~RestartStage();
    RestartStage(const RestartStage&) = delete;
    RestartStage& operator=(const RestartStage&) = delete;

    /// Starts a router. `crash_at`: the label at which it ends itself (base/crash_point.hpp); empty: nowhere.
    void start(const std::string& crash_at = {});
    /// Waits for the router's end; true when it was SIGKILL.
    bool was_killed();
    /// True once it has ended by itself, which is then the end of it.
    bool has_ended();
    void kill();
    /// SIGKILL, and another router at once.
    void replace() {
        kill();
        start();
    }
    /// Ends it in order; the exit status.
    int stop();
    /// SIGUSR2's way.
    int hand_on();

    [[nodiscard]] ConnectOptions client(std::chrono::nanoseconds reattach = std::chrono::seconds(30)) const;
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    [[nodiscard]] pid_t pid() const { return router_; }
    bool keeps = true;

  private:
    int ended();

    std::filesystem::path folder_;
    pid_t router_ = 0;
};

}  // namespace keyway::test
