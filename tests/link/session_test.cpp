// The conversation with an FPGA: opening, credit, loss, and the end, over the board that is simulated in the
// process.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>

#include "driver/board.hpp"
#include "driver/link.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::device {
namespace {

using sim::SimulatedBoard;

class Session : public ::testing::Test {
  protected:
    void SetUp() override {
        std::vector<std::byte> bitstream(64, std::byte{1});
        constexpr std::array<unsigned, 4> kPreamble{0x7E, 0xAA, 0x99, 0x7E};
        std::ranges::transform(kPreamble, bitstream.begin(),
                               [](unsigned v) { return static_cast<std::byte>(v); });
        auto opened = open_board(usb_, {});
        ASSERT_TRUE(opened);
        transport_ = std::move(*opened);
        ASSERT_TRUE(transport_->control_out(UsbRequest::kFpgaBegin, 0, {}, milliseconds{10}));
        ASSERT_TRUE(transport_->control_out(UsbRequest::kFpgaData, 0, bitstream, milliseconds{10}));
        std::array<std::byte, 1> done{};
        ASSERT_TRUE(transport_->control_in(UsbRequest::kFpgaEnd, 0, done, milliseconds{10}));
        sut_.emplace(*transport_, Link::Options{.window = 32, .patience = milliseconds{300}});
    }
    std::array<std::byte, 32> body(std::uint32_t number) {
        std::array<std::byte, 32> made{};
        std::memcpy(made.data(), &number, sizeof number);
        return made;
    }
    /// Sends `count` bodies as credit allows, and gathers the numbers that come back.
    void echo(std::uint32_t count, unsigned turns) {
        std::uint32_t next = 0;
        for (unsigned i = 0; i < turns; ++i) {
            while (next < count && sut_->credit() != 0) {
                ASSERT_TRUE(sut_->send(FrameKind::kMessage, body(next)));
                ++next;
            }
            const auto got = sut_->poll(milliseconds{1}, [&](const FrameDecoder::View& view) {
                std::uint32_t number = 0;
                ASSERT_EQ(view.body.size(), 32U);
                std::memcpy(&number, view.body.data(), sizeof number);
                back_.push_back(number);
            });
            ASSERT_TRUE(got) << got.error().message();
            if (next == count && back_.size() + lost_allowed_ >= count) {
                return;
            }
        }
    }

    SimulatedBoard usb_{SimulatedBoard::Power::kRunning, "A"};
    std::unique_ptr<Transport> transport_;
    std::optional<Link> sut_;
    std::vector<std::uint32_t> back_;
    std::uint32_t lost_allowed_ = 0;
};

TEST_F(Session, opens_with_a_hello_and_knows_its_peer) {
    ASSERT_TRUE(sut_->open());
    EXPECT_EQ(LinkRole{sut_->peer().role()}, LinkRole::kFpga);
    EXPECT_EQ(sut_->peer().body(), 40U);
    EXPECT_EQ(sut_->credit(), 16U);
}

TEST_F(Session, throws_away_what_an_earlier_one_left) {
    ASSERT_TRUE(sut_->open());
    ASSERT_TRUE(sut_->send(FrameKind::kMessage, body(7)));
    ASSERT_TRUE(sut_->flush());
    usb_.leave_stale(30000);
    Link second(*transport_, {.window = 32, .patience = milliseconds{300}});
    ASSERT_TRUE(second.open());
    const auto got =
        second.poll(milliseconds{1}, [](const FrameDecoder::View&) { FAIL() << "of the earlier session"; });
    ASSERT_TRUE(got);
    EXPECT_EQ(second.decoded().damaged(), 0U);
}

TEST_F(Session, brings_everything_there_and_back_in_order) {
    ASSERT_TRUE(sut_->open());
    echo(20000, 100000);
    ASSERT_EQ(back_.size(), 20000U);
    for (std::uint32_t i = 0; i < back_.size(); ++i) {
        ASSERT_EQ(back_[i], i);
    }
    EXPECT_EQ(sut_->counters().lost, 0U);
    EXPECT_EQ(sut_->counters().sent, 20000U);
    EXPECT_EQ(sut_->counters().received, 20000U);
}

TEST_F(Session, sends_nothing_without_credit_and_nothing_too_long) {
    ASSERT_TRUE(sut_->open());
    for (std::uint32_t i = 0; i < 16; ++i) {
        ASSERT_TRUE(sut_->send(FrameKind::kMessage, body(i)));
    }
    EXPECT_EQ(sut_->send(FrameKind::kMessage, body(16)).error(), Status::kWouldBlock);
    const std::array<std::byte, 44> long_body{};
    EXPECT_EQ(sut_->send(FrameKind::kMessage, long_body).error(), Status::kBadArgument);
    EXPECT_EQ(sut_->send(FrameKind::kHello, body(1)).error(), Status::kBadArgument);
}

TEST_F(Session, goes_on_when_bytes_are_lost_and_changed_and_never_gives_out_a_wrong_one) {
    ASSERT_TRUE(sut_->open());
    usb_.faults.lose_out = usb_.faults.change_out = usb_.faults.lose_in = usb_.faults.change_in = 3000;
    lost_allowed_ = 20000;
    echo(20000, 200000);
    usb_.faults = {};
    ASSERT_TRUE(sut_->poll(milliseconds{1}, {}));
    EXPECT_GT(back_.size(), 10000U);
    EXPECT_LT(back_.size(), 20000U);
    EXPECT_TRUE(std::ranges::is_sorted(back_, std::less_equal{})) << "nothing twice, nothing out of order";
    EXPECT_GT(sut_->counters().lost, 0U);
    // And all is well again afterwards.
    ASSERT_TRUE(sut_->open());
    back_.clear();
    lost_allowed_ = 0;
    echo(1000, 10000);
    EXPECT_EQ(back_.size(), 1000U);
}

TEST_F(Session, says_that_a_silent_fpga_is_silent_and_that_an_unplugged_board_is_gone) {
    usb_.faults.silent_fpga = true;
    EXPECT_EQ(sut_->open().error(), Status::kDeviceSilent);
    usb_.faults = {};
    ASSERT_TRUE(sut_->open());
    usb_.unplug();
    EXPECT_EQ(sut_->poll(milliseconds{1}, {}).error(), Status::kDeviceGone);
    EXPECT_EQ(sut_->open().error(), Status::kDeviceGone);
}

TEST_F(Session, leaves_an_idle_link_alone) {
    ASSERT_TRUE(sut_->open());
    echo(1, 100);
    for (int i = 0; i < 12; ++i) {
        std::this_thread::sleep_for(milliseconds{11});
        ASSERT_TRUE(sut_->poll(milliseconds{0}, {}));
    }
    EXPECT_LE(sut_->counters().asked, 6U);
}

}  // namespace
}  // namespace keyway::device
