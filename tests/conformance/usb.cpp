// The engine under test is a board behind the real libusb, over a usbfs and a /sys that the test brings
// along. Its FPGA is a program that has room for everybody; the verilated one stands in tests/rtl.

#include "driver/engine.hpp"
#include "driver/libusb_bus.hpp"
#include "sim/core_fpga.hpp"
#include "sim/simulated_board.hpp"
#include "tests/client/router_fixture.hpp"
#include "tests/link/bitstream.hpp"
#include "tests/link/usbfs_shim.hpp"

namespace keyway::test {
namespace {

struct Plugged {
    sim::SimulatedBoard board{sim::SimulatedBoard::Power::kRunning, "conformance",
                              std::make_unique<sim::CoreFpga>()};
    device::UsbfsShim shim{board};
};

}  // namespace

std::shared_ptr<Engine> engine_under_test() {
    static Plugged plugged;
    const auto bitstream = device::any_bitstream(64);
    return device::BoardEngine::open(
               std::make_unique<device::LibusbBus>(),
               {.bitstream = {reinterpret_cast<const char*>(bitstream.data()), bitstream.size()}})
        .value();
}

}  // namespace keyway::test
