// The Python module keyway._keyway; the package `keyway` around it is what people import.

#include "keyway/router.hpp"
#include "python/state.hpp"

namespace keyway::python {

Capability capability_of(const py::handle& object) {
    if (py::isinstance<Endpoint>(object)) {
        return object.cast<const Endpoint&>().capability;
    }
    if (py::isinstance<Capability>(object)) {
        return object.cast<Capability>();
    }
    throw py::type_error("a Capability or an Endpoint is wanted here");
}

namespace {

Type type_of(const std::string& name) {
    for (const Type type : {Type::kData, Type::kControl}) {
        if (name == name_of(type)) {
            return type;
        }
    }
    throw py::value_error("type is \"data\" or \"control\"");
}

Terms terms_of(unsigned rights, std::uint32_t badge, const std::optional<double>& lifetime,
               std::uint32_t uses) {
    if (rights > right::kAll) {
        throw py::value_error("rights are bits of keyway.Right");
    }
    const auto ns = lifetime ? static_cast<std::int64_t>(*lifetime * 1e9) : 0;
    return {.rights = static_cast<std::uint8_t>(rights),
            .badge = badge,
            .lifetime = std::chrono::nanoseconds(ns),
            .uses = uses};
}

Outgoing outgoing(const Capability& to, const std::string& bytes, const std::string& type,
                  unsigned priority) {
    if (priority >= limit::kPriorities) {
        throw py::value_error("priority is 0 to 3");
    }
    Outgoing message = Outgoing::to(to, as_span(bytes));
    message.type = type_of(type);
    message.priority = static_cast<std::uint8_t>(priority);
    return message;
}

std::unique_ptr<PyConnection> wrapped(Connection connection) {
    return std::make_unique<PyConnection>(PyConnection{std::make_shared<State>(std::move(connection))});
}

std::unique_ptr<PyConnection> connect(const std::optional<std::string>& socket,
                                      std::uint32_t submission_bytes, std::uint32_t delivery_bytes) {
    ConnectOptions options;
    options.socket = socket.value_or("");
    options.submission_bytes = submission_bytes;
    options.delivery_bytes = delivery_bytes;
    auto opened = [&] {
        const py::gil_scoped_release release;
        return Connection::open(options);
    }();
    return wrapped(taken(std::move(opened)));
}

Message receive(PyConnection& self, const std::optional<double>& timeout) {
    return self.state->wait<Message>(true, self.state->descriptor(), nullptr, deadline_of(timeout),
                                     [](Connection& live) -> Result<Message> {
                                         auto message = live.try_receive();
                                         if (!message) {
                                             return message.error();
                                         }
                                         message->detach();  // the ring's room is not Python's to hold
                                         return Message{std::move(*message)};
                                     });
}

/// A router in a thread of this process, for tests and for programs that bring their own.
class PyRouter {
  public:
    PyRouter(const std::optional<std::string>& policy, const std::string& socket) {
        RouterOptions options;
        options.socket = socket;
        options.policy = Policy::permissive();
        if (policy) {
            PolicyError error;
            if (!parse_policy(*policy, "policy", options.policy, error)) {
                throw py::value_error(error.message());
            }
        }
        router_.emplace(std::move(options));
        taken(router_->start());
    }
    PyRouter(const PyRouter&) = delete;
    PyRouter& operator=(const PyRouter&) = delete;
    ~PyRouter() {  // NOLINT(bugprone-exception-escape): the interpreter's lock doesn't fail
        const py::gil_scoped_release release;
        router_.reset();
    }

    void stop() {
        const py::gil_scoped_release release;
        router_.reset();
    }
    std::unique_ptr<PyConnection> connect() {
        if (!router_) {
            throw Failure{Error{Status::kNotConnected}};
        }
        auto made = [&] {
            const py::gil_scoped_release release;
            return router_->connect();
        }();
        return wrapped(taken(std::move(made)));
    }

