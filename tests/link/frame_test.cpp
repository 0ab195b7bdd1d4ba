// The frames of the device link: bytes out and in, and every single damage to a short stream.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "driver/crc32c.hpp"
#include "frames.hpp"

namespace keyway::device {
namespace {

Bytes counting(std::size_t size, unsigned from, unsigned modulus) {
    Bytes made(size);
    for (std::size_t i = 0; i < size; ++i) {
        made[i] = static_cast<std::byte>(from + i % modulus);
    }
    return made;
}

// Bodies without a zero, with nothing else, and with blocks of 253 to 256 bytes between zeros.
std::vector<Sample> telling_samples() {
    std::vector<Sample> made;
    std::uint16_t number = 0;
    for (const std::size_t size : {0U, 1U, 32U, 241U, 242U, 243U, 253U, 254U, 255U, 508U, 509U, 4136U}) {
        made.push_back(sample(number++, counting(size, 1, 255)));
        made.push_back(sample(number++, Bytes(size, std::byte{0})));
        made.push_back(sample(number++, counting(size, 0, 256)));
        made.push_back(sample(number++, Bytes(size, std::byte{0xFF})));
    }
    return made;
}

TEST(Crc32c, has_the_check_value_of_the_standard) {
    constexpr std::string_view kText = "123456789";
    const auto bytes = std::as_bytes(std::span(kText));
    EXPECT_EQ(crc32c(bytes), 0xE3069283U);
    EXPECT_EQ(crc32c(bytes.subspan(4), crc32c(bytes.first(4))), 0xE3069283U) << "in two pieces";
}

// The bytes as docs/device.md shows them: whoever writes another decoder can begin here.
TEST(FrameEncoder, writes_a_known_frame) {
    Frame head;
    head.set_kind(static_cast<std::uint8_t>(FrameKind::kCredit));
    head.set_sequence(0x0102);
    head.set_grant(0x0103);
    Bytes wire;
    encode_frame(head, {}, wire);
    ASSERT_EQ(wire.size(), 15U);
    EXPECT_EQ(Bytes(wire.begin(), wire.begin() + 9),
              bytes_of({0x00, 0x02, 0x01, 0x05, 0x02, 0x01, 0x03, 0x01, 0x01}));
    EXPECT_EQ(wire.back(), std::byte{0});
}

TEST(FrameEncoder, never_writes_a_zero_inside_and_never_more_than_it_says) {
    for (const Sample& each : telling_samples()) {
        const Bytes wire = encoded({each});
        EXPECT_LE(wire.size(), encoded_bytes(each.body.size()));
        EXPECT_EQ(std::ranges::count(wire, std::byte{0}), 2) << each.body.size();
    }
}

TEST(FrameDecoder, gives_back_what_was_encoded_in_pieces_of_any_size) {
    const auto samples = telling_samples();
    const Bytes wire = encoded(samples);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{512}, wire.size()}) {
        FrameDecoder sut;
        std::vector<Sample> got;
        for (std::size_t at = 0; at < wire.size(); at += piece) {
            const auto some = std::span(wire).subspan(at, std::min(piece, wire.size() - at));
            std::ranges::move(decoded(sut, some), std::back_inserter(got));
        }
        EXPECT_EQ(got, samples) << piece;
        EXPECT_EQ(sut.counters().frames, samples.size());
        EXPECT_EQ(sut.counters().damaged(), 0U);
        EXPECT_EQ(sut.counters().bytes, wire.size());
    }
}

TEST(FrameDecoder, skips_what_is_longer_than_it_wants) {
    const auto longer = sample(1, Bytes(41, std::byte{5}));
    const auto fits = sample(2, Bytes(40, std::byte{0}));
    FrameDecoder sut(40);
    EXPECT_EQ(decoded(sut, encoded({longer, fits})), std::vector{fits});
    EXPECT_EQ(sut.counters().too_long, 1U);
}

