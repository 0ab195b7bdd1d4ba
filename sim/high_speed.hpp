#pragma once

// A board behind a USB cable of 480 Mbit/s, in the board's own time: what an application would see of it,
// whatever time the simulation takes. Time moves while the driver waits, and the driver itself takes none.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "driver/transport.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::sim {

/// A microframe lasts 125 us and carries a number of packets of 512 bytes, both directions together. A
/// transfer that is handed over goes out from the next microframe on, and the host hears of what was done at
/// the end of one.
class HighSpeedTransport : public device::Transport {
  public:
    struct Limits {
        unsigned packets = 10;        ///< in a microframe; the standard allows 13
        unsigned clocks_per_us = 30;  ///< of the FIFO bus
        unsigned transfers = 4;       ///< in flight, each way
        unsigned host = 1;            ///< microframes from the end of a transfer to the driver hearing of it
    };
    static constexpr unsigned kMicroframeUs = 125;

    /// `board` runs firmware and is opened by its own open(); it must outlive this, and be nobody else's
    /// meanwhile.
    HighSpeedTransport(SimulatedBoard& board, Transport& control)
        : HighSpeedTransport(board, control, Limits{}) {}
    HighSpeedTransport(SimulatedBoard& board, Transport& control, Limits limits)
        : board_(board), control_(control), limits_(limits) {}

    Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                   device::milliseconds timeout) override;
    Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                             device::milliseconds timeout) override;
    Result<void> send(std::span<const std::byte> bytes, device::milliseconds timeout) override;
    Result<std::size_t> receive(std::span<std::byte> into, device::milliseconds timeout) override;
    Result<void> clear_halts() override { return control_.clear_halts(); }

    /// Since the beginning, in the board's time.
    [[nodiscard]] std::uint64_t microseconds() const { return microframes_ * kMicroframeUs; }
    [[nodiscard]] std::uint64_t bytes_out() const { return bytes_out_; }
    [[nodiscard]] std::uint64_t bytes_in() const { return bytes_in_; }

  private:
    void microframe();
    void hear();
    [[nodiscard]] bool packet_out();
    [[nodiscard]] bool packet_in();

    SimulatedBoard& board_;
    Transport& control_;
    const Limits limits_;
    std::deque<std::vector<std::byte>> out_;   ///< transfers that are on their way
    std::vector<std::byte> in_;                ///< the transfer that is being filled
    std::deque<std::vector<std::byte>> done_;  ///< of transfers that ended, by microframe, the newest last
    std::vector<std::byte> heard_;             ///< that the driver may have
    bool moving_ = true;                       ///< something happens on the board
    std::uint64_t microframes_ = 0, bytes_out_ = 0, bytes_in_ = 0;
};

}  // namespace keyway::sim
