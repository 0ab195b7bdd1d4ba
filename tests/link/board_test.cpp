// Bringing a board up, and each bad state with the name that it gets, over the board that is simulated in the
// process.
#include <gtest/gtest.h>

#include "driver/board.hpp"
#include "driver/firmware_image.hpp"
#include "driver/intel_hex.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::device {
namespace {

using sim::SimulatedBoard;
using Power = SimulatedBoard::Power;

std::vector<std::byte> bitstream() {
    std::vector<std::byte> made(10000, std::byte{0x5A});
    constexpr std::array<unsigned, 4> kPreamble{0x7E, 0xAA, 0x99, 0x7E};
    for (std::size_t i = 0; i < kPreamble.size(); ++i) {
        made[i + 20] = static_cast<std::byte>(kPreamble[i]);
    }
    return made;
}

class Board : public ::testing::Test {
  protected:
    void SetUp() override {
        if (kFirmwareHex.empty()) {
            GTEST_SKIP() << "SDCC is missing, so there is no firmware to load";
        }
    }
    const std::vector<std::byte> bitstream_ = bitstream();
    const Images images_{.firmware = {}, .bitstream = bitstream_, .patience = milliseconds{200}};
};

TEST_F(Board, is_loaded_from_blank_and_comes_back_with_a_number_by_its_place) {
    SimulatedBoard usb(Power::kBlank);
    usb.faults.lists_until_back = 3;
    auto loaded = load_board(usb, {}, images_);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_TRUE(loaded->firmware);
    EXPECT_TRUE(loaded->bitstream);
    EXPECT_EQ(loaded->found.serial, "usb-1-2---------");
    EXPECT_EQ(usb.chip()->bitstream(), bitstream_);
    const auto status = status_of(*loaded->transport);
    ASSERT_TRUE(status);
    EXPECT_EQ(FpgaState{status->fpga()}, FpgaState::kReady);
    EXPECT_EQ(identify(*loaded->transport)->build_hash(), kFirmwareHash);
}

TEST_F(Board, keeps_the_number_that_its_own_software_gave_it) {
    SimulatedBoard usb(Power::kForeign, "C3-20230729T2018");
    const auto loaded = load_board(usb, {.serial = "C3-20230729T2018"}, images_);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->found.serial, "C3-20230729T2018");
}

TEST_F(Board, that_runs_the_same_build_keeps_its_firmware) {
    SimulatedBoard usb(Power::kRunning, "A");
    const auto loaded = load_board(usb, {}, images_);
    ASSERT_TRUE(loaded);
    EXPECT_FALSE(loaded->firmware);
    EXPECT_TRUE(loaded->bitstream);
}

TEST_F(Board, of_another_contract_is_named_older_or_newer_and_brought_to_ours) {
    SimulatedBoard usb(Power::kRunning, "A");
    usb.faults.major = kVersionMajor - 1;
    EXPECT_EQ(open_board(usb, {}).error(), Status::kDeviceOlder);
    usb.faults.major = kVersionMajor + 1;
    EXPECT_EQ(open_board(usb, {}).error(), Status::kDeviceNewer);
    EXPECT_NE(open_board(usb, {}).error().remedy().find("upgrade this program"), std::string_view::npos);
    // What is loaded still says so in the simulation: loading is tried, and the check comes after it.
    EXPECT_EQ(load_board(usb, {}, images_).error(), Status::kDeviceNewer);
}

TEST_F(Board, is_not_touched_when_the_files_are_no_good) {
    SimulatedBoard usb(Power::kRunning, "A");
    EXPECT_EQ(load_board(usb, {}, {.firmware = "MZ not hex", .bitstream = {}}).error(), Status::kBadImage);
    const std::vector<std::byte> noise(5000, std::byte{1});
    EXPECT_EQ(load_board(usb, {}, {.firmware = {}, .bitstream = noise}).error(), Status::kBadImage);
    EXPECT_TRUE(open_board(usb, {}));
    EXPECT_TRUE(usb.chip()->bitstream().empty());
}

TEST_F(Board, that_does_not_come_back_or_runs_nonsense_is_silent) {
    SimulatedBoard usb(Power::kBlank);
    usb.faults.comes_back = false;
    EXPECT_EQ(load_board(usb, {}, images_).error(), Status::kDeviceSilent);
    usb.faults.comes_back = true;
    usb.plug_in(Power::kBlank);
    constexpr std::string_view kOther = ":03000000020006F5\n:00000001FF\n";
    EXPECT_EQ(
        load_board(usb, {}, {.firmware = kOther, .bitstream = {}, .patience = milliseconds{50}}).error(),
        Status::kDeviceSilent);
}

