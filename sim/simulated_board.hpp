#pragma once

// A board in the process, as the driver sees it: the chip's boot loader, the firmware in the model of its
// chip, and an FPGA: by default one that answers hellos and sends every body back. With faults on demand.
//
// It knows the driver's firmware image by its bytes and runs the native build in its place; an image with
// other bytes leaves a device that answers nothing, as a real chip would that runs nonsense.

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "driver/transport.hpp"
#include "sim/fpga.hpp"
#include "sim/fx2.hpp"

namespace keyway::sim {

/// One board on a bus of its own. Not thread-safe. One at a time in a process may run firmware.
class SimulatedBoard : public device::Usb {
  public:
    enum class Power : std::uint8_t {
        kBlank,    ///< no firmware
        kRunning,  ///< Keyway's, of this build
        kForeign,  ///< the board's own program, which knows none of our requests
        kDead,     ///< nonsense in its memory: it answers nothing
    };
    explicit SimulatedBoard(Power power = Power::kBlank, std::string serial = {},
                            std::unique_ptr<Fpga> fpga = std::make_unique<EchoFpga>());
    SimulatedBoard(const SimulatedBoard&) = delete;
    SimulatedBoard& operator=(const SimulatedBoard&) = delete;
    ~SimulatedBoard() override;

    Result<std::vector<device::Found>> list() override;
    Result<std::unique_ptr<device::Transport>> open(const device::Found& found) override;
    void wait_for_change(device::milliseconds timeout) override;

    /// What goes wrong. Bytes: one in so many, 0 never.
    struct Faults {
        std::uint32_t lose_out = 0, change_out = 0, lose_in = 0, change_in = 0;
        bool permitted = true;
        bool busy = false;                   ///< somebody else has it
        bool silent_fpga = false;            ///< the FPGA answers nothing
        unsigned controls_until_unplug = 0;  ///< 1: the next control request finds it gone; 0: never
        unsigned major = kVersionMajor;      ///< what it says of itself
        bool short_identity = false;
        bool good_bitstream = true;
        bool comes_back = true;         ///< after its firmware was started
        unsigned lists_until_back = 0;  ///< looks at the bus until it is seen again
    } faults;

    // As the wire sees it, for what stands below libusb.

    /// A control transfer of any type. Nothing: it was stalled.
    std::optional<std::vector<std::byte>> usb_control(const Fx2::Setup& setup,
                                                      std::span<const std::byte> out);
    void usb_bus_reset();
    /// Bytes of the endpoint out that there is room for now.
    [[nodiscard]] std::size_t usb_room() const;
    void usb_out(std::span<const std::byte> bytes) { fpga_takes(bytes); }
    /// The next packet for the host, of 512 bytes at most.
    std::optional<std::vector<std::byte>> usb_packet();
    /// Bytes for the host, at most `most`, whatever packets they came in; empty when there are none.
    std::vector<std::byte> usb_in(std::size_t most);
    /// Lets so many clocks of the FIFO bus pass. False: nothing moves any more, until the host sends bytes.
    bool usb_run(unsigned clocks) { return fpga_->run(clocks); }
    [[nodiscard]] bool plugged() const { return plugged_ && power_ != Power::kDead; }
    [[nodiscard]] Power power() const { return power_; }
    [[nodiscard]] unsigned generation() const { return generation_; }

    void unplug();
    void plug_in(Power power);
    /// Bytes that wait for the host, as an earlier session left them.
    void leave_stale(std::size_t bytes);
    [[nodiscard]] const Fx2* chip() const { return chip_.get(); }
    [[nodiscard]] Fpga& fpga() { return *fpga_; }

  private:
    class Handle;
    void start(Power power);
    Result<std::size_t> control(std::uint8_t type, UsbRequest request, std::uint16_t value,
                                std::span<const std::byte> out, std::span<std::byte> in);
    Result<std::size_t> boot_loader(bool to_host, std::uint16_t value, std::span<const std::byte> out,
                                    std::span<std::byte> in);
    std::optional<std::vector<std::byte>> bare_chip(const Fx2::Setup& setup) const;
    void run_loaded();
    void fpga_takes(std::span<const std::byte> bytes);
    std::vector<std::byte> damaged(std::span<const std::byte> bytes, std::uint32_t lose,
                                   std::uint32_t change);
    /// The FPGA follows what the firmware did to its pins and FIFOs.
    void follow_chip();

    Power power_ = Power::kBlank;
    std::string serial_;
    bool plugged_ = true;
    unsigned generation_ = 0;  ///< one more each time that open handles become void
    unsigned hidden_ = 0;      ///< looks at the bus until it is seen
    std::vector<std::byte> ram_;
    bool held_ = false;
    std::unique_ptr<Fx2> chip_;
    std::unique_ptr<Fpga> fpga_;
    unsigned fifo_resets_ = 0;       ///< that the FPGA has seen
    std::vector<std::byte> stale_;   ///< on its way to the host since before
    std::vector<std::byte> opened_;  ///< rest of a packet, for usb_in()
    std::mt19937 random_{42};
};

}  // namespace keyway::sim
