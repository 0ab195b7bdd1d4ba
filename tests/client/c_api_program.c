/* Uses the C interface as a C99 program would; c_api_test.cpp runs it in processes of its own. */
#include "c_api_program.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keyway/ipc.h"
#include "tests/client/c_expect.h"

static void set_text(ipc_message_t* message, const char* text) {
    message->length = (uint32_t)strlen(text);
    memcpy(message->data, text, message->length);
}

int c_without_connection(void) {
    ipc_message_t message;
    memset(&message, 0, sizeof message);
    EXPECT_RESULT(ipc_send(1, &message), IPC_E_NOT_CONNECTED);
    EXPECT_RESULT(ipc_receive(NULL, &message, IPC_NO_WAIT), IPC_E_NOT_CONNECTED);
    EXPECT_RESULT(ipc_lookup("x", NULL, NULL), IPC_E_NOT_CONNECTED);
    EXPECT_RESULT(ipc_disconnect(), IPC_E_NOT_CONNECTED);
    EXPECT(ipc_self() == 0);
    EXPECT(ipc_descriptor() == -1);
    EXPECT_RESULT(ipc_connect("/nonexistent/router.sock"), IPC_E_NOT_CONNECTED);
    return 0;
}

int c_service(const char* socket, int calls, int ready_fd) {
    ipc_message_t message;
    uint32_t endpoint = 0;
    uint32_t sender = 0;
    char ready = 1;
    int served = 0;
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_connect(socket), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_register("c-echo", &endpoint, NULL), IPC_OK);
    EXPECT(endpoint != 0 && endpoint != ipc_self());
    EXPECT(write(ready_fd, &ready, 1) == 1);
    while (served < calls) {
        EXPECT_RESULT(ipc_receive(&sender, &message, kPatience), IPC_OK);
        EXPECT(sender == message.sender_id && message.receiver_id == endpoint);
        EXPECT(ipc_badge() == sender);
        if ((message.message_type & IPC_IS_CALL) != 0) {
            EXPECT((message.message_type & IPC_TYPE_MASK) == IPC_DATA);
            EXPECT(message.capability_id != 0);
            message.message_type = IPC_DATA;
            message.priority = 1;
            if (served % 2 == 0) {
                message.capability_id = 0; /* the library knows the open call */
            }
            EXPECT_RESULT(ipc_reply(sender, &message), IPC_OK);
            EXPECT_RESULT(ipc_reply(sender, &message), IPC_E_NO_SUCH_CAPABILITY);
            ++served;
        }
    }
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

