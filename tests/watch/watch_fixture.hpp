#pragma once

#include "keyway/observe.hpp"
#include "tests/client/router_fixture.hpp"

namespace keyway::test {

inline RouterOptions watched_options(bool observe, bool payloads) {
    RouterOptions options;
    options.policy = Policy::permissive();
    options.policy.rules[0].observe = observe;
    options.policy.rules[0].payloads = payloads;
    options.policy.rules[0].administer = observe;
    options.capability_slots = 4096;
    options.spin = std::chrono::microseconds(5);
    return options;
}

/// A router whose policy lets everybody observe.
class Watched : public RouterFixture {
  protected:
    explicit Watched(bool payloads = false) : RouterFixture(watched_options(true, payloads)) {}

    /// Reads until `wanted` is true of what is read. The test's own time limit ends a wait in vain.
    template <class Wanted>
    static Snapshot read_until(Counters& counters, const Wanted& wanted) {
        while (true) {
            Snapshot now = counters.read().value();
            if (wanted(now)) {
                return now;
            }
        }
    }
    static const ProcessFigures* process(const Snapshot& in, std::uint32_t id) {
        for (const ProcessFigures& row : in.processes) {
            if (row.id == id) {
                return &row;
            }
        }
        return nullptr;
    }
    static const EndpointFigures* endpoint(const Snapshot& in, std::string_view name) {
        for (const EndpointFigures& row : in.endpoints) {
            if (row.get_name() == name) {
                return &row;
            }
        }
        return nullptr;
    }
};

}  // namespace keyway::test
