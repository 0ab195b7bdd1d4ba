#pragma once

// Qubits: resources that are moved and never copied.
//
//     auto qubit = keyway::Qubit::prepare(connection, {.coherence = 10s, .width = 1}).value();
//     qubit.state()[0] = 1.0;                                  // a simulated one: its amplitudes
//     qubit.hand_off(to_bob, "yours").value();                 // from here on it is Bob's
//
//     auto message = connection.receive().value();             // Bob
//     auto mine = keyway::Qubit::accept(connection, message).value();
//
// WHAT IS PROMISED. The router keeps exactly one holder of a qubit at every instant, and refuses to copy,
// grant or derive it (`linearity`). A hand-off happens in one moment, also when sender, receiver or router
// are killed: before it the sender is the holder and after it the receiver, and nothing is between. With a
// ledger (RouterOptions::qubit_ledger, `keywayd --qubit-ledger`) the router knows the holder again after it
// was killed itself. A holder that dies leaves its qubits to the router until they decohere; one that only
// lost its connection takes them back with `reclaim`. Past its coherence deadline a qubit can be neither
// shown nor handed off: `decohered`.
//
// WHAT IS NOT. A simulated qubit's state is memory. Who holds it can copy the bytes, and a hostile former
// holder can keep its mapping and go on reading and writing them: the router guards the authority, not the
// numbers in a simulation. The memory can't be cut under its holder. When the router dies, state that nobody
// had mapped is gone, and the qubit decohered with it; a holder's own mapping survives and is carried over by
// `reclaim`.
//
// THREADS. A Qubit belongs to the thread of its connection's sending half, and must not outlive the
// connection.

#include <chrono>
#include <complex>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "keyway/api.hpp"
#include "keyway/connection.hpp"

namespace keyway {

/// What a qubit shall be.
struct QubitOptions {
    /// From now until it decoheres.
    std::chrono::nanoseconds coherence = std::chrono::seconds(1);
    double fidelity = 1.0;  ///< 0 to 1, kept in parts per billion; told to every holder, not checked
    /// Two-level systems in the simulated state, 1 to 20; 0: a real resource, which has no state in memory.
    unsigned width = 0;
};

/// A qubit that we hold, or held: see the top of this header.
class KEYWAY_API Qubit {
  public:
    /// Makes one; we are its holder. Needs `qubits = true` in a rule of the policy. A simulated state is all
    /// zero. Errors: `not_allowed`, `bad_argument`, `limit` (memory, or 1024 qubits at the router),
    /// `table_full`, `system`.
    static Result<Qubit> prepare(Connection& connection, const QubitOptions& options);
    /// The qubit that came with a message. Errors: `wrong_object` when what came is none; `decohered`;
    /// `no_such_capability` when nothing came or it is not ours any more.
    static Result<Qubit> accept(Connection& connection, const Received& message);
    /// The same, by the id of the capability that came.
    static Result<Qubit> accept(Connection& connection, std::uint32_t capability);
    /// Takes back qubit `number`, or any with 0, of those that the router holds because this process lost its
    /// connection or the router was started anew. `no_such_qubit` when there is none, also when somebody else
    /// was the holder; `decohered`. The state of a simulated one is all zero if its memory went down with the
    /// router: `state_lost()`.
    static Result<Qubit> reclaim(Connection& connection, std::uint32_t number = 0);

    Qubit(Qubit&& other) noexcept;
    Qubit& operator=(Qubit&& other) noexcept;
    Qubit(const Qubit&) = delete;
    Qubit& operator=(const Qubit&) = delete;
    /// Stays the holder: the capability lives on with the connection. To end the qubit, `discard` it.
    ~Qubit();

    /// Hands it to the owner of the endpoint `to`, in a quantum message with `payload`. On success we have
    /// nothing left: the state is unmapped. On every verdict of the router we are still the holder. After
    /// `router_gone` it is one of the two: reconnect and `reclaim` to find out.
    Result<void> hand_off(const Capability& to, std::span<const std::byte> payload = {},
                          Deadline deadline = Deadline::never());
    /// The same with a text as payload.
    Result<void> hand_off(const Capability& to, std::string_view text,
                          Deadline deadline = Deadline::never()) {
        return hand_off(to, std::as_bytes(std::span(text.data(), text.size())), deadline);
    }
    /// It was measured, or is of no use: ends it. Errors: `no_such_capability` when it has ended already.
    Result<void> discard();
    /// After the connection was lost: takes the same qubit back over a new one, with the state as we have it.
    Result<void> reclaim_over(Connection& connection);

    /// The qubit's name for people and logs; never used again by this router and its ledger.
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    /// The one capability for it; id 0 when it has been handed off or discarded.
    [[nodiscard]] const Capability& capability() const noexcept { return capability_; }
    /// 0 to 1, as whoever prepared it said; nobody checks it.
    [[nodiscard]] double fidelity() const noexcept { return fidelity_; }
    /// It has a state in memory.
    [[nodiscard]] bool simulated() const noexcept { return width_ != 0; }
    /// Two-level systems in the simulated state, 1 to 20; 0: a real resource.
    [[nodiscard]] unsigned width() const noexcept { return width_; }
    /// When it decoheres.
    [[nodiscard]] Deadline deadline() const noexcept { return deadline_; }
    /// The 2^width amplitudes, in place; empty for a real one and when it is not ours any more. Written by us
    /// and read by the next holder: the hand-off orders the one before the other.
    [[nodiscard]] std::span<std::complex<double>> state() const noexcept { return state_; }
    /// A simulated state went down with the router, and is all zero.
    [[nodiscard]] bool state_lost() const noexcept { return state_lost_; }

  private:
    Qubit() = default;
    void unmap() noexcept;
    struct Answer;
    static Result<Qubit> from(Connection& connection, Answer answer);

    Connection::Impl* connection_ = nullptr;
    Capability capability_;
    std::uint32_t number_ = 0;
    unsigned width_ = 0;
    double fidelity_ = 0;
    Deadline deadline_ = Deadline::now();
    bool state_lost_ = false;
    std::span<std::complex<double>> state_;
};

}  // namespace keyway
