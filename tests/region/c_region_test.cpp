#include <cstdlib>
#include <filesystem>

#include "tests/client/router_fixture.hpp"

extern "C" int c_shares_regions(const char* socket);

namespace keyway::test {

TEST(CRegions, are_made_granted_mapped_and_taken_back_by_a_c_program) {
    std::string pattern = (std::filesystem::temp_directory_path() / "keyway-test-XXXXXX").string();
    const std::filesystem::path directory = ::mkdtemp(pattern.data());
    RouterOptions options;
    options.policy = Policy::permissive();
    options.socket = directory / "router.sock";
    Router router(options);
    router.start().value();
    EXPECT_EQ(c_shares_regions(options.socket.c_str()), 0) << "the line that was not as expected";
    router.stop();
    router.join();
    std::filesystem::remove_all(directory);
}

}  // namespace keyway::test
