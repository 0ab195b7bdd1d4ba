// The router of RestartStage: a program, because a test with threads can't fork one. FOLDER, whether it keeps
// its state (1 or 0), and a descriptor to which it writes a byte once it listens.

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "daemon/keeper.hpp"
#include "keyway/router.hpp"

namespace {

keyway::Router* running = nullptr;

}  // namespace

int main(int count, char** arguments) {
    using namespace keyway;
    if (count != 4) {
        std::fprintf(stderr, "usage: restart_router FOLDER KEEPS DESCRIPTOR\n");
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::filesystem::path folder = arguments[1];
    const int ready = std::atoi(arguments[3]);
    RouterOptions options{.policy = Policy::permissive(), .socket = folder / "router.sock"};
    options.audit.directory = folder / "audit";
    options.qubit_ledger = folder / "qubits";
    options.spin = std::chrono::microseconds(20);
    if (std::getenv("KEYWAY_TEST_VERBOSE") != nullptr) {
        options.log = [](std::string_view line) {
            std::fprintf(stderr, "router: %.*s\n", static_cast<int>(line.size()), line.data());
        };
    }
    if (std::string_view(arguments[2]) == "1") {
        auto store = daemon::open_store(folder / "state", {});
        if (!store) {
            std::fprintf(stderr, "no store: %s\n", store.error().c_str());
            return 3;
        }
        options.state = std::move(*store);
    }
    Router router(std::move(options));
    running = &router;
    std::signal(SIGTERM, [](int) { running->stop(); });
    std::signal(SIGUSR2, [](int) { running->hand_on(); });
    if (auto listening = router.listen(); !listening) {
        std::fprintf(stderr, "can't listen: %s\n", listening.error().message().c_str());
        return 4;
    }
    const char byte = 1;
    [[maybe_unused]] const ssize_t told = ::write(ready, &byte, 1);
    ::close(ready);
    router.run();
    return 0;
}
