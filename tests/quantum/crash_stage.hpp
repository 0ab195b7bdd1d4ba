#pragma once

// A router, a sender and a receiver in processes of their own, one of which is going to be killed.

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/fd.hpp"

namespace keyway::test {

/// A child process that takes orders and answers in lines.
class Actor {
  public:
    Actor() = default;
    /// Forks; the child runs `role(orders, answers)` and ends. `crash_at`: where it shall kill itself.
    template <typename Role>
    Actor(Role role, const std::string& crash_at);
    Actor(Actor&& other) noexcept;
    Actor& operator=(Actor&& other) noexcept;
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    ~Actor();

    void tell(const std::string& order) const;
    /// The next line; empty when the child has ended.
    [[nodiscard]] std::string hear() const;
    /// Waits for its end; true when that was SIGKILL.
    bool was_killed();
    void kill();
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool runs() const { return pid_ > 0; }

  private:
    pid_t pid_ = 0;
    UniqueFd orders_;
    UniqueFd answers_;
};

class Stage {
  public:
    /// `crash_at` names a crash point; its first word says in whose process it is.
    explicit Stage(const std::string& crash_at);
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    Actor router;
    Actor sender;
    Actor receiver;

    /// A new router on the same socket and ledger, which nobody is going to kill.
    void restart_router();
    /// Whom the router has in its books: "router", "sender", "receiver", or "nobody".
    [[nodiscard]] std::string holder_in_the_books();
    /// "yes …" when the process holds the qubit, "no …" when not; it connects anew if it must.
    [[nodiscard]] static std::string ask(const Actor& actor);

  private:
    std::filesystem::path folder_;
    std::string socket_;
    std::string ledger_;
};

}  // namespace keyway::test
