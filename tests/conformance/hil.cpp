// The engine under test is the board that is plugged in, in a real kernel: `./dev hil`. An earlier program of
// tests/hil/programs has loaded it.

#include "driver/engine.hpp"
#include "driver/libusb_bus.hpp"
#include "tests/client/router_fixture.hpp"

namespace keyway::test {

std::shared_ptr<Engine> engine_under_test() {
    return device::BoardEngine::open(std::make_unique<device::LibusbBus>(),
                                     {.may_load = false,
                                      // The machine, and the board in it, may both be simulated.
                                      .limits = {.answer = std::chrono::seconds(2)}})
        .value();
}

}  // namespace keyway::test
