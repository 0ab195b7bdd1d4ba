// The driver with the real libusb over the kernel's own usbfs: beside a simulated board in QEMU, or beside a
// real one. tests/hil/run.py. What a real board can't be asked for is left out there.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include "driver/board.hpp"
#include "driver/firmware_image.hpp"
#include "driver/libusb_bus.hpp"
#include "driver/registers.hpp"
#include "driver/self_test.hpp"
#include "tests/link/bitstream.hpp"

namespace keyway::device {
namespace {

bool simulated() {
    const char* const where = std::getenv("KEYWAY_HIL");
    return where == nullptr || std::string_view(where) == "simulated";
}

std::vector<std::byte> bitstream() {
    const char* const path = std::getenv("KEYWAY_HIL_BITSTREAM");
    if (path == nullptr) {
        return any_bitstream(40000);
    }
    std::ifstream in(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    const auto bytes = std::as_bytes(std::span(all));
    return {bytes.begin(), bytes.end()};
}

class Hil : public ::testing::Test {
  protected:
    /// To keyway-simdev, by the console.
    static void ask(std::string_view command) {
        std::printf("\n@simdev %.*s\n", static_cast<int>(command.size()), command.data());
        std::fflush(stdout);
    }
    void load() {
        transport_.reset();
        const auto bits = bitstream();
        auto loaded = load_board(usb_, {}, {.firmware = {}, .bitstream = bits});
        ASSERT_TRUE(loaded) << loaded.error().message();
        transport_ = std::move(loaded->transport);
    }
    template <typename Done>
    bool wait_for(const Done& done) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!done() && std::chrono::steady_clock::now() < until) {
            usb_.wait_for_change(milliseconds{50});
        }
        return done();
    }
    /// Reads a register, has something go wrong after a while, and goes on until that shows.
    Error use_until_it_fails(std::string_view command) {
        Link link(*transport_);
        if (const auto opened = link.open(); !opened) {
            return opened.error();
        }
        Registers registers(link, {}, milliseconds{300});
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        for (int i = 0; std::chrono::steady_clock::now() < until; ++i) {
            if (i == 20) {
                ask(command);
            }
            if (const auto value = registers.read(reg::kMagic); !value) {
                return value.error();
            }
        }
        return Status::kTimeout;
    }
    SelfTest test(std::uint32_t together = 500) {
        return test_board(*transport_, {.alone = 50, .together = together});
    }
    static void expect_good(const SelfTest& report) {
        for (const auto& check : report.checks) {
            EXPECT_TRUE(check.good) << check.what << ": " << check.why;
        }
        EXPECT_EQ(report.checks.size(), 12U);
    }

    LibusbBus usb_;
    std::unique_ptr<Transport> transport_;
};

TEST_F(Hil, a_board_is_found_and_brought_up_with_firmware_and_bitstream) {
    const auto before = usb_.list();
    ASSERT_TRUE(before && before->size() == 1) << "exactly one board has to be plugged in";
    if (simulated()) {
        EXPECT_TRUE(before->front().is_blank());
    }
    load();
    ASSERT_TRUE(transport_);
    EXPECT_TRUE(usb_.list()->front().is_board());
    EXPECT_EQ(identify(*transport_)->build_hash(), kFirmwareHash);
    EXPECT_EQ(FpgaState{status_of(*transport_)->fpga()}, FpgaState::kReady);
}

TEST_F(Hil, the_router_behind_it_judges_messages) {
    load();
    ASSERT_TRUE(transport_);
    const SelfTest report = test(2000);
    expect_good(report);
    std::printf("round trip %.0f us (median), %.0f messages a second\n", report.round_trip_us,
                report.messages_per_second);
}

TEST_F(Hil, a_board_that_somebody_has_is_busy) {
    load();
    ASSERT_TRUE(transport_);
    EXPECT_EQ(open_board(usb_, {}).error(), Status::kDeviceBusy);
    transport_.reset();
    EXPECT_TRUE(open_board(usb_, {}));
}

TEST_F(Hil, a_user_without_the_right_is_told_so) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root, to become somebody else";
    }
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0) {
            ::_exit(2);
        }
        ::_exit(open_board(usb_, {}).error() == Status::kDevicePermission ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(Hil, a_halted_endpoint_is_named_and_a_reset_ends_it) {
    if (!simulated()) {
        GTEST_SKIP() << "a real board can't be asked for it";
    }
    load();
    ASSERT_TRUE(transport_);
    for (const char* const endpoint : {"halt in", "halt out"}) {
        EXPECT_EQ(use_until_it_fails(endpoint), Status::kDeviceRefused) << endpoint;
        expect_good(test());
    }
}

TEST_F(Hil, lost_bytes_are_noticed_and_a_new_session_is_well) {
    if (!simulated()) {
        GTEST_SKIP() << "a real board can't be asked for it";
    }
    load();
    ASSERT_TRUE(transport_);
    EXPECT_EQ(use_until_it_fails("lose 3000"), Status::kDeviceSilent);
    ask("lose 0");
    load();
    expect_good(test());
}

TEST_F(Hil, the_cable_may_come_out_at_work_and_go_in_again) {
    if (!simulated()) {
        GTEST_SKIP() << "nobody is there to pull it";
    }
    load();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(transport_);
        EXPECT_EQ(use_until_it_fails("unplug"), Status::kDeviceGone);
        transport_.reset();
        ASSERT_TRUE(wait_for([&] { return usb_.list()->empty(); }));
        EXPECT_EQ(open_board(usb_, {}).error(), Status::kNoDevice);
        ask("plug");
        ASSERT_TRUE(wait_for([&] { return !usb_.list()->empty(); }));
        EXPECT_EQ(open_board(usb_, {}).error(), Status::kForeignDevice) << "it is blank again";
        load();
    }
    ASSERT_TRUE(transport_);
    expect_good(test());
}

}  // namespace
}  // namespace keyway::device
