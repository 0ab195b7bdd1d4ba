#pragma once

// A board in the process, as the driver sees it: the chip's boot loader, the firmware in the model of its
// chip, and an FPGA that answers hellos and sends every body back. With faults on demand.
//
// It knows the driver's firmware image by its bytes and runs the native build in its place; an image with
// other bytes leaves a device that answers nothing, as a real chip would that runs nonsense.

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "driver/credit.hpp"
#include "driver/frame.hpp"
#include "driver/transport.hpp"
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
    explicit SimulatedBoard(Power power = Power::kBlank, std::string serial = {});
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

    // As the wire sees it, for a test that stands below libusb.

    /// A control transfer of any type. Nothing: it was stalled.
    std::optional<std::vector<std::byte>> usb_control(const Fx2::Setup& setup,
                                                      std::span<const std::byte> out);
    void usb_out(std::span<const std::byte> bytes) { fpga_takes(bytes); }
    /// Bytes for the host, at most `most`; empty when there are none.
    std::vector<std::byte> usb_in(std::size_t most);
    [[nodiscard]] Power power() const { return power_; }
    [[nodiscard]] unsigned generation() const { return generation_; }

    void unplug();
    void plug_in(Power power);
    /// Bytes that wait for the host, as an earlier session left them.
    void leave_stale(std::size_t bytes);
    [[nodiscard]] const Fx2* chip() const { return chip_.get(); }
    [[nodiscard]] unsigned hellos() const { return hellos_; }
    /// Bodies that the FPGA took.
    [[nodiscard]] std::uint64_t taken() const { return taken_; }

  private:
    class Handle;
    void start(Power power);
    Result<std::size_t> control(std::uint8_t type, UsbRequest request, std::uint16_t value,
                                std::span<const std::byte> out, std::span<std::byte> in);
    Result<std::size_t> boot_loader(bool to_host, std::uint16_t value, std::span<const std::byte> out,
                                    std::span<std::byte> in);
    void run_loaded();
    void fpga_takes(std::span<const std::byte> bytes);
    void fpga_sends(FrameKind kind, std::span<const std::byte> body);

    Power power_ = Power::kBlank;
    std::string serial_;
    bool plugged_ = true;
    unsigned generation_ = 0;  ///< one more each time that open handles become void
    unsigned hidden_ = 0;      ///< looks at the bus until it is seen
    std::vector<std::byte> ram_;
    bool held_ = false;
    std::unique_ptr<Fx2> chip_;
    // The FPGA.
    device::CreditBook book_{16};
    device::FrameDecoder decoder_{40};
    std::deque<std::byte> to_host_;
    std::uint64_t taken_ = 0;
    unsigned hellos_ = 0;
    std::mt19937 random_{42};
};

}  // namespace keyway::sim
