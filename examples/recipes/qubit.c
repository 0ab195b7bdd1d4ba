/* Quantum hand-off: qubit receive | qubit send */
#include <keyway/ipc.h>

#include <stdio.h>
#include <string.h>

/* [receive] */
static ipc_result_t receive(void) {
    static ipc_message_t message;
    ipc_qubit_t* qubit = NULL;
    ipc_result_t result = ipc_register("recipe/lab", NULL, NULL);
    if (result == IPC_OK) {
        puts("ready");
        fflush(stdout);
        result = ipc_receive(NULL, &message, IPC_FOREVER);
    }
    if (result == IPC_OK) {
        result = ipc_qubit_accept(message.capability_id, &qubit); /* now nobody else has it */
    }
    if (result == IPC_OK) {
        size_t amplitudes = 0;
        const double* state = ipc_qubit_state(qubit, &amplitudes); /* real, imaginary, real, ... */
        for (size_t i = 0; i < amplitudes; ++i) {
            const double p = state[2 * i] * state[2 * i] + state[2 * i + 1] * state[2 * i + 1];
            printf("%s%.2f", i == 0 ? "" : " ", p);
        }
        putchar('\n');
        result = ipc_qubit_discard(qubit); /* it was measured */
    }
    return result;
}
/* [end] */

/* [send] */
static ipc_result_t send_qubit(void) {
    ipc_qubit_t* qubit = NULL;
    uint32_t lab = 0;
    ipc_result_t result = ipc_lookup("recipe/lab", &lab, NULL);
    if (result == IPC_OK) { /* for a minute, exact, with one two-level system */
        result = ipc_qubit_prepare(60000000000u, 1.0, 1, &qubit);
    }
    if (result == IPC_OK) {
        double* state = ipc_qubit_state(qubit, NULL);
        state[0] = 0.6;
        state[3] = 0.8;
        result = ipc_qubit_hand_off(qubit, lab, NULL, IPC_FOREVER); /* refused: it is still ours */
    }
    if (result == IPC_OK) {
        puts("handed off");
    }
    return result;
}
/* [end] */

int main(int argc, char** argv) {
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = argc == 2 && strcmp(argv[1], "receive") == 0 ? receive() : send_qubit();
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
