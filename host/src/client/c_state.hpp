#pragma once

// What the functions of the C interface share: the one connection of the process, and how outcomes and times
// are said in C.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "client/subscription_impl.hpp"
#include "keyway/connection.hpp"
#include "keyway/ipc.h"
#include "keyway/quantum.hpp"
#include "keyway/region.hpp"
#include "keyway/stream.hpp"

namespace keyway::c {

/// What stands behind an ipc_shared_region_t; found by its address.
struct SharedRegion {
    std::variant<RevocableRegion, RevocableView, RevocableWindow, StableView, StableWindow> memory;
    struct Given {
        std::uint32_t receiver = 0;
        std::uint32_t grant = 0;
    };
    std::vector<Given> given{};
};

/// What stands behind an ipc_stream_t: one end or the other.
struct Stream {
    std::variant<StreamWriter, StreamReader> end;
};

struct State {
    explicit State(Connection made) : connection(std::move(made)) {}

    Connection connection;
    std::mutex sending;
    std::unordered_map<const void*, SharedRegion> regions;           ///< guarded by `sending`
    std::unordered_map<const void*, std::unique_ptr<Qubit>> qubits;  ///< the same
    std::mutex receiving;
    std::mutex books;                                                 ///< everything below
    std::unordered_map<std::uint32_t, std::uint32_t> capability_for;  ///< receiver -> from ipc_lookup
    std::unordered_map<std::uint32_t, std::deque<std::uint32_t>>
        open_calls;  ///< caller -> reply capabilities
    /// Used without any lock, so held while they are.
    std::unordered_map<const void*, std::shared_ptr<Stream>> streams;
    std::vector<std::unique_ptr<Subscription::Impl>> subscriptions;
    std::size_t next_subscription = 0;        ///< whose turn it is
    bool events_first = false;                ///< the last that was received was a message
    std::atomic<bool> any_subscribed{false};  ///< read without the books
};

/// What ipc_receive() found.
struct Taken {
    std::optional<Received> message;
    bool event = false;  ///< is in the caller's ipc_message_t
    bool tend = false;   ///< nothing yet: call tend_subscriptions() first, without the receiving half's lock
};
/// The next message or event. Needs the receiving half's lock. Errors as of Connection::receive.
Result<Taken> take_next(State& state, std::uint64_t timeout_ns, Deadline deadline, ipc_message_t& to);
/// Follows topics that have moved, drops subscriptions that have ended. Takes the sending half's lock.
void tend_subscriptions(State& state);
/// True when the message was the router's word that somebody has subscribed us to a topic, and we now are.
bool subscribed_by(State& state, const Received& message);
/// What ipc_badge() says in this thread.
void set_last_badge(std::uint32_t badge);

// The C interface has no handle, so there is one connection a process. The mutex guards the pointer.
extern std::mutex state_mutex;
extern std::shared_ptr<State> current;

/// The connection, or null when there is none.
[[nodiscard]] std::shared_ptr<State> state();

[[nodiscard]] inline ipc_result_t result_of(Error error) {
    return -static_cast<ipc_result_t>(error.code());
}

template <typename T>
[[nodiscard]] ipc_result_t result_of(const Result<T>& result) {
    return result ? IPC_OK : result_of(result.error());
}

[[nodiscard]] inline Deadline deadline_of(std::uint64_t timeout_ns) {
    if (timeout_ns == IPC_FOREVER) {
        return Deadline::never();
    }
    return timeout_ns > INT64_MAX ? Deadline::never() : Deadline::in(std::chrono::nanoseconds(timeout_ns));
}

/// The capability for a receiver that ipc_lookup() or ipc_topic_create() gave; id 0: none.
[[nodiscard]] inline Capability capability_for(State& held, std::uint32_t receiver) {
    const std::lock_guard books(held.books);
    const auto known = held.capability_for.find(receiver);
    return {.id = known == held.capability_for.end() ? 0 : known->second, .object = receiver};
}

/// Does the work with the sending half to itself.
template <typename Work>
ipc_result_t with_sending(Work&& work) {
    const auto held = state();
    if (held == nullptr) {
        return IPC_E_NOT_CONNECTED;
    }
    const std::lock_guard lock(held->sending);
    return work(*held);
}

}  // namespace keyway::c
