#include "daemon/engines.hpp"

#include <fmt/format.h>

#ifdef KEYWAY_SIMULATED_ENGINE
#include "keyway/sim/engine.hpp"
#include "keyway/sim/model.hpp"
#endif
#ifdef KEYWAY_WITH_USB
#include <fstream>
#include <iterator>

#include "daemon/log.hpp"
#include "driver/engine.hpp"
#include "driver/libusb_bus.hpp"
#endif

namespace keyway::daemon {

namespace {

std::string take_simulated(RouterOptions& router) {
#ifdef KEYWAY_SIMULATED_ENGINE
    router.engine = std::make_shared<sim::SimulatedEngine>(std::make_unique<sim::RouterModel>());
    return "";
#else
    static_cast<void>(router);
    return "this program was built without the simulated engine; build it with -DKEYWAY_RTL=ON where "
           "Verilator is installed, or leave --engine out";
#endif
}

#ifdef KEYWAY_WITH_USB

Result<std::shared_ptr<device::BoardEngine>> open_board(const EngineChoice& choice, bool may_load) {
    std::ifstream in(choice.bitstream, std::ios::binary);
    std::string bitstream(std::istreambuf_iterator<char>(in), {});
    return device::BoardEngine::open(
        std::make_unique<device::LibusbBus>(),
        {.wanted = {.serial = choice.board},
         .may_load = may_load,
         .bitstream = choice.bitstream.empty() ? std::string() : std::move(bitstream),
         .log = log_info});
}

std::string take_board(const EngineChoice& choice, RouterOptions& router) {
    auto board = open_board(choice, true);
    if (!board) {
        return board.error() == Status::kBadArgument
                   ? "several boards are plugged in; name one of `keyway device ls` with --board"
                   : "--engine usb: " + board.error().message();
    }
    router.engine = std::move(*board);
    return "";
}

// A board that is there and can't be used is said, and is no reason not to serve.
void take_board_if_there_is_one(const EngineChoice& choice, RouterOptions& router) {
    device::LibusbBus usb;
    const auto found = device::find_board(usb, {.serial = choice.board});
    if (!found || !found->is_board()) {
        return;
    }
    auto board = open_board(choice, false);
    if (board) {
        router.engine = std::move(*board);
        log(Severity::kInfo, fmt::format("the board {} judges", found->serial));
    } else {
        log(Severity::kWarning, fmt::format("the board {} is left alone, and the software judges: {}",
                                            found->serial, board.error().message()));
    }
}

#else

std::string take_board(const EngineChoice& /*choice*/, RouterOptions& /*router*/) {
    return "this program was built without libusb; install libusb-1.0-0-dev and build it again, or leave "
           "--engine out";
}
void take_board_if_there_is_one(const EngineChoice& /*choice*/, RouterOptions& /*router*/) {}

#endif

}  // namespace

std::vector<std::string> engine_names() {
    return {"auto", "software", "simulated", "usb"};
}

std::string choose_engine(const EngineChoice& choice, RouterOptions& router) {
    if (choice.name == "simulated") {
        return take_simulated(router);
    }
    if (choice.name == "usb") {
        return take_board(choice, router);
    }
    if (choice.name == "auto") {
        take_board_if_there_is_one(choice, router);
    }
    if (router.engine == nullptr && router.cross_check) {
        return "--cross-check compares an engine with the software, and there is none; give --engine "
               "simulated "
               "or --engine usb as well";
    }
    return "";
}

}  // namespace keyway::daemon
