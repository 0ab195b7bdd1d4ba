/* Topics from C: compiled as C, so that the header is what it says. */

#include "tests/topic/c_topics_program.h"

#include <poll.h>
#include <string.h>

#include "keyway/ipc.h"
#include "tests/client/c_expect.h"

int c_topics_program(const char* socket) {
    ipc_message_t message;
    uint32_t topic = 0;
    uint32_t sender = 0;
    memset(&message, 0, sizeof message);
    EXPECT_RESULT(ipc_connect(socket), IPC_OK);
    EXPECT_RESULT(ipc_topic_create("c-news", 7, 0, &topic, NULL), IPC_E_BAD_ARGUMENT);
    EXPECT_RESULT(ipc_topic_create("c-news", IPC_DROP_OLDEST, 2, &topic, NULL), IPC_OK);
    EXPECT_RESULT(ipc_unsubscribe(topic), IPC_E_NO_SUCH_SUBSCRIPTION);
    EXPECT_RESULT(ipc_subscribe(topic + 1, 0), IPC_E_NO_SUCH_CAPABILITY);

    message.length = 5;
    memcpy(message.data, "early", 5);
    EXPECT_RESULT(ipc_publish(topic, &message), IPC_OK);
    EXPECT_RESULT(ipc_subscribe(topic, 0), IPC_OK);
    memset(&message, 0, sizeof message);
    EXPECT_RESULT(ipc_receive(&sender, &message, kPatience), IPC_OK);
    EXPECT(message.message_type == IPC_EVENT && message.receiver_id == topic && sender == ipc_self());
    EXPECT(message.length == 5 && memcmp(message.data, "early", 5) == 0);

    EXPECT_RESULT(ipc_receive(&sender, &message, IPC_NO_WAIT), IPC_E_TIMEOUT);
    message.length = 4;
    memcpy(message.data, "late", 4);
    EXPECT_RESULT(ipc_publish(topic, &message), IPC_OK);
    struct pollfd readable = {ipc_descriptor(), POLLIN, 0};
    EXPECT(poll(&readable, 1, 10000) == 1);
    EXPECT_RESULT(ipc_receive(&sender, &message, IPC_NO_WAIT), IPC_OK);
    EXPECT(message.message_type == IPC_EVENT && memcmp(message.data, "late", 4) == 0);

    EXPECT_RESULT(ipc_unsubscribe(topic), IPC_OK);
    EXPECT_RESULT(ipc_publish(topic, &message), IPC_OK);
    EXPECT_RESULT(ipc_receive(&sender, &message, IPC_NO_WAIT), IPC_E_TIMEOUT);
    EXPECT_RESULT(ipc_disconnect(), IPC_OK);
    return 0;
}
