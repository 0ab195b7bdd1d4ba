#pragma once

// The stage of the demo: a private folder, users to run as, and the processes that play the roles.
//
// Each role is a process of its own, this program started again. The director tells it what to do and hears
// what came of it over a SOCK_SEQPACKET pair, one packet of text each way; a descriptor may come along.
// Nothing ever waits for time to pass: only for answers, and for a process's end by its pidfd.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "keyway/deadline.hpp"
#include "keyway/result.hpp"

namespace keyway::tool::demo {

/// The end of a pair of sockets; director and role have one each.
class Channel {
  public:
    Channel() = default;
    explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}

    struct Packet {
        std::string text;
        UniqueFd fd;
    };
    /// False when the other side is gone.
    bool send(std::string_view text, int fd = -1) const;
    /// Nothing when the other side is gone, or the deadline passed.
    [[nodiscard]] std::optional<Packet> receive(Deadline deadline = Deadline::never()) const;
    [[nodiscard]] int fd() const { return socket_.get(); }

  private:
    UniqueFd socket_;
};

/// What a role answered: "ok", or the name of an error, and what belongs to it.
struct Answer {
    std::string outcome;
    std::vector<std::string> words;

    [[nodiscard]] bool ok() const { return outcome == "ok"; }
    /// The word at `index` as a number; 0 when it is none.
    [[nodiscard]] std::uint64_t number(std::size_t index) const;
    /// From `index` on, as it was said.
    [[nodiscard]] std::string rest(std::size_t index = 0) const;

    [[nodiscard]] static Answer of(std::string_view text);
};

/// A role as the director sees it. Ends with its process.
class Actor {
  public:
    Actor(std::string name, pid_t pid, uid_t uid, UniqueFd pidfd, Channel channel);
    Actor(Actor&&) noexcept = default;
    Actor& operator=(Actor&& other) noexcept;
    ~Actor() { kill(); }
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;

    /// Tells and hears.
    [[nodiscard]] Answer ask(std::string_view command, int fd = -1);
    void tell(std::string_view command, int fd = -1);
    /// The next answer. "ended" when the process is no more, "silent" when it said nothing for far too long.
    [[nodiscard]] Answer hear();

    /// Asks it to end, and returns its exit code; -1 when a signal ended it.
    int terminate();
    /// SIGKILL; returns when it is dead.
    void kill();

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] uid_t uid() const { return uid_; }
    /// Its id at the router, as the role said when it was ready.
    [[nodiscard]] std::uint32_t process() const { return process_; }

  private:
    friend class Stage;
    int end_with(int signal);
    std::string name_;
    pid_t pid_;
    uid_t uid_;
    std::uint32_t process_ = 0;
    UniqueFd pidfd_;
    Channel channel_;
};

/// The roles, each with a user where that is possible.
enum class Role { kRouter, kService, kCaller, kSender, kIntruder, kVictim, kAlice, kBob, kCarol };
inline constexpr Role kRoles[] = {Role::kRouter, Role::kService,  Role::kCaller,
                                  Role::kSender, Role::kIntruder, Role::kVictim,
                                  Role::kAlice,  Role::kBob,      Role::kCarol};
[[nodiscard]] std::string_view name_of(Role role);

class Stage {
  public:
    /// `one_user`: don't even try to run the roles as different users. `engine`: the router's.
    explicit Stage(bool one_user, std::string engine = "software");
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;
    /// Removes the folder.
    ~Stage();

    [[nodiscard]] const std::string& engine() const { return engine_; }
    [[nodiscard]] bool users_are_separate() const { return first_uid_.has_value(); }
    [[nodiscard]] uid_t uid_of(Role role) const;
    [[nodiscard]] std::string socket() const { return folder_ / "router.sock"; }
    [[nodiscard]] std::filesystem::path policy_file() const { return folder_ / "policy.toml"; }
    /// What the router wrote down; the key is in it too.
    [[nodiscard]] std::filesystem::path audit_folder() const { return folder_ / "audit"; }
    /// What the router had to say.
    [[nodiscard]] std::filesystem::path router_log() const { return folder_ / "router.log"; }

    /// Starts a role and waits until it says that it is ready. Ends the program if the system won't have it.
    [[nodiscard]] Actor start(Role role) const;

  private:
    std::string engine_;
    std::filesystem::path folder_;
    std::optional<uid_t> first_uid_;
};

/// In the role's process: becomes `uid` for good, if it is given, and dies with the director.
Result<void> become(std::optional<uid_t> uid, const std::string& name);

}  // namespace keyway::tool::demo
