// Shared memory as memoryview. Stable regions can be looked at in place; revocable ones are read and written
// by calls, because memory that is taken back would be a signal to whoever looks at it.

#include <variant>

#include "keyway/region.hpp"
#include "python/state.hpp"

namespace keyway::python {

namespace {

using Memory =
    std::variant<StableRegion, StableView, StableWindow, RevocableRegion, RevocableView, RevocableWindow>;

struct Held : Child {
    explicit Held(Memory made) : memory(std::move(made)) {}

    [[nodiscard]] bool exported() const override { return exports != 0; }
    void drop() override { memory.reset(); }

    std::optional<Memory> memory;
    std::size_t exports = 0;  // guarded by the interpreter lock
};

class Region {
  public:
    /// `make(connection)` maps or makes the memory.
    template <typename Make>
    Region(std::shared_ptr<State> state, Make&& make) : state_(std::move(state)) {
        held_ = state_->sending([&](Connection& live) {
            auto held = std::make_shared<Held>(make(live));
            state_->add(held);
            revocable_ = held->memory->index() >= 3;  // the last three kinds
            writable_ = !std::holds_alternative<StableView>(*held->memory) &&
                        !std::holds_alternative<RevocableView>(*held->memory);
            std::visit(
                [&](const auto& memory) {
                    size_ = memory.size();
                    owner_ = memory.owner();
                    capability_ = memory.capability();
                },
                *held->memory);
            return held;
        });
    }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region() { state_->release(held_); }

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
        if (const auto* made = std::get_if<StableRegion>(&*held_->memory)) {
            return made->bytes();
        }
        if (const auto* view = std::get_if<StableView>(&*held_->memory)) {
            return view->bytes();
        }
        if (const auto* window = std::get_if<StableWindow>(&*held_->memory)) {
            return window->bytes();
        }
        throw py::buffer_error("a revocable region has read() and write(), no memoryview");
    }
    void hold() { ++held_->exports; }
    void let_go() { --held_->exports; }

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
                    using Kind = std::remove_cvref_t<decltype(held)>;
                    if constexpr (requires { held.write(offset, as_span(bytes)); }) {
                        taken(held.write(offset, as_span(bytes)));
                    } else if constexpr (std::is_same_v<Kind, StableRegion> ||
                                         std::is_same_v<Kind, StableWindow>) {
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
        if (held_->exported()) {
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
                held_->drop();
            });
        } catch (const Failure&) {
            ended_ = false;
            throw;
        }
    }

  private:
    /// Inside of `sending`.
    Memory& memory() {
        if (!held_->memory) {
            throw Failure{Error{Status::kNotConnected}};
        }
        return *held_->memory;
    }

    std::shared_ptr<State> state_;
    std::shared_ptr<Held>
        held_;  // its memory goes under the sending half only, and after `ended_` or close()
    bool revocable_ = false;
    bool writable_ = false;
    bool ended_ = false;  // guarded by the interpreter lock
    std::uint64_t size_ = 0;
    std::uint32_t owner_ = 0;
    Capability capability_;
};

std::unique_ptr<Region> create_region(PyConnection& connection, std::uint64_t bytes, bool revocable) {
    return std::make_unique<Region>(connection.state, [&](Connection& live) -> Memory {
        if (revocable) {
            return taken(RevocableRegion::create(live, bytes));
        }
        return taken(StableRegion::create(live, bytes));
    });
}

/// Which of the two kinds it is only the attempt tells.
template <typename Stable, typename Revocable>
Memory map_either(Connection& live, std::uint32_t capability) {
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
    return std::make_unique<Region>(connection.state, [&](Connection& live) {
        return writable ? map_either<StableWindow, RevocableWindow>(live, capability)
                        : map_either<StableView, RevocableView>(live, capability);
    });
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
        .def("__enter__", [](const py::object& self) { return self; })
        .def("__exit__", [](Region& region, const py::args&) { region.end(false); });

    auto connection = py::class_<PyConnection>(module.attr("Connection"));
    connection
        .def("create_region", &create_region, py::arg("size"), py::arg("revocable") = false,
             "Memory of `size` bytes, 1 to 1 GiB, all zero.")
        .def("map_region", &map_region, py::arg("source"), py::arg("writable") = false,
             "Maps a region that came with a message, or by its capability.");
}

}  // namespace keyway::python
