#pragma once

// What the driver needs of the USB. Behind it stand libusb (libusb.hpp) and, in tests, boards that are
// simulated in the process (sim/simulated_board.hpp), so that everything above is the same code in both.
//
// Nothing that a device says is trusted: what comes through here is bytes.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "keyway/result.hpp"

namespace keyway::device {

using std::chrono::milliseconds;

/// A device as the bus shows it to everybody, before it is opened.
struct Found {
    std::uint16_t vendor = 0;
    std::uint16_t product = 0;
    std::uint16_t release = 0;  ///< bcdDevice
    std::string place;      ///< bus and ports, "1-2.3": the same for a device that comes back with another id
    std::string serial;     ///< empty when it has none, or may not be asked
    bool permitted = true;  ///< this user may open it

    /// No firmware is loaded: the chip itself answers.
    [[nodiscard]] bool is_blank() const {
        return vendor == usb::kBlankVendor && product == usb::kBlankProduct;
    }
    [[nodiscard]] bool is_board() const {
        return vendor == usb::kBoardVendor && product == usb::kBoardProduct;
    }
};

/// One open device. Used by one thread at a time.
///
/// Every function fails with kDeviceGone once the device is unplugged; that is final. Others: kDeviceRefused
/// for a stall, kDeviceSilent after `timeout`, kDeviceGarbled for what breaks the rules of the bus.
class Transport {
  public:
    virtual ~Transport() = default;
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    /// A vendor request to the host: bytes that came, at most data.size(), at most 4096.
    virtual Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                           milliseconds timeout) = 0;
    /// A vendor request to the device, at most 4096 bytes.
    virtual Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                                     milliseconds timeout) = 0;
    /// Bytes to the endpoint for frames. They are copied, and on their way when this returns; several
    /// transfers are in flight. Waits up to `timeout` for one to be free, then fails with kWouldBlock and has
    /// sent nothing. At most kMostSend bytes.
    virtual Result<void> send(std::span<const std::byte> bytes, milliseconds timeout) = 0;
    /// Bytes from the endpoint for frames, in order: 0 when none came within `timeout`.
    virtual Result<std::size_t> receive(std::span<std::byte> into, milliseconds timeout) = 0;
    /// Ends halts of both endpoints.
    virtual Result<void> clear_halts() = 0;

    static constexpr std::size_t kMostSend = 16384;
};

/// All devices of a machine.
class Usb {
  public:
    virtual ~Usb() = default;
    Usb() = default;
    Usb(const Usb&) = delete;
    Usb& operator=(const Usb&) = delete;

    /// Boards and blank chips that are plugged in, and nothing else.
    virtual Result<std::vector<Found>> list() = 0;
    /// kDevicePermission, kDeviceBusy, kDeviceGone.
    virtual Result<std::unique_ptr<Transport>> open(const Found& found) = 0;
    /// Returns when a device came or went, or after `timeout`; it may also return early.
    virtual void wait_for_change(milliseconds timeout) = 0;
};

}  // namespace keyway::device
