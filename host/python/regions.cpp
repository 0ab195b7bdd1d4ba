// Shared memory as memoryview. Stable regions can be looked at in place; revocable ones are read and written
// by calls, because memory that is taken back would be a signal to whoever looks at it.

#include <variant>

#include "keyway/region.hpp"
#include "python/state.hpp"

namespace keyway::python {

namespace {

class Region : public Child {
  public:
    using Memory =
        std::variant<StableRegion, StableView, StableWindow, RevocableRegion, RevocableView, RevocableWindow>;

    Region(std::shared_ptr<State> state, Memory memory)
        : state_(std::move(state)), memory_(std::move(memory)) {
        revocable_ = memory_->index() >= 3;  // the last three kinds
        writable_ =
            !std::holds_alternative<StableView>(*memory_) && !std::holds_alternative<RevocableView>(*memory_);
        std::visit(
            [&](const auto& held) {
                size_ = held.size();
                owner_ = held.owner();
                capability_ = held.capability();
            },
            *memory_);
        state_->add(*this);
    }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region() override {
        state_->remove(*this);
        if (memory_) {
            try {
                state_->sending([&](Connection&) { memory_.reset(); });
            } catch (const Failure&) {
                memory_.reset();
            }
        }
    }

    [[nodiscard]] bool exported() const override { return exports_ != 0; }
    void drop() override { memory_.reset(); }

    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] std::uint32_t owner() const { return owner_; }
    [[nodiscard]] const Capability& capability() const { return capability_; }
    [[nodiscard]] bool mapped() const { return !ended_ && !state_->closed(); }
    [[nodiscard]] bool revocable() const { return revocable_; }
    [[nodiscard]] bool writable() const { return writable_; }

    /// The bytes in place. Throws BufferError for what can be taken away.
    std::span<const std::byte> exportable() const {
        if (!mapped()) {
            throw py::buffer_error("the region is not mapped any more");
        }
        if (const auto* made = std::get_if<StableRegion>(&*memory_)) {
            return made->bytes();
        }
        if (const auto* view = std::get_if<StableView>(&*memory_)) {
            return view->bytes();
        }
        if (const auto* window = std::get_if<StableWindow>(&*memory_)) {
            return window->bytes();
        }
        throw py::buffer_error("a revocable region has read() and write(), no memoryview");
    }
    void hold() { ++exports_; }
    void let_go() { --exports_; }

    std::uint32_t give(const py::handle& to, bool write, const py::handle& payload) {
        const Capability receiver = capability_of(to);
        const std::string bytes = bytes_of(payload);
        return state_->sending([&](Connection&) {
            return std::visit(
                [&](auto& held) -> std::uint32_t {
                    if constexpr (requires { held.give_read(receiver, as_span(bytes)); }) {
                        return write ? taken(held.give_write(receiver, as_span(bytes))).id
                                     : taken(held.give_read(receiver, as_span(bytes))).id;
                    } else {
                        throw Failure{Error{Verdict::kNotGrantable}};
                    }
                },
                memory());
        });
    }

    py::bytes read(std::uint64_t offset, std::optional<std::uint64_t> length) {
        if (offset > size_ || length.value_or(0) > size_ - offset) {
            throw Failure{Error{Status::kBadArgument}};
        }
        std::string bytes(length.value_or(size_ - offset), '\0');
        const auto to = std::as_writable_bytes(std::span(bytes.data(), bytes.size()));
        state_->sending([&](Connection&) {
            std::visit(
                [&](auto& held) {
                    if constexpr (requires { held.bytes(); }) {
                        std::ranges::copy(held.bytes().subspan(offset, to.size()), to.begin());
                    } else {
                        taken(held.read(offset, to));
                    }
                },
                memory());
        });
        return {bytes};
    }

    void write(std::uint64_t offset, const py::handle& payload) {
        const std::string bytes = bytes_of(payload);
        if (offset > size_ || bytes.size() > size_ - offset) {
            throw Failure{Error{Status::kBadArgument}};
        }
        state_->sending([&](Connection&) {
            std::visit(
                [&](auto& held) {
                    if constexpr (requires { held.write(offset, as_span(bytes)); }) {
                        taken(held.write(offset, as_span(bytes)));
                    } else if constexpr (requires { held.bytes().front() = std::byte{}; }) {
                        std::ranges::copy(as_span(bytes), held.bytes().subspan(offset).begin());
                    } else {
                        throw Failure{Error{Verdict::kInsufficientRights}};
                    }
                },
                memory());
        });
    }

    void recall(std::uint32_t grant, bool hard) {
        state_->sending([&](Connection&) {
            auto* const made = std::get_if<RevocableRegion>(&memory());
            if (made == nullptr) {
                throw Failure{Error{Verdict::kWrongObject}};
            }
            taken(made->recall(ReadGrant{grant}, hard ? Recall::kHard : Recall::kFuture));
        });
    }

    /// Unmaps; with `destroy` gives the capability up as well.
    void end(bool destroy) {
        if (exported()) {
            throw py::buffer_error("a memoryview of this region is still in use");
        }
        if (!mapped()) {
            return;
        }
        ended_ = true;  // from here on nobody gets a memoryview, though others run while the router is asked
        try {
            state_->sending([&](Connection&) {
                if (destroy) {
                    std::visit([](auto& held) { taken(held.destroy()); }, memory());
                }
                memory_.reset();
            });
        } catch (const Failure&) {
            ended_ = !memory_;
            throw;
        }
    }

