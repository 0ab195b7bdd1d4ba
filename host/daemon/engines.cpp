#include "daemon/engines.hpp"

#ifdef KEYWAY_SIMULATED_ENGINE
#include "keyway/sim/engine.hpp"
#include "keyway/sim/model.hpp"
#endif

namespace keyway::daemon {

std::vector<std::string> engine_names() {
    return {"auto", "software", "simulated"};
}

std::string choose_engine(std::string_view name, RouterOptions& router) {
    if (name != "simulated") {
        return router.cross_check ? "--cross-check compares an engine with the software, and there is none; "
                                    "give --engine simulated as well"
                                  : "";
    }
#ifdef KEYWAY_SIMULATED_ENGINE
    router.engine = std::make_shared<sim::SimulatedEngine>(std::make_unique<sim::RouterModel>());
    return "";
#else
    return "this program was built without the simulated engine; build it with -DKEYWAY_RTL=ON where "
           "Verilator is "
           "installed, or leave --engine out";
#endif
}

}  // namespace keyway::daemon
