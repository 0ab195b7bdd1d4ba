#include "keyway/topic.hpp"

#include "python/state.hpp"

namespace keyway::python {

namespace {

struct PyEvent {
    std::uint32_t sender = 0;
    std::uint32_t topic = 0;
    std::uint32_t badge = 0;
    std::uint64_t sequence = 0;
    std::uint64_t timestamp = 0;
    std::string payload{};
};

struct Held : Child {
    explicit Held(Subscription made) : subscription(std::move(made)) {}

    [[nodiscard]] bool exported() const override { return false; }
    void drop() override { subscription.reset(); }
    Subscription& live() {
        if (!subscription) {
            throw Failure{Error{Status::kNoSuchSubscription}};
        }
        return *subscription;
    }

    std::optional<Subscription> subscription;
};

class PySubscription {
  public:
    PySubscription(std::shared_ptr<State> state, const Capability& topic) : state_(std::move(state)) {
        held_ = state_->sending([&](Connection& live) {
            auto held = std::make_shared<Held>(taken(Subscription::open(live, topic)));
            descriptor_ = held->live().descriptor();
            state_->add(held);
            return held;
        });
    }
    PySubscription(const PySubscription&) = delete;
    PySubscription& operator=(const PySubscription&) = delete;
    ~PySubscription() { close(); }

    void close() { state_->release(held_, &stopper_); }

    PyEvent next(const std::optional<double>& timeout) {
        const auto attempt = [&](Connection&) -> Result<PyEvent> {
            auto event = held_->live().try_next();
            if (!event) {
                return event.error();
            }
            return PyEvent{.sender = event->sender(),
                           .topic = event->topic(),
                           .badge = event->badge(),
                           .sequence = event->sequence,
                           .timestamp = event->header.timestamp(),
                           .payload = std::string(event->text())};
        };
        return state_->wait<PyEvent>(false, descriptor_, &stopper_, deadline_of(timeout), attempt);
    }
    [[nodiscard]] std::uint64_t lost() {
        return state_->sending([&](Connection&) { return held_->live().lost(); });
    }
    [[nodiscard]] int descriptor() {
        return state_->sending([&](Connection&) { return held_->live().descriptor(); });
    }

  private:
    std::shared_ptr<State> state_;
    std::shared_ptr<Held> held_;
    Stopper stopper_;
    int descriptor_ = -1;
};

}  // namespace

void add_topics(py::module_& module) {
    py::class_<PyEvent>(module, "Event", "What was published to a topic.")
        .def_readonly("sender", &PyEvent::sender)
        .def_readonly("topic", &PyEvent::topic)
        .def_readonly("badge", &PyEvent::badge)
        .def_readonly("sequence", &PyEvent::sequence, "Counts the topic's events from 1.")
        .def_readonly("timestamp", &PyEvent::timestamp, "ns of CLOCK_MONOTONIC.")
        .def_property_readonly("payload", [](const PyEvent& event) { return py::bytes(event.payload); })
        .def_property_readonly("text", [](const PyEvent& event) { return event.payload; });

    py::class_<PySubscription>(module, "Subscription", "Events of a topic; iterate over it, or call next().")
        .def("next", &PySubscription::next, py::arg("timeout") = py::none(), "The next event.")
        .def("__iter__", [](const py::object& self) { return self; })
        .def("__next__",
             [](PySubscription& subscription) {
                 try {
                     return subscription.next(std::nullopt);
                 } catch (const Failure& failure) {
                     if (failure.error == Error{Verdict::kClosed}) {
                         throw py::stop_iteration();
                     }
                     throw;
                 }
             })
        .def_property_readonly("lost", &PySubscription::lost,
                               "Events that were overwritten before we read them.")
        .def("fileno", &PySubscription::descriptor,
             "Readable when next(0) has something, once that has raised Timeout.")
        .def("close", &PySubscription::close)
        .def("__enter__", [](const py::object& self) { return self; })
        .def("__exit__", [](PySubscription& subscription, const py::args&) { subscription.close(); });

    auto connection = py::class_<PyConnection>(module.attr("Connection"));
    connection
        .def(
            "make_topic",
            [](PyConnection& self, const std::string& name, bool block, std::uint32_t keep,
               std::uint32_t ring_bytes) {
                const TopicOptions options{.policy = block ? TopicPolicy::kBlock : TopicPolicy::kDropOldest,
                                           .keep = keep,
                                           .ring_bytes = ring_bytes};
                return self.state->sending(
                    [&](Connection& live) { return taken(make_topic(live, name, options)); });
            },
            py::arg("name"), py::arg("block") = false, py::arg("keep") = 0,
            py::arg("ring_bytes") = TopicOptions{}.ring_bytes,
            "Makes a topic. block: publishers wait for slow subscribers; keep: events that late ones still "
            "get.")
        .def(
            "publish",
            [](PyConnection& self, const py::object& topic, const py::object& payload,
               const std::optional<double>& timeout) {
                const Capability capability = capability_of(topic);
                const std::string bytes = bytes_of(payload);
                self.state->sending([&](Connection& live) {
                    taken(publish(live, capability, as_span(bytes), deadline_of(timeout)));
                });
            },
            py::arg("topic"), py::arg("payload"), py::arg("timeout") = 10.0, "Publishes an event.")
        .def(
            "subscribe",
            [](PyConnection& self, const py::object& topic) {
                return std::make_unique<PySubscription>(self.state, capability_of(topic));
            },
            py::arg("topic"), "Subscribes to a topic that was looked up or made.");
}

}  // namespace keyway::python
