#pragma once

// One life of a board as a judge of messages: from the hello that gives it an empty table to the first thing
// that goes wrong.

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "driver/link.hpp"
#include "keyway/engine.hpp"

namespace keyway::device {

/// Used by one thread at a time. The board is not trusted: an answer that is late, missing, or has no meaning
/// ends the session, and whoever has it gives it up then. Nothing that the board says later counts, since the
/// next session's hello empties its table and its queues.
class Session {
  public:
    struct Limits {
        /// For everything that one question, or one recall, needs of the board.
        milliseconds answer{6};
        milliseconds opening{2000};  ///< for the hello, and once more for the set-up
    };

    /// Opens a link over `transport` and enables the board's router, whose table is empty then. Fails as
    /// Link::open(), with kDeviceGarbled when the board's sizes make no sense, or as judge().
    [[nodiscard]] static Result<std::unique_ptr<Session>> open(std::unique_ptr<Transport> transport,
                                                               const Limits& limits);

    /// What the board says of a message; a miss for what it can't tell. Fails, within `answer` and the time
    /// to hand a transfer over, with kDeviceSilent, kDeviceGarbled, kDeviceRefused or as the transport.
    [[nodiscard]] Result<LinkEvent> judge(const Engine::Question& question);
    /// On success the board judges nothing by this capability any more. Fails as judge().
    [[nodiscard]] Result<void> forget(std::uint32_t capability);
    /// True when judge() would have an opinion on a message to `receiver`.
    [[nodiscard]] bool has_room_for(std::uint32_t receiver) const noexcept {
        return receiver != 0 && receiver < destinations_;
    }
    [[nodiscard]] std::uint64_t judged() const noexcept { return judged_; }

  private:
    using Clock = std::chrono::steady_clock;

    Session(std::unique_ptr<Transport> transport, const Limits& limits);
    Result<void> set_up();
    void begin(milliseconds patience);
    Result<void> put(FrameKind kind, std::span<const std::byte> body);
    Result<void> put_access(FrameKind kind, std::uint32_t offset, std::uint32_t value,
                            std::span<const std::byte> more = {});
    Result<void> put_row(const Engine::Question& question);
    template <typename Done>
    Result<void> wait(const Done& done);
    Result<void> turn();
    void hear(const FrameDecoder::View& view);
    [[nodiscard]] std::uint32_t& cached(std::uint32_t capability) {
        return rows_[capability % limit::kSlots % rows_.size()];
    }

    std::unique_ptr<Transport> transport_;
    Limits limits_;
    Link link_;
    std::vector<std::uint32_t> rows_;  ///< capability whose entry is in the row; 0: none
    std::uint32_t destinations_ = 0;
    std::uint32_t bound_ = 0;  ///< process that the port stands for
    unsigned unanswered_ = 0;  ///< accesses
    std::uint32_t value_ = 0;  ///< of the last answer
    bool refused_ = false;     ///< an access was
    std::optional<LinkEvent> event_;
    bool unasked_ = false;  ///< there was an event too many
    std::uint64_t judged_ = 0;
    Clock::time_point until_;
};

}  // namespace keyway::device
