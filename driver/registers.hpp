#pragma once

// Registers and table of a device over an open link, one operation at a time: each waits for the device's
// answer.

#include "driver/link.hpp"

namespace keyway::device {

/// Used by one thread at a time; the link must outlive it. Frames that come in meanwhile and are no answer go
/// to `others`.
///
/// Every function fails with kDeviceSilent when no answer came within `patience` (it may have been lost:
/// nobody knows then whether the device did it, and the way on is a new session or epoch), with
/// kDeviceRefused when the device did not understand, or as Link::send and Link::poll.
class Registers {
  public:
    explicit Registers(Link& link, Link::Sink others = {}, milliseconds patience = milliseconds{1000})
        : link_(link), others_(std::move(others)), patience_(patience) {}

    /// `offset` is one of namespace reg, below 4096.
    [[nodiscard]] Result<std::uint32_t> read(std::uint32_t offset);
    [[nodiscard]] Result<void> write(std::uint32_t offset, std::uint32_t value);
    /// When it returns, messages that are given from now on are judged with the row.
    [[nodiscard]] Result<void> fill(std::uint32_t slot, const Entry& entry);
    /// When it returns, no message that is given from now on is judged with the row.
    [[nodiscard]] Result<void> invalidate(std::uint32_t slot);

  private:
    Result<std::uint32_t> ask(FrameKind kind, std::uint32_t offset, std::uint32_t value,
                              std::span<const std::byte> more);

    Link& link_;
    Link::Sink others_;
    milliseconds patience_;
};

}  // namespace keyway::device
