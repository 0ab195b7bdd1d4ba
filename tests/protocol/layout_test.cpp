// Where each field lies in memory, byte by byte: these are the bytes on every link and in the RTL.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "keyway/protocol.hpp"

namespace keyway {
namespace {

template <typename Struct>
std::array<std::uint8_t, sizeof(Struct)> bytes(const Struct& of) {
    std::array<std::uint8_t, sizeof(Struct)> all;
    std::memcpy(all.data(), &of, sizeof of);
    return all;
}

Header full_header() {
    Header header;
    header.set_version(0x1);
    header.set_type(0x4);
    header.set_priority(2);
    header.set_flags(0x21);
    header.set_length(0x0ABC);
    header.set_sender(0x01020304);
    header.set_receiver(0x05060708);
    header.set_capability(0x090A0B0C);
    header.set_carried(0x0D0E0F10);
    header.set_sequence(0x11121314);
    header.set_timestamp(0x15161718191A1B1C);
    return header;
}

TEST(LayoutTest, AHeaderIsThirtyTwoLittleEndianBytes) {
    const std::array<std::uint8_t, 32> expected{
        0x41, 0x86, 0xBC, 0x0A,  // version | type << 4, priority | flags << 2
        0x04, 0x03, 0x02, 0x01,  // sender
        0x08, 0x07, 0x06, 0x05,  // receiver
        0x0C, 0x0B, 0x0A, 0x09,  // capability
        0x10, 0x0F, 0x0E, 0x0D,  // carried
        0x14, 0x13, 0x12, 0x11,  // sequence
        0x1C, 0x1B, 0x1A, 0x19, 0x18, 0x17, 0x16, 0x15};
    EXPECT_EQ(bytes(full_header()), expected);
}

TEST(LayoutTest, AHeaderReadsBackWhatWasSetAndSettersTouchNothingElse) {
    Header sut = full_header();
    sut.set_type(0xFF);  // keeps 4 bits
    sut.set_priority(0xFD);
    sut.set_sequence(0);

    EXPECT_EQ(sut.version(), 0x1);
    EXPECT_EQ(sut.type(), 0xF);
    EXPECT_EQ(sut.priority(), 1);
    EXPECT_EQ(sut.flags(), 0x21);
    EXPECT_EQ(sut.length(), 0x0ABC);
    EXPECT_EQ(sut.sender(), 0x01020304U);
    EXPECT_EQ(sut.receiver(), 0x05060708U);
    EXPECT_EQ(sut.capability(), 0x090A0B0CU);
    EXPECT_EQ(sut.carried(), 0x0D0E0F10U);
    EXPECT_EQ(sut.sequence(), 0U);
    EXPECT_EQ(sut.timestamp(), 0x15161718191A1B1CU);
}

TEST(LayoutTest, AnEntryIsSixteenLittleEndianBytes) {
    Entry sut;
    sut.set_generation(0xABC);
    sut.set_flags(0xD);
    sut.set_rights(0xEF);
    sut.set_kind(0x5);
    sut.set_owner(0x1234);
    sut.set_object(0x5678);
    sut.set_badge(0x9ABCDEF0);
    sut.set_expiry(0x01020304);

    const std::array<std::uint8_t, 16> expected{
        0xBC, 0xDA, 0xEF, 0x05,  // generation | flags << 12, rights, kind
        0x34, 0x12, 0x78, 0x56,  // owner, object
        0xF0, 0xDE, 0xBC, 0x9A,  // badge
        0x04, 0x03, 0x02, 0x01};
    EXPECT_EQ(bytes(sut), expected);
}

TEST(LayoutTest, AGrantWordLiesInTheTimestampsBytes) {
    Grant sut;
    sut.set_badge(0x01020304);
    sut.set_rights(0x05);
    sut.set_flags(0x3);
    sut.set_lifetime(0x6789A);
    EXPECT_EQ(bytes(sut), (std::array<std::uint8_t, 8>{0x04, 0x03, 0x02, 0x01, 0x05, 0xA3, 0x89, 0x67}));

    Header header;
    header.set_timestamp(sut.words[0]);
    EXPECT_EQ(std::memcmp(&header.words[3], &sut, sizeof sut), 0);
    EXPECT_EQ(Grant{{header.timestamp()}}, sut);
}

TEST(LayoutTest, AFrameHeadIsEightLittleEndianBytes) {
    Frame sut;
    sut.set_kind(0x12);
    sut.set_epoch(0x34);
    sut.set_sequence(0x5678);
    sut.set_grant(0x9ABC);
    sut.set_length(0x1028);
    EXPECT_EQ(bytes(sut), (std::array<std::uint8_t, 8>{0x12, 0x34, 0x78, 0x56, 0xBC, 0x9A, 0x28, 0x10}));
}

TEST(LayoutTest, EveryVerdictHasItsNameAndItsRemedy) {
    for (std::size_t value = 0; value < kVerdictCount; ++value) {
        const Verdict verdict{static_cast<std::uint8_t>(value)};
        EXPECT_NE(name_of(verdict), "unknown") << value;
        EXPECT_NE(doc_of(verdict), "") << value;
        EXPECT_EQ(remedy_of(verdict).empty(), verdict == Verdict::kDelivered) << value;
    }
    EXPECT_EQ(name_of(Verdict{static_cast<std::uint8_t>(kVerdictCount)}), "unknown");
    EXPECT_EQ(name_of(Verdict::kInsufficientRights), "insufficient_rights");
}

}  // namespace
}  // namespace keyway