int c_client(const char* socket, int calls) {
    ipc_message_t message;
    ipc_message_t reply;
    uint32_t endpoint = 0;
    uint32_t capability = 0;
    int i;
    memset(&message, 0, sizeof message);
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_lookup("nobody", NULL, NULL), IPC_E_NO_SUCH_NAME);
    EXPECT_RESULT(ipc_lookup("bad name", NULL, NULL), IPC_E_BAD_NAME);
    EXPECT_RESULT(ipc_lookup(NULL, NULL, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_lookup("c-echo", &endpoint, &capability), IPC_OK);
    set_text(&message, "one way");
    message.priority = 2;
    EXPECT_RESULT(ipc_send(endpoint, &message), IPC_OK);
    message.capability_id = capability;
    EXPECT_RESULT(ipc_send(endpoint, &message), IPC_OK);
    for (i = 0; i < calls; ++i) {
        char text[32];
        snprintf(text, sizeof text, "call %d", i);
        memset(&message, 0, sizeof message);
        set_text(&message, text);
        EXPECT_RESULT(ipc_call(endpoint, &message, &reply, kPatience), IPC_OK);
        EXPECT(reply.length == strlen(text) && memcmp(reply.data, text, reply.length) == 0);
        EXPECT((reply.message_type & IPC_IS_REPLY) != 0 && reply.timestamp != 0);
    }
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

int c_errors(const char* socket) {
    ipc_message_t message;
    uint32_t endpoint = 0;
    uint32_t capability = 0;
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    memset(&message, 0, sizeof message);
    EXPECT_RESULT(ipc_send(1, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_receive(NULL, NULL, IPC_NO_WAIT), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_call(1, &message, NULL, 0), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_reply(1, NULL), IPC_E_BAD_ARGUMENT);
    message.length = 4097;
    EXPECT_RESULT(ipc_send(1, &message), IPC_E_BAD_ARGUMENT);
    message.length = 0;
    message.priority = 4;
    EXPECT_RESULT(ipc_send(1, &message), IPC_E_BAD_ARGUMENT);
    message.priority = 0;
    message.message_type = IPC_QUANTUM; /* needs something to hand off */
    EXPECT_RESULT(ipc_send(1, &message), IPC_E_BAD_ARGUMENT);
    message.message_type = 300;
    EXPECT_RESULT(ipc_send(1, &message), IPC_E_BAD_ARGUMENT);
    message.message_type = 0;
    EXPECT_RESULT(ipc_send(12345, &message), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_reply(12345, &message), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_receive(NULL, &message, IPC_NO_WAIT), IPC_E_TIMEOUT);
    EXPECT_RESULT(ipc_receive(NULL, &message, 1000000), IPC_E_TIMEOUT);
    EXPECT_RESULT(ipc_publish(1, &message), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_subscribe(1, ipc_self()), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_close(4711), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_register("mine", &endpoint, &capability), IPC_OK);
    EXPECT_RESULT(ipc_register("mine", NULL, NULL), IPC_E_NAME_TAKEN);
    EXPECT_RESULT(ipc_release(capability), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_release(0xABCDEFu), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_grant(endpoint, NULL, capability, 0x100, 0, 0, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_close(endpoint), IPC_OK);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

int c_authority(const char* socket) {
    /* Gives itself a capability for its own endpoint, which exercises the whole way. */
    ipc_message_t message;
    uint32_t endpoint = 0;
    uint32_t root = 0;
    uint32_t derived = 0;
    uint32_t count = 0;
    uint32_t given = 0;
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_register("c-vault", &endpoint, &root), IPC_OK);
    memset(&message, 0, sizeof message);
    set_text(&message, "yours");
    message.capability_id = root;
    EXPECT_RESULT(ipc_grant(endpoint, &message, root, KEYWAY_RIGHT_WRITE, 77, 0, &derived), IPC_OK);
    EXPECT_RESULT(ipc_receive(NULL, &message, kPatience), IPC_OK);
    EXPECT((message.message_type & IPC_TYPE_MASK) == IPC_CAPABILITY);
    EXPECT(message.capability_id == derived && message.length == 5);
    given = message.capability_id;
    memset(&message, 0, sizeof message);
    message.capability_id = given;
    EXPECT_RESULT(ipc_send(endpoint, &message), IPC_OK);
    EXPECT_RESULT(ipc_receive(NULL, &message, kPatience), IPC_OK);
    EXPECT(ipc_badge() == 77);
    message.capability_id = given;
    message.message_type = IPC_CONTROL;
    EXPECT_RESULT(ipc_call(endpoint, &message, &message, kPatience), IPC_E_INSUFFICIENT_RIGHTS);
    EXPECT_RESULT(ipc_revoke(root, derived, &count), IPC_OK);
    EXPECT(count == 1);
    message.capability_id = given;
    EXPECT_RESULT(ipc_send(endpoint, &message), IPC_E_NO_SUCH_CAPABILITY);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

static void* receive_one(void* argument) {
    ipc_message_t* message = argument;
    ipc_result_t got = ipc_receive(NULL, message, kPatience);
    return got == IPC_OK ? message : NULL;
}

int c_threads(const char* socket) {
    /* One thread waits in ipc_receive() while another sends to it. */
    ipc_message_t message;
    static ipc_message_t received;
    pthread_t thread;
    void* got = NULL;
    uint32_t endpoint = 0;
    uint32_t capability = 0;
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_register("c-self", &endpoint, &capability), IPC_OK);
    EXPECT(pthread_create(&thread, NULL, receive_one, &received) == 0);
    memset(&message, 0, sizeof message);
    set_text(&message, "across");
    message.capability_id = capability;
    EXPECT_RESULT(ipc_send(endpoint, &message), IPC_OK);
    EXPECT(pthread_join(thread, &got) == 0 && got == &received);
    EXPECT(received.length == 6 && memcmp(received.data, "across", 6) == 0);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}

int c_only_length_bytes_are_touched(const char* socket) {
    ipc_message_t message;
    uint32_t endpoint = 0;
    uint32_t i;
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_register("c-bytes", &endpoint, &message.capability_id), IPC_OK);
    memset(message.data, 0xEE, sizeof message.data);
    message.message_type = IPC_DATA;
    message.priority = 1;
    message.length = 100;
    memset(message.data, 0x11, 100);
    EXPECT_RESULT(ipc_send(endpoint, &message), IPC_OK);
    memset(message.data, 0x77, sizeof message.data);
    EXPECT_RESULT(ipc_receive(NULL, &message, kPatience), IPC_OK);
    EXPECT(message.length == 100);
    for (i = 0; i < sizeof message.data; ++i) {
        EXPECT(message.data[i] == (i < 100 ? 0x11 : 0x77));
    }
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}