TEST_F(Board, whose_fpga_refuses_the_bitstream_says_that_it_is_empty) {
    SimulatedBoard usb(Power::kRunning, "A");
    usb.faults.good_bitstream = false;
    EXPECT_EQ(load_board(usb, {}, images_).error(), Status::kFpgaEmpty);
    EXPECT_EQ(FpgaState{status_of(**open_board(usb, {}))->fpga()}, FpgaState::kFailed);
}

TEST_F(Board, has_a_name_for_every_reason_not_to_open) {
    SimulatedBoard usb(Power::kRunning, "A");
    EXPECT_EQ(open_board(usb, {.serial = "B"}).error(), Status::kNoDevice);
    EXPECT_TRUE(open_board(usb, {.serial = "A"}));
    EXPECT_TRUE(open_board(usb, {.serial = "1-2"})) << "by its place";
    usb.faults.permitted = false;
    EXPECT_EQ(open_board(usb, {}).error(), Status::kDevicePermission);
    usb.faults = {};
    usb.faults.busy = true;
    EXPECT_EQ(open_board(usb, {}).error(), Status::kDeviceBusy);
    usb.faults = {};
    usb.faults.short_identity = true;
    EXPECT_EQ(open_board(usb, {}).error(), Status::kForeignDevice);
    usb.faults = {};
    usb.plug_in(Power::kForeign);
    EXPECT_EQ(open_board(usb, {}).error(), Status::kForeignDevice);
    usb.plug_in(Power::kBlank);
    EXPECT_EQ(open_board(usb, {}).error(), Status::kForeignDevice);
    usb.unplug();
    EXPECT_EQ(open_board(usb, {}).error(), Status::kNoDevice);
    for (const Status each :
         {Status::kNoDevice, Status::kDevicePermission, Status::kDeviceBusy, Status::kDeviceGone,
          Status::kForeignDevice, Status::kDeviceOlder, Status::kDeviceNewer, Status::kDeviceRefused,
          Status::kDeviceGarbled, Status::kDeviceSilent, Status::kFpgaEmpty, Status::kBadImage}) {
        EXPECT_FALSE(Error(each).remedy().empty()) << Error(each).name();
    }
}

// The cable may go at any request of the whole bring-up: it ends with a name, at once, and the next try
// succeeds.
TEST_F(Board, may_be_unplugged_at_every_step_of_loading) {
    unsigned step = 1;
    for (;; ++step) {
        SimulatedBoard usb(Power::kBlank);
        usb.faults.controls_until_unplug = step;
        const auto loaded =
            load_board(usb, {}, {.firmware = {}, .bitstream = bitstream_, .patience = milliseconds{20}});
        if (usb.faults.controls_until_unplug != 0) {
            ASSERT_TRUE(loaded);
            break;
        }
        ASSERT_FALSE(loaded) << step;
        const Error error = loaded.error();
        EXPECT_TRUE(error == Status::kDeviceGone || error == Status::kDeviceSilent)
            << step << ' ' << error.name();
        usb.plug_in(Power::kBlank);
        ASSERT_TRUE(load_board(usb, {}, images_)) << step;
    }
    EXPECT_GT(step, 10U);
}

TEST(IntelHex, takes_what_is_right_and_joins_neighbours) {
    const auto got = parse_intel_hex(":02000000AABB99\r\n:01000200CC31\n:0100100001EE\n:00000001FF\n");
    ASSERT_TRUE(got);
    ASSERT_EQ(got->size(), 2U);
    EXPECT_EQ((*got)[0].bytes, (std::vector{std::byte{0xAA}, std::byte{0xBB}, std::byte{0xCC}}));
    EXPECT_EQ((*got)[1].address, 0x10);
}

TEST(IntelHex, takes_nothing_else) {
    for (const std::string_view text : {
             "",
             ":00000001FF\n",                                    // no data
             ":02000000AABB99\n",                                // no end
             ":02000000AABB98\n:00000001FF\n",                   // checksum
             ":03000000AABB98\n:00000001FF\n",                   // length
             ":0G000000AABB99\n:00000001FF\n",                   // digits
             "02000000AABB99\n:00000001FF\n",                    // no colon
             ":02000000AABB99\n:0100010000FE\n:00000001FF\n",    // overlap
             ":01400000FFC0\n:00000001FF\n",                     // outside
             ":020000040001F9\n:02000000AABB99\n:00000001FF\n",  // another kind of record
             ":02000000AABB99\n:00000001FF\n:02000200AABB97\n",  // after the end
         }) {
        EXPECT_EQ(parse_intel_hex(text).error(), Status::kBadImage) << text;
    }
}

}  // namespace
}  // namespace keyway::device
