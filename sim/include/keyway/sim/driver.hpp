// Speaks the router's protocols at its pins: AXI4-Stream in and out, the audit stream, AXI4-Lite.
//
//     drive()     before a clock edge: sets the inputs from what was pushed and asked for
//     (settle)    the simulator works out the outputs
//     observe()   notes what the edge that follows is going to take
//     (edge)
//
// It has no clock of its own, so it serves a C++ model (keyway/sim/router.hpp wraps both) and a SystemC one
// alike. One thread. Frames, deliveries and events wait in queues of any length; only the router's own room
// limits it. What is not polled stays: a test bench that never calls pop() keeps all that was ever delivered.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "keyway/sim/pins.hpp"

namespace keyway::sim {

/// A header as it left the router.
struct Delivery {
    Header header;                    ///< as the router passed it on
    unsigned destination = 0;         ///< `m_axis_tdest`: 0 is the host
    std::uint64_t offered_cycle = 0;  ///< clock in which its first beat stood at the port
    std::uint64_t first_cycle = 0;    ///< clock in which its first beat was taken
    std::uint64_t last_cycle = 0;     ///< and its last
};

/// An entry of the audit stream: one for each message, whatever became of it.
struct Event {
    Verdict verdict = Verdict::kMalformed;  ///< what the router decided
    unsigned port = 0;                      ///< on which it came
    std::uint16_t tick = 0;                 ///< low half of the router's tick
    std::uint16_t sender = 0;               ///< whom the port stands for
    std::uint16_t receiver = 0;             ///< low half of the header's field
    std::uint32_t capability = 0;           ///< the header's field, as are the next two
    std::uint32_t carried = 0;              ///< the header's field
    std::uint32_t sequence = 0;             ///< the header's field
    std::uint64_t cycle = 0;                ///< in which the event was taken
};

/// What a model was built with, as its identity block says.
struct Geometry {
    unsigned ports = 1;         ///< by which messages come in
    unsigned data_bits = 32;    ///< of a stream
    unsigned rows = 0;          ///< of the capability table
    unsigned destinations = 2;  ///< ports by which they go out; 0 is the host
    unsigned queue_slots = 0;   ///< headers that a queue holds
};

/// Moves frames, events and register accesses over the pins: see the top of this header.
class Driver {
  public:
    /// The pins' model must outlive it.
    explicit Driver(const Pins& pins) : pins_(pins) { set_geometry({}); }

    /// Has to be right before the first frame; registers work with any. Drops what is waiting.
    void set_geometry(const Geometry& geometry);
    /// What `set_geometry` was told.
    [[nodiscard]] const Geometry& geometry() const { return geometry_; }
    /// Beats of a header.
    [[nodiscard]] unsigned beats() const {
        return geometry_.data_bits >= 256 ? 1 : 256 / geometry_.data_bits;
    }

    // ---- Streams. A port that the geometry does not have throws std::out_of_range.

    /// Queues a frame of one header. `beats`: 0 for what a header has; any other number makes a short or long
    /// frame, which the router has to refuse.
    void push(unsigned port, const Header& header, unsigned beats = 0);
    /// Frames whose last beat was not taken yet.
    [[nodiscard]] std::size_t waiting(unsigned port) const { return in_.at(port).frames.size(); }
    /// Clock in which the last beat of the newest frame was taken.
    [[nodiscard]] std::uint64_t taken_cycle(unsigned port) const { return in_.at(port).taken_cycle; }
    /// The oldest header that left by this port, once.
    std::optional<Delivery> pop(unsigned port);
    /// The oldest audit event, once.
    std::optional<Event> pop_event();
    /// A port that is not ready takes nothing: back-pressure. All are ready at first, the audit stream too.
    void set_ready(unsigned port, bool ready) { out_.at(port).ready = ready; }
    /// The same for the audit stream.
    void set_audit_ready(bool ready) { audit_ready_ = ready; }
    /// Called for each frame when its last beat is taken, in the clock before the edge.
    std::function<void(unsigned port, const Header&, std::uint64_t first_cycle, std::uint64_t last_cycle)>
        on_taken;

    // ---- Registers: one access after another, in the order of the calls

    /// Called in observe() with the value that was read; 0 for a write.
    using Done = std::function<void(std::uint32_t)>;
    /// Writes a register, after what is queued already.
    void queue_write(std::uint32_t address, std::uint32_t value, Done done = {});
    /// Reads a register, likewise.
    void queue_read(std::uint32_t address, Done done);
    /// All accesses are over.
    [[nodiscard]] bool bus_idle() const { return bus_.empty(); }

    // ---- A clock

    /// Before a clock edge: sets the inputs from what was pushed and asked for.
    void drive();
    /// Before the same edge, when the outputs have settled: notes what the edge is going to take.
    void observe();
    /// Clocks observed so far; the one under way between drive() and observe().
    [[nodiscard]] std::uint64_t cycle() const { return cycle_; }

  private:
    struct Frame {
        Header header;
        unsigned beats;
    };
    struct In {
        std::deque<Frame> frames;
        unsigned beat = 0;
        std::uint64_t first_cycle = 0, taken_cycle = 0;
    };
    struct Out {
        Delivery delivery;
        unsigned beat = 0;
        bool ready = true, offered = false;
        std::deque<Delivery> deliveries;
    };
    struct Access {
        bool write;
        std::uint32_t address, value;
        Done done;
    };
    void observe_in(unsigned port);
    void observe_out(unsigned port);
    void observe_audit();
    void observe_bus();

    Pins pins_;
    Geometry geometry_;
    std::vector<In> in_;
    std::vector<Out> out_;
    std::deque<Event> events_;
    std::deque<Access> bus_;
    bool address_done_ = false, data_done_ = false, audit_ready_ = true;
    std::uint64_t cycle_ = 0;
};

}  // namespace keyway::sim
