/* Handing out a right, and taking it back: grant guest | grant owner */
#include <keyway/ipc.h>

#include <stdio.h>
#include <string.h>

static ipc_message_t message;

static ipc_result_t say(uint32_t receiver, uint32_t capability, const char* text) {
    message.message_type = IPC_DATA;
    message.capability_id = capability;
    message.length = (uint32_t)strlen(text);
    memcpy(message.data, text, message.length);
    return ipc_send(receiver, &message);
}

/* [owner] */
static ipc_result_t owner(void) {
    uint32_t guest = 0, door = 0, all = 0, grant = 0;
    ipc_result_t result = ipc_register("recipe/door", &door, &all);
    if (result == IPC_OK) {
        result = ipc_lookup("recipe/guest", &guest, NULL);
    }
    /* The guest may send to the door, nothing else, and we shall know it by the number 7. */
    if (result == IPC_OK) {
        result = ipc_grant(guest, NULL, all, KEYWAY_RIGHT_WRITE, 7, 0, &grant);
    }
    if (result == IPC_OK) {
        result = ipc_receive(NULL, &message, IPC_FOREVER);
    }
    if (result == IPC_OK) {
        printf("%.*s by %u\n", (int)message.length, (const char*)message.data, (unsigned)ipc_badge());
        result = ipc_revoke(all, grant, NULL);
    }
    if (result == IPC_OK) {
        result = say(guest, 0, "try again"); /* it is too late for it now */
    }
    return result;
}
/* [end] */

/* [guest] */
static ipc_result_t guest(void) {
    ipc_result_t result = ipc_register("recipe/guest", NULL, NULL);
    if (result != IPC_OK) {
        return result;
    }
    puts("ready");
    fflush(stdout);
    result = ipc_receive(NULL, &message, IPC_FOREVER);
    const uint32_t capability = message.capability_id;
    uint32_t door = 0;
    if (result == IPC_OK) {
        result = ipc_lookup("recipe/door", &door, NULL); /* its number only: the right is the given one */
    }
    if (result == IPC_OK) {
        result = say(door, capability, "knock");
    }
    if (result == IPC_OK) {
        result = ipc_receive(NULL, &message, IPC_FOREVER);
    }
    if (result == IPC_OK) {
        const ipc_result_t sent = say(door, capability, "knock");
        puts(sent == IPC_OK ? "open" : ipc_strname(sent));
    }
    return result;
}
/* [end] */

int main(int argc, char** argv) {
    if (argc != 2) {
        fputs("usage: grant guest | grant owner\n", stderr);
        return 2;
    }
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = strcmp(argv[1], "guest") == 0 ? guest() : owner();
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
