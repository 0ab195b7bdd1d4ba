// The simulated device at its socket: what a host sees of it, what goes wrong on demand, and what a host may
// send that makes no sense.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "bitstream.hpp"
#include "driver/board.hpp"
#include "driver/firmware_image.hpp"
#include "driver/link.hpp"
#include "redir_host.hpp"

namespace keyway::device {
namespace {

using sim::RedirDevice;
using sim::SimulatedBoard;
using Power = SimulatedBoard::Power;

constexpr auto kOut = static_cast<std::uint8_t>(usb::kEndpointOut);
constexpr auto kIn = static_cast<std::uint8_t>(usb::kEndpointIn);

class Redir : public ::testing::Test {
  protected:
    void SetUp() override {
        if (kFirmwareHex.empty()) {
            GTEST_SKIP() << "SDCC is missing, so there is no firmware to load";
        }
    }
    void load() {
        auto loaded =
            load_board(host_, {}, {.firmware = {}, .bitstream = bitstream_, .patience = milliseconds{2000}});
        ASSERT_TRUE(loaded) << loaded.error().message();
        transport_ = std::move(loaded->transport);
    }
    /// Bodies there and back; the number that came.
    std::uint32_t echo(Link& link, std::uint32_t count, int turns = 3000) {
        std::uint32_t next = 0, back = 0;
        for (int i = 0; i < turns && back < count; ++i) {
            while (next < count && link.credit() != 0) {
                EXPECT_TRUE(link.send(FrameKind::kMessage, std::vector<std::byte>(32, std::byte{7})));
                ++next;
            }
            const auto polled = link.poll(milliseconds{5}, [&](const FrameDecoder::View&) { ++back; });
            if (!polled) {
                last_ = polled.error();
                break;
            }
        }
        return back;
    }

