/* Publish and subscribe: publish publish COUNT | publish subscribe COUNT */
#include <keyway/ipc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [publish] */
static ipc_result_t publish(int count) {
    static ipc_message_t message;
    uint32_t topic = 0;
    ipc_result_t result =
        ipc_topic_create("recipe/ticks", IPC_DROP_OLDEST, 64, &topic, NULL); /* late ones get 64 */
    for (int i = 1; result == IPC_OK && i <= count; ++i) { /* one write each, however many subscribe */
        message.length = (uint32_t)snprintf((char*)message.data, sizeof message.data, "tick %d", i);
        result = ipc_publish(topic, &message);
    }
    if (result == IPC_OK) {
        puts("published");
        fflush(stdout);
        getchar(); /* the topic ends with its owner, so stay until told */
    }
    return result;
}
/* [end] */

/* [subscribe] */
static ipc_result_t subscribe(int count) {
    static ipc_message_t message;
    uint32_t topic = 0;
    ipc_result_t result = ipc_lookup("recipe/ticks", &topic, NULL); /* policy: READ */
    if (result == IPC_OK) {
        result = ipc_subscribe(topic, 0);
    }
    while (result == IPC_OK && count > 0) {
        result = ipc_receive(NULL, &message, IPC_FOREVER);
        if (result == IPC_OK && (message.message_type & IPC_TYPE_MASK) == IPC_EVENT) {
            printf("%.*s\n", (int)message.length, (const char*)message.data);
            --count;
        }
    }
    return result;
}
/* [end] */

int main(int argc, char** argv) {
    if (argc != 3) {
        fputs("usage: publish publish COUNT | publish subscribe COUNT\n", stderr);
        return 2;
    }
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = strcmp(argv[1], "publish") == 0 ? publish((int)strtol(argv[2], NULL, 10))
                                                 : subscribe((int)strtol(argv[2], NULL, 10));
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
