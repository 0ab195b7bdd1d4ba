// The real libusb and the driver on it, with a board that is simulated behind usbfs (usbfs_shim.hpp). Runs
// under umockdev-wrapper.
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "driver/board.hpp"
#include "driver/firmware_image.hpp"
#include "driver/libusb_bus.hpp"
#include "driver/link.hpp"
#include "usbfs_shim.hpp"

namespace keyway::device {
namespace {

using sim::SimulatedBoard;
using Power = SimulatedBoard::Power;

class RealLibusb : public ::testing::Test {
  protected:
    void plug(Power power, const std::string& serial = {}) {
        board_.emplace(power, serial);
        shim_.emplace(*board_);
    }
    void TearDown() override {
        transport_.reset();
        shim_.reset();
        board_.reset();
    }
    void load() {
        std::vector<std::byte> bitstream(10000, std::byte{3});
        constexpr std::array<unsigned, 4> kPreamble{0x7E, 0xAA, 0x99, 0x7E};
        for (std::size_t i = 0; i < kPreamble.size(); ++i) {
            bitstream[i] = static_cast<std::byte>(kPreamble[i]);
        }
        auto loaded =
            load_board(usb_, {}, {.firmware = {}, .bitstream = bitstream, .patience = milliseconds{3000}});
        ASSERT_TRUE(loaded) << loaded.error().message();
        transport_ = std::move(loaded->transport);
        found_ = loaded->found;
    }

    std::optional<SimulatedBoard> board_;
    std::optional<UsbfsShim> shim_;
    LibusbBus usb_;
    std::unique_ptr<Transport> transport_;
    Found found_;
};

TEST_F(RealLibusb, finds_boards_with_their_ids_place_and_number) {
    plug(Power::kRunning);
    const auto all = usb_.list();
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 1U);
    EXPECT_TRUE(all->front().is_board());
    EXPECT_EQ(all->front().place, "1-2");
    EXPECT_EQ(all->front().serial, "KEYWAY-NO-NUMBER");
    shim_->unplug();
    EXPECT_TRUE(usb_.list()->empty());
}

TEST_F(RealLibusb, loads_a_blank_chip_and_finds_it_again_as_a_board) {
    if (kFirmwareHex.empty()) {
        GTEST_SKIP() << "SDCC is missing";
    }
    plug(Power::kBlank);
    ASSERT_TRUE(usb_.list()->front().is_blank());
    load();
    EXPECT_TRUE(found_.is_board());
    EXPECT_EQ(identify(*transport_)->build_hash(), kFirmwareHash);
    EXPECT_EQ(FpgaState{status_of(*transport_)->fpga()}, FpgaState::kReady);
}

TEST_F(RealLibusb, carries_frames_with_several_transfers_in_flight) {
    plug(Power::kRunning);
    load();
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    std::uint32_t next = 0, back = 0;
    for (int i = 0; i < 20000 && back < 5000; ++i) {
        while (next < 5000 && link.credit() != 0) {
            std::array<std::byte, 32> body{};
            std::memcpy(body.data(), &next, sizeof next);
            ASSERT_TRUE(link.send(FrameKind::kMessage, body));
            ++next;
        }
        ASSERT_TRUE(link.poll(milliseconds{5}, [&](const FrameDecoder::View& view) {
            std::uint32_t number = 0;
            std::memcpy(&number, view.body.data(), sizeof number);
            ASSERT_EQ(number, back);
            ++back;
        }));
    }
    EXPECT_EQ(back, 5000U);
    EXPECT_EQ(link.counters().lost, 0U);
    EXPECT_GE(shim_->most_in_flight(), 4U);
}

TEST_F(RealLibusb, gives_all_transfers_back_when_it_is_closed) {
    plug(Power::kRunning);
    load();
    std::array<std::byte, 512> bytes{};
    EXPECT_EQ(*transport_->receive(bytes, milliseconds{1}), 0U);
    EXPECT_EQ(shim_->in_flight(), 4U);
    ASSERT_TRUE(transport_->clear_halts());
    EXPECT_EQ(shim_->in_flight(), 0U);
    EXPECT_EQ(*transport_->receive(bytes, milliseconds{1}), 0U);
    transport_.reset();
    EXPECT_EQ(shim_->in_flight(), 0U);
}

TEST_F(RealLibusb, says_that_an_unplugged_board_is_gone_and_takes_it_up_again) {
    plug(Power::kRunning);
    load();
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    shim_->unplug();
    Result<std::size_t> polled = std::size_t{0};
    for (int i = 0; i < 100 && polled; ++i) {
        polled = link.poll(milliseconds{10}, {});
    }
    ASSERT_FALSE(polled);
    EXPECT_EQ(polled.error(), Status::kDeviceGone);
    EXPECT_EQ(identify(*transport_).error(), Status::kDeviceGone);
    EXPECT_EQ(open_board(usb_, {}).error(), Status::kNoDevice);
    transport_.reset();
    shim_->plug_in(Power::kRunning);
    load();
    Link again(*transport_);
    EXPECT_TRUE(again.open());
}

TEST_F(RealLibusb, has_a_name_for_what_the_kernel_refuses) {
    plug(Power::kRunning);
    shim_->refuse_claim = EBUSY;
    EXPECT_EQ(open_board(usb_, {}).error(), Status::kDeviceBusy);
    shim_->refuse_claim = 0;
    shim_->refuse_open = EACCES;
    const auto all = usb_.list();
    ASSERT_TRUE(all && all->size() == 1);
    EXPECT_FALSE(all->front().permitted);
    EXPECT_EQ(open_board(usb_, {}).error(), Status::kDevicePermission);
}

TEST_F(RealLibusb, takes_a_stall_for_a_refusal_and_a_foreign_device_for_one) {
    plug(Power::kRunning);
    auto opened = open_board(usb_, {});
    ASSERT_TRUE(opened);
    std::array<std::byte, 4> bytes{};
    EXPECT_EQ((*opened)->control_in(UsbRequest::kFpgaBegin, 0, bytes, milliseconds{100}).error(),
              Status::kDeviceRefused);
    board_->faults.short_identity = true;
    EXPECT_EQ(open_board(usb_, {}).error(), Status::kForeignDevice);
}

}  // namespace
}  // namespace keyway::device
