#include <filesystem>

#include "tests/client/router_fixture.hpp"

extern "C" int c_hands_off_qubits(const char* socket);

namespace keyway::test {

TEST(CQubits, are_prepared_handed_off_reclaimed_and_discarded_by_a_c_program) {
    std::string pattern = std::filesystem::temp_directory_path() / "keyway-test-XXXXXX";
    const std::filesystem::path directory = ::mkdtemp(pattern.data());
    {
        RouterOptions options;
        options.policy = Policy::permissive();
        options.socket = directory / "router.sock";
        Router router(options);
        router.start().value();
        EXPECT_EQ(c_hands_off_qubits(options.socket.c_str()), 0) << "the line that was not as expected";
    }
    std::filesystem::remove_all(directory);
}

}  // namespace keyway::test
