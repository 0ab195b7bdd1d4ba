#include "keyway/sim/router.hpp"

#include <string>

namespace keyway::sim {

namespace {

constexpr unsigned kResetClocks = 8;
constexpr std::uint64_t kBusLimit = 10'000;

std::string at(std::uint32_t address) {
    return "register " + std::to_string(address) + " does not answer";
}

}  // namespace

void Router::half(bool high) {
    pins_.clk.put(high);
    eval();
    if (after_eval) {
        after_eval(halves_ * clock_ps / 2);
    }
    ++halves_;
}

void Router::tick() {
    driver_.drive();
    half(false);
    driver_.observe();
    if (on_clock) {
        on_clock();
    }
    half(true);
}

void Router::run(std::uint64_t clocks) {
    for (std::uint64_t i = 0; i < clocks; ++i) {
        tick();
    }
}

void Router::reset() {
    driver_.set_geometry(driver_.geometry());
    pins_.rst_n.put(false);
    run(kResetClocks);
    pins_.rst_n.put(true);
    tick();
}

void Router::begin() {
    reset();
    const auto found = identify();
    if (!found) {
        throw std::runtime_error("the model is no Keyway router of this contract's version");
    }
    driver_.set_geometry(*found);
}

void Router::write(std::uint32_t address, std::uint32_t value) {
    driver_.queue_write(address, value);
    if (!run_until([this] { return driver_.bus_idle(); }, kBusLimit)) {
        throw std::runtime_error(at(address));
    }
}

std::uint32_t Router::read(std::uint32_t address) {
    std::uint32_t value = 0;
    driver_.queue_read(address, [&value](std::uint32_t read) { value = read; });
    if (!run_until([this] { return driver_.bus_idle(); }, kBusLimit)) {
        throw std::runtime_error(at(address));
    }
    return value;
}

void Router::start() {
    Control::start();
    // The free list of the queues takes a clock a slot after a reset.
    run(2 * std::uint64_t{geometry().queue_slots});
}

}  // namespace keyway::sim
