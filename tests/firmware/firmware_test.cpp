// The firmware natively in the model of its chip: what a host sees of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "firmware/firmware.h"
#include "keyway/protocol.hpp"
#include "sim/fx2.hpp"

namespace keyway::sim {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint8_t number(UsbRequest request) {
    return static_cast<std::uint8_t>(request);
}

class Firmware : public ::testing::Test {
  protected:
    std::optional<Bytes> in(std::uint8_t type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                            std::uint16_t length) {
        return sut_.control(pack(type, request, value, index, length));
    }
    bool out(std::uint8_t type, std::uint8_t request, std::uint16_t value, std::uint16_t index = 0,
             const Bytes& data = {}) {
        const auto setup = pack(type, request, value, index, static_cast<std::uint16_t>(data.size()));
        return sut_.control(setup, data).has_value();
    }
    std::optional<Bytes> descriptor(unsigned type, unsigned index, std::uint16_t length) {
        return in(0x80, 6, static_cast<std::uint16_t>(type << 8 | index), 0, length);
    }
    template <typename Struct>
    Struct ask(UsbRequest request) {
        const auto bytes = in(0xC0, number(request), 0, 0, sizeof(Struct));
        Struct made;
        EXPECT_TRUE(bytes && bytes->size() == sizeof made);
        if (bytes && bytes->size() == sizeof made) {
            std::memcpy(made.words.data(), bytes->data(), sizeof made);
        }
        return made;
    }
    bool load(std::size_t size, bool good = true) {
        Bytes stream(size, std::byte{0x55});
        constexpr std::array<unsigned, 4> kStart{0x7E, 0xAA, 0x99, 0x7E};
        for (std::size_t i = 0; i < kStart.size(); ++i) {
            stream[i + 4] = static_cast<std::byte>(kStart[i]);
        }
        sut_.let_fpga_accept(good);
        EXPECT_TRUE(out(0x40, number(UsbRequest::kFpgaBegin), 0));
        for (std::size_t at = 0; at < size; at += 4096) {
            const auto from = stream.begin() + static_cast<std::ptrdiff_t>(at);
            const auto n = static_cast<std::ptrdiff_t>(std::min<std::size_t>(4096, size - at));
            EXPECT_TRUE(out(0x40, number(UsbRequest::kFpgaData), 0, 0, Bytes(from, from + n)));
        }
        EXPECT_TRUE(good ? sut_.bitstream() == stream : sut_.bitstream().size() == size);
        const auto done = in(0xC0, number(UsbRequest::kFpgaEnd), 0, 0, 1);
        return done && *done == Bytes{std::byte{1}};
    }

    static Fx2::Setup pack(std::uint8_t type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                           std::uint16_t length) {
        const auto low = [](unsigned word) { return static_cast<std::uint8_t>(word & 0xFFU); };
        return {type,       request,          low(value),  low(value >> 8U),
                low(index), low(index >> 8U), low(length), low(length >> 8U)};
    }
    Fx2 sut_;
};

TEST_F(Firmware, describes_itself_with_descriptors_that_fit_together) {
    const auto device = descriptor(1, 0, 64);
    ASSERT_TRUE(device);
    ASSERT_EQ(device->size(), 18U);
    EXPECT_EQ(std::to_integer<unsigned>((*device)[8]) | std::to_integer<unsigned>((*device)[9]) << 8U,
              usb::kBoardVendor);
    const auto configuration = descriptor(2, 0, 255);
    ASSERT_TRUE(configuration);
    ASSERT_EQ(configuration->size(), 32U);
    EXPECT_EQ(std::to_integer<unsigned>((*configuration)[2]), 32U) << "total length";
    std::size_t pieces = 0;
    for (std::size_t at = 0; at < configuration->size(); ++pieces) {
        at += std::to_integer<std::size_t>((*configuration)[at]);
        ASSERT_LE(at, configuration->size());
    }
    EXPECT_EQ(pieces, 4U);
    EXPECT_EQ((*configuration)[20], std::byte{usb::kEndpointOut});
    EXPECT_EQ((*configuration)[27], std::byte{usb::kEndpointIn});
    // At the other speed packets have 64 bytes.
    const auto other = descriptor(7, 0, 255);
    ASSERT_TRUE(other && other->size() == 32);
    EXPECT_EQ((*other)[1], std::byte{7});
    EXPECT_EQ((*other)[22], std::byte{64});
    EXPECT_EQ((*other)[23], std::byte{0});
    EXPECT_EQ((*configuration)[23], std::byte{2});
}

TEST_F(Firmware, has_texts_with_a_serial_number) {
    const auto serial = descriptor(3, 3, 255);
    ASSERT_TRUE(serial);
    ASSERT_EQ(serial->size(), 2U + 2 * SERIAL_BYTES);
    std::string text;
    for (std::size_t at = 2; at < serial->size(); at += 2) {
        text.push_back(static_cast<char>((*serial)[at]));
    }
    EXPECT_EQ(text, "KEYWAY-NO-NUMBER");
    EXPECT_TRUE(descriptor(3, 0, 255));
    EXPECT_TRUE(descriptor(3, 1, 255));
    EXPECT_TRUE(descriptor(3, 2, 255));
    EXPECT_FALSE(descriptor(3, 4, 255));
}

TEST_F(Firmware, sends_no_more_than_was_asked_for) {
    for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 8, 17, 18, 19, 64, 255}) {
        const auto device = descriptor(1, 0, length);
        ASSERT_TRUE(device) << length;
        EXPECT_EQ(device->size(), std::min<std::size_t>(length, 18)) << length;
    }
}

