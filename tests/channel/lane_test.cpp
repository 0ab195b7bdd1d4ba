#include <poll.h>

#include <thread>

#include "channel_fixture.hpp"
#include "client/lane_impl.hpp"
#include "tests/ring/ring_fixture.hpp"

namespace keyway::test {

class LaneTest : public ChannelFixture {};

TEST_F(LaneTest, carries_messages_both_ways) {
    Lanes sut = lanes();
    LaneMessage message;
    ASSERT_TRUE(succeeded(sut.client.sender().send("there")));
    ASSERT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
    EXPECT_EQ(message.text(), "there");
    ASSERT_TRUE(succeeded(sut.service.sender().send("back")));
    ASSERT_TRUE(succeeded(sut.client.receiver().receive(message, Deadline::in(30s))));
    EXPECT_EQ(message.text(), "back");
}

TEST_F(LaneTest, says_who_sent_by_the_routers_word) {
    Lanes sut = lanes();
    LaneMessage message;
    sut.client.impl().sending.header.set_sender(4711);  // a sender that claims to be somebody else
    sut.client.impl().sending.header.set_capability(4712);
    sut.client.sender().send("x").value();
    sut.service.receiver().receive(message, Deadline::in(30s)).value();
    EXPECT_EQ(message.sender(), client_.id());
    EXPECT_EQ(message.badge(), 77U);
    EXPECT_EQ(message.header().receiver(), endpoint_.id);
    EXPECT_EQ(message.header().sequence(), 1U);
}

TEST_F(LaneTest, takes_payloads_of_0_to_4096_bytes_and_no_more) {
    Lanes sut = lanes();
    LaneMessage message;
    for (const std::size_t size : {0U, 1U, 24U, 25U, 64U, 4095U, 4096U}) {
        const auto body = ring::body_number(size, size);
        ASSERT_TRUE(succeeded(sut.client.sender().send(body)));
        ASSERT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
        EXPECT_TRUE(std::ranges::equal(message.payload(), body)) << size;
    }
    const std::vector<std::byte> large(4097);
    EXPECT_EQ(error_of(sut.client.sender().send(large)), "bad_argument");
    EXPECT_EQ(error_of(sut.client.sender().send({}, Deadline::now(), Type::kQuantum)), "bad_argument");
}

TEST_F(LaneTest, says_full_and_waits_for_room) {
    Lanes sut = lanes();
    const std::vector<std::byte> body(4096);
    int sent = 0;
    while (sut.client.sender().try_send(body)) {
        ++sent;
    }
    EXPECT_GE(sent, 3);
    EXPECT_EQ(error_of(sut.client.sender().try_send(body)), "full");
    EXPECT_EQ(error_of(sut.client.sender().send(body, Deadline::in(2ms))), "timed_out");
    auto waiting = std::async(std::launch::async,
                              [&] { return error_of(sut.client.sender().send(body, Deadline::in(30s))); });
    LaneMessage message;
    for (int i = 0; i < sent + 1; ++i) {
        ASSERT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
    }
    EXPECT_EQ(waiting.get(), "ok");
}

TEST_F(LaneTest, an_empty_lane_says_would_block_or_timeout) {
    Lanes sut = lanes();
    LaneMessage message;
    EXPECT_EQ(error_of(sut.service.receiver().try_receive(message)), "would_block");
    EXPECT_EQ(error_of(sut.service.receiver().receive(message, Deadline::in(2ms))), "timeout");
}

TEST_F(LaneTest, delivers_all_in_order_and_whole_between_two_threads) {
    constexpr std::uint64_t kMessages = 20'000;
    Lanes sut = lanes();
    std::thread sending([&] {
        for (std::uint64_t i = 0; i < kMessages; ++i) {
            const auto body = ring::body_number(i, ring::scramble(i) % 300);
            ASSERT_TRUE(succeeded(sut.client.sender().send(body, Deadline::in(60s))));
        }
    });
    LaneMessage message;
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < kMessages; ++i) {
        const auto taken = sut.service.receiver().receive(message, Deadline::in(60s));
        ASSERT_TRUE(succeeded(taken)) << i;
        wrong +=
            std::ranges::equal(message.payload(), ring::body_number(i, ring::scramble(i) % 300)) ? 0U : 1U;
    }
    sending.join();
    EXPECT_EQ(wrong, 0U);
}