  private:
    Memory& memory() {
        if (!memory_) {
            throw Failure{Error{Status::kNotConnected}};
        }
        return *memory_;
    }

    std::shared_ptr<State> state_;
    std::optional<Memory> memory_;  // changes under the sending half only, and after `ended_` or close()
    bool revocable_ = false;
    bool writable_ = false;
    bool ended_ = false;  // guarded by the interpreter lock, as `exports_` is
    std::uint64_t size_ = 0;
    std::uint32_t owner_ = 0;
    Capability capability_;
    std::size_t exports_ = 0;
};

std::unique_ptr<Region> create_region(PyConnection& connection, std::uint64_t bytes, bool revocable) {
    auto memory = connection.state->sending([&](Connection& live) -> Region::Memory {
        if (revocable) {
            return taken(RevocableRegion::create(live, bytes));
        }
        return taken(StableRegion::create(live, bytes));
    });
    return std::make_unique<Region>(connection.state, std::move(memory));
}

/// Which of the two kinds it is only the attempt tells.
template <typename Stable, typename Revocable>
Region::Memory map_either(Connection& live, std::uint32_t capability) {
    auto stable = Stable::map(live, capability);
    if (!stable && stable.error() == Error{Verdict::kWrongObject}) {
        return taken(Revocable::map(live, capability));
    }
    return taken(std::move(stable));
}

std::unique_ptr<Region> map_region(PyConnection& connection, const py::handle& from, bool writable) {
    const std::uint32_t capability = py::isinstance<Message>(from)
                                         ? from.cast<const Message&>().received.carried()
                                     : py::isinstance<py::int_>(from) ? from.cast<std::uint32_t>()
                                                                      : capability_of(from).id;
    auto memory = connection.state->sending([&](Connection& live) {
        return writable ? map_either<StableWindow, RevocableWindow>(live, capability)
                        : map_either<StableView, RevocableView>(live, capability);
    });
    return std::make_unique<Region>(connection.state, std::move(memory));
}

int get_buffer(PyObject* object, Py_buffer* view, int flags) {
    try {
        auto& region = py::handle(object).cast<Region&>();
        const auto bytes = region.exportable();
        // Python has one pointer for both; the flag keeps readers from writing, and so does the kernel.
        auto* const address =
            const_cast<std::byte*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
        if (PyBuffer_FillInfo(view, object, address, static_cast<Py_ssize_t>(bytes.size()),
                              region.writable() ? 0 : 1, flags) != 0) {
            return -1;
        }
        region.hold();
        return 0;
    } catch (const py::buffer_error& error) {
        PyErr_SetString(PyExc_BufferError, error.what());
    }
    view->obj = nullptr;
    return -1;
}

void release_buffer(PyObject* object, Py_buffer* /*view*/) {
    py::handle(object).cast<Region&>().let_go();
}

void allow_buffers(PyHeapTypeObject* type) {
    type->ht_type.tp_as_buffer = &type->as_buffer;
    type->as_buffer.bf_getbuffer = get_buffer;
    type->as_buffer.bf_releasebuffer = release_buffer;
}

}  // namespace

void add_regions(py::module_& module) {
    py::class_<Region>(
        module, "Region", py::custom_type_setup(allow_buffers),
        "Memory that processes share. memoryview(region) is the bytes in place, if it is stable.")
        .def("__len__", &Region::size)
        .def_property_readonly("owner", &Region::owner, "Process id of whom it belongs to.")
        .def_property_readonly("capability", &Region::capability)
        .def_property_readonly("mapped", &Region::mapped)
        .def_property_readonly("revocable", &Region::revocable)
        .def_property_readonly("writable", &Region::writable)
        .def(
            "give_read",
            [](Region& region, const py::object& to, const py::object& payload) {
                return region.give(to, false, payload);
            },
            py::arg("to"), py::arg("payload") = py::bytes(),
            "Lets the owner of an endpoint read it. Returns the grant, for recall().")
        .def(
            "give_write",
            [](Region& region, const py::object& to, const py::object& payload) {
                return region.give(to, true, payload);
            },
            py::arg("to"), py::arg("payload") = py::bytes(),
            "Lets the owner of an endpoint read and write it. Returns the grant, for recall().")
        .def("read", &Region::read, py::arg("offset") = 0, py::arg("length") = py::none(),
             "Copies bytes out.")
        .def("write", &Region::write, py::arg("offset"), py::arg("payload"), "Copies bytes in.")
        .def("recall", &Region::recall, py::arg("grant"), py::arg("hard") = false,
             "Revocable regions: takes a grant back. The former holder never sees what is written later; "
             "hard: its "
             "bytes are gone too.")
        .def(
            "unmap", [](Region& region) { region.end(false); },
            "Gives the memory up here; the capability stays. BufferError while a memoryview is in use.")
        .def(
            "destroy", [](Region& region) { region.end(true); },
            "Gives the capability up too; the owner's ends the region.")
        .def("__enter__", [](py::object self) { return self; })
        .def("__exit__", [](Region& region, const py::args&) { region.end(false); });

    auto connection = py::class_<PyConnection>(module.attr("Connection"));
    connection
        .def("create_region", &create_region, py::arg("size"), py::arg("revocable") = false,
             "Memory of `size` bytes, 1 to 1 GiB, all zero.")
        .def("map_region", &map_region, py::arg("source"), py::arg("writable") = false,
             "Maps a region that came with a message, or by its capability.");
}

}  // namespace keyway::python