TEST_F(Firmware, identifies_itself_with_magic_version_and_build) {
    const auto identity = ask<LinkIdentity>(UsbRequest::kIdentify);
    EXPECT_EQ(identity.magic(), kMagic);
    EXPECT_EQ(identity.major(), kVersionMajor);
    EXPECT_EQ(identity.minor(), kVersionMinor);
    EXPECT_NE(identity.build_hash(), 0U);
    EXPECT_EQ(LinkRole{identity.role()}, LinkRole::kFirmware);
}

TEST_F(Firmware, configures_the_fpga_bit_by_bit_and_lets_frames_flow_after_that) {
    EXPECT_FALSE(sut_.fifos_run());
    EXPECT_EQ(FpgaState{ask<BoardStatus>(UsbRequest::kStatus).fpga()}, FpgaState::kEmpty);
    ASSERT_TRUE(load(9001));
    EXPECT_TRUE(sut_.fifos_run());
    EXPECT_EQ(FpgaState{ask<BoardStatus>(UsbRequest::kStatus).fpga()}, FpgaState::kReady);
    const auto statistics = ask<BoardStatistics>(UsbRequest::kStatistics);
    EXPECT_EQ(statistics.loads(), 1U);
    EXPECT_EQ(statistics.bytes(), 9001U);
    ASSERT_TRUE(out(0x40, number(UsbRequest::kReset), 2));
    EXPECT_FALSE(sut_.fifos_run());
    EXPECT_TRUE(load(4096)) << "as often as you like";
}

TEST_F(Firmware, says_when_the_fpga_does_not_take_a_bitstream) {
    EXPECT_FALSE(load(100, false));
    EXPECT_FALSE(sut_.fifos_run());
    EXPECT_EQ(FpgaState{ask<BoardStatus>(UsbRequest::kStatus).fpga()}, FpgaState::kFailed);
}

TEST_F(Firmware, refuses_bitstreams_out_of_turn_and_requests_that_it_does_not_know) {
    EXPECT_FALSE(out(0x40, number(UsbRequest::kFpgaData), 0, 0, Bytes(10)));
    EXPECT_EQ(in(0xC0, number(UsbRequest::kFpgaEnd), 0, 0, 1), Bytes{std::byte{0}});
    EXPECT_FALSE(out(0x40, number(UsbRequest::kIdentify), 0));
    EXPECT_FALSE(out(0x40, number(UsbRequest::kReset), 4));
    EXPECT_FALSE(in(0xC0, 0xC7, 0, 0, 8));
    EXPECT_FALSE(in(0xA1, 1, 0, 0, 8)) << "a class request";
    EXPECT_EQ(ask<BoardStatistics>(UsbRequest::kStatistics).stalls(), 5U);
}

TEST_F(Firmware, halts_and_frees_its_endpoints) {
    EXPECT_FALSE(out(0x02, 3, 0, usb::kEndpointIn)) << "not configured";
    ASSERT_TRUE(out(0x00, 9, 1));
    ASSERT_TRUE(out(0x02, 3, 0, usb::kEndpointIn));
    EXPECT_TRUE(sut_.halted(usb::kEndpointIn));
    EXPECT_FALSE(sut_.halted(usb::kEndpointOut));
    EXPECT_EQ(in(0x82, 0, 0, usb::kEndpointIn, 2), (Bytes{std::byte{1}, std::byte{0}}));
    EXPECT_EQ(ask<BoardStatus>(UsbRequest::kStatus).halted(), 2U);
    ASSERT_TRUE(out(0x02, 1, 0, usb::kEndpointIn));
    EXPECT_FALSE(sut_.halted(usb::kEndpointIn));
    EXPECT_FALSE(out(0x02, 3, 0, 0x84)) << "there is no such endpoint";
}

TEST_F(Firmware, empties_its_fifos_and_forgets_the_configuration_on_a_bus_reset) {
    ASSERT_TRUE(out(0x00, 9, 1));
    EXPECT_EQ(in(0x80, 8, 0, 0, 1), Bytes{std::byte{1}});
    const unsigned before = sut_.fifo_resets();
    sut_.bus_reset();
    EXPECT_EQ(sut_.fifo_resets(), before + 1);
    EXPECT_EQ(in(0x80, 8, 0, 0, 1), Bytes{std::byte{0}});
    EXPECT_EQ(ask<BoardStatistics>(UsbRequest::kStatistics).bus_resets(), 1U);
}

TEST_F(Firmware, sleeps_when_the_bus_does_and_answers_when_it_is_woken) {
    ASSERT_TRUE(load(64));
    sut_.suspend();
    EXPECT_EQ(ask<BoardStatistics>(UsbRequest::kStatistics).suspends(), 1U);
    EXPECT_TRUE(sut_.fifos_run()) << "the FPGA keeps what it has";
}

}  // namespace
}  // namespace keyway::sim
