#pragma once

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "good.hpp"
#include "keyway/connection.hpp"
#include "keyway/router.hpp"
#include "processes.hpp"

namespace keyway::bench {

inline constexpr auto kNeverSleeps = std::chrono::nanoseconds::max();

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string path = (std::filesystem::temp_directory_path() / "keyway-bench-XXXXXX").string();
        if (::mkdtemp(path.data()) == nullptr) {
            give_up("can't make a temporary folder");
        }
        path_ = path;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

/// A router in a process of its own on `core`; returns once it listens.
inline std::unique_ptr<Child> start_router(int core, const RouterOptions& options) {
    int ready[2];
    if (::pipe(ready) != 0) {
        give_up("can't make a pipe");
    }
    auto child = std::make_unique<Child>(core, [&] {
        Router router(options);
        good(router.listen());
        const char token = 1;
        if (::write(ready[1], &token, 1) == 1) {
            router.run();
        }
    });
    ::close(ready[1]);
    char token = 0;
    const bool up = ::read(ready[0], &token, 1) == 1;
    ::close(ready[0]);
    if (!up) {
        errno = 0;
        give_up("the router did not start");
    }
    return child;
}

/// A router in a process of its own, and our connection to it. `audited`: it writes an audit log, beside its
/// socket.
class RouterProcess {
  public:
    RouterProcess(int core, std::chrono::nanoseconds router_spin, std::chrono::nanoseconds client_spin,
                  bool audited = false) {
        const std::string socket = folder_ / "router.sock";
        RouterOptions options{.policy = Policy::permissive(), .socket = socket, .spin = router_spin};
        options.audit.directory = audited ? folder_ / "audit" : "";
        child_ = start_router(core, options);
        options_.socket = socket;
        options_.spin = client_spin;
        options_.submission_bytes = 256 * 1024;
        options_.delivery_bytes = 256 * 1024;
        connection_.emplace(connect());
    }

    [[nodiscard]] Connection& connection() { return *connection_; }
    /// One more, for who is to be another process in the router's eyes.
    [[nodiscard]] Connection connect() const { return good(Connection::open(options_)); }
    [[nodiscard]] Child& process() { return *child_; }

  private:
    TemporaryFolder folder_;
    std::unique_ptr<Child> child_;
    ConnectOptions options_;
    std::optional<Connection> connection_;
};

}  // namespace keyway::bench
