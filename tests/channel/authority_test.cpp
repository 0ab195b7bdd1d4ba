// Who may open a lane or stream, and what ends the authority.
#include <thread>

#include "channel_fixture.hpp"
#include "client/lane_impl.hpp"

namespace keyway::test {

class ChannelAuthority : public ChannelFixture {};

class WithoutDevice : public ChannelFixture {
  protected:
    WithoutDevice() : ChannelFixture(options_with(right::kWrite | right::kExecute)) {}
};
class WithoutWrite : public ChannelFixture {
  protected:
    WithoutWrite() : ChannelFixture(options_with(right::kExecute | right::kDevice)) {}
};

TEST_F(WithoutDevice, a_lane_is_refused_by_name) {
    EXPECT_EQ(error_of(open_lane(client_, to_service_, {}, Deadline::in(10s))), "insufficient_rights");
}
TEST_F(WithoutDevice, a_stream_is_not) {
    const Streams sut = streams();
    EXPECT_EQ(sut.writer.peer(), service_.id());
}
TEST_F(WithoutWrite, a_stream_is_refused_by_name) {
    EXPECT_EQ(error_of(open_stream(client_, to_service_, {}, Deadline::in(10s))), "insufficient_rights");
}

TEST_F(ChannelAuthority, nobody_opens_with_a_capability_that_is_not_his) {
    Connection stranger = connect();
    EXPECT_EQ(error_of(open_lane(stranger, to_service_, {}, Deadline::in(10s))), "no_such_capability");
    EXPECT_EQ(error_of(open_stream(stranger, to_service_, {}, Deadline::in(10s))), "no_such_capability");
}

TEST_F(ChannelAuthority, a_revoked_capability_opens_nothing) {
    service_.revoke(endpoint_.capability).value();
    EXPECT_EQ(error_of(open_lane(client_, to_service_, {}, Deadline::in(10s))), "no_such_capability");
}

TEST_F(ChannelAuthority, an_expired_capability_opens_nothing) {
    const std::uint32_t given =
        service_.grant("service", client_.id(), kLaneRights, 5, std::chrono::milliseconds(1)).value();
    const Capability brief = client_.inspect(given).value();
    const Deadline limit = Deadline::in(30s);
    while (client_.send(Outgoing::to(brief, "?")) && !limit.passed()) {
        service_.receive(Deadline::in(30s)).value();
    }
    EXPECT_EQ(error_of(open_lane(client_, brief, {}, Deadline::in(10s))), "expired");
}

TEST_F(ChannelAuthority, nobody_opens_a_channel_to_himself) {
    EXPECT_EQ(error_of(open_lane(service_, endpoint_.capability, {}, Deadline::in(10s))), "bad_argument");
}

TEST_F(ChannelAuthority, a_one_shot_capability_is_for_one_message_and_not_for_a_channel) {
    client_.register_endpoint("inbox").value();
    Outgoing gift = Outgoing::to(service_.lookup("inbox").value(), "once");
    gift.type = Type::kCapability;
    gift.carried = endpoint_.capability.id;
    gift.grant.set_rights(kLaneRights);
    gift.grant.set_flags(grant_flag::kOneShot);
    service_.send(gift).value();
    const Received got = client_.receive(Deadline::in(30s)).value();
    const Capability once = client_.inspect(got.carried()).value();
    EXPECT_EQ(error_of(open_lane(client_, once, {}, Deadline::in(10s))), "linearity");
}

TEST_F(ChannelAuthority, sizes_out_of_range_are_refused) {
    for (const std::uint32_t bytes : {0U, 8U << 10, 48U << 10, 32U << 20}) {
        EXPECT_EQ(error_of(open_lane(client_, to_service_, {.bytes = bytes})), "bad_argument") << bytes;
    }
    for (const std::uint32_t bytes : {0U, 32U << 10, 96U << 10, 512U << 20}) {
        EXPECT_EQ(error_of(open_stream(client_, to_service_, {.bytes = bytes})), "bad_argument") << bytes;
    }
}

TEST_F(ChannelAuthority, memory_counts_towards_the_openers_limit) {
    Policy policy = options_with(kLaneRights).policy;
    policy.process.queue_bytes = 1U << 20;
    router_.set_policy(policy);
    client_.lookup("service").value();  // the policy is in force once this is answered
    EXPECT_EQ(error_of(open_stream(client_, to_service_, {.bytes = 1U << 20})), "limit");
    const Streams sut = streams();
    EXPECT_EQ(sut.reader.peer(), client_.id());
}

TEST_F(ChannelAuthority, what_a_channel_took_is_given_back_when_it_ends) {
    Policy policy = options_with(kLaneRights).policy;
    policy.process.descriptors = 5 + 8;  // a link and one channel
    policy.user.descriptors = 2 * 5 + 8;
    router_.set_policy(policy);
    client_.lookup("service").value();
    for (int i = 0; i < 10; ++i) {
        Lanes sut = lanes();
        EXPECT_EQ(error_of(open_lane(client_, to_service_, {}, Deadline::in(10s))), "limit");
        { const Lane gone = std::move(sut.client); }
        LaneMessage message;
        EXPECT_EQ(error_of(sut.service.receiver().receive(message, Deadline::in(30s))), "peer_gone");
        // The router hears of it through a descriptor; ask until it has looked.
        const Deadline limit = Deadline::in(30s);
        while (client_.list().value().find("\"open\"") != std::string::npos && !limit.passed()) {
        }
    }
}

TEST_F(ChannelAuthority, an_offer_can_be_declined) {
    auto opening = std::async(
        std::launch::async, [&] { return error_of(open_lane(client_, to_service_, {}, Deadline::in(30s))); });
    const Received asked = offer();
    EXPECT_TRUE(succeeded(decline(service_, asked)));
    EXPECT_EQ(opening.get(), "declined");
    EXPECT_EQ(error_of(accept_lane(service_, asked)), "no_such_capability");
}

TEST_F(ChannelAuthority, an_offer_says_who_asks_for_what) {
    auto opening = std::async(std::launch::async, [&] {
        return error_of(
            open_stream(client_, to_service_, {.bytes = 128 * 1024, .records = true}, Deadline::in(30s)));
    });
    const Received asked = offer();
    const auto sut = offered_channel(asked);
    ASSERT_TRUE(sut);
    EXPECT_EQ(sut->kind, ChannelKind::kStream);
    EXPECT_TRUE(sut->records);
    EXPECT_EQ(sut->bytes, 128U * 1024);
    EXPECT_EQ(sut->opener, client_.id());
    EXPECT_EQ(sut->badge, 77U);
    EXPECT_EQ(sut->endpoint, endpoint_.id);
    EXPECT_EQ(error_of(accept_lane(service_, asked)), "bad_argument");  // it is no lane
    EXPECT_TRUE(succeeded(decline(service_, asked)));
    EXPECT_EQ(opening.get(), "declined");
}

TEST_F(ChannelAuthority, no_process_can_make_a_message_that_looks_like_an_offer) {
    const std::string body(12, '\1');
    Outgoing forged = Outgoing::to(to_service_, body);
    forged.type = Type::kControl;
    client_.send(forged).value();
    EXPECT_FALSE(offered_channel(offer()));
}

TEST_F(ChannelAuthority, who_is_not_answered_gives_up_at_the_deadline) {
    EXPECT_EQ(error_of(open_lane(client_, to_service_, {}, Deadline::in(5ms))), "timeout");
    const Received asked = offer();
    const Deadline limit = Deadline::in(30s);
    std::string said;
    do {  // the router hears of it through a descriptor
        auto sut = accept_lane(service_, asked);
        said = error_of(sut);
        if (sut) {
            LaneMessage message;
            said = error_of(sut->receiver().receive(message, Deadline::in(30s)));
        }
    } while (said == "ok" && !limit.passed());
    EXPECT_TRUE(said == "no_such_capability" || said == "peer_gone") << said;
}

TEST_F(ChannelAuthority, revoking_the_capability_is_in_force_for_every_message_not_yet_taken) {
    Lanes sut = lanes();
    LaneMessage message;
    ASSERT_TRUE(succeeded(sut.client.sender().send("before")));
    ASSERT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
    EXPECT_EQ(message.text(), "before");
    ASSERT_TRUE(succeeded(sut.client.sender().send("in the ring already")));
    service_.revoke(endpoint_.capability).value();
    EXPECT_EQ(error_of(sut.service.receiver().try_receive(message)), "revoked");
    EXPECT_EQ(error_of(sut.client.sender().try_send(bytes_of("after"))), "revoked");
    EXPECT_EQ(error_of(sut.service.sender().try_send(bytes_of("back"))), "revoked");
}

TEST_F(ChannelAuthority, revoking_cuts_a_stream_off_at_both_ends) {
    Streams sut = streams();
    sut.writer.write(bytes_of("never read")).value();
    client_.release(to_service_.id).value();
    EXPECT_EQ(error_of(sut.reader.peek(Deadline::in(30s))), "revoked");
    EXPECT_EQ(sut.reader.state(), StreamState::kRevoked);
    EXPECT_EQ(error_of(sut.writer.write(bytes_of("more"))), "revoked");
    EXPECT_EQ(sut.writer.state(), StreamState::kRevoked);
}

TEST_F(ChannelAuthority, revoking_wakes_a_receiver_who_sleeps) {
    Lanes sut = lanes();
    auto waiting = std::async(std::launch::async, [&] {
        LaneMessage message;
        return error_of(sut.service.receiver().receive(message, Deadline::in(30s)));
    });
    auto& word = *sut.service.impl().receiving.sleeper.word;
    const Deadline limit = Deadline::in(30s);
    while (ring::NativeAtomics::load(word.parked, std::memory_order_acquire) == 0 && !limit.passed()) {
        std::this_thread::yield();
    }
    client_.revoke_any(to_service_.id).value();
    EXPECT_EQ(waiting.get(), "revoked");
}

TEST_F(ChannelAuthority, expiry_ends_a_lane_for_one_who_waits) {
    const std::uint32_t given =
        service_.grant("service", client_.id(), kLaneRights, 5, std::chrono::milliseconds(60)).value();
    to_service_ = client_.inspect(given).value();
    Lanes sut = lanes();
    EXPECT_EQ(sut.service.badge(), 5U);
    LaneMessage message;
    EXPECT_EQ(error_of(sut.service.receiver().receive(message, Deadline::in(30s))), "expired");
}

TEST_F(ChannelAuthority, closing_the_endpoint_ends_its_channels) {
    Lanes sut = lanes();
    service_.close_endpoint(endpoint_.id).value();
    EXPECT_EQ(error_of(sut.client.sender().try_send(bytes_of("?"))), "revoked");
}

TEST_F(ChannelAuthority, the_routers_end_ends_a_lane) {
    Lanes sut = lanes();
    router_.stop();
    router_.join();
    LaneMessage message;
    EXPECT_NE(error_of(sut.service.receiver().receive(message, Deadline::in(30s))), "timeout");
    EXPECT_NE(error_of(sut.client.sender().try_send(bytes_of("?"))), "ok");
}

TEST_F(ChannelAuthority, a_channels_capability_can_neither_be_sent_with_nor_given_away) {
    auto opening = std::async(std::launch::async,
                              [&] { return open_lane(client_, to_service_, {}, Deadline::in(30s)); });
    const Received asked = offer();
    const Capability sut = service_.inspect(asked.carried()).value();
    EXPECT_EQ(sut.kind, Kind::kChannel);
    EXPECT_EQ(error_of(service_.send(Outgoing::to(sut, "?"))), "wrong_object");
    EXPECT_EQ(error_of(service_.give(sut, service_.lookup("service").value(), sut.rights, 0)),
              "not_grantable");
    EXPECT_EQ(error_of(open_lane(service_, sut, {}, Deadline::in(10s))), "wrong_object");
    decline(service_, asked).value();
    EXPECT_FALSE(opening.get());
}

TEST_F(ChannelAuthority, the_listing_shows_what_both_ends_count) {
    Lanes sut = lanes();
    LaneMessage message;
    for (int i = 0; i < 3; ++i) {
        sut.client.sender().send("four").value();
        sut.service.receiver().receive(message, Deadline::in(30s)).value();
    }
    const Deadline limit = Deadline::in(30s);
    std::string listing;
    do {
        listing = client_.list().value();
    } while (listing.find(R"("bytes":12,"last_sequence":3,"messages":3)") == std::string::npos &&
             !limit.passed());
    EXPECT_NE(listing.find(R"("kind":"lane")"), std::string::npos) << listing;
    EXPECT_NE(listing.find(R"("counts_agree":true)"), std::string::npos) << listing;
}

}  // namespace keyway::test