TEST_F(LaneTest, two_who_sleep_at_once_wake_each_other_every_time) {
    const LaneOptions sleepy{.bytes = 16 * 1024, .spin = 0us};
    auto opening = std::async(std::launch::async, [&] {
        return open_lane(client_, to_service_, sleepy, Deadline::in(30s)).value();
    });
    Lane service = accept_lane(service_, offer(), sleepy).value();
    Lane client = opening.get();
    constexpr int kTrips = 2000;
    std::thread echo([&] {
        LaneMessage message;
        for (int i = 0; i < kTrips; ++i) {
            ASSERT_TRUE(succeeded(service.receiver().receive(message, Deadline::in(60s))));
            ASSERT_TRUE(succeeded(service.sender().send(message.payload(), Deadline::in(60s))));
        }
    });
    LaneMessage message;
    for (int i = 0; i < kTrips; ++i) {
        ASSERT_TRUE(succeeded(client.sender().send(std::as_bytes(std::span(&i, 1)), Deadline::in(60s))));
        ASSERT_TRUE(succeeded(client.receiver().receive(message, Deadline::in(60s)))) << i;
        int got = 0;
        std::memcpy(&got, message.payload().data(), sizeof got);
        ASSERT_EQ(got, i);
    }
    echo.join();
}

bool readable(int fd, int timeout_ms) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, timeout_ms) == 1;
}

TEST_F(LaneTest, a_poll_loop_is_told_of_a_message_and_of_the_end) {
    Lanes sut = lanes();
    LaneReceiver& receiver = sut.service.receiver();
    LaneMessage message;
    ASSERT_FALSE(receiver.arm());
    EXPECT_FALSE(readable(receiver.descriptor(), 0));
    sut.client.sender().send("x").value();
    EXPECT_TRUE(readable(receiver.descriptor(), 30'000));
    EXPECT_TRUE(receiver.arm());
    EXPECT_TRUE(succeeded(receiver.try_receive(message)));
    ASSERT_FALSE(receiver.arm());
    { const Lane gone = std::move(sut.client); }
    EXPECT_TRUE(readable(receiver.descriptor(), 30'000));
    EXPECT_TRUE(receiver.arm());
    EXPECT_EQ(error_of(receiver.try_receive(message)), "peer_gone");
}

TEST_F(LaneTest, a_poll_loop_is_told_of_room) {
    Lanes sut = lanes();
    const std::vector<std::byte> body(4096);
    while (sut.client.sender().try_send(body)) {
    }
    ASSERT_FALSE(sut.client.sender().arm());
    LaneMessage message;
    while (sut.service.receiver().try_receive(message)) {
    }
    EXPECT_TRUE(readable(sut.client.sender().descriptor(), 30'000));
    EXPECT_TRUE(sut.client.sender().arm());
    EXPECT_TRUE(succeeded(sut.client.sender().try_send(body)));
}

TEST_F(LaneTest, nobody_is_paid_a_system_call_while_the_other_is_awake) {
    Lanes sut = lanes();
    LaneMessage message;
    for (int i = 0; i < 100; ++i) {
        sut.client.sender().try_send(bytes_of("x")).value();
        sut.service.receiver().try_receive(message).value();
    }
    EXPECT_FALSE(readable(sut.service.receiver().descriptor(), 0));  // no token was sent
}

TEST_F(LaneTest, what_was_sent_before_the_sender_left_is_still_taken) {
    Lanes sut = lanes();
    sut.client.sender().send("one").value();
    sut.client.sender().send("two").value();
    { const Lane gone = std::move(sut.client); }
    LaneMessage message;
    ASSERT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
    ASSERT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
    EXPECT_EQ(message.text(), "two");
    EXPECT_EQ(error_of(sut.service.receiver().receive(message, Deadline::in(30s))), "peer_gone");
}

TEST_F(LaneTest, posted_messages_reach_a_sleeper_with_the_flush) {
    Lanes sut = lanes();
    ASSERT_FALSE(sut.service.receiver().arm());
    sut.client.sender().post(bytes_of("a")).value();
    sut.client.sender().post(bytes_of("b")).value();
    sut.client.sender().flush();
    EXPECT_TRUE(readable(sut.service.receiver().descriptor(), 30'000));
    LaneMessage message;
    sut.service.receiver().try_receive(message).value();
    sut.service.receiver().try_receive(message).value();
    EXPECT_EQ(message.text(), "b");
}

}  // namespace keyway::test
