#include "keyway/sim/engine.hpp"
#include "keyway/sim/model.hpp"
#include "tests/client/router_fixture.hpp"

namespace keyway::test {

std::shared_ptr<Engine> engine_under_test() {
    return std::make_shared<sim::SimulatedEngine>(std::make_unique<sim::RouterModel>());
}

}  // namespace keyway::test
