#pragma once

// Sequence numbers and credit of one side of the device link: which frame may go out, and what a frame that
// came in means for the count. The same for host and device, and without any input or output of its own.
//
// A receiver has `window` places. It says in every frame up to which sequence (exclusive) its peer may send:
// what it expects next plus its free places. The number is absolute, so a lost frame loses no credit, and a
// frame that arrives after a gap shows how many were lost. When the last frames before an idle time are lost
// nothing comes after them; therefore a side that has something to send and no credit repeats its `credit`
// frame, whose sequence shows the gap and whose answer brings the credit back.

#include <cstdint>

#include "keyway/protocol.hpp"

namespace keyway::device {

/// True for the kinds that take a place at the receiver.
[[nodiscard]] constexpr bool takes_place(FrameKind kind) noexcept {
    return kind != FrameKind::kCredit && kind != FrameKind::kHello;
}

/// What a frame that came in is, seen from its numbers.
enum class Arrival : std::uint8_t {
    kInOrder,
    kAfterGap,      ///< good, but frames before it were lost
    kNoCredit,      ///< the peer sent more than it may: there is no place for it
    kOld,           ///< a sequence that was there already: a double, or the rest of an earlier session
    kWrongSession,  ///< anything but a hello before the hello
};

/// Not thread-safe. `window` is 1 to 255 places.
class CreditBook {
  public:
    explicit CreditBook(std::uint8_t window) noexcept : window_(window) {}

    /// Begins anew: both directions count from `first`, and until the peer's hello nothing but hellos may
    /// pass in either of them. Who answers a hello takes its sequence for `first`.
    void restart(std::uint16_t first) noexcept {
        next_ = expected_ = peer_grant_ = first;
        open_ = false;
        held_ = 0;
    }
    /// The peer's hello after restart(). False when it speaks of other numbers; then nothing is changed.
    [[nodiscard]] bool open(const Frame& hello) noexcept {
        const int credit = distance(next_, hello.grant());
        if (hello.sequence() != expected_ || credit <= 0 || credit > kMostWindow) {
            return false;
        }
        peer_grant_ = hello.grant();
        open_ = true;
        return true;
    }
    [[nodiscard]] bool is_open() const noexcept { return open_; }

    /// True when a frame that takes a place may go out now.
    [[nodiscard]] bool may_send() const noexcept { return open_ && distance(next_, peer_grant_) > 0; }
    /// Frames that may go out at once.
    [[nodiscard]] unsigned credit() const noexcept {
        const int ahead = distance(next_, peer_grant_);
        return open_ && ahead > 0 ? static_cast<unsigned>(ahead) : 0;
    }
    /// The numbers for a frame that goes out now; a kind that takes a place uses one up (may_send() must
    /// hold).
    [[nodiscard]] Frame stamp(FrameKind kind, std::uint8_t epoch) noexcept {
        Frame head;
        head.set_kind(static_cast<std::uint8_t>(kind));
        head.set_epoch(epoch);
        head.set_sequence(next_);
        head.set_grant(grant());
        if (takes_place(kind)) {
            ++next_;
        }
        return head;
    }
    /// First sequence that the peer may not send yet.
    [[nodiscard]] std::uint16_t grant() const noexcept {
        return static_cast<std::uint16_t>(expected_ + window_ - held_);
    }
    [[nodiscard]] std::uint16_t next() const noexcept { return next_; }

    /// Judges a frame that came in. After kInOrder and kAfterGap a kind that takes a place holds one until
    /// release(). `lost` is how many frames are missing before it.
    [[nodiscard]] Arrival take(const Frame& head, unsigned& lost) noexcept {
        lost = 0;
        if (!open_) {
            return Arrival::kWrongSession;
        }
        const bool place = takes_place(FrameKind{head.kind()});
        const int gap = distance(expected_, head.sequence());
        if (gap < 0) {
            return Arrival::kOld;
        }
        // Even a credit frame must not jump further than what was ever granted.
        if (gap > static_cast<int>(window_ - held_) - (place ? 1 : 0)) {
            return Arrival::kNoCredit;
        }
        lost = static_cast<unsigned>(gap);
        expected_ = static_cast<std::uint16_t>(head.sequence() + (place ? 1 : 0));
        held_ = static_cast<std::uint8_t>(held_ + (place ? 1 : 0));
        // Never backwards, and never further than a window can be.
        if (const int more = distance(peer_grant_, head.grant()); more > 0 && more <= kMostWindow) {
            peer_grant_ = head.grant();
        }
        return gap == 0 ? Arrival::kInOrder : Arrival::kAfterGap;
    }
    /// Gives a place back: what lay there was used.
    void release() noexcept { held_ = static_cast<std::uint8_t>(held_ - (held_ != 0 ? 1 : 0)); }
    [[nodiscard]] std::uint8_t held() const noexcept { return held_; }
    [[nodiscard]] std::uint8_t window() const noexcept { return window_; }

  private:
    static constexpr int kMostWindow = 255;
    /// How far `to` is ahead of `from`; negative when it is behind.
    [[nodiscard]] static constexpr int distance(std::uint16_t from, std::uint16_t to) noexcept {
        return static_cast<std::int16_t>(static_cast<std::uint16_t>(to - from));
    }

    std::uint8_t window_;
    std::uint8_t held_ = 0;
    std::uint16_t next_ = 0;
    std::uint16_t peer_grant_ = 0;
    std::uint16_t expected_ = 0;
    bool open_ = false;
};

}  // namespace keyway::device
