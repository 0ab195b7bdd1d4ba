/* Memory that is lent and taken back: region view | region lend TEXT */
#include <keyway/ipc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [lend] */
static ipc_result_t look(uint32_t viewer, size_t length) {
    static ipc_message_t message;
    message.message_type = IPC_DATA; /* the reply to the last call is in it */
    message.capability_id = 0;
    message.length = (uint32_t)snprintf((char*)message.data, sizeof message.data, "%zu", length);
    return ipc_call(viewer, &message, &message, 10000000000u);
}

static ipc_result_t lend(const char* text) {
    const char* const secret = "not for the viewer";
    static ipc_shared_region_t region;
    uint32_t viewer = 0;
    ipc_result_t result = ipc_lookup("recipe/viewer", &viewer, NULL);
    if (result == IPC_OK) {
        result = ipc_share_create(&region, 4096);
    }
    if (result == IPC_OK) {
        result = ipc_share_write(&region, 0, text, strlen(text));
    }
    if (result == IPC_OK) {
        result = ipc_share_grant(viewer, &region); /* to read, unless permissions says more */
    }
    if (result == IPC_OK) {
        result = look(viewer, strlen(text));
    }
    if (result == IPC_OK) {
        result = ipc_share_revoke(viewer, &region);
    }
    if (result == IPC_OK) {
        result = ipc_share_write(&region, 0, secret, strlen(secret));
    }
    if (result == IPC_OK) {
        result = look(viewer, strlen(text));
    }
    return result;
}
/* [end] */

/* [view] */
static ipc_result_t view(void) {
    static ipc_message_t message;
    static ipc_shared_region_t region;
    static char text[4097];
    ipc_result_t result = ipc_register("recipe/viewer", NULL, NULL);
    if (result == IPC_OK) {
        puts("ready");
        fflush(stdout);
        result = ipc_receive(NULL, &message, IPC_FOREVER);
    }
    if (result == IPC_OK) {
        result = ipc_share_map(message.capability_id, IPC_SHARE_READ, &region);
    }
    for (int i = 0; result == IPC_OK && i < 2; ++i) {
        uint32_t owner = 0;
        result = ipc_receive(&owner, &message, IPC_FOREVER);
        if (result == IPC_OK) {
            char digits[16] = "";
            memcpy(digits, message.data, message.length < 15 ? message.length : 15);
            const size_t length = strtoul(digits, NULL, 10);
            memset(text, 0, sizeof text);
            const ipc_result_t read = ipc_share_read(&region, 0, text, length < 4096 ? length : 4096);
            puts(read == IPC_OK ? text : ipc_strname(read)); /* never a signal */
            message.message_type = IPC_DATA;
            result = ipc_reply(owner, &message);
        }
    }
    return result;
}
/* [end] */

int main(int argc, char** argv) {
    if (argc < 2) {
        fputs("usage: region view | region lend TEXT\n", stderr);
        return 2;
    }
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = argc == 2 ? view() : lend(argv[2]);
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
