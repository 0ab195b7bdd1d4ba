// A log whose writer stands still, as behind a slow disk: nobody is refused for that, and nothing is missing.

#include <cstdlib>
#include <fstream>
#include <thread>

#include "log_folder.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

using audit::Log;
using audit::Record;
using audit::RecordKind;

class LogBehind : public audit::LogFolder {
  protected:
    LogBehind() {
        hold_ = folder_ / "hold";
        { const std::ofstream made(hold_); }
        ::setenv("KEYWAY_CRASH_AT", "audit.framed", 1);
        ::setenv("KEYWAY_CRASH_HOW", "hold", 1);
        ::setenv("KEYWAY_CRASH_HOLD", hold_.c_str(), 1);
        RouterOptions options;
        options.policy = Policy::permissive();
        options.capability_slots = 4096;
        options.spin = 5us;
        options.audit.directory = directory_;
        options.audit.key_file = key_file_;
        router_.emplace(std::move(options));
        router_->start().value();
    }
    ~LogBehind() override {
        std::filesystem::remove(hold_);
        for (const char* name : {"KEYWAY_CRASH_AT", "KEYWAY_CRASH_HOW", "KEYWAY_CRASH_HOLD"}) {
            ::unsetenv(name);
        }
    }

    std::filesystem::path hold_;
    std::optional<Router> router_;
};

TEST_F(LogBehind, requests_wait_for_a_log_that_is_behind_and_are_not_refused) {
    Connection client = router_->connect({.spin = 5us}).value();
    // Three records for two requests, as the end of what was derived has one too.
    constexpr std::size_t kFull = Log::kQueue * 2 / 3;
    constexpr std::size_t kRequests = kFull + 1000;
    std::atomic<std::size_t> done{0};
    std::atomic<bool> over{false};
    std::string refused;
    std::thread asking([&] {
        while (done < kRequests && refused.empty()) {
            const auto derived = client.derive(client.self(), {.rights = right::kWrite});
            const auto released = derived ? client.release(derived->id) : derived.error();
            refused = released ? "" : released.error().message();
            done += 2;
        }
        over = true;
    });
    while (done < kFull - 20 && !over) {
        std::this_thread::yield();
    }
    std::this_thread::sleep_for(20ms);  // in which it comes to a stand
    EXPECT_LE(done, kFull + 2);
    std::filesystem::remove(hold_);
    asking.join();
    EXPECT_EQ(refused, "");
    const std::size_t asked = done;
    router_.reset();
    const audit::Key key = audit::load_key(key_file_, false).value();
    std::size_t kept = 0;
    const auto read = audit::verify(directory_, &key, [&](const Record& record) {
        kept += record.kind == RecordKind::kRequest ? 1U : 0U;
    });
    EXPECT_FALSE(read.fault) << read.fault->message();
    EXPECT_GE(kept, asked);
}

}  // namespace keyway::test
