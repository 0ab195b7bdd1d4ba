#pragma once

// Frames of the device link, as bytes on a wire that may lose, add or change some.
//
//     00 | COBS(head 8, body, CRC-32C 4) | 00
//
// COBS (consistent overhead byte stuffing) writes any bytes without a zero, at the cost of one byte in 254. A
// zero on the wire is therefore always a border, and a decoder is in step again at the next one, whatever
// happened before it. Each frame brings both of its borders along: one damaged byte harms one frame, never
// the one after it.
//
// What a decoder gives out has a right checksum and a right length and nothing else is known of it: kind,
// sequence and body are still the peer's word. Damage gets through with probability 2^-32 at most; a single
// wrong byte inside the checksummed bytes never does.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "keyway/protocol.hpp"

namespace keyway::device {

inline constexpr std::size_t kFrameHeadBytes = sizeof(Frame);
inline constexpr std::size_t kFrameCrcBytes = 4;

/// Bytes that a frame with a body of `body` bytes takes on the wire at most.
[[nodiscard]] constexpr std::size_t encoded_bytes(std::size_t body) noexcept {
    const std::size_t plain = kFrameHeadBytes + body + kFrameCrcBytes;
    return plain + (plain + 253) / 254 + 2;
}

/// Appends one frame to `out`. The head's length is set from `body`, which must have at most
/// limit::kFrameBodyBytes (else the process ends: a caller's bug, since bodies are built here).
void encode_frame(Frame head, std::span<const std::byte> body, std::vector<std::byte>& out);

/// Finds frames in a stream of bytes that nobody vouches for. Not thread-safe; allocates only when made.
class FrameDecoder {
  public:
    /// What became of the stream. A damaged frame is counted once, under the first that was wrong.
    struct Counters {
        std::uint64_t bytes = 0;     ///< taken in all
        std::uint64_t frames = 0;    ///< given out
        std::uint64_t stuffing = 0;  ///< ended in the middle of a COBS block
        std::uint64_t runts = 0;     ///< shorter than a head and a checksum
        std::uint64_t too_long = 0;  ///< longer than the longest body allows
        std::uint64_t checksum = 0;  ///< wrong CRC
        std::uint64_t length = 0;    ///< right CRC, but the head says another length
        /// Frames that were damaged, of every kind.
        [[nodiscard]] std::uint64_t damaged() const noexcept {
            return stuffing + runts + too_long + checksum + length;
        }
    };
    struct View {
        Frame head;
        std::span<const std::byte> body;  ///< valid until the decoder takes more
    };

    /// `longest_body` is what this side can use, at most limit::kFrameBodyBytes; longer frames are skipped.
    explicit FrameDecoder(std::size_t longest_body = limit::kFrameBodyBytes);

    /// Takes bytes, in pieces of any size, and calls `sink(const View&)` for each frame that they complete.
    template <typename Sink>
    void take(std::span<const std::byte> bytes, Sink&& sink) {
        for (const std::byte byte : bytes) {
            if (step(byte)) {
                sink(View{head(), body()});
            }
        }
    }
    /// Forgets the frame in progress: what comes next may begin in the middle of one.
    void reset() noexcept;
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

  private:
    bool step(std::byte byte) noexcept;  ///< true: a frame is complete
    bool finish() noexcept;
    void append(std::byte byte) noexcept;
    [[nodiscard]] Frame head() const noexcept;
    [[nodiscard]] std::span<const std::byte> body() const noexcept;

    std::vector<std::byte> plain_;  ///< as long as the longest frame
    std::size_t size_ = 0;
    unsigned left_ = 0;      ///< bytes of the COBS block that are still to come
    bool inside_ = false;    ///< a block has begun since the last border
    bool zero_due_ = false;  ///< a zero stands between this block and the next
    bool too_long_ = false;
    Counters counters_;
};

}  // namespace keyway::device
