/* Streams as a C99 program uses them, against an end in C++ (c_streams_test.cpp). */
#include <string.h>

#include "keyway/ipc.h"
#include "tests/client/c_expect.h"

int c_writes_streams(const char* socket);
int c_reads_streams(const char* socket);

enum { kBytes = 1000000 };

static char byte_at(size_t i) {
    return (char)(i * 31 + i / 251);
}

/* To the endpoint "sink", which accepts one, breaks off one, and declines one. */
int c_writes_streams(const char* socket) {
    static char content[kBytes];
    ipc_stream_t* stream = NULL;
    uint32_t sink = 0;
    uint32_t code = 0;
    size_t written = 0;
    char text[16];
    for (size_t i = 0; i < kBytes; ++i) {
        content[i] = byte_at(i);
    }
    EXPECT_RESULT(ipc_stream_open(1, 0, kPatience, &stream), IPC_E_NOT_CONNECTED);
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_stream_open(60000, 0, kPatience, &stream), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_lookup("sink", &sink, NULL), IPC_OK);
    EXPECT_RESULT(ipc_stream_open(sink, 0, kPatience, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_open(sink, 12345, kPatience, &stream), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_write(NULL, content, 1, 0, NULL), IPC_E_BAD_ARGUMENT);

    EXPECT_RESULT(ipc_stream_open(sink, 65536, kPatience, &stream), IPC_OK);
    EXPECT_RESULT(ipc_stream_write(stream, NULL, 1, 0, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_write(stream, content, kBytes, kPatience, &written), IPC_OK);
    EXPECT(written == kBytes);
    EXPECT_RESULT(ipc_stream_read(stream, text, sizeof text, 0, &written), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_reason(stream, &code, text, sizeof text), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_finish(stream), IPC_OK);
    EXPECT(ipc_stream_write(stream, content, 1, kPatience, NULL) != IPC_OK);
    ipc_stream_close(stream);
    EXPECT_RESULT(ipc_stream_finish(stream), IPC_E_BAD_ARGUMENT);
    ipc_stream_close(stream);
    ipc_stream_close(NULL);

    EXPECT_RESULT(ipc_stream_open(sink, 65536, kPatience, &stream), IPC_OK);
    while (ipc_stream_write(stream, content, kBytes, kPatience, NULL) == IPC_OK) {
    }
    EXPECT_RESULT(ipc_stream_write(stream, content, 1, kPatience, NULL), IPC_E_ABORTED);
    EXPECT_RESULT(ipc_stream_reason(stream, &code, text, 6), IPC_OK);
    EXPECT(code == 7 && strcmp(text, "no mo") == 0);
    EXPECT_RESULT(ipc_stream_reason(stream, NULL, NULL, 0), IPC_OK);
    ipc_stream_close(stream);

    EXPECT_RESULT(ipc_stream_open(sink, 0, kPatience, &stream), IPC_E_DECLINED);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

/* At the endpoint "c-sink", to which somebody opens a stream that it finishes, and one that it does not. */
int c_reads_streams(const char* socket) {
    ipc_message_t offer;
    ipc_stream_t* stream = NULL;
    char piece[5000];
    size_t count = 0;
    size_t total = 0;
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_register("c-sink", NULL, NULL), IPC_OK);
    memset(&offer, 0, sizeof offer);
    EXPECT(ipc_stream_offered(NULL) == 0 && ipc_stream_offered(&offer) == 0);
    EXPECT_RESULT(ipc_stream_accept(&offer, &stream), IPC_E_BAD_ARGUMENT);

    EXPECT_RESULT(ipc_receive(NULL, &offer, kPatience), IPC_OK);
    EXPECT(ipc_stream_offered(&offer) == 1);
    EXPECT_RESULT(ipc_stream_accept(&offer, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_accept(&offer, &stream), IPC_OK);
    EXPECT_RESULT(ipc_stream_read(stream, NULL, 1, 0, &count), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_read(stream, piece, 0, 0, &count), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_write(stream, piece, 1, 0, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_stream_finish(stream), IPC_E_BAD_ARGUMENT);
    do {
        EXPECT_RESULT(ipc_stream_read(stream, piece, sizeof piece, kPatience, &count), IPC_OK);
        for (size_t i = 0; i < count; ++i) {
            EXPECT(piece[i] == byte_at(total + i));
        }
        total += count;
    } while (count != 0);
    EXPECT(total == kBytes);
    ipc_stream_close(stream);

    EXPECT_RESULT(ipc_receive(NULL, &offer, kPatience), IPC_OK);
    EXPECT_RESULT(ipc_stream_accept(&offer, &stream), IPC_OK);
    EXPECT_RESULT(ipc_stream_read(stream, piece, sizeof piece, kPatience, &count), IPC_OK);
    EXPECT(count == 4 && memcmp(piece, "half", 4) == 0);
    EXPECT_RESULT(ipc_stream_read(stream, piece, sizeof piece, kPatience, &count), IPC_E_PEER_GONE);

    EXPECT_RESULT(ipc_receive(NULL, &offer, kPatience), IPC_OK);
    EXPECT_RESULT(ipc_stream_accept(&offer, &stream), IPC_OK);
    EXPECT_RESULT(ipc_stream_abort(stream, 9, NULL), IPC_OK);
    EXPECT_RESULT(ipc_receive(NULL, &offer, kPatience), IPC_OK); /* it was seen */
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);                     /* ends what is left open */
    return 0;
}
