#include "driver/frame.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.hpp"
#include "driver/crc32c.hpp"

namespace keyway::device {

namespace {

constexpr unsigned kFullBlock = 0xFF;  // 254 bytes, with no zero after them

// Writes COBS blocks behind one another.
class Stuffer {
  public:
    explicit Stuffer(std::vector<std::byte>& out) : out_(out) { begin(); }

    void put(std::span<const std::byte> bytes) {
        for (const std::byte byte : bytes) {
            // A full block that nothing follows must not leave an empty one behind it.
            if (code() == kFullBlock) {
                begin();
            }
            if (byte == std::byte{0}) {
                begin();
            } else {
                out_.push_back(byte);
                out_[at_] = static_cast<std::byte>(code() + 1);
            }
        }
    }

  private:
    void begin() {
        at_ = out_.size();
        out_.push_back(std::byte{1});
    }
    [[nodiscard]] unsigned code() const { return std::to_integer<unsigned>(out_[at_]); }

    std::vector<std::byte>& out_;
    std::size_t at_ = 0;
};

}  // namespace

void encode_frame(Frame head, std::span<const std::byte> body, std::vector<std::byte>& out) {
    KEYWAY_CHECK(body.size() <= limit::kFrameBodyBytes);
    head.set_length(static_cast<std::uint16_t>(body.size()));
    const auto head_bytes = std::as_bytes(std::span(head.words));
    const std::uint32_t crc = crc32c(body, crc32c(head_bytes));
    out.reserve(out.size() + encoded_bytes(body.size()));
    out.push_back(std::byte{0});
    Stuffer stuffer(out);
    stuffer.put(head_bytes);
    stuffer.put(body);
    stuffer.put(std::as_bytes(std::span(&crc, 1)));
    out.push_back(std::byte{0});
}

FrameDecoder::FrameDecoder(std::size_t longest_body)
    : plain_(kFrameHeadBytes + std::min<std::size_t>(longest_body, limit::kFrameBodyBytes) + kFrameCrcBytes) {
}

void FrameDecoder::reset() noexcept {
    size_ = 0;
    left_ = 0;
    inside_ = false;
    zero_due_ = false;
    too_long_ = false;
}

void FrameDecoder::append(std::byte byte) noexcept {
    if (size_ == plain_.size()) {
        too_long_ = true;
    } else {
        plain_[size_++] = byte;
    }
}

bool FrameDecoder::step(std::byte byte) noexcept {
    ++counters_.bytes;
    if (byte == std::byte{0}) {
        const bool complete = inside_ && finish();
        if (!complete) {
            reset();
        }
        inside_ = false;
        return complete;
    }
    if (!inside_) {
        reset();
        inside_ = true;
        left_ = std::to_integer<unsigned>(byte) - 1;
        zero_due_ = std::to_integer<unsigned>(byte) != kFullBlock;
    } else if (left_ != 0) {
        --left_;
        append(byte);
    } else {
        if (zero_due_) {
            append(std::byte{0});
        }
        left_ = std::to_integer<unsigned>(byte) - 1;
        zero_due_ = std::to_integer<unsigned>(byte) != kFullBlock;
    }
    return false;
}

bool FrameDecoder::finish() noexcept {
    if (too_long_) {
        ++counters_.too_long;
        return false;
    }
    if (left_ != 0) {
        ++counters_.stuffing;
        return false;
    }
    if (size_ < kFrameHeadBytes + kFrameCrcBytes) {
        ++counters_.runts;
        return false;
    }
    const std::span<const std::byte> covered = std::span(plain_).first(size_ - kFrameCrcBytes);
    std::uint32_t crc = 0;
    std::memcpy(&crc, plain_.data() + covered.size(), sizeof crc);
    if (crc != crc32c(covered)) {
        ++counters_.checksum;
        return false;
    }
    if (head().length() != covered.size() - kFrameHeadBytes) {
        ++counters_.length;
        return false;
    }
    ++counters_.frames;
    return true;
}

Frame FrameDecoder::head() const noexcept {
    Frame head;
    std::memcpy(head.words.data(), plain_.data(), kFrameHeadBytes);
    return head;
}

std::span<const std::byte> FrameDecoder::body() const noexcept {
    return std::span(plain_).subspan(kFrameHeadBytes, size_ - kFrameHeadBytes - kFrameCrcBytes);
}

}  // namespace keyway::device
