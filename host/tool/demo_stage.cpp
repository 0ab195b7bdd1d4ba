#include "tool/demo_stage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/wait.hpp"

namespace keyway::tool::demo {

namespace {

constexpr int kChannelFd = 3;
constexpr std::size_t kLongestPacket = 8192;
// Only to end a demo that hangs; nothing depends on how long it is.
constexpr std::chrono::seconds kFarTooLong{30};

[[noreturn]] void give_up(std::string_view what) {
    fmt::print(stderr, "keyway demo: {}: {}\n", what, std::strerror(errno));
    std::exit(1);
}

// The first of as many user ids in a row as there are roles, which nobody has.
uid_t unused_uids() {
    uid_t first = 61001;
    for (uid_t uid = first; uid < first + std::size(kRoles); ++uid) {
        if (::getpwuid(uid) != nullptr) {
            first = uid + 1;
        }
    }
    return first;
}

// Whether we can become `uid`: root can, unless it is root of a small user namespace only.
bool can_become(uid_t uid) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(::setgroups(0, nullptr) == 0 && ::setresgid(uid, uid, uid) == 0 &&
                        ::setresuid(uid, uid, uid) == 0
                    ? 0
                    : 1);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

}  // namespace

bool Channel::send(std::string_view text, int fd) const {
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
    if (fd >= 0) {
        packet.msg_control = control.data();
        packet.msg_controllen = control.size();
        cmsghdr* const head = CMSG_FIRSTHDR(&packet);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    return ::sendmsg(socket_.get(), &packet, MSG_NOSIGNAL) >= 0;
}

std::optional<Channel::Packet> Channel::receive(Deadline deadline) const {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (!wait_for(std::span(&ready, 1), deadline)) {
        return std::nullopt;
    }
    Packet received;
    received.text.resize(kLongestPacket);
    iovec part{received.text.data(), received.text.size()};
    int fd = -1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.get(), &packet, MSG_CMSG_CLOEXEC);
    if (size <= 0) {
        return std::nullopt;
    }
    received.text.resize(static_cast<std::size_t>(size));
    if (const cmsghdr* head = CMSG_FIRSTHDR(&packet); head != nullptr && head->cmsg_type == SCM_RIGHTS) {
        std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
        received.fd.reset(fd);
    }
    return received;
}

Answer Answer::of(std::string_view text) {
    Answer answer;
    std::vector<std::string> words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        words.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!words.empty()) {
        answer.outcome = words.front();
        answer.words.assign(words.begin() + 1, words.end());
    }
    return answer;
}

std::uint64_t Answer::number(std::size_t index) const {
    std::uint64_t value = 0;
    if (index < words.size()) {
        std::from_chars(words[index].data(), words[index].data() + words[index].size(), value);
    }
    return value;
}

std::string Answer::rest(std::size_t index) const {
    std::string text;
    for (; index < words.size(); ++index) {
        text += (text.empty() ? "" : " ") + words[index];
    }
    return text;
}

Actor::Actor(std::string name, pid_t pid, uid_t uid, UniqueFd pidfd, Channel channel)
    : name_(std::move(name)), pid_(pid), uid_(uid), pidfd_(std::move(pidfd)), channel_(std::move(channel)) {}

Actor& Actor::operator=(Actor&& other) noexcept {
    kill();
    name_ = std::move(other.name_);
    pid_ = other.pid_;
    uid_ = other.uid_;
    process_ = other.process_;
    pidfd_ = std::move(other.pidfd_);
    channel_ = std::move(other.channel_);
    return *this;
}

Answer Actor::ask(std::string_view command, int fd) {
    tell(command, fd);
    return hear();
}

void Actor::tell(std::string_view command, int fd) {
    channel_.send(command, fd);
}

Answer Actor::hear() {
    const Deadline deadline = Deadline::in(kFarTooLong);
    const auto packet = channel_.receive(deadline);
    return packet ? Answer::of(packet->text)
                  : Answer{.outcome = deadline.passed() ? "silent" : "ended", .words = {}};
}

int Actor::terminate() {
    return end_with(SIGTERM);
}

void Actor::kill() {
    end_with(SIGKILL);
}

int Actor::end_with(int signal) {
    if (!pidfd_) {
        return -1;
    }
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
    pollfd dead{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    if (!wait_for(std::span(&dead, 1), Deadline::in(kFarTooLong))) {
        ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pidfd_.reset();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string_view name_of(Role role) {
    constexpr std::string_view kNames[] = {"router", "service", "caller", "sender", "intruder",
                                           "victim", "alice",   "bob",    "carol"};
    return kNames[static_cast<std::size_t>(role)];
}

Stage::Stage(bool one_user, std::string engine) : engine_(std::move(engine)) {
    std::string pattern = std::filesystem::temp_directory_path() / "keyway-demo-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        give_up("can't make a temporary folder");
    }
    folder_ = pattern;
    if (const uid_t first = unused_uids(); !one_user && ::geteuid() == 0 && can_become(first)) {
        first_uid_ = first;
        // The router makes its socket here, and the others must reach it.
        if (::chmod(folder_.c_str(), 0755) != 0 || ::chown(folder_.c_str(), uid_of(Role::kRouter), 0) != 0) {
            give_up("can't give the temporary folder to the router");
        }
    }
}

Stage::~Stage() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

uid_t Stage::uid_of(Role role) const {
    return first_uid_ ? *first_uid_ + static_cast<uid_t>(role) : ::geteuid();
}

Actor Stage::start(Role role) const {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        give_up("can't make a pair of sockets");
    }
    Channel ours{UniqueFd(pair[0])};
    const UniqueFd theirs(pair[1]);

    std::vector<std::string> words = {"keyway", "demo-role", std::string(name_of(role)), "--folder", folder_};
    if (role == Role::kRouter) {
        words.insert(words.end(), {"--engine", engine_});
    }
    if (first_uid_) {
        words.insert(words.end(), {"--uid", std::to_string(uid_of(role))});
    }
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) {
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, theirs.get(), kChannelFd);
    pid_t pid = -1;
    errno = ::posix_spawn(&pid, "/proc/self/exe", &files, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    if (pid < 0 || errno != 0) {
        give_up("can't start a process");
    }
    // It is our child and not waited for, so the pid can't have become another's.
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) {
        give_up("can't open a pidfd; Linux 5.3 or later is needed");
    }
    Actor actor(std::string(name_of(role)), pid, uid_of(role), std::move(pidfd), std::move(ours));
    const Answer ready = actor.hear();
    if (!ready.ok()) {
        fmt::print(stderr, "keyway demo: the {} did not start: {} {}\n", name_of(role), ready.outcome,
                   ready.rest());
        std::exit(1);
    }
    actor.process_ = static_cast<std::uint32_t>(ready.number(0));
    return actor;
}

Result<void> become(std::optional<uid_t> uid, const std::string& name) {
    if (uid && (::setgroups(0, nullptr) != 0 || ::setresgid(*uid, *uid, *uid) != 0 ||
                ::setresuid(*uid, *uid, *uid) != 0)) {
        return Error::system();
    }
    ::prctl(PR_SET_NAME, name.c_str());
    // After the change of user, which forgets it. Should the director be gone already, the channel says so.
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return Error::system();
    }
    return {};
}

}  // namespace keyway::tool::demo
