// What a board costs behind a cable of 480 Mbit/s, in the board's own time: the figures of docs/boards.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/ids.hpp"
#include "driver/board.hpp"
#include "driver/link.hpp"
#include "driver/registers.hpp"
#include "sim/high_speed.hpp"
#include "sim/verilated_board.hpp"
#include "tests/link/bitstream.hpp"

namespace keyway::device {
namespace {

constexpr std::uint16_t kSender = 5, kObject = 1;
constexpr std::uint32_t kGeneration = 7;

// Whether the host reacts within the microframe, or in the next one.
class HighSpeed : public ::testing::TestWithParam<unsigned> {
  protected:
    void SetUp() override {
        ASSERT_TRUE(control_->control_out(UsbRequest::kFpgaBegin, 0, {}, milliseconds{1}));
        ASSERT_TRUE(control_->control_out(UsbRequest::kFpgaData, 0, any_bitstream(64), milliseconds{1}));
        std::array<std::byte, 1> done{};
        ASSERT_TRUE(control_->control_in(UsbRequest::kFpgaEnd, 0, done, milliseconds{1}));
        ASSERT_TRUE(link_.open());
        constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 8> kWrites{{{reg::kPortSelect, 0},
                                                                                  {reg::kPortSender, kSender},
                                                                                  {reg::kPortControl, 1},
                                                                                  {0x064, kObject},
                                                                                  {0x068, kObject},
                                                                                  {0x06C, 0},
                                                                                  {0x070, 0},
                                                                                  {reg::kControl, 1}}};
        for (const auto& [offset, value] : kWrites) {
            ASSERT_TRUE(registers_.write(offset, value));
        }
        Entry entry;
        entry.set_generation(kGeneration);
        entry.set_flags(entry_flag::kValid);
        entry.set_rights(right::kAll);
        entry.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
        entry.set_owner(kSender);
        entry.set_object(kObject);
        ASSERT_TRUE(registers_.fill(1, entry));
    }
    void take(const FrameDecoder::View& view) {
        LinkEvent event;
        if (FrameKind{view.head.kind()} == FrameKind::kEvent) {
            ASSERT_EQ(view.body.size(), sizeof event);
            std::memcpy(event.words.data(), view.body.data(), sizeof event);
            ASSERT_EQ(event.sequence(), events_);
            ASSERT_EQ(Verdict{event.verdict()}, Verdict::kDelivered);
            ++events_;
        }
    }
    /// Messages, as many at a time as the device takes or `ahead` allows.
    void exchange(std::uint32_t count, std::uint32_t ahead) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_receiver(kObject);
        header.set_capability(core::make_capability_id(kGeneration, 1));
        events_ = 0;
        for (std::uint32_t next = 0; events_ < count && !HasFatalFailure();) {
            for (; next < count && next - events_ < ahead && link_.credit() != 0; ++next) {
                header.set_sequence(next);
                ASSERT_TRUE(link_.send(FrameKind::kMessage, std::as_bytes(std::span(header.words))));
            }
            ASSERT_TRUE(link_.poll(milliseconds{5}, [this](const auto& view) { take(view); }));
        }
    }

    sim::VerilatedBoard board_{5};
    const std::unique_ptr<Transport> control_ = std::move(*open_board(board_, {}));
    sim::HighSpeedTransport cable_{board_, *control_, {.host = GetParam()}};
    Link link_{cable_, {.window = 128, .patience = milliseconds{30000}}};
    Registers registers_{link_, [this](const auto& view) { take(view); }};
    std::uint32_t events_ = 0;
};

TEST_P(HighSpeed, a_message_alone_takes_the_time_of_the_cable) {
    const std::uint64_t from = cable_.microseconds();
    constexpr std::uint32_t kCount = 60;
    exchange(kCount, 1);
    const double each = static_cast<double>(cable_.microseconds() - from) / kCount;
    std::printf("one at a time: %.0f us from message to verdict\n", each);
    EXPECT_GE(each, 125.0 * (1 + GetParam()));
    EXPECT_LE(each, 125.0 * (2 + GetParam()));
}

TEST_P(HighSpeed, many_messages_share_it) {
    const std::uint64_t from = cable_.microseconds();
    const std::uint64_t bytes = cable_.bytes_out() + cable_.bytes_in();
    constexpr std::uint32_t kCount = 1600;
    exchange(kCount, kCount);
    const double seconds = static_cast<double>(cable_.microseconds() - from) / 1e6;
    const double carried = static_cast<double>(cable_.bytes_out() + cable_.bytes_in() - bytes);
    std::printf("as fast as it goes, %u places: %.0f messages a second, %.1f MB/s\n",
                unsigned{link_.peer().window()}, kCount / seconds, carried / seconds / 1e6);
    EXPECT_GE(kCount / seconds, 20000.0);
    EXPECT_LE(carried / seconds, 10 * 512 * 8000.0);
    EXPECT_EQ(board_.fpga().rules_broken(), 0U);
}

INSTANTIATE_TEST_SUITE_P(, HighSpeed, ::testing::Values(0U, 1U));

}  // namespace
}  // namespace keyway::device
