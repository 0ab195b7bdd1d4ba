#include "tests/restart/restart_stage.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace keyway::test {

RestartStage::RestartStage() {
    std::string pattern = std::filesystem::temp_directory_path() / "keyway-restart-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
}

RestartStage::~RestartStage() {
    if (router_ > 0) {
        ::kill(router_, SIGTERM);
        ended();
    }
    // The keeper ends with the router's order, or here: it has nobody left.
    std::filesystem::remove_all(folder_);
}

void RestartStage::start(const std::string& crash_at) {
    int ready[2];
    if (::pipe(ready) != 0) {
        std::abort();
    }
    // Connections of the test would stay open in there: it keeps the standard ones, and its end of the pipe.
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, ready[1], 3);
    ::posix_spawn_file_actions_addclosefrom_np(&files, 4);
    std::string program = KEYWAY_RESTART_ROUTER;
    std::string folder = folder_;
    std::string keeping = keeps ? "1" : "0";
    std::string descriptor = "3";
    char* const arguments[] = {program.data(), folder.data(), keeping.data(), descriptor.data(), nullptr};
    std::string label = "KEYWAY_CRASH_AT=" + crash_at;
    std::vector<char*> environment;
    for (char** each = environ; *each != nullptr; ++each) {
        if (!std::string_view(*each).starts_with("KEYWAY_CRASH_AT=")) {
            environment.push_back(*each);
        }
    }
    if (!crash_at.empty()) {
        environment.push_back(label.data());
    }
    environment.push_back(nullptr);
    if (::posix_spawn(&router_, program.c_str(), &files, nullptr, arguments, environment.data()) != 0) {
        std::abort();
    }
    ::posix_spawn_file_actions_destroy(&files);
    ::close(ready[1]);
    char byte = 0;
    [[maybe_unused]] const ssize_t heard = ::read(ready[0], &byte, 1);
    ::close(ready[0]);
}

int RestartStage::ended() {
    int status = 0;
    while (::waitpid(router_, &status, 0) < 0 && errno == EINTR) {
    }
    router_ = 0;
    return status;
}

bool RestartStage::was_killed() {
    const int status = ended();
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool RestartStage::has_ended() {
    int status = 0;
    if (router_ > 0 && ::waitpid(router_, &status, WNOHANG) == router_) {
        router_ = 0;
    }
    return router_ == 0;
}

void RestartStage::kill() {
    ::kill(router_, SIGKILL);
    ended();
}

int RestartStage::stop() {
    ::kill(router_, SIGTERM);
    return ended();
}

int RestartStage::hand_on() {
    ::kill(router_, SIGUSR2);
    return ended();
}

ConnectOptions RestartStage::client(std::chrono::nanoseconds reattach) const {
    ConnectOptions options;
    options.socket = folder_ / "router.sock";
    options.reattach = reattach;
    return options;
}

}  // namespace keyway::test