    const std::vector<std::byte> bitstream_ = any_bitstream();
    SimulatedBoard board_{Power::kBlank};
    RedirDevice device_{board_, 7};
    RedirHost host_{device_};
    std::unique_ptr<Transport> transport_;
    Error last_ = Status::kTimeout;
};

TEST_F(Redir, a_host_sees_a_blank_chip_loads_it_and_sees_a_board) {
    const auto before = host_.list();
    ASSERT_TRUE(before && before->size() == 1);
    EXPECT_TRUE(before->front().is_blank());
    EXPECT_EQ(host_.shape.type[2], usb_redir_type_invalid) << "no endpoint yet";
    load();
    const auto after = host_.list();
    ASSERT_TRUE(after && after->size() == 1);
    EXPECT_TRUE(after->front().is_board());
    EXPECT_EQ(after->front().serial, "usb-7-1---------");
    EXPECT_EQ(host_.shape.type[2], usb_redir_type_bulk);
    EXPECT_EQ(host_.shape.type[16 + 6], usb_redir_type_bulk);
    EXPECT_EQ(host_.shape.max_packet_size[2], 512);
    EXPECT_EQ(FpgaState{status_of(*transport_)->fpga()}, FpgaState::kReady);
    EXPECT_EQ(device_.counters().connects, 2U);
}

TEST_F(Redir, frames_go_there_and_back) {
    load();
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    EXPECT_EQ(echo(link, 2000), 2000U);
    EXPECT_EQ(link.counters().lost, 0U);
    EXPECT_EQ(device_.counters().refused, 0U);
}

TEST_F(Redir, a_halted_endpoint_is_a_refusal_until_the_host_ends_the_halt) {
    load();
    for (const std::uint8_t endpoint : {kOut, kIn}) {
        Link link(*transport_);
        ASSERT_TRUE(link.open());
        device_.halt(endpoint);
        EXPECT_LT(echo(link, 100), 100U);
        EXPECT_EQ(last_, Status::kDeviceRefused);
        ASSERT_TRUE(reset_board(*transport_, false));
        ASSERT_TRUE(link.open());
        EXPECT_EQ(echo(link, 100), 100U);
    }
}

TEST_F(Redir, stalls_and_delays_come_at_random_when_asked_for) {
    load();
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    device_.faults.stall = 20;
    EXPECT_LT(echo(link, 5000), 5000U);
    EXPECT_EQ(last_, Status::kDeviceRefused);
    device_.faults = {.stall = 0, .delay = 10, .late = milliseconds{5}, .unplug_after = 0};
    ASSERT_TRUE(link.open());
    EXPECT_EQ(echo(link, 500), 500U) << "late, and not lost";
}

TEST_F(Redir, the_cable_comes_out_after_so_many_bytes_and_the_board_comes_back) {
    load();
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    device_.faults.unplug_after = 20000;
    EXPECT_LT(echo(link, 2000), 2000U);
    EXPECT_EQ(last_, Status::kDeviceGone);
    EXPECT_EQ(find_board(host_, {}).error(), Status::kNoDevice);
    transport_.reset();
    board_.plug_in(Power::kBlank);
    load();
    Link again(*transport_);
    ASSERT_TRUE(again.open());
    EXPECT_EQ(echo(again, 100), 100U);
}

// Opening the session, under traffic, and while the host fetches: always the same name, at once, and the next
// board is taken.
TEST_F(Redir, the_cable_may_come_out_at_any_byte) {
    for (std::uint64_t bytes = 1; bytes < 20000; bytes += bytes / 3 + 7) {
        board_.plug_in(Power::kRunning);
        load();
        ASSERT_TRUE(transport_) << bytes;
        device_.faults.unplug_after = bytes;
        Link link(*transport_);
        const auto opened = link.open();
        if (opened) {
            EXPECT_LT(echo(link, 2000), 2000U);
        }
        const Error error = opened ? last_ : opened.error();
        EXPECT_EQ(error, Status::kDeviceGone) << bytes;
        EXPECT_EQ(identify(*transport_).error(), Status::kDeviceGone);
        transport_.reset();
    }
}

TEST_F(Redir, lost_bytes_cost_frames_and_not_the_session) {
    load();
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    board_.faults.lose_out = board_.faults.lose_in = 2000;
    const std::uint32_t back = echo(link, 2000, 200);
    EXPECT_GT(back, 500U);
    EXPECT_LT(back, 2000U);
    board_.faults = {};
    ASSERT_TRUE(link.open());
    EXPECT_EQ(echo(link, 100), 100U);
}

TEST_F(Redir, latency_and_rate_are_those_that_were_imposed) {
    load();
    device_.pace.latency = std::chrono::microseconds(3000);
    const auto from = RedirHost::Clock::now();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(identify(*transport_));
    }
    EXPECT_GE(RedirHost::Clock::now() - from, milliseconds{15});
    device_.pace = {.latency = {}, .bytes_per_second = 1000000};
    Link link(*transport_);
    ASSERT_TRUE(link.open());
    const auto start = RedirHost::Clock::now();
    const std::uint64_t before = device_.counters().bytes_out + device_.counters().bytes_in;
    EXPECT_EQ(echo(link, 500), 500U);
    const std::uint64_t bytes = device_.counters().bytes_out + device_.counters().bytes_in - before;
    EXPECT_GE(RedirHost::Clock::now() - start, std::chrono::microseconds(bytes * 9 / 10));
}

TEST_F(Redir, a_transfer_can_be_cancelled_and_one_to_nowhere_is_refused) {
    load();
    const std::uint64_t waiting = host_.submit_bulk(kIn, 512, {});
    host_.pump();
    usbredirparser_send_cancel_data_packet(&host_.parser(), waiting);
    const auto cancelled = host_.wait_for(waiting, milliseconds{200});
    ASSERT_TRUE(cancelled);
    EXPECT_EQ(cancelled->status, usb_redir_cancelled);
    for (const std::uint8_t endpoint : {std::uint8_t{0x84}, std::uint8_t{0x81}}) {
        const auto refused = host_.wait_for(host_.submit_bulk(endpoint, 512, {}), milliseconds{200});
        ASSERT_TRUE(refused);
        EXPECT_EQ(refused->status, usb_redir_inval);
    }
    EXPECT_EQ(device_.counters().refused, 2U);
}

TEST_F(Redir, what_a_board_never_has_is_refused_by_an_answer) {
    load();
    usb_redir_start_iso_stream_header stream{};
    stream.endpoint = 0x83;
    usbredirparser_send_start_iso_stream(&host_.parser(), 1001, &stream);
    usb_redir_stop_iso_stream_header end_of_stream{0x83};
    usbredirparser_send_stop_iso_stream(&host_.parser(), 1002, &end_of_stream);
    usb_redir_start_interrupt_receiving_header interrupts{0x83};
    usbredirparser_send_start_interrupt_receiving(&host_.parser(), 1003, &interrupts);
    usb_redir_stop_interrupt_receiving_header end_of_interrupts{0x83};
    usbredirparser_send_stop_interrupt_receiving(&host_.parser(), 1004, &end_of_interrupts);
    for (std::uint64_t id = 1001; id <= 1004; ++id) {
        const auto answer = host_.wait_for(id, milliseconds{1000});
        ASSERT_TRUE(answer) << id;
        EXPECT_EQ(answer->status, usb_redir_inval) << id;
    }
    EXPECT_EQ(device_.counters().refused, 4U);
}

TEST_F(Redir, transfers_without_end_are_refused_and_not_kept) {
    load();
    std::vector<std::uint64_t> all;
    for (int i = 0; i < 400; ++i) {
        all.push_back(host_.submit_bulk(kIn, 16384, {}));
    }
    host_.pump_until([] { return false; }, milliseconds{20});
    const auto last = host_.wait_for(all.back(), milliseconds{200});
    ASSERT_TRUE(last);
    EXPECT_EQ(last->status, usb_redir_inval);
    EXPECT_TRUE(host_.control(0x80, 6, 0x0100, 0, {}, 18)) << "and the device goes on";
}

// Anything at all, before and after a sound beginning: the device hangs up at the worst, and the next host
// finds it well.
TEST_F(Redir, whatever_a_host_sends_the_device_lives_and_serves_the_next_one) {
    const char* const given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 150; ++round) {
        RedirHost hostile(device_);
        ASSERT_TRUE(hostile.list() && !hostile.list()->empty());
        for (int i = 0; i < 4 && device_.attached(); ++i) {
            std::vector<std::byte> bytes(random() % 200);
            std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
            if (bytes.size() >= 16 && random() % 4 != 0) {
                // A head that is nearly right, so that what is behind it is looked at, too.
                const auto type =
                    static_cast<std::uint32_t>(random() % 2 == 0 ? random() % 28 : 100 + random() % 5);
                const auto length =
                    static_cast<std::uint32_t>(random() % 8 == 0 ? random() : bytes.size() - 16);
                std::memcpy(bytes.data(), &type, sizeof type);
                std::memcpy(bytes.data() + 4, &length, sizeof length);
            }
            hostile.send_raw(bytes);
        }
    }
    RedirHost sound(device_);
    ASSERT_EQ(sound.list()->size(), 1U);
    if (!board_.plugged() || board_.power() != Power::kBlank) {
        board_.plug_in(Power::kBlank);  // one of them may have reached the chip's loader
        sound.pump_until([] { return false; }, milliseconds{20});
    }
    EXPECT_TRUE(
        load_board(sound, {}, {.firmware = {}, .bitstream = bitstream_, .patience = milliseconds{2000}}));
}

}  // namespace
}  // namespace keyway::device
