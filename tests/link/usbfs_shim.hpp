// A usbfs of our own under the real libusb: the device that it sees is the board that is simulated in the
// process.
//
// umockdev gives libusb a /sys and udev events. Its nodes under /dev are plain files, so open, ioctl and
// close of this program stand before libc's and answer for them; a pipe behaves towards poll as a node does:
// writable when a transfer is done, in error when the device is gone.
#pragma once

#include <linux/usbdevice_fs.h>
#include <umockdev.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::device {

/// One at a time. The device is plugged in as soon as the shim is there.
class UsbfsShim {
  public:
    explicit UsbfsShim(sim::SimulatedBoard& board);
    ~UsbfsShim();
    UsbfsShim(const UsbfsShim&) = delete;
    UsbfsShim& operator=(const UsbfsShim&) = delete;

    void unplug();
    void plug_in(sim::SimulatedBoard::Power power);
    /// Bulk transfers that libusb has handed over and not got back.
    [[nodiscard]] std::size_t in_flight() const;
    [[nodiscard]] std::size_t most_in_flight() const { return most_in_flight_; }
    /// Makes the next open fail with this errno.
    int refuse_open = 0;
    int refuse_claim = 0;

    // What stands before libc.
    int open_node(const char* path);
    [[nodiscard]] bool owns(int fd) const;
    int control_node(int fd, unsigned long request, void* argument);
    void close_node(int fd);

  private:
    struct Node {
        int fd = -1;     ///< libusb's end: the pipe's end for writing
        UniqueFd other;  ///< ours; closed when the device is gone
        unsigned generation = 0;
        std::deque<usbdevfs_urb*> waiting, done;
    };
    void appear();
    void vanish();
    void submit(Node& node, usbdevfs_urb& urb);
    void finish(Node& node, usbdevfs_urb& urb, int status, int length);
    void serve_in(Node& node);
    void show(Node& node);
    void follow_generation();
    [[nodiscard]] Node* find(int fd);

    sim::SimulatedBoard& board_;
    UMockdevTestbed* testbed_;
    std::string system_path_;
    unsigned number_ = 1;  ///< of the device on its bus; a new one each time
    unsigned generation_ = 0;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::size_t most_in_flight_ = 0;
};

}  // namespace keyway::device
