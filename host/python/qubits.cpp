#include "keyway/quantum.hpp"

#include <pybind11/complex.h>

#include "python/state.hpp"

namespace keyway::python {

namespace {

using Amplitudes = std::vector<std::complex<double>>;

struct HeldQubit : Child {
    explicit HeldQubit(Qubit made) : qubit(std::move(made)) {}

    [[nodiscard]] bool exported() const override { return false; }
    void drop() override { qubit.reset(); }
    Qubit& live() {
        if (!qubit || qubit->capability().id == 0) {
            throw Failure{Error{Verdict::kNoSuchCapability}};
        }
        return *qubit;
    }

    std::optional<Qubit> qubit;
};

class PyQubit {
  public:
    template <typename Make>
    PyQubit(std::shared_ptr<State> state, Make&& make) : state_(std::move(state)) {
        held_ = state_->sending([&](Connection& live) {
            auto held = std::make_shared<HeldQubit>(taken(make(live)));
            state_->add(held);
            return held;
        });
    }
    PyQubit(const PyQubit&) = delete;
    PyQubit& operator=(const PyQubit&) = delete;
    ~PyQubit() { state_->release(held_); }

    /// `work(qubit)`, alone.
    template <typename Work>
    auto with(Work&& work) {
        return state_->sending([&](Connection&) { return work(held_->live()); });
    }

    void hand_off(const py::object& to, const py::object& payload, const std::optional<double>& timeout) {
        const Capability capability = capability_of(to);
        const std::string bytes = bytes_of(payload);
        with([&](Qubit& ours) { taken(ours.hand_off(capability, as_span(bytes), deadline_of(timeout))); });
    }
    void set_state(const Amplitudes& amplitudes) {
        with([&](Qubit& ours) {
            if (amplitudes.size() != ours.state().size()) {
                throw Failure{Error{Status::kBadArgument}};
            }
            std::ranges::copy(amplitudes, ours.state().begin());
        });
    }

  private:
    std::shared_ptr<State> state_;
    std::shared_ptr<HeldQubit> held_;
};

/// A property of a qubit that is ours.
template <typename Get>
auto property(Get get) {
    return [get](PyQubit& self) { return self.with([&](Qubit& ours) { return get(ours); }); };
}

}  // namespace

void add_qubits(py::module_& module) {
    py::class_<PyQubit>(module, "Qubit",
                        "A resource that is moved and never copied; one process at a time is its holder.")
        .def_property_readonly("number", property([](Qubit& q) { return q.number(); }),
                               "For people and logs; never used again.")
        .def_property_readonly("capability", property([](Qubit& q) { return q.capability(); }))
        .def_property_readonly("fidelity", property([](Qubit& q) { return q.fidelity(); }))
        .def_property_readonly("width", property([](Qubit& q) { return q.width(); }),
                               "Two-level systems in the simulated state; 0: a real resource.")
        .def_property_readonly(
            "deadline", property([](Qubit& q) { return static_cast<double>(q.deadline().ns()) / 1e9; }),
            "When it decoheres, as time.monotonic() counts.")
        .def_property_readonly("state_lost", property([](Qubit& q) { return q.state_lost(); }))
        .def_property(
            "state", property([](Qubit& q) { return Amplitudes(q.state().begin(), q.state().end()); }),
            &PyQubit::set_state, "A copy of the 2**width amplitudes; assign as many to change them.")
        .def("hand_off", &PyQubit::hand_off, py::arg("to"), py::arg("payload") = py::bytes(),
             py::arg("timeout") = 10.0,
             "Hands it to the owner of an endpoint, in a message with this payload. Then we have nothing "
             "left.")
        .def(
            "discard", [](PyQubit& self) { self.with([](Qubit& ours) { taken(ours.discard()); }); },
            "It was measured, or is of no use: ends it.");

    auto connection = py::class_<PyConnection>(module.attr("Connection"));
    connection
        .def(
            "prepare_qubit",
            [](PyConnection& self, double coherence, double fidelity, unsigned width) {
                if (!(coherence > 0 && coherence < 9e9)) {
                    throw py::value_error("coherence is in seconds, above 0");
                }
                const QubitOptions options{
                    .coherence = std::chrono::nanoseconds(static_cast<std::int64_t>(coherence * 1e9)),
                    .fidelity = fidelity,
                    .width = width};
                return std::make_unique<PyQubit>(
                    self.state, [&](Connection& live) { return Qubit::prepare(live, options); });
            },
            py::arg("coherence"), py::kw_only(), py::arg("fidelity") = 1.0, py::arg("width") = 0,
            "Makes one that decoheres in so many seconds; we are its holder.")
        .def(
            "accept_qubit",
            [](PyConnection& self, const Message& message) {
                return std::make_unique<PyQubit>(
                    self.state, [&](Connection& live) { return Qubit::accept(live, message.received); });
            },
            py::arg("message"), "The qubit that came with a message of type \"quantum\".")
        .def(
            "reclaim_qubit",
            [](PyConnection& self, std::uint32_t number) {
                return std::make_unique<PyQubit>(
                    self.state, [&](Connection& live) { return Qubit::reclaim(live, number); });
            },
            py::arg("number") = 0,
            "Takes back that one, or any, which the router holds since this process lost its connection.");
}

}  // namespace keyway::python
