#pragma once

// A board whose every part is the real one, but for silicon and pins: the firmware in the model of its chip,
// the chip's FIFO bus, and the verilated bridge, link and router behind it.

#include <memory>

#include "sim/fx2_bus.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::sim {

/// rtl/keyway_device.sv in Verilator, behind the FIFO bus.
class VerilatedFpga : public Fpga {
  public:
    static constexpr unsigned kTableRows = 16, kDestinations = 4;
    static constexpr unsigned kClocksPerMicrosecond = 30;
    static constexpr std::uint32_t kBuildHash = 0x1234ABCD;

    explicit VerilatedFpga(std::uint64_t seed);
    VerilatedFpga(const VerilatedFpga&) = delete;
    VerilatedFpga& operator=(const VerilatedFpga&) = delete;
    ~VerilatedFpga() override;

    void set_running(bool running) override;
    void clear() override;
    [[nodiscard]] std::size_t room() const override;
    void take(std::span<const std::byte> bytes) override;
    std::optional<std::vector<std::byte>> give() override;
    /// Nothing moves any more when neither side has touched the bus for some 8000 clocks.
    bool run(unsigned clocks) override;
    [[nodiscard]] std::uint64_t clocks() const override;

    /// How the bus treats what it carries.
    [[nodiscard]] Unkind& unkind();
    /// What the FPGA did that the chip's data sheet forbids.
    [[nodiscard]] unsigned rules_broken() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

class VerilatedBoard : public SimulatedBoard {
  public:
    explicit VerilatedBoard(std::uint64_t seed, Power power = Power::kRunning, std::string serial = {})
        : SimulatedBoard(power, std::move(serial), std::make_unique<VerilatedFpga>(seed)) {}
    [[nodiscard]] VerilatedFpga& fpga() { return static_cast<VerilatedFpga&>(SimulatedBoard::fpga()); }
};

}  // namespace keyway::sim
