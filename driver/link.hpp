#pragma once

// The conversation with a device's FPGA: frames in both directions over an open board, opened by a hello,
// governed by credit.
//
// The link tells what was lost and repeats nothing: who gave messages to the device knows which of them were
// answered, and what to do about the others. After lost() has grown, results may be missing; the way on is a
// new epoch.

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "driver/credit.hpp"
#include "driver/frame.hpp"
#include "driver/transport.hpp"

namespace keyway::device {

/// Used by one thread at a time; the transport must outlive it.
class Link {
  public:
    struct Counters {
        std::uint64_t sent = 0;      ///< frames with a place that went out
        std::uint64_t received = 0;  ///< that came in and were given out
        std::uint64_t lost = 0;      ///< frames of the device that never came
        std::uint64_t strays =
            0;  ///< sound frames that had no business here: of another session, old, without credit
        std::uint64_t asked = 0;  ///< credit frames that went out
    };
    struct Options {
        std::uint8_t window = 128;     ///< frames that the device may send ahead
        std::uint32_t session = 0;     ///< 0: a random one
        milliseconds patience{2000};   ///< for the answer to the hello
        milliseconds hand_over{1000};  ///< for a transfer to be free
    };
    using Sink = std::function<void(const FrameDecoder::View&)>;

    explicit Link(Transport& transport) : Link(transport, Options{}) {}
    Link(Transport& transport, Options options);

    /// Throws away what is still on its way from an earlier session, and opens a new one. kDeviceSilent when
    /// nobody answers, kDeviceOlder or kDeviceNewer when the FPGA speaks another contract, or the
    /// transport's.
    [[nodiscard]] Result<void> open();
    /// Who answered. Only after open().
    [[nodiscard]] const LinkIdentity& peer() const noexcept { return peer_; }

    /// Puts one frame in line, and returns its sequence. kWouldBlock without credit: poll() brings some;
    /// kBadArgument for a body that is longer than the peer takes. What is in line goes out by flush(), by
    /// poll(), or when there is enough for a transfer.
    [[nodiscard]] Result<std::uint16_t> send(FrameKind kind, std::span<const std::byte> body);
    [[nodiscard]] Result<void> flush();
    /// Frames that may be sent before the device gives credit again.
    [[nodiscard]] unsigned credit() const noexcept { return book_.credit(); }

    /// Sends what is in line, waits up to `timeout` for bytes, and gives every good frame with a body to
    /// `sink`. The number of frames that it was given.
    [[nodiscard]] Result<std::size_t> poll(milliseconds timeout, const Sink& sink);

    /// Goes into every frame.
    void set_epoch(std::uint8_t epoch) noexcept { epoch_ = epoch; }
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
    [[nodiscard]] const FrameDecoder::Counters& decoded() const noexcept { return decoder_.counters(); }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr milliseconds kAskAgain{10};
    static constexpr unsigned kAsks = 5;  // that may be lost in a row

    void put(FrameKind kind, std::span<const std::byte> body);
    [[nodiscard]] Result<void> drain();
    [[nodiscard]] Result<std::size_t> read(milliseconds timeout, const Sink& sink);
    void say_hello();

    Transport& transport_;
    Options options_;
    CreditBook book_;
    FrameDecoder decoder_;
    std::vector<std::byte> in_, out_;
    LinkIdentity peer_;
    Counters counters_;
    std::uint16_t told_ = 0;  ///< the grant that the device heard last
    std::uint8_t epoch_ = 0;
    unsigned asks_left_ = 0;
    Clock::time_point asked_at_;
    std::mt19937 random_{std::random_device{}()};
};

}  // namespace keyway::device
