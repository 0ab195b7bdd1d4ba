// The C interface, used by C code (c_api_program.c) against a router behind a real socket.

#include "keyway/ipc.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "tests/client/c_api_program.h"
#include "tests/client/router_fixture.hpp"

namespace keyway::test {

namespace {

std::filesystem::path make_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keyway-test-XXXXXX").string();
    return ::mkdtemp(pattern.data());
}

RouterOptions behind_socket(const std::filesystem::path& directory) {
    RouterOptions options;
    options.policy = Policy::permissive();
    options.capability_slots = 4096;
    options.socket = directory / "router.sock";
    return options;
}

}  // namespace

class CInterface : public ::testing::Test {
  protected:
    CInterface() : directory_(make_directory()), router_(behind_socket(directory_)) {
        socket_ = directory_ / "router.sock";
    }
    ~CInterface() override {
        router_.stop();
        router_.join();
        std::filesystem::remove_all(directory_);
    }
    /// Runs in a child, which is started before the router's thread is: a child of threads could not use
    /// much.
    pid_t in_child(const std::function<int()>& work) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(work() == 0 ? 0 : 1);
        }
        return child;
    }
    static int outcome_of(pid_t child) {
        int status = -1;
        return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    std::filesystem::path directory_;
    std::string socket_;
    Router router_;
};

TEST_F(CInterface, without_a_connection_every_function_says_so) {
    EXPECT_EQ(c_without_connection(), 0);
}

TEST_F(CInterface, calls_and_sends_go_between_two_c_programs) {
    ASSERT_TRUE(succeeded(router_.listen()));
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t service = in_child([&] { return c_service(socket_.c_str(), 50, ready[1]); });
    const pid_t client = in_child([&] {
        char go = 0;
        return ::read(ready[0], &go, 1) == 1 ? c_client(socket_.c_str(), 50) : 1;
    });
    ASSERT_TRUE(succeeded(router_.start()));
    EXPECT_EQ(outcome_of(client), 0);
    EXPECT_EQ(outcome_of(service), 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(CInterface, every_kind_of_misuse_has_its_code) {
    ASSERT_TRUE(succeeded(router_.start()));
    EXPECT_EQ(c_errors(socket_.c_str()), 0);
}

TEST_F(CInterface, capabilities_are_granted_and_revoked) {
    ASSERT_TRUE(succeeded(router_.start()));
    EXPECT_EQ(c_authority(socket_.c_str()), 0);
}

TEST_F(CInterface, one_thread_receives_while_another_sends) {
    ASSERT_TRUE(succeeded(router_.start()));
    EXPECT_EQ(c_threads(socket_.c_str()), 0);
}

TEST_F(CInterface, only_length_bytes_of_data_are_touched) {
    ASSERT_TRUE(succeeded(router_.start()));
    EXPECT_EQ(c_only_length_bytes_are_touched(socket_.c_str()), 0);
}

TEST(CResultCodes, have_each_a_name_and_a_sentence_of_their_own) {
    std::set<std::string> names;
    std::set<std::string> sentences;
    int known = 0;
    for (ipc_result_t code = 0; code >= -255; --code) {
        const std::string name = ipc_strname(code);
        const std::string sentence = ipc_strerror(code);
        EXPECT_FALSE(sentence.empty());
        if (name != "unknown") {
            ++known;
            names.insert(name);
            sentences.insert(sentence);
        }
    }
    EXPECT_EQ(known, static_cast<int>(kVerdictCount + kStatusCount));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(known));
    EXPECT_EQ(sentences.size(), static_cast<std::size_t>(known));
    EXPECT_STREQ(ipc_strname(0), "ok");
    EXPECT_STREQ(ipc_strname(1), "unknown");
    EXPECT_STREQ(ipc_strname(-100000), "unknown");
    EXPECT_NE(std::string(ipc_strerror(5)), "");
}

}  // namespace keyway::test