  private:
    std::optional<Router> router_;
};

void add_values(py::module_& module) {
    py::class_<Capability>(module, "Capability", "An authority that this process holds.")
        .def_readonly("id", &Capability::id)
        .def_readonly("object", &Capability::object, "The endpoint, topic or whatever `kind` says.")
        .def_property_readonly(
            "kind", [](const Capability& capability) { return std::string(name_of(capability.kind)); })
        .def_readonly("rights", &Capability::rights, "Bits of keyway.Right.")
        .def_readonly("badge", &Capability::badge, "What receivers see in its place.")
        .def("__repr__", [](const Capability& capability) {
            return "<keyway.Capability " + std::to_string(capability.id) + " for " +
                   std::string(name_of(capability.kind)) + " " + std::to_string(capability.object) + ">";
        });
    py::class_<Endpoint>(module, "Endpoint", "An endpoint of our own.")
        .def_readonly("id", &Endpoint::id)
        .def_readonly("capability", &Endpoint::capability, "All rights over it.");
    py::class_<Message>(module, "Message", "A message that came in.")
        .def_property_readonly(
            "payload", [](const Message& message) { return py::bytes(std::string(message.received.text())); })
        .def_property_readonly("text",
                               [](const Message& message) { return std::string(message.received.text()); })
        .def_property_readonly(
            "type", [](const Message& message) { return std::string(name_of(message.received.type())); })
        .def_property_readonly(
            "sender", [](const Message& message) { return message.received.sender(); },
            "Process id of the sender, stamped by the router.")
        .def_property_readonly(
            "receiver", [](const Message& message) { return message.received.receiver(); },
            "Which of our endpoints it was sent to.")
        .def_property_readonly(
            "badge", [](const Message& message) { return message.received.badge(); },
            "Badge of the capability that it was sent with.")
        .def_property_readonly(
            "carried", [](const Message& message) { return message.received.carried(); },
            "Id of the capability that came along and is ours now; 0: none.")
        .def_property_readonly("is_call", [](const Message& message) { return message.received.is_call(); })
        .def_property_readonly("priority",
                               [](const Message& message) { return message.received.header().priority(); })
        .def_property_readonly(
            "timestamp", [](const Message& message) { return message.received.timestamp(); },
            "ns of CLOCK_MONOTONIC at acceptance.");
}

void add_connection(py::module_& module) {
    py::class_<PyConnection> connection(module, "Connection", "A process's connection to a router.");
    connection.def_property_readonly("id", [](const PyConnection& self) { return self.state->id(); })
        .def_property_readonly(
            "self", [](const PyConnection& self) { return self.state->self(); },
            "All rights over our home endpoint.")
        .def_property_readonly("closed", [](const PyConnection& self) { return self.state->closed(); })
        .def(
            "fileno", [](PyConnection& self) { return self.state->descriptor(); },
            "Readable when receive(0) has something, once that has raised Timeout.")
        .def(
            "close", [](PyConnection& self) { self.state->close(); },
            "Ends the connection; calls that wait in other threads raise keyway.Error.")
        .def("__enter__", [](const py::object& self) { return self; })
        .def("__exit__", [](PyConnection& self, const py::args&) { self.state->close(); });
    connection
        .def(
            "register",
            [](PyConnection& self, const std::string& name) {
                return self.state->sending(
                    [&](Connection& live) { return taken(live.register_endpoint(name)); });
            },
            py::arg("name"), "Makes an endpoint that others can look up.")
        .def(
            "lookup",
            [](PyConnection& self, const std::string& name) {
                return self.state->sending([&](Connection& live) { return taken(live.lookup(name)); });
            },
            py::arg("name"), "A capability for a name, with the rights that the policy gives.")
        .def(
            "close_endpoint",
            [](PyConnection& self, std::uint32_t endpoint) {
                self.state->sending([&](Connection& live) { taken(live.close_endpoint(endpoint)); });
            },
            py::arg("endpoint"), "Closes an endpoint or topic of ours, by its id.")
        .def(
            "state",
            [](PyConnection& self) {
                auto text = self.state->sending([](Connection& live) { return taken(live.list()); });
                return py::module_::import("json").attr("loads")(text);
            },
            "What we may see of the router's state; `keyway ls --json` describes it.");
    connection
        .def(
            "send",
            [](PyConnection& self, const py::object& to, const py::object& payload, const std::string& type,
               unsigned priority, const std::optional<double>& timeout) {
                const Capability capability = capability_of(to);
                const std::string bytes = bytes_of(payload);
                const Outgoing message = outgoing(capability, bytes, type, priority);
                self.state->sending(
                    [&](Connection& live) { taken(live.send(message, deadline_of(timeout))); });
            },
            py::arg("to"), py::arg("payload"), py::kw_only(), py::arg("type") = "data",
            py::arg("priority") = 1, py::arg("timeout") = 10.0,
            "Sends, and returns once the router has delivered it.")
        .def(
            "call",
            [](PyConnection& self, const py::object& to, const py::object& payload, unsigned priority,
               const std::optional<double>& timeout) {
                const Capability capability = capability_of(to);
                const std::string bytes = bytes_of(payload);
                const Outgoing message = outgoing(capability, bytes, "data", priority);
                return self.state->both([&](Connection& live) {
                    auto reply = taken(live.call(message, deadline_of(timeout)));
                    reply.detach();
                    return Message{std::move(reply)};
                });
            },
            py::arg("to"), py::arg("payload") = py::bytes(), py::kw_only(), py::arg("priority") = 1,
            py::arg("timeout") = 10.0, "Sends a request and waits for its reply.")
        .def(
            "reply",
            [](PyConnection& self, const Message& call, const py::object& payload) {
                const std::string bytes = bytes_of(payload);
                self.state->sending(
                    [&](Connection& live) { taken(live.reply(call.received, as_span(bytes))); });
            },
            py::arg("call"), py::arg("payload") = py::bytes(), "Answers a call, once.")
        .def(
            "receive", &receive, py::arg("timeout") = py::none(),
            "The next message, by priority. Timeout when none came in so many seconds; None waits for ever.");
    connection
        .def(
            "give",
            [](PyConnection& self, const py::object& capability, const py::object& to, unsigned rights,
               std::uint32_t badge, const std::optional<double>& lifetime, std::uint32_t uses,
               const py::object& payload) {
                const Capability from = capability_of(capability);
                const Capability receiver = capability_of(to);
                const Terms terms = terms_of(rights, badge, lifetime, uses);
                const std::string bytes = bytes_of(payload);
                return self.state->sending([&](Connection& live) {
                    return taken(live.give(from, receiver, terms, as_span(bytes)));
                });
            },
            py::arg("capability"), py::arg("to"), py::kw_only(), py::arg("rights"), py::arg("badge") = 0,
            py::arg("lifetime") = py::none(), py::arg("uses") = 0, py::arg("payload") = py::bytes(),
            "Derives a capability and gives it to the owner of the endpoint `to`. Returns its id, for "
            "revoke().")
        .def(
            "revoke",
            [](PyConnection& self, const py::object& capability, std::uint32_t descendant) {
                const Capability authority = capability_of(capability);
                return self.state->sending(
                    [&](Connection& live) { return taken(live.revoke(authority, descendant)); });
            },
            py::arg("capability"), py::arg("descendant") = 0,
            "Ends one capability, or all, that was derived from ours. Complete when it returns the number.")
        .def(
            "release",
            [](PyConnection& self, std::uint32_t capability) {
                self.state->sending([&](Connection& live) { taken(live.release(capability)); });
            },
            py::arg("capability"), "Gives up a capability of ours, by its id.")
        .def(
            "inspect",
            [](PyConnection& self, std::uint32_t capability) {
                return self.state->sending([&](Connection& live) { return taken(live.inspect(capability)); });
            },
            py::arg("capability"),
            "What a capability of ours is, by its id; such as that which a message carried.");
    module.def("connect", &connect, py::arg("socket") = py::none(), py::kw_only(),
               py::arg("submission_bytes") = ConnectOptions{}.submission_bytes,
               py::arg("delivery_bytes") = ConnectOptions{}.delivery_bytes,
               "Connects to a router. Without `socket`: $KEYWAY_SOCKET, else /run/keyway/router.sock.");
}

void raise(const Error& error) {
    const char* const name =
        error == Error{Status::kTimeout} || error == Error{Verdict::kTimedOut} ? "Timeout" : "Error";
    const py::object type = py::module_::import("keyway._errors").attr(name);
    const py::object made = type(std::string(error.name()), static_cast<int>(error.code()), error.message(),
                                 std::string(error.remedy()), error.system_error());
    PyErr_SetObject(type.ptr(), made.ptr());
}

}  // namespace

PYBIND11_MODULE(_keyway, module) {
    py::register_exception_translator(
        [](std::exception_ptr thrown) {  // NOLINT(performance-unnecessary-value-param): theirs
            try {
                if (thrown) {
                    std::rethrow_exception(thrown);
                }
            } catch (const Failure& failure) {
                raise(failure.error);
            }
        });
    add_values(module);
    add_connection(module);
    add_topics(module);
    add_regions(module);
    add_streams(module);
    add_qubits(module);
    py::class_<PyRouter>(module, "Router", "A router in a thread of this process.")
        .def(
            py::init<const std::optional<std::string>&, const std::string&>(), py::arg("policy") = py::none(),
            py::kw_only(), py::arg("socket") = "",
            "policy: text of a policy file; None: everybody may do everything. socket: where others connect.")
        .def("connect", &PyRouter::connect)
        .def("stop", &PyRouter::stop)
        .def("__enter__", [](const py::object& self) { return self; })
        .def("__exit__", [](PyRouter& router, const py::args&) { router.stop(); });
    for (const auto& [name, bit] :
         {std::pair{"READ", right::kRead}, std::pair{"WRITE", right::kWrite},
          std::pair{"EXECUTE", right::kExecute}, std::pair{"GRANT", right::kGrant},
          std::pair{"REVOKE", right::kRevoke}, std::pair{"QUANTUM", right::kQuantum},
          std::pair{"DEVICE", right::kDevice}, std::pair{"PROCESS", right::kProcess}}) {
        module.attr((std::string("RIGHT_") + name).c_str()) = static_cast<int>(bit);
    }
}

}  // namespace keyway::python
