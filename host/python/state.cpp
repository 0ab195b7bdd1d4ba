#include "python/state.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmath>

namespace keyway::python {

Deadline deadline_of(const std::optional<double>& seconds) {
    constexpr double kLongest = 9e9;  // as nanoseconds it still fits 63 bits
    if (!seconds || *seconds > kLongest) {
        return Deadline::never();
    }
    if (std::isnan(*seconds)) {
        throw py::value_error("a timeout can't be NaN");
    }
    return *seconds <= 0 ? Deadline::now()
                         : Deadline::in(std::chrono::nanoseconds(static_cast<std::int64_t>(*seconds * 1e9)));
}

std::string bytes_of(const py::handle& payload) {
    if (py::isinstance<py::str>(payload)) {
        return payload.cast<std::string>();
    }
    Py_buffer view{};
    if (PyObject_GetBuffer(payload.ptr(), &view, PyBUF_SIMPLE) != 0) {
        throw py::error_already_set();
    }
    std::string bytes(static_cast<const char*>(view.buf), static_cast<std::size_t>(view.len));
    PyBuffer_Release(&view);
    return bytes;
}

State::State(Connection made)
    : connection_(std::move(made)),
      id_(connection_->id()),
      self_(connection_->self()),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (stop_ < 0) {
        throw Failure{Error::system()};
    }
}

State::~State() {
    ::close(stop_);
}

void State::close() {
    for (const Child* child : children_) {
        if (child->exported()) {
            PyErr_SetString(PyExc_BufferError, "a memoryview of a region of this connection is still in use");
            throw py::error_already_set();
        }
    }
    if (closed_.exchange(true)) {
        return;
    }
    const auto children = children_;
    {
        const py::gil_scoped_release release;
        [[maybe_unused]] const int done = ::eventfd_write(stop_, 1);
        const std::unique_lock alone(gate_);  // every call has come back
        for (Child* child : children) {
            child->drop();
        }
        connection_.reset();
    }
}

int State::descriptor() {
    const std::shared_lock use(gate_);
    return live().descriptor();
}

Connection& State::live() {
    if (closed_ || !connection_) {
        throw Failure{Error{Status::kNotConnected}};
    }
    return *connection_;
}

bool State::poll(int descriptor, Deadline deadline) {
    pollfd watched[] = {{.fd = descriptor, .events = POLLIN, .revents = 0},
                        {.fd = stop_, .events = POLLIN, .revents = 0}};
    timespec left{};
    if (!deadline.is_never()) {
        const std::uint64_t now = Deadline::clock_ns();
        if (deadline.ns() <= now) {
            throw Failure{Error{Status::kTimeout}};
        }
        left.tv_sec = static_cast<time_t>((deadline.ns() - now) / 1'000'000'000);
        left.tv_nsec = static_cast<long>((deadline.ns() - now) % 1'000'000'000);
    }
    const int ready = ::ppoll(watched, 2, deadline.is_never() ? nullptr : &left, nullptr);
    if (ready < 0 && errno != EINTR) {
        throw Failure{Error::system()};
    }
    return ready >= 0;
}

}  // namespace keyway::python
