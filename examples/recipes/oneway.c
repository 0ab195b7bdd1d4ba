/* One-way messages: oneway receive COUNT | oneway send COUNT */
#include <keyway/ipc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [receive] */
static ipc_result_t receive(int count) {
    static ipc_message_t message;
    ipc_result_t result = ipc_register("recipe/log", NULL, NULL);
    if (result == IPC_OK) {
        puts("ready");
        fflush(stdout);
    }
    for (; result == IPC_OK && count > 0; --count) {
        result = ipc_receive(NULL, &message, IPC_FOREVER);
        if (result == IPC_OK) {
            /* Who sent it (sender_id) is the router's word, not the sender's. */
            printf("%.*s\n", (int)message.length, (const char*)message.data);
        }
    }
    return result;
}
/* [end] */

/* [send] */
static ipc_result_t send_lines(int count) {
    static ipc_message_t message = {.message_type = IPC_DATA};
    uint32_t log = 0;
    int refused = 0;
    const ipc_result_t result = ipc_lookup("recipe/log", &log, NULL);
    if (result != IPC_OK) {
        return result;
    }
    for (int i = 1; i <= count; ++i) {
        message.length = (uint32_t)snprintf((char*)message.data, sizeof message.data, "line %d", i);
        const ipc_result_t sent = ipc_send(log, &message); /* with its verdict */
        if (sent != IPC_OK) {
            fprintf(stderr, "%s\n", ipc_strerror(sent));
            ++refused;
        }
    }
    printf("sent %d, refused %d\n", count, refused);
    return IPC_OK;
}
/* [end] */

int main(int argc, char** argv) {
    if (argc != 3) {
        fputs("usage: oneway receive COUNT | oneway send COUNT\n", stderr);
        return 2;
    }
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = strcmp(argv[1], "receive") == 0 ? receive((int)strtol(argv[2], NULL, 10))
                                                 : send_lines((int)strtol(argv[2], NULL, 10));
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
