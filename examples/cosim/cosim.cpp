// The hardware router in a simulation of one's own: two messages, one of which may not pass, and a recall.
// Run: cosim [WAVEFORM.fst], then: gtkwave WAVEFORM.fst
#include <keyway/sim/model.hpp>

#include <iostream>
#include <memory>

#include "verilated_fst_c.h"

namespace {

constexpr std::uint16_t kAlice = 5, kBob = 9, kBobsEndpoint = 3, kOther = 4;

keyway::Header to(std::uint16_t endpoint, std::uint32_t capability) {
    keyway::Header header;
    header.set_version(keyway::kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(keyway::Type::kData));
    header.set_receiver(endpoint);
    header.set_capability(capability);
    return header;
}

keyway::Verdict verdict_of(keyway::sim::Router& router) {
    std::optional<keyway::sim::Event> event;
    router.run_until([&] { return (event = router.pop_event()).has_value(); });
    return event.value().verdict;
}

}  // namespace

int main(int argc, char** argv) {
    keyway::sim::RouterModel router;
    VerilatedFstC wave;
    if (argc > 1) {
        router.model().trace(&wave, 99);
        wave.open(argv[1]);
        router.after_eval = [&](std::uint64_t time_ps) { wave.dump(time_ps); };
    }

    // What a host does: Alice speaks on port 0, and may write to Bob's endpoint.
    router.bind(0, kAlice);
    router.route(kBobsEndpoint, kBob);
    keyway::Entry entry;
    entry.set_generation(1);
    entry.set_flags(keyway::entry_flag::kValid);
    entry.set_kind(static_cast<std::uint8_t>(keyway::Kind::kEndpoint));
    entry.set_rights(keyway::right::kWrite);
    entry.set_owner(kAlice);
    entry.set_object(kBobsEndpoint);
    router.fill(1, entry);
    router.start();
    const std::uint32_t capability = keyway::sim::capability_id(1, 1);

    router.push(0, to(kBobsEndpoint, capability));
    std::optional<keyway::sim::Delivery> delivery;
    // Destination 3 leaves by port 3 of 4.
    router.run_until([&] { return (delivery = router.pop(3)).has_value(); });
    std::cout << "delivered to endpoint " << delivery.value().destination << ", "
              << delivery->offered_cycle - router.taken_cycle(0) - 1 << " clocks after its last beat\n";
    (void)verdict_of(router);

    router.push(0, to(kOther, capability));
    std::cout << "refused: " << name_of(verdict_of(router)) << '\n';

    router.invalidate(1);
    router.push(0, to(kBobsEndpoint, capability));
    std::cout << "after the recall: " << name_of(verdict_of(router)) << '\n';
    wave.close();
}
