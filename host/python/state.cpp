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

Stopper::Stopper() : bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (bell < 0) {
        throw Failure{Error::system()};
    }
}

Stopper::~Stopper() {
    ::close(bell);
}

bool Stopper::stop() {
    if (stopped.exchange(true)) {
        return false;
    }
    [[maybe_unused]] const int rung = ::eventfd_write(bell, 1);
    return true;
}

State::State(Connection made)
    : connection_(std::move(made)), id_(connection_->id()), self_(connection_->self()) {}

void State::close() {
    {
        const std::lock_guard lock(family_);
        for (const auto& child : children_) {
            if (child->exported()) {
                PyErr_SetString(PyExc_BufferError,
                                "a memoryview of a region of this connection is still in use");
                throw py::error_already_set();
            }
        }
    }
    // The interpreter lock is held since the check, and nobody gets a memoryview of what is closed.
    if (!stopper_.stop()) {
        return;
    }
    const py::gil_scoped_release release;
    const std::unique_lock alone(stopper_.gate);  // every call has come back
    for (const auto& child : children_) {
        child->drop();
    }
    connection_.reset();
}

int State::descriptor() {
    const std::shared_lock use(stopper_.gate);
    return live().descriptor();
}

void State::add(std::shared_ptr<Child> child) {
    const std::lock_guard lock(family_);
    children_.insert(std::move(child));
}

// A lock that fails ends the process. NOLINTNEXTLINE(bugprone-exception-escape)
void State::release(const std::shared_ptr<Child>& child, Stopper* own) noexcept {
    const py::gil_scoped_release release;
    const std::shared_lock use(stopper_.gate);
    if (own != nullptr) {
        own->stop();
    }
    const auto alone = own != nullptr ? std::unique_lock(own->gate) : std::unique_lock<std::shared_mutex>();
    const std::lock_guard half(sending_);
    child->drop();
    const std::lock_guard lock(family_);
    children_.erase(child);
}

Connection& State::live() {
    if (stopper_.stopped || !connection_) {
        throw Failure{Error{Status::kNotConnected}};
    }
    return *connection_;
}

bool State::poll(int descriptor, const Stopper* own, Deadline deadline) const {
    pollfd watched[] = {{.fd = descriptor, .events = POLLIN, .revents = 0},
                        {.fd = stopper_.bell, .events = POLLIN, .revents = 0},
                        {.fd = own != nullptr ? own->bell : -1, .events = POLLIN, .revents = 0}};
    timespec left{};
    if (!deadline.is_never()) {
        const std::uint64_t now = Deadline::clock_ns();
        if (deadline.ns() <= now) {
            throw Failure{Error{Status::kTimeout}};
        }
        left.tv_sec = static_cast<time_t>((deadline.ns() - now) / 1'000'000'000);
        left.tv_nsec = static_cast<long>((deadline.ns() - now) % 1'000'000'000);
    }
    const int ready = ::ppoll(watched, 3, deadline.is_never() ? nullptr : &left, nullptr);
    if (ready < 0 && errno != EINTR) {
        throw Failure{Error::system()};
    }
    return ready >= 0;
}

}  // namespace keyway::python
