// Qubits for C.

#include <span>

#include "client/c_state.hpp"

using keyway::Qubit;
using keyway::Result;
using keyway::c::result_of;
using keyway::c::State;
using keyway::c::with_sending;

namespace {

// Does the work with the qubit behind `qubit`, if there is one.
template <typename Work>
ipc_result_t with_qubit(const ipc_qubit_t* qubit, Work&& work) {
    return with_sending([&](State& held) {
        const auto found = held.qubits.find(qubit);
        return found == held.qubits.end() ? IPC_E_BAD_ARGUMENT : work(held, *found->second);
    });
}

template <typename Make>
ipc_result_t keep(ipc_qubit_t** qubit, Make&& make) {
    if (qubit == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_sending([&](State& held) {
        Result<Qubit> made = make(held.connection);
        if (!made) {
            return result_of(made.error());
        }
        auto ours = std::make_unique<Qubit>(std::move(*made));
        *qubit = reinterpret_cast<ipc_qubit_t*>(ours.get());  // a name only: nothing is read through it
        held.qubits.emplace(ours.get(), std::move(ours));
        return ipc_result_t{IPC_OK};
    });
}

}  // namespace

extern "C" {

ipc_result_t ipc_qubit_prepare(uint64_t coherence_ns, double fidelity, uint32_t width, ipc_qubit_t** qubit) {
    if (coherence_ns > INT64_MAX) {
        return IPC_E_BAD_ARGUMENT;
    }
    return keep(qubit, [&](keyway::Connection& connection) {
        return Qubit::prepare(
            connection,
            {.coherence = std::chrono::nanoseconds(coherence_ns), .fidelity = fidelity, .width = width});
    });
}

ipc_result_t ipc_qubit_accept(uint32_t capability, ipc_qubit_t** qubit) {
    return keep(qubit, [&](keyway::Connection& connection) { return Qubit::accept(connection, capability); });
}

ipc_result_t ipc_qubit_reclaim(uint32_t number, ipc_qubit_t** qubit) {
    return keep(qubit, [&](keyway::Connection& connection) { return Qubit::reclaim(connection, number); });
}

ipc_result_t ipc_qubit_hand_off(ipc_qubit_t* qubit, uint32_t receiver, const ipc_message_t* msg,
                                uint64_t timeout_ns) {
    std::span<const std::byte> payload;
    if (msg != nullptr) {
        if (msg->length > sizeof msg->data) {
            return IPC_E_BAD_ARGUMENT;
        }
        payload = std::as_bytes(std::span(msg->data, msg->length));
    }
    return with_qubit(qubit, [&](State& held, Qubit& ours) {
        const auto given = ours.hand_off(keyway::c::capability_for(held, receiver), payload,
                                         keyway::c::deadline_of(timeout_ns));
        if (given) {
            held.qubits.erase(qubit);
        }
        return result_of(given);
    });
}

double* ipc_qubit_state(ipc_qubit_t* qubit, size_t* amplitudes) {
    double* state = nullptr;
    with_qubit(qubit, [&](State&, Qubit& ours) {
        if (amplitudes != nullptr) {
            *amplitudes = ours.state().size();
        }
        // std::complex<double> is laid out as two doubles.
        state = ours.state().empty() ? nullptr : reinterpret_cast<double*>(ours.state().data());
        return ipc_result_t{IPC_OK};
    });
    return state;
}

ipc_result_t ipc_qubit_info(ipc_qubit_t* qubit, ipc_qubit_info_t* info) {
    if (info == nullptr) {
        return IPC_E_BAD_ARGUMENT;
    }
    return with_qubit(qubit, [&](State&, Qubit& ours) {
        *info = {.number = ours.number(),
                 .width = ours.width(),
                 .fidelity = ours.fidelity(),
                 .deadline_ns = ours.deadline().ns(),
                 .state_lost = ours.state_lost() ? 1U : 0U};
        return ipc_result_t{IPC_OK};
    });
}

ipc_result_t ipc_qubit_discard(ipc_qubit_t* qubit) {
    return with_qubit(qubit, [&](State& held, Qubit& ours) {
        const auto done = ours.discard();
        if (done) {
            held.qubits.erase(qubit);
        }
        return result_of(done);
    });
}

void ipc_qubit_close(ipc_qubit_t* qubit) {
    with_qubit(qubit, [&](State& held, Qubit&) {
        held.qubits.erase(qubit);
        return ipc_result_t{IPC_OK};
    });
}

}  // extern "C"
