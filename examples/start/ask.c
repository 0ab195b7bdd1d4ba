/* The second program of the book: asks the greeter, in C. */
#include <keyway/ipc.h>

#include <stdio.h>

int main(void) {
    static ipc_message_t message = {.message_type = IPC_DATA, .length = 1, .data = "C"};
    uint32_t greeter = 0;
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = ipc_lookup("greeter", &greeter, NULL);
    }
    if (result == IPC_OK) {
        result = ipc_call(greeter, &message, &message, 1000000000u);
    }
    if (result == IPC_OK) {
        printf("%.*s\n", (int)message.length, (const char*)message.data);
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
