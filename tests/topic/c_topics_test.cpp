// Topics in the C interface, against a router behind a real socket.

#include <unistd.h>

#include <filesystem>

#include "client/c_state.hpp"
#include "keyway/topic.hpp"
#include "tests/client/router_fixture.hpp"
#include "tests/topic/c_topics_program.h"

using namespace std::chrono_literals;

namespace keyway::test {

class CTopics : public RouterFixture {
  protected:
    static std::string socket_path() {
        return std::filesystem::temp_directory_path() /
               ("keyway-topic-" + std::to_string(::getpid()) + ".sock");
    }
    static RouterOptions behind_socket() {
        RouterOptions options = quick_options();
        options.socket = socket_path();
        return options;
    }
    CTopics() : RouterFixture(behind_socket()) {}
};

TEST_F(CTopics, a_c_program_publishes_and_gets_events_merged_with_its_messages) {
    EXPECT_EQ(c_topics_program(socket_path().c_str()), 0);
}

TEST_F(CTopics, a_c_process_that_somebody_subscribes_is_attached_by_its_library) {
    Connection keeper = connect();
    const Capability topic = make_topic(keeper, "news").value();
    keeper.register_endpoint("keeper").value();
    ASSERT_EQ(ipc_connect(socket_path().c_str()), IPC_OK);
    Connection& own = c::state()->connection;
    ASSERT_TRUE(succeeded(own.give(own.self(), own.lookup("keeper").value(), right::kProcess, 0)));
    const auto reading = subscribe_process(keeper, topic, own.id());
    ASSERT_TRUE(succeeded(reading));

    ipc_message_t message{};
    EXPECT_EQ(ipc_receive(nullptr, &message, IPC_NO_WAIT), IPC_E_TIMEOUT);  // takes the router's word
    ASSERT_TRUE(succeeded(publish(keeper, topic, "hello")));
    ASSERT_EQ(ipc_receive(nullptr, &message, 10'000'000'000), IPC_OK);
    EXPECT_EQ(message.message_type, std::uint32_t{IPC_EVENT});
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(message.data), message.length), "hello");

    // And another's recall takes nothing from it: the library follows the topic to its fresh ring.
    const Capability brief = keeper.derive(topic, {.rights = right::kRead}).value();
    auto other = Subscription::open(keeper, brief).value();
    ASSERT_TRUE(succeeded(keeper.revoke(topic, brief.id)));
    ASSERT_TRUE(succeeded(publish(keeper, topic, "again")));
    ASSERT_EQ(ipc_receive(nullptr, &message, 10'000'000'000), IPC_OK);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(message.data), message.length), "again");

    ASSERT_TRUE(succeeded(keeper.revoke(topic, *reading)));
    ASSERT_TRUE(succeeded(publish(keeper, topic, "no more")));
    EXPECT_EQ(ipc_receive(nullptr, &message, IPC_NO_WAIT), IPC_E_TIMEOUT);
    EXPECT_EQ(ipc_unsubscribe(topic.object), IPC_E_NO_SUCH_SUBSCRIPTION);
    EXPECT_EQ(ipc_disconnect(), IPC_OK);
}

}  // namespace keyway::test
