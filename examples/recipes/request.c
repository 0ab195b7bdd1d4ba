/* Request and response: request serve COUNT | request call TEXT */
#include <keyway/ipc.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [serve] */
static ipc_result_t serve(int count) {
    static ipc_message_t message;
    ipc_result_t result = ipc_register("recipe/upper", NULL, NULL);
    if (result == IPC_OK) {
        puts("ready");
        fflush(stdout);
    }
    for (; result == IPC_OK && count > 0; --count) {
        uint32_t caller = 0;
        result = ipc_receive(&caller, &message, IPC_FOREVER);
        if (result == IPC_OK && (message.message_type & IPC_IS_CALL) != 0) {
            for (uint32_t i = 0; i < message.length; ++i) {
                message.data[i] = (uint8_t)toupper(message.data[i]);
            }
            message.message_type = IPC_DATA;
            const ipc_result_t answered =
                ipc_reply(caller, &message); /* capability_id is its reply capability */
            if (answered != IPC_OK) {
                fprintf(stderr, "%s\n", ipc_strerror(answered)); /* this caller's trouble, not ours */
            }
        }
    }
    return result;
}
/* [end] */

/* [call] */
static ipc_result_t ask(const char* text) {
    static ipc_message_t message = {.message_type = IPC_DATA};
    uint32_t upper = 0;
    ipc_result_t result = ipc_lookup("recipe/upper", &upper, NULL); /* policy says whether we may */
    if (result != IPC_OK) {
        return result;
    }
    message.length = (uint32_t)strlen(text);
    if (message.length > sizeof message.data) {
        return IPC_E_BAD_ARGUMENT;
    }
    memcpy(message.data, text, message.length);
    result = ipc_call(upper, &message, &message, 10000000000u);
    if (result == IPC_OK) {
        printf("%.*s\n", (int)message.length, (const char*)message.data);
    }
    return result;
}
/* [end] */

int main(int argc, char** argv) {
    if (argc != 3) {
        fputs("usage: request serve COUNT | request call TEXT\n", stderr);
        return 2;
    }
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = strcmp(argv[1], "serve") == 0 ? serve((int)strtol(argv[2], NULL, 10)) : ask(argv[2]);
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
