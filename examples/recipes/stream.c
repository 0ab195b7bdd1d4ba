/* Streams: stream receive | stream send COUNT */
#include <keyway/ipc.h>

#include <stdio.h>
#include <stdlib.h>

/* [receive] */
static ipc_result_t receive(void) {
    static ipc_message_t offer;
    ipc_stream_t* stream = NULL;
    ipc_result_t result = ipc_register("recipe/sink", NULL, NULL);
    if (result == IPC_OK) {
        puts("ready");
        fflush(stdout);
        result = ipc_receive(NULL, &offer, IPC_FOREVER);
    }
    if (result == IPC_OK) {
        result = ipc_stream_accept(&offer, &stream); /* or ipc_release(offer.capability_id) */
    }
    for (size_t count = 1; result == IPC_OK && count != 0;) { /* 0: the writer has finished */
        char piece[4096];
        result = ipc_stream_read(stream, piece, sizeof piece, IPC_FOREVER, &count);
        if (result == IPC_OK) { /* IPC_E_PEER_GONE: what came is not all of it */
            fwrite(piece, 1, count, stdout);
        }
    }
    ipc_stream_close(stream);
    return result;
}
/* [end] */

/* [send] */
static ipc_result_t send_lines(int count) {
    ipc_stream_t* stream = NULL;
    uint32_t sink = 0;
    ipc_result_t result = ipc_lookup("recipe/sink", &sink, NULL);
    if (result == IPC_OK) { /* until the other side accepts */
        result = ipc_stream_open(sink, 0, IPC_FOREVER, &stream);
    }
    for (int i = 1; result == IPC_OK && i <= count; ++i) {
        char line[32];
        const int length = snprintf(line, sizeof line, "line %d\n", i);
        /* Waits when the reader is slow. */
        result = ipc_stream_write(stream, line, (size_t)length, IPC_FOREVER, NULL);
    }
    if (result == IPC_OK) {
        result = ipc_stream_finish(stream); /* without this the reader would think that we had died */
    }
    ipc_stream_close(stream);
    return result;
}
/* [end] */

int main(int argc, char** argv) {
    if (argc < 2) {
        fputs("usage: stream receive | stream send COUNT\n", stderr);
        return 2;
    }
    ipc_result_t result = ipc_connect(NULL);
    if (result == IPC_OK) {
        result = argc == 3 ? send_lines((int)strtol(argv[2], NULL, 10)) : receive();
    }
    if (result != IPC_OK) {
        fprintf(stderr, "%s: %s\n", ipc_strname(result), ipc_strerror(result));
    }
    return result == IPC_OK ? 0 : 1;
}
