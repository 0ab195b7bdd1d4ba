// The hardware router in your own simulation, as an object.
//
//     keyway::sim::RouterModel router;                                // the model that Keyway builds
//     router.bind(0, 5);                                              // port 0 stands for process 5
//     router.route(3, 9);                                             // endpoint 3 belongs to process 9
//     router.fill(1, entry);                                          // a capability of process 5 for it
//     router.start();
//     router.push(0, header);
//     router.run_until([&] { return (delivery = router.pop(3)).has_value(); });
//
// The object owns a Verilated model of the RTL and its only clock: time passes in tick() and in what calls
// it, that is run(), run_until() and every function of Control. Everything is deterministic: the same calls,
// the same clocks.
//
// `Router` is for whoever uses a model, whatever its parameters; `Simulated<Model>` makes one from a class
// that Verilator wrote, with `keyway_router` as its top. docs/simulation.md says how to have one with
// parameters of your own. Not for several threads at a time; several objects are independent of each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>

#include "keyway/sim/control.hpp"
#include "keyway/sim/driver.hpp"
#include "keyway/sim/pins.hpp"
#include "verilated.h"

namespace keyway::sim {

/// A simulated router: see the top of this header.
class Router : public Control {
  public:
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;
    Router(Router&&) = delete;
    Router& operator=(Router&&) = delete;
    ~Router() override = default;

    /// What the model was built with.
    [[nodiscard]] const Geometry& geometry() const { return driver_.geometry(); }

    ///@{
    /// Messages: as the functions of this name of Driver; `push_frame` is its `push` with a number of beats.
    void push(unsigned port, const Header& header) { driver_.push(port, header); }
    void push_frame(unsigned port, const Header& header, unsigned beats) {
        driver_.push(port, header, beats);
    }
    std::optional<Delivery> pop(unsigned port) { return driver_.pop(port); }
    std::optional<Event> pop_event() { return driver_.pop_event(); }
    [[nodiscard]] std::size_t waiting(unsigned port) const { return driver_.waiting(port); }
    [[nodiscard]] std::uint64_t taken_cycle(unsigned port) const { return driver_.taken_cycle(port); }
    void set_ready(unsigned port, bool ready) { driver_.set_ready(port, ready); }
    void set_audit_ready(bool ready) { driver_.set_audit_ready(ready); }
    ///@}

    // ---- Time

    /// One clock.
    void tick();
    /// So many clocks.
    void run(std::uint64_t clocks);
    /// Ticks until `done()`; false when that did not come true within `limit` clocks. `done` may push and
    /// pop.
    template <typename Done>
    bool run_until(Done&& done, std::uint64_t limit = 100'000) {
        for (std::uint64_t i = 0; i < limit; ++i) {
            if (done()) {
                return true;
            }
            tick();
        }
        return done();
    }
    /// Clocks so far.
    [[nodiscard]] std::uint64_t cycle() const { return driver_.cycle(); }
    /// The reset pin for some clocks. Registers, table and queues start anew, what was pushed or waits is
    /// dropped.
    void reset();

    /// Called after every evaluation, twice a clock, with the time in picoseconds for a clock of `clock_ps`:
    /// the place to dump a waveform.
    std::function<void(std::uint64_t time_ps)> after_eval;
    /// Called in every clock with all pins settled, before the edge. `pins()` may be read.
    std::function<void()> on_clock;
    std::uint64_t clock_ps = 8000;  ///< length of a clock for `after_eval`, in ps
    /// The model's pins; to be read only, in `on_clock`.
    [[nodiscard]] const Pins& pins() const { return pins_; }

    // ---- Control, at the pins: throws std::runtime_error when the bus does not answer within 10,000 clocks.

    void write(std::uint32_t address, std::uint32_t value) override;
    /// Reads a register.
    std::uint32_t read(std::uint32_t address) override;
    /// Control::start, and waits until the queues are set up.
    void start();

  protected:
    explicit Router(const Pins& pins) : pins_(pins), driver_(pins) {}
    /// For the constructor of what owns the model: reset, and the geometry read from the identity block.
    void begin();
    virtual void eval() = 0;

  private:
    void half(bool high);
    Pins pins_;
    Driver driver_;
    std::uint64_t halves_ = 0;
};

/// What a model and its context are called apart from: a base, so that they exist before the router's pins
/// do.
template <typename Model>
struct ModelHolder {
    /// `seed` as for Simulated.
    explicit ModelHolder(std::uint64_t seed) {
        context.randSeed(static_cast<int>(seed % 0x7FFFFFFF) + 1);
        context.randReset(seed == 0 ? 0 : 2);
        context.traceEverOn(true);
        model = std::make_unique<Model>(&context);
    }
    ~ModelHolder() {
        // A model signs off at the context that its thread used last, which may be another model's and gone.
        ::Verilated::threadContextp(&context);
        model.reset();
    }
    ModelHolder(const ModelHolder&) = delete;
    ModelHolder& operator=(const ModelHolder&) = delete;
    ModelHolder(ModelHolder&&) = delete;
    ModelHolder& operator=(ModelHolder&&) = delete;
    VerilatedContext context;      ///< of this model alone
    std::unique_ptr<Model> model;  ///< what Verilator wrote
};

/// A router around a model of a class `Model` that Verilator wrote.
template <typename Model>
class Simulated final : private ModelHolder<Model>, public Router {
    using Holder = ModelHolder<Model>;

  public:
    /// `seed`: 0 starts registers without a reset at 0; any other number at what it says, as hardware does.
    explicit Simulated(std::uint64_t seed = 0) : Holder(seed), Router(Pins::of(*Holder::model)) {
        Router::begin();
    }
    ~Simulated() override { Holder::model->final(); }
    Simulated(const Simulated&) = delete;
    Simulated& operator=(const Simulated&) = delete;
    Simulated(Simulated&&) = delete;
    Simulated& operator=(Simulated&&) = delete;
    /// For Verilator's own interface: tracing, coverage.
    [[nodiscard]] Model& model() { return *Holder::model; }

  private:
    void eval() override { Holder::model->eval(); }
};

}  // namespace keyway::sim
