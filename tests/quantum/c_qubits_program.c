/* Qubits as a C99 program uses them: one process, which hands off to an endpoint of its own. */
#include <string.h>

#include "keyway/ipc.h"
#include "tests/client/c_expect.h"

int c_hands_off_qubits(const char* socket);

int c_hands_off_qubits(const char* socket) {
    const uint64_t hour = 3600000000000u;
    static ipc_message_t message;
    ipc_qubit_t* qubit = NULL;
    ipc_qubit_t* taken = NULL;
    ipc_qubit_info_t info;
    uint32_t lab = 0;
    uint32_t number = 0;
    size_t amplitudes = 0;
    double* state = NULL;
    EXPECT_RESULT(ipc_qubit_prepare(hour, 1.0, 1, &qubit), IPC_E_NOT_CONNECTED);
    EXPECT(ipc_qubit_state(qubit, &amplitudes) == NULL);
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_register("c-lab", NULL, NULL), IPC_OK);
    EXPECT_RESULT(ipc_lookup("c-lab", &lab, NULL), IPC_OK);

    EXPECT_RESULT(ipc_qubit_prepare(hour, 1.0, 1, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_prepare(hour, 1.5, 1, &qubit), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_prepare(hour, 1.0, 21, &qubit), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_prepare(0, 1.0, 1, &qubit), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_prepare(UINT64_MAX, 1.0, 1, &qubit), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_info(NULL, &info), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_hand_off(NULL, lab, NULL, kPatience), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_discard(NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_reclaim(0, &qubit), IPC_E_NO_SUCH_QUBIT);
    ipc_qubit_close(NULL);

    EXPECT_RESULT(ipc_qubit_prepare(hour, 0.75, 2, &qubit), IPC_OK);
    EXPECT_RESULT(ipc_qubit_info(qubit, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_qubit_info(qubit, &info), IPC_OK);
    EXPECT(info.width == 2 && info.fidelity == 0.75 && info.state_lost == 0 && info.deadline_ns > hour);
    number = info.number;
    state = ipc_qubit_state(qubit, &amplitudes);
    EXPECT(state != NULL && amplitudes == 4 && state[0] == 0 && state[7] == 0);
    state[7] = 0.5;
    message.length = 5;
    memcpy(message.data, "yours", 5);
    EXPECT_RESULT(ipc_qubit_hand_off(qubit, 60000, &message, kPatience), IPC_E_NO_SUCH_CAPABILITY);
    message.length = 4097;
    EXPECT_RESULT(ipc_qubit_hand_off(qubit, lab, &message, kPatience), IPC_E_BAD_ARGUMENT);
    message.length = 5;
    EXPECT(ipc_qubit_state(qubit, NULL) == state); /* still ours */
    EXPECT_RESULT(ipc_qubit_hand_off(qubit, lab, &message, kPatience), IPC_OK);
    EXPECT(ipc_qubit_state(qubit, NULL) == NULL);
    EXPECT_RESULT(ipc_qubit_discard(qubit), IPC_E_BAD_ARGUMENT);

    EXPECT_RESULT(ipc_receive(NULL, &message, kPatience), IPC_OK);
    EXPECT(message.message_type == IPC_QUANTUM && message.length == 5 && message.capability_id != 0);
    EXPECT_RESULT(ipc_qubit_accept(message.capability_id + 1, &taken), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_qubit_accept(message.capability_id, &taken), IPC_OK);
    EXPECT_RESULT(ipc_qubit_info(taken, &info), IPC_OK);
    EXPECT(info.number == number && ipc_qubit_state(taken, NULL)[7] == 0.5);
    EXPECT_RESULT(ipc_qubit_discard(taken), IPC_OK);
    EXPECT_RESULT(ipc_qubit_info(taken, &info), IPC_E_BAD_ARGUMENT);

    EXPECT_RESULT(ipc_qubit_prepare(hour, 1.0, 0, &qubit), IPC_OK); /* a real one */
    EXPECT(ipc_qubit_state(qubit, &amplitudes) == NULL && amplitudes == 0);
    EXPECT_RESULT(ipc_qubit_info(qubit, &info), IPC_OK);
    number = info.number;
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_qubit_reclaim(number + 1, &qubit), IPC_E_NO_SUCH_QUBIT);
    EXPECT_RESULT(ipc_qubit_reclaim(number, &qubit), IPC_OK);
    EXPECT_RESULT(ipc_qubit_info(qubit, &info), IPC_OK);
    EXPECT(info.number == number);
    ipc_qubit_close(qubit);
    EXPECT_RESULT(ipc_qubit_info(qubit, &info), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}
