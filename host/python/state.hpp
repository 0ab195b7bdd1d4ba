#pragma once

// What the Python objects share: one connection, who uses it, and the rules by which threads do.
//
// LOCKS. Python threads may use one connection at once, since the global interpreter lock is let go of while
// a call waits. `gate` is held shared by every call and exclusively by close(), so that nothing is taken away
// from under a call. `sending` and `receiving` are the connection's two halves. Whoever holds one of the
// three never waits for the interpreter lock, and takes them in this order: gate, sending, receiving.
//
// WAITING. receive() and Subscription.next() hold neither half while they wait, but poll the descriptor, so
// that other threads can send, Ctrl-C is noticed, and close() can end the wait.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>

#include "keyway/connection.hpp"

namespace keyway::python {

namespace py = pybind11;

/// Crosses into Python as keyway.Error.
struct Failure {
    Error error;
};

template <typename T>
T taken(Result<T>&& result) {
    if (!result) {
        throw Failure{result.error()};
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

/// Seconds as Python says them; None: for ever.
[[nodiscard]] Deadline deadline_of(const std::optional<double>& seconds);

/// Bytes of any object with a buffer, or UTF-8 of a text. Owns them: the caller may change its own while we
/// wait.
[[nodiscard]] std::string bytes_of(const py::handle& payload);
[[nodiscard]] inline std::span<const std::byte> as_span(const std::string& bytes) {
    return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

/// How calls that wait are told to come back, and how one waits until they have: calls hold `gate` shared.
struct Stopper {
    Stopper();
    Stopper(const Stopper&) = delete;
    Stopper& operator=(const Stopper&) = delete;
    ~Stopper();
    /// Tells all, now and later. True for the first that does.
    bool stop();

    std::shared_mutex gate;
    std::atomic<bool> stopped{false};
    int bell;  ///< readable once stopped
};

/// What lives on a connection and has to go before it: the insides of a Python object, which may go at any
/// time too.
class Child {
  public:
    Child() = default;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    virtual ~Child() = default;
    /// True when Python still holds a memoryview of it. Under the interpreter lock.
    [[nodiscard]] virtual bool exported() const = 0;
    /// Gives up what it has of the connection; again is nothing. Under the sending half's lock, or alone in
    /// the gate.
    virtual void drop() = 0;
};

class State {
  public:
    explicit State(Connection made);
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() = default;

    /// Ends the connection and every call that waits. BufferError while a memoryview of a region is alive.
    void close();

    /// Runs `work(connection)` with the halves it needs and without the interpreter lock.
    template <typename Work>
    auto sending(Work&& work) {
        const py::gil_scoped_release release;
        const std::shared_lock use(stopper_.gate);
        const std::lock_guard half(sending_);
        return work(live());
    }
    template <typename Work>
    auto both(Work&& work) {
        const py::gil_scoped_release release;
        const std::shared_lock use(stopper_.gate);
        const std::lock_guard out(sending_);
        const std::lock_guard in(receiving_);
        return work(live());
    }

    /// Tries `attempt(connection)` under a half's lock until it says something else than `would_block`, and
    /// waits for `descriptor` in between, or until `own`, if there is one, stops. Throws what Python's signal
    /// handlers do.
    template <typename T, typename Attempt>
    T wait(bool receiving, int descriptor, Stopper* own, Deadline deadline, Attempt&& attempt) {
        while (true) {
            bool interrupted = false;
            {
                const py::gil_scoped_release release;
                const std::shared_lock use(stopper_.gate);
                const auto use_own =
                    own != nullptr ? std::shared_lock(own->gate) : std::shared_lock<std::shared_mutex>();
                auto result = [&] {
                    const std::lock_guard half(receiving ? receiving_ : sending_);
                    return attempt(live());
                }();
                if (result || !(result.error() == Error{Status::kWouldBlock})) {
                    return taken(std::move(result));
                }
                interrupted = !poll(descriptor, own, deadline);
            }
            if (interrupted && PyErr_CheckSignals() != 0) {
                throw py::error_already_set();
            }
        }
    }

    [[nodiscard]] int descriptor();
    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] const Capability& self() const noexcept { return self_; }
    [[nodiscard]] bool closed() const noexcept { return stopper_.stopped; }

    /// Has `child` dropped before the connection goes. Inside of `sending`, so that close() comes before or
    /// after.
    void add(std::shared_ptr<Child> child);
    /// Its Python object goes, and it with that. Under the interpreter lock. Never throws.
    // NOLINTNEXTLINE(bugprone-exception-escape)
    void release(const std::shared_ptr<Child>& child, Stopper* own = nullptr) noexcept;

  private:
    /// The connection, or `not_connected` after close(). Under the gate.
    Connection& live();
    /// False: a signal came. Throws `timeout` when the deadline has passed.
    bool poll(int descriptor, const Stopper* own, Deadline deadline) const;

    std::optional<Connection> connection_;
    std::uint32_t id_;
    Capability self_;
    Stopper stopper_;
    std::mutex sending_;
    std::mutex receiving_;
    std::mutex family_;
    std::set<std::shared_ptr<Child>> children_;  // guarded by family_
};

void add_regions(py::module_& module);
void add_topics(py::module_& module);
void add_streams(py::module_& module);
void add_qubits(py::module_& module);

/// What lookup() and its like take as "to whom": a capability, or an endpoint of ours.
[[nodiscard]] Capability capability_of(const py::handle& object);

/// The connection of a Python Connection object.
struct PyConnection {
    std::shared_ptr<State> state;
};

/// A message with its payload copied out.
struct Message {
    Received received;
};

}  // namespace keyway::python
