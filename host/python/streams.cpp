#include "keyway/stream.hpp"

#include "python/state.hpp"

namespace keyway::python {

namespace {

template <typename End>
struct HeldEnd : Child {
    explicit HeldEnd(End made) : end(std::move(made)) {}

    [[nodiscard]] bool exported() const override { return false; }
    void drop() override { end.reset(); }
    End& live() {
        if (!end) {
            throw Failure{Error{Verdict::kClosed}};
        }
        return *end;
    }

    std::optional<End> end;
};

/// What both ends have in common.
template <typename End>
class PyEnd {
  public:
    template <typename Make>
    PyEnd(std::shared_ptr<State> state, Make&& make) : state_(std::move(state)) {
        held_ = state_->sending([&](Connection& live) {
            auto held = std::make_shared<HeldEnd<End>>(taken(make(live)));
            descriptor_ = held->live().descriptor();
            state_->add(held);
            return held;
        });
    }
    PyEnd(const PyEnd&) = delete;
    PyEnd& operator=(const PyEnd&) = delete;
    ~PyEnd() { close(); }

    void close() { state_->release(held_, &stopper_); }
    void abort(std::uint32_t code, const std::string& text) {
        state_->sending([&](Connection&) { taken(held_->live().abort(code, text)); });
    }
    [[nodiscard]] std::optional<std::pair<std::uint32_t, std::string>> reason() {
        return state_->sending([&](Connection&) -> std::optional<std::pair<std::uint32_t, std::string>> {
            if (held_->live().state() != StreamState::kAborted) {
                return std::nullopt;
            }
            const AbortReason reason = held_->live().reason();
            return std::pair(reason.code, reason.text);
        });
    }
    [[nodiscard]] std::uint32_t peer() {
        return state_->sending([&](Connection&) { return held_->live().peer(); });
    }

  protected:
    /// Does `step(end)`, which doesn't wait, until it says something else than `timeout`.
    template <typename Step>
    std::size_t wait(const std::optional<double>& timeout, Step&& step) {
        return state_->wait<std::size_t>(false, descriptor_, &stopper_, deadline_of(timeout),
                                         [&](Connection&) -> Result<std::size_t> {
                                             End& end = held_->live();
                                             end.disarm();
                                             while (true) {
                                                 auto done = step(end);
                                                 if (done || done.error() != Error{Status::kTimeout}) {
                                                     return done;
                                                 }
                                                 if (!end.arm()) {
                                                     return Status::kWouldBlock;
                                                 }
                                                 end.disarm();
                                             }
                                         });
    }
    std::shared_ptr<State> state_;
    std::shared_ptr<HeldEnd<End>> held_;

  private:
    Stopper stopper_;
    int descriptor_ = -1;
};

class PyWriter : public PyEnd<StreamWriter> {
  public:
    using PyEnd::PyEnd;

    void write(const py::object& payload, const std::optional<double>& timeout) {
        const std::string bytes = bytes_of(payload);
        for (auto left = as_span(bytes); !left.empty();) {
            left = left.subspan(
                wait(timeout, [&](StreamWriter& end) { return end.write(left, Deadline::now()); }));
        }
    }
    void finish() {
        state_->sending([&](Connection&) { taken(held_->live().finish()); });
    }
};

class PyReader : public PyEnd<StreamReader> {
  public:
    using PyEnd::PyEnd;

    py::bytes read(std::size_t most, const std::optional<double>& timeout) {
        if (most == 0) {
            throw py::value_error("0 bytes can't be told from the end");
        }
        std::string bytes(std::min(most, kMostAtOnce), '\0');
        const auto to = std::as_writable_bytes(std::span(bytes));
        bytes.resize(wait(timeout, [&](StreamReader& end) { return end.read(to, Deadline::now()); }));
        return bytes;
    }

  private:
    static constexpr std::size_t kMostAtOnce = 1U << 20;
};

template <typename End>
void add_common(py::class_<End>& type) {
    type.def("abort", &End::abort, py::arg("code") = 1, py::arg("text") = "",
             "Breaks off; the other side gets `aborted`, and these by `reason`.")
        .def_property_readonly("reason", &End::reason,
                               "(code, text) once a side has broken off; the other process's word.")
        .def_property_readonly("peer", &End::peer, "Process id of the other side.")
        .def("close", &End::close, "Gives our end up.")
        .def("__enter__", [](const py::object& self) { return self; });
}

}  // namespace

void add_streams(py::module_& module) {
    py::class_<PyWriter> writer(module, "StreamWriter",
                                "The end of a stream that writes. Leaving a `with` finishes it, or breaks "
                                "it off when an exception is why.");
    add_common(writer);
    writer
        .def("write", &PyWriter::write, py::arg("payload"), py::arg("timeout") = py::none(),
             "Writes all of it, waiting for room; at most so many seconds each time that there is none.")
        .def("finish", &PyWriter::finish, "The end: nothing follows. Doesn't wait until it is read.")
        .def("__exit__", [](PyWriter& self, const py::object& kind, const py::object&, const py::object&) {
            if (kind.is_none()) {
                self.finish();
            } else {
                self.abort(1, py::str(kind.attr("__name__")).cast<std::string>());
            }
            self.close();
        });

    py::class_<PyReader> reader(module, "StreamReader",
                                "The end of a stream that reads; iterate over it, or call read().");
    add_common(reader);
    reader
        .def("read", &PyReader::read, py::arg("size") = 65536, py::arg("timeout") = py::none(),
             "What is there, up to `size` bytes; waits for the first only. b\"\" at the end.")
        .def("__iter__", [](const py::object& self) { return self; })
        .def("__next__",
             [](PyReader& self) {
                 py::bytes bytes = self.read(65536, std::nullopt);
                 if (py::len(bytes) == 0) {
                     throw py::stop_iteration();
                 }
                 return bytes;
             })
        .def("__exit__", [](PyReader& self, const py::args&) { self.close(); });

    auto message = py::class_<Message>(module.attr("Message"));
    message.def_property_readonly(
        "offers_stream",
        [](const Message& self) {
            const auto offer = offered_channel(self.received);
            return offer && offer->kind == ChannelKind::kStream && !offer->records;
        },
        "Somebody wants to open a stream to us: accept_stream() or decline() it.");
    auto connection = py::class_<PyConnection>(module.attr("Connection"));
    connection
        .def(
            "open_stream",
            [](PyConnection& self, const py::object& to, std::uint32_t ring_bytes,
               const std::optional<double>& timeout) {
                const Capability capability = capability_of(to);
                return std::make_unique<PyWriter>(self.state, [&](Connection& live) {
                    return open_stream(live, capability, {.bytes = ring_bytes}, deadline_of(timeout));
                });
            },
            py::arg("to"), py::kw_only(), py::arg("ring_bytes") = StreamOptions{}.bytes,
            py::arg("timeout") = 10.0,
            "Opens a stream to the owner of an endpoint, and waits until it is accepted. Until then no other "
            "thread can send.")
        .def(
            "accept_stream",
            [](PyConnection& self, const Message& offer) {
                return std::make_unique<PyReader>(
                    self.state, [&](Connection& live) { return accept_stream(live, offer.received); });
            },
            py::arg("offer"), "Takes a stream that a message offers.")
        .def(
            "decline",
            [](PyConnection& self, const Message& offer) {
                self.state->sending([&](Connection& live) { taken(decline(live, offer.received)); });
            },
            py::arg("offer"), "Says no to it.");
}

}  // namespace keyway::python
