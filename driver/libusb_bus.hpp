#pragma once

// The real bus, by libusb-1.0: needs no privilege but the right to open the device (the udev rule of
// keywayd).

#include "driver/transport.hpp"

namespace keyway::device {

/// Used by one thread at a time; what open() gives is independent of it.
///
/// Every list() asks the system anew, with a fresh libusb context: without udevd, as in a container, a
/// context never sees what was plugged in after it was made.
class LibusbBus : public Usb {
  public:
    Result<std::vector<Found>> list() override;
    Result<std::unique_ptr<Transport>> open(const Found& found) override;
    void wait_for_change(milliseconds timeout) override;
};

}  // namespace keyway::device
