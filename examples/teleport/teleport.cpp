// Quantum hand-off: Alice teleports a random state to Bob, who lives in another process.
//
//     keyway run --socket /tmp/router.sock &                  a router
//     example_teleport bob /tmp/router.sock &                 waits for one qubit
//     example_teleport alice /tmp/router.sock [SEED]          sends it
//
// Bob's half of the entangled pair is a qubit at the router: Alice holds it, hands it off with her two
// measured bits as the message, and has it no more. Its state vector changes hands in place. The simulator
// keeps all three qubits in one state vector, which two processes can't share half of, so Bob gets his half
// once Alice has measured hers; on real hardware he would have it before.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <random>
#include <string>

#include "keyway/quantum.hpp"
#include "lab.h"

using namespace std::chrono_literals;
using keyway::Deadline;

namespace {

using Amplitudes = std::array<double, 4>;

int fail(const keyway::Error& error) {
    std::fprintf(stderr, "teleport: %s\n", error.message().c_str());
    return 1;
}

int alice(keyway::Connection& connection, std::uint64_t seed) {
    const auto bob = connection.lookup("teleport/bob");
    if (!bob) {
        return fail(bob.error());
    }
    std::mt19937_64 random(seed);
    const double theta = std::acos(std::uniform_real_distribution<>(-1, 1)(random));
    const double phi = std::uniform_real_distribution<>(0, 2 * std::numbers::pi)(random);
    Amplitudes original{};
    lab_state(theta, phi, original.data());

    auto qubit = keyway::Qubit::prepare(connection, {.coherence = 30s, .width = 1});
    if (!qubit) {
        return fail(qubit.error());
    }
    std::srand(static_cast<unsigned>(seed));  // libquantum measures with it
    std::array<int, 2> bits{};
    Amplitudes half{};
    lab_send(theta, phi, bits.data(), half.data());
    qubit->state()[0] = {half[0], half[1]};
    qubit->state()[1] = {half[2], half[3]};
    if (auto handed = qubit->hand_off(*bob, std::as_bytes(std::span(bits))); !handed) {
        return fail(handed.error());
    }
    std::printf("alice: seed %llu, measured %d%d, handed qubit %u off\n",
                static_cast<unsigned long long>(seed), bits[0], bits[1], qubit->number());

    // Only to check the result: what it should have become. No such message is part of teleportation.
    const auto told = connection.send(keyway::Outgoing::to(*bob, std::as_bytes(std::span(original))));
    return told ? 0 : fail(told.error());
}

int bob(keyway::Connection& connection) {
    if (auto endpoint = connection.register_endpoint("teleport/bob"); !endpoint) {
        return fail(endpoint.error());
    }
    std::printf("bob: ready\n");
    std::fflush(stdout);
    const auto message = connection.receive(Deadline::in(60s));
    if (!message) {
        return fail(message.error());
    }
    auto qubit = keyway::Qubit::accept(connection, *message);
    if (!qubit) {
        return fail(qubit.error());
    }
    std::array<int, 2> bits{};
    if (qubit->width() != 1 || message->payload().size() != sizeof bits) {
        std::fprintf(stderr, "teleport: what came is no half of a pair\n");
        return 1;
    }
    std::memcpy(bits.data(), message->payload().data(), sizeof bits);
    const auto state = qubit->state();
    Amplitudes mine{state[0].real(), state[0].imag(), state[1].real(), state[1].imag()};
    lab_receive(bits.data(), mine.data());
    state[0] = {mine[0], mine[1]};
    state[1] = {mine[2], mine[3]};

    const auto check = connection.receive(Deadline::in(60s));
    Amplitudes original{};
    if (!check || check->payload().size() != sizeof original) {
        return 1;
    }
    std::memcpy(original.data(), check->payload().data(), sizeof original);
    const double fidelity = lab_fidelity(original.data(), mine.data());
    std::printf("bob: corrected by %d%d, fidelity %.6f\n", bits[0], bits[1], fidelity);
    return std::abs(fidelity - 1) < 1e-5 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 1 ? argv[1] : "";
    if (argc < 3 || (role != "alice" && role != "bob")) {
        std::fprintf(stderr, "usage: %s alice|bob SOCKET [SEED]\n", argv[0]);
        return 2;
    }
    auto connection = keyway::Connection::open({.socket = argv[2]});
    if (!connection) {
        return fail(connection.error());
    }
    if (role == "bob") {
        return bob(*connection);
    }
    return alice(*connection, argc > 3 ? std::strtoull(argv[3], nullptr, 0) : std::random_device{}());
}
