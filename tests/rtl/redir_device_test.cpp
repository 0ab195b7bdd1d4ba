// The simulated device whole, at its socket: blank chip, firmware, bitstream, and the verilated router's
// verdicts.
#include <gtest/gtest.h>

#include <cstdio>

#include "driver/board.hpp"
#include "driver/firmware_image.hpp"
#include "driver/recording.hpp"
#include "driver/self_test.hpp"
#include "sim/verilated_board.hpp"
#include "tests/link/bitstream.hpp"
#include "tests/link/redir_host.hpp"

namespace keyway::device {
namespace {

TEST(RedirDevice, is_enumerated_and_loaded_and_judges_messages) {
    if (kFirmwareHex.empty()) {
        GTEST_SKIP() << "SDCC is missing, so there is no firmware to load";
    }
    sim::VerilatedBoard board(11, sim::SimulatedBoard::Power::kBlank);
    sim::RedirDevice device(board, 11);
    RedirHost host(device);
    const auto bitstream = any_bitstream();
    auto loaded =
        load_board(host, {}, {.firmware = {}, .bitstream = bitstream, .patience = milliseconds{2000}});
    ASSERT_TRUE(loaded) << loaded.error().message();
    const SelfTest report = test_board(*loaded->transport, {.alone = 20, .together = 300});
    for (const auto& check : report.checks) {
        EXPECT_TRUE(check.good) << check.what << ": " << check.why;
    }
    EXPECT_EQ(report.checks.size(), 12U);
    EXPECT_EQ(report.table_rows, sim::VerilatedFpga::kTableRows);
    EXPECT_EQ(board.fpga().rules_broken(), 0U);
}

// What one board was asked and answered, another one answers alike; and a table row that is not there shows.
TEST(RedirDevice, answers_a_recording_as_the_board_that_it_was_made_of) {
    if (kFirmwareHex.empty()) {
        GTEST_SKIP() << "SDCC is missing, so there is no firmware to load";
    }
    const auto bitstream = any_bitstream();
    const Images images{.firmware = {}, .bitstream = bitstream, .patience = milliseconds{2000}};
    std::vector<Recorded> frames;
    {
        sim::VerilatedBoard board(12, sim::SimulatedBoard::Power::kBlank);
        const auto loaded = load_board(board, {}, images);
        ASSERT_TRUE(loaded);
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
        Recorder recorder(file.get(), "test");
        RecordingTransport recording(*loaded->transport, recorder);
        ASSERT_TRUE(test_board(recording, {.alone = 20, .together = 0}).good());
        std::vector<std::byte> content(static_cast<std::size_t>(std::ftell(file.get())));
        std::rewind(file.get());
        ASSERT_EQ(std::fread(content.data(), 1, content.size(), file.get()), content.size());
        const auto read = read_recording(content);
        ASSERT_TRUE(read);
        frames = *read;
    }
    sim::VerilatedBoard board(13, sim::SimulatedBoard::Power::kBlank);
    const auto loaded = load_board(board, {}, images);
    ASSERT_TRUE(loaded);
    const auto same = replay(*loaded->transport, frames);
    ASSERT_TRUE(same);
    EXPECT_EQ(same->differences, 0U) << same->first;
    EXPECT_EQ(same->sessions, 2U);
    std::erase_if(frames,
                  [](const Recorded& each) { return FrameKind{each.head.kind()} == FrameKind::kFill; });
    const auto other = replay(*loaded->transport, frames);
    ASSERT_TRUE(other);
    EXPECT_GT(other->differences, 0U);
}

}  // namespace
}  // namespace keyway::device
