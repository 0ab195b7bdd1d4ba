// Frames that were recorded and played again, over the board that is simulated in the process; and captures
// that nobody vouches for.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "bitstream.hpp"
#include "driver/board.hpp"
#include "driver/link.hpp"
#include "driver/recording.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::device {
namespace {

constexpr std::size_t kNumberAt = 4;  // behind the destination that the body is taken to have

class Recording : public ::testing::Test {
  protected:
    void SetUp() override {
        auto opened = open_board(board_, {});
        ASSERT_TRUE(opened);
        transport_ = std::move(*opened);
        ASSERT_TRUE(transport_->control_out(UsbRequest::kFpgaBegin, 0, {}, milliseconds{10}));
        ASSERT_TRUE(transport_->control_out(UsbRequest::kFpgaData, 0, any_bitstream(64), milliseconds{10}));
        std::array<std::byte, 1> done{};
        ASSERT_TRUE(transport_->control_in(UsbRequest::kFpgaEnd, 0, done, milliseconds{10}));
    }
    /// Two sessions of `each` bodies, recorded.
    std::vector<std::byte> record(std::uint32_t each) {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
        Recorder recorder(file.get(), "test");
        RecordingTransport sut(*transport_, recorder);
        for (int session = 0; session < 2; ++session) {
            Link link(sut, {.window = 32, .patience = milliseconds{300}});
            EXPECT_TRUE(link.open());
            std::uint32_t back = 0;
            for (std::uint32_t i = 0; back < each;) {
                for (; i < each && link.credit() != 0; ++i) {
                    std::array<std::byte, 32> body{};
                    std::memcpy(body.data() + kNumberAt, &i, sizeof i);
                    EXPECT_TRUE(link.send(FrameKind::kMessage, body));
                }
                EXPECT_TRUE(link.poll(milliseconds{1}, [&](const FrameDecoder::View&) { ++back; }));
            }
        }
        EXPECT_TRUE(recorder.good());
        std::vector<std::byte> content(static_cast<std::size_t>(std::ftell(file.get())));
        std::rewind(file.get());
        EXPECT_EQ(std::fread(content.data(), 1, content.size(), file.get()), content.size());
        return content;
    }

    sim::SimulatedBoard board_{sim::SimulatedBoard::Power::kRunning, "A"};
    std::unique_ptr<Transport> transport_;
};

TEST_F(Recording, has_every_frame_of_both_directions_in_order) {
    const auto frames = read_recording(record(100));
    ASSERT_TRUE(frames);
    std::uint32_t hellos = 0, out = 0, in = 0;
    std::uint64_t before = 0;
    for (const Recorded& frame : *frames) {
        EXPECT_GE(frame.time_ns, before);
        before = frame.time_ns;
        const FrameKind kind{frame.head.kind()};
        hellos += kind == FrameKind::kHello ? 1 : 0;
        if (kind == FrameKind::kMessage || kind == FrameKind::kDelivery) {
            std::uint32_t number = 0;
            std::memcpy(&number, frame.body.data() + kNumberAt, sizeof number);
            EXPECT_EQ(kind == FrameKind::kMessage, frame.to_board);
            EXPECT_EQ(number, (frame.to_board ? out : in)++ % 100);
        }
    }
    EXPECT_EQ(hellos, 4U);
    EXPECT_EQ(out, 200U);
    EXPECT_EQ(in, 200U);
}

TEST_F(Recording, is_answered_alike_when_it_is_played_again) {
    const auto frames = read_recording(record(300));
    ASSERT_TRUE(frames);
    const auto sut = replay(*transport_, *frames);
    ASSERT_TRUE(sut) << sut.error().message();
    EXPECT_EQ(sut->sessions, 2U);
    EXPECT_EQ(sut->given, 600U);
    EXPECT_EQ(sut->answers, 600U);
    EXPECT_EQ(sut->differences, 0U) << sut->first;
}

TEST_F(Recording, shows_where_a_board_answers_otherwise) {
    auto frames = read_recording(record(50));
    ASSERT_TRUE(frames);
    std::size_t deliveries = 0;
    for (Recorded& frame : *frames) {
        if (FrameKind{frame.head.kind()} == FrameKind::kDelivery && ++deliveries == 70) {
            frame.body[9] ^= std::byte{1};
        }
    }
    const auto sut = replay(*transport_, *frames);
    ASSERT_TRUE(sut);
    EXPECT_EQ(sut->differences, 1U);
    EXPECT_EQ(sut->first, "delivery 20 of session 2 is another");
    board_.unplug();
    EXPECT_EQ(replay(*transport_, *frames).error(), Status::kDeviceGone);
}

TEST_F(Recording, is_taken_apart_by_wireshark) {
    if (std::system("tshark --version >/dev/null 2>&1") != 0) {
        GTEST_SKIP() << "tshark is not installed";
    }
    std::string path = ::testing::TempDir() + "keyway_recording_XXXXXX";
    const UniqueFd fd(::mkstemp(path.data()));
    const auto content = record(3);
    ASSERT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    const std::string command = "HOME=" + ::testing::TempDir() +
                                " tshark -X lua_script:" KEYWAY_DISSECTOR " -r " + path +
                                " -T fields -e keyway.board.frame.kind -e keyway.board.header.length"
                                " -e keyway.board.link_identity.role -e _ws.col.Info 2>&1";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
    std::string said;
    for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get())) {
        said.push_back(static_cast<char>(c));
    }
    ::unlink(path.c_str());
    EXPECT_NE(said.find("2\t\t1\thello "), std::string::npos) << said;
    EXPECT_NE(said.find("2\t\t3\thello "), std::string::npos) << "the answer";
    EXPECT_NE(said.find("3\t0\t\tmessage "), std::string::npos);
    EXPECT_NE(said.find("4\t\t\tdelivery "), std::string::npos);
    EXPECT_EQ(said.find("Lua Error"), std::string::npos);
}

TEST_F(Recording, is_not_taken_from_a_file_that_is_none_or_is_cut) {
    const auto content = record(5);
    EXPECT_TRUE(read_recording(content));
    EXPECT_FALSE(read_recording({}));
    EXPECT_FALSE(read_recording(any_bitstream()));
    for (std::size_t size = 1; size < content.size(); ++size) {
        // Between two packets it is a shorter recording, which is all right.
        const auto cut = read_recording(std::span(content).first(size));
        EXPECT_TRUE(!cut || size % 4 == 0);
    }
    // Any byte may be another.
    for (std::size_t at = 0; at < content.size(); ++at) {
        auto changed = content;
        changed[at] ^= std::byte{0xFF};
        const auto got = read_recording(changed);
        EXPECT_TRUE(!got || got->size() <= 64U);
    }
}

}  // namespace
}  // namespace keyway::device