TEST(FrameDecoder, does_not_believe_a_length_that_the_checksum_covers_too) {
    auto lying = sample(1, Bytes(8, std::byte{5}));
    Bytes plain(kFrameHeadBytes);
    lying.head.set_length(9);
    std::memcpy(plain.data(), lying.head.words.data(), kFrameHeadBytes);
    plain.insert(plain.end(), lying.body.begin(), lying.body.end());
    const std::uint32_t crc = crc32c(plain);
    // By hand, since the encoder sets the length itself. No zero but those of the head.
    Bytes wire = bytes_of({0});
    std::size_t code = wire.size();
    wire.push_back(std::byte{1});
    const auto put = [&](std::byte byte) {
        if (byte == std::byte{0}) {
            code = wire.size();
            wire.push_back(std::byte{1});
        } else {
            wire.push_back(byte);
            wire[code] = static_cast<std::byte>(std::to_integer<unsigned>(wire[code]) + 1);
        }
    };
    std::ranges::for_each(plain, put);
    std::ranges::for_each(std::as_bytes(std::span(&crc, 1)), put);
    wire.push_back(std::byte{0});
    FrameDecoder sut;
    EXPECT_TRUE(decoded(sut, wire).empty());
    EXPECT_EQ(sut.counters().length, 1U);
}

TEST(FrameDecoder, forgets_the_frame_in_progress_on_reset) {
    const auto good = sample(3, bytes_of({1, 0, 2}));
    const Bytes wire = encoded({good});
    FrameDecoder sut;
    EXPECT_TRUE(decoded(sut, std::span(wire).first(9)).empty());
    sut.reset();
    EXPECT_EQ(decoded(sut, wire), std::vector{good});
    EXPECT_EQ(sut.counters().damaged(), 0U);
}

// One byte lost, added or changed, at every place and with every value: nothing that was not sent comes out,
// and at most the frame that was hit is missing.
class SingleDamage : public ::testing::Test {
  protected:
    const std::vector<Sample> samples_{sample(1, bytes_of({1, 2, 3, 0, 0, 4})),
                                       sample(2, {}, FrameKind::kCredit), sample(3, Bytes(32, std::byte{0})),
                                       sample(4, counting(256, 0, 256)), sample(5, bytes_of({0, 9}))};
    const Bytes wire_ = encoded(samples_);

    void expect_all_but_one(const Bytes& damaged, std::size_t at, const char* what) {
        FrameDecoder sut;
        const auto got = decoded(sut, damaged);
        ASSERT_GE(got.size() + 1, samples_.size()) << what << " at " << at;
        std::size_t next = 0;
        for (const Sample& each : got) {
            while (next < samples_.size() && !(samples_[next] == each)) {
                ++next;
            }
            ASSERT_LT(next, samples_.size()) << "a frame that nobody sent: " << what << " at " << at;
            ++next;
        }
    }
};

TEST_F(SingleDamage, a_lost_byte_costs_one_frame_at_most) {
    for (std::size_t at = 0; at < wire_.size(); ++at) {
        Bytes damaged = wire_;
        damaged.erase(damaged.begin() + static_cast<std::ptrdiff_t>(at));
        expect_all_but_one(damaged, at, "lost");
    }
}

TEST_F(SingleDamage, an_added_byte_costs_one_frame_at_most) {
    for (std::size_t at = 0; at <= wire_.size(); ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            Bytes damaged = wire_;
            damaged.insert(damaged.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::byte>(value));
            expect_all_but_one(damaged, at, "added");
        }
    }
}

TEST_F(SingleDamage, a_changed_byte_costs_one_frame_at_most) {
    for (std::size_t at = 0; at < wire_.size(); ++at) {
        for (unsigned flip = 1; flip < 256; ++flip) {
            Bytes damaged = wire_;
            damaged[at] ^= static_cast<std::byte>(flip);
            expect_all_but_one(damaged, at, "changed");
        }
    }
}

}  // namespace
}  // namespace keyway::device
