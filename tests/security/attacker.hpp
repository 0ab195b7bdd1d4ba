#pragma once

// A hostile_client as a child of the test.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace keyway::test {

class Attacker {
  public:
    Attacker(const std::string& socket, const std::string& attack, std::chrono::milliseconds time,
             std::uint64_t seed) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        const std::string for_ms = std::to_string(time.count());
        const std::string with_seed = std::to_string(seed);
        std::string words[] = {KEYWAY_HOSTILE_CLIENT, socket, attack, for_ms, with_seed};
        char* argv[] = {words[0].data(), words[1].data(), words[2].data(),
                        words[3].data(), words[4].data(), nullptr};
        EXPECT_EQ(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv, environ), 0);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        output_ = ::fdopen(ends[0], "r");
    }
    Attacker(const Attacker&) = delete;
    Attacker& operator=(const Attacker&) = delete;
    ~Attacker() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        std::fclose(output_);
    }

    /// Waits for its end; how often it tried something, 0 when it could not.
    std::uint64_t finish() {
        char line[200];
        constexpr std::string_view kTold = "tried ";
        std::uint64_t tried = 0;
        while (std::fgets(line, sizeof line, output_) != nullptr) {
            if (std::string_view(line).starts_with(kTold)) {
                tried = std::strtoull(line + kTold.size(), nullptr, 10);
            }
        }
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
            << "the attacker ended with status " << status;
        return tried;
    }

  private:
    pid_t pid_ = -1;
    std::FILE* output_ = nullptr;
};

}  // namespace keyway::test
