#pragma once

// A model of the board's USB controller (Cypress FX2LP) around the natively compiled firmware, and of the
// FPGA's configuration pins. What reading and writing a register does is here; nothing of the firmware is.
//
// Packets of the bulk endpoints are not here: the chip's FIFO hardware carries them past the firmware, and so
// does whoever owns this model. It says whether they may flow (fifos_run(), halted()).
//
// The firmware has one state, as in the chip, so there is one model at a time in a process; not thread-safe.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace keyway::sim {

class Fx2 {
  public:
    using Setup = std::array<std::uint8_t, 8>;
    /// Called for each write of the firmware, before it takes effect: true in `special` for a special
    /// function register.
    using Recorder = std::function<void(bool special, std::uint16_t address, std::uint8_t value)>;

    /// Powers the chip up and runs the firmware's beginning.
    explicit Fx2(Recorder recorder = {});
    ~Fx2();
    Fx2(const Fx2&) = delete;
    Fx2& operator=(const Fx2&) = delete;

    /// One control transfer. For a request to the device `out` is its data, and the answer is empty; for one
    /// to the host the answer is what the firmware sent. Nothing: the firmware stalled it. A transfer that
    /// the firmware answers in no way within a fixed number of turns also ends with nothing, and counts in
    /// hangs().
    std::optional<std::vector<std::byte>> control(const Setup& setup, std::span<const std::byte> out = {});
    void bus_reset();
    void suspend();
    /// One turn of the firmware's main loop with nothing to do.
    void idle();

    /// Frames flow: the FPGA is configured and the FIFO bus is on.
    [[nodiscard]] bool fifos_run() const;
    /// True when the firmware has halted the endpoint (0x02 or 0x86).
    [[nodiscard]] bool halted(std::uint8_t endpoint) const;
    /// Times that the FIFOs were emptied.
    [[nodiscard]] unsigned fifo_resets() const { return fifo_resets_; }
    [[nodiscard]] unsigned hangs() const { return hangs_; }
    /// What the FPGA was given since its last reset.
    [[nodiscard]] const std::vector<std::byte>& bitstream() const { return bitstream_; }
    /// False makes the FPGA report that the bitstream is no good; else it wants the iCE40's preamble.
    void let_fpga_accept(bool accept) { accept_ = accept; }

    // The firmware's side.
    [[nodiscard]] std::uint8_t read(std::uint16_t address);
    void write(std::uint16_t address, std::uint8_t value);
    [[nodiscard]] std::uint8_t read_special(std::uint8_t address) const;
    void write_special(std::uint8_t address, std::uint8_t value);

  private:
    void next_packet_out();
    void pins_changed(std::uint8_t before, std::uint8_t now);
    [[nodiscard]] bool fpga_done() const;

    Recorder recorder_;
    std::vector<std::uint8_t> memory_;
    std::array<std::uint8_t, 256> special_{};
    // The control transfer in progress.
    bool active_ = false, ended_ = false, stalled_ = false, to_host_ = false;
    std::span<const std::byte> out_;
    std::vector<std::byte> in_;
    unsigned fifo_resets_ = 0, hangs_ = 0;
    // The FPGA.
    std::vector<std::byte> bitstream_;
    unsigned bits_ = 0, shift_ = 0;
    bool accept_ = true;
};

}  // namespace keyway::sim
