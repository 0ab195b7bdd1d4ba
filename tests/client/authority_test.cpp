// Passing authority on, and taking it back.

#include <thread>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Authority : public RouterFixture {
  protected:
    Authority() : owner_(connect()), friend_(connect()) {
        endpoint_ = owner_.register_endpoint("vault").value();
        friend_home_ = friend_.register_endpoint("friend").value();
        to_friend_ = owner_.lookup("friend").value();
    }
    /// Gives the friend a capability for the vault; returns it as the friend holds it.
    Capability give(std::uint8_t rights, std::uint32_t badge = 7, std::chrono::nanoseconds lifetime = {}) {
        given_ = owner_.give(endpoint_.capability, to_friend_, rights, badge, lifetime).value();
        auto message = friend_.receive(Deadline::in(10s)).value();
        EXPECT_EQ(message.type(), Type::kCapability);
        EXPECT_EQ(message.carried(), given_);
        return friend_.inspect(message.carried()).value();
    }

    Connection owner_;
    Connection friend_;
    Endpoint endpoint_;
    Endpoint friend_home_;
    Capability to_friend_;
    std::uint32_t given_ = 0;
};

TEST_F(Authority, a_given_capability_works_and_shows_its_badge) {
    const Capability vault = give(right::kWrite, 99);
    EXPECT_EQ(vault.object, endpoint_.id);
    EXPECT_EQ(vault.rights, right::kWrite);
    ASSERT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "in"))));
    EXPECT_EQ(owner_.receive(Deadline::in(10s)).value().badge(), 99U);
}

TEST_F(Authority, rights_bound_what_the_holder_can_do) {
    const Capability write_only = give(right::kWrite);
    EXPECT_EQ(error_of(friend_.call(write_only, "?", Deadline::in(10s))), "insufficient_rights");
    const Capability call_only = give(right::kExecute);
    EXPECT_EQ(error_of(friend_.send(Outgoing::to(call_only, "?"))), "insufficient_rights");
}

TEST_F(Authority, nobody_gives_more_than_it_has) {
    const Capability vault = give(right::kWrite | right::kGrant);
    Connection third = connect();
    auto third_home = third.register_endpoint("third").value();
    const Capability to_third = friend_.lookup("third").value();
    EXPECT_EQ(error_of(friend_.give(vault, to_third, right::kWrite | right::kExecute, 1)), "amplified");
    EXPECT_TRUE(succeeded(friend_.give(vault, to_third, right::kWrite, 1)));
    const Capability no_grant = give(right::kWrite);
    EXPECT_EQ(error_of(friend_.give(no_grant, to_third, right::kWrite, 1)), "not_grantable");
    EXPECT_EQ(error_of(friend_.give(Capability{.id = endpoint_.capability.id}, to_third, right::kWrite, 1)),
              "no_such_carried");
    EXPECT_NE(third_home.id, 0U);
}

TEST_F(Authority, giving_needs_the_right_to_send_to_the_receiver) {
    const Capability forged{.id = friend_home_.capability.id, .object = friend_home_.id};
    EXPECT_EQ(error_of(owner_.give(endpoint_.capability, forged, right::kWrite, 1)), "no_such_capability");
    EXPECT_EQ(error_of(friend_.try_receive()), "would_block");
}

TEST_F(Authority, a_revoked_capability_is_refused_from_then_on) {
    const Capability vault = give(right::kWrite);
    ASSERT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "before"))));
    EXPECT_EQ(owner_.revoke(endpoint_.capability, given_).value(), 1U);
    EXPECT_EQ(error_of(friend_.send(Outgoing::to(vault, "after"))), "no_such_capability");
    EXPECT_EQ(error_of(friend_.inspect(vault.id)), "no_such_capability");
    EXPECT_EQ(owner_.receive(Deadline::in(10s)).value().text(), "before");
    EXPECT_EQ(error_of(owner_.try_receive()), "would_block");
}

TEST_F(Authority, revocation_takes_what_was_derived_along) {
    const Capability vault = give(right::kWrite | right::kGrant);
    Connection third = connect();
    auto third_home = third.register_endpoint("third").value();
    const Capability to_third = friend_.lookup("third").value();
    ASSERT_TRUE(succeeded(friend_.give(vault, to_third, right::kWrite, 1)));
    const auto grandchild = third.receive(Deadline::in(10s)).value().carried();
    EXPECT_EQ(owner_.revoke(endpoint_.capability, given_).value(), 2U);
    Capability stale{.id = grandchild, .object = endpoint_.id};
    EXPECT_EQ(error_of(third.send(Outgoing::to(stale, "?"))), "no_such_capability");
    EXPECT_NE(third_home.id, 0U);
}

TEST_F(Authority, revoking_needs_the_right_and_the_ancestry) {
    const Capability vault = give(right::kWrite | right::kGrant);
    EXPECT_EQ(error_of(friend_.revoke(vault)), "insufficient_rights");
    EXPECT_EQ(error_of(friend_.revoke(friend_home_.capability, given_)), "no_such_capability");
    EXPECT_EQ(error_of(owner_.revoke(endpoint_.capability, 0xFFFFFFFF)), "no_such_capability");
    EXPECT_EQ(error_of(owner_.revoke(endpoint_.capability, endpoint_.capability.id)), "no_such_capability");
    EXPECT_EQ(error_of(owner_.revoke(Capability{})), "no_such_capability");
    EXPECT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "still"))));
}

TEST_F(Authority, only_administrators_revoke_and_grant_by_name) {
    const Capability vault = give(right::kWrite);
    EXPECT_EQ(error_of(friend_.revoke_any(vault.id)), "not_allowed");
    EXPECT_EQ(error_of(friend_.grant("vault", friend_.id(), right::kWrite, 1)), "not_allowed");
    Policy policy = Policy::permissive();
    policy.rules[0].administer = true;
    router_.set_policy(policy);
    Connection administrator = connect();
    EXPECT_EQ(administrator.revoke_any(vault.id).value(), 1U);
    EXPECT_EQ(error_of(friend_.send(Outgoing::to(vault, "?"))), "no_such_capability");
    EXPECT_EQ(error_of(administrator.revoke_any(endpoint_.capability.id)), "no_such_capability");
    EXPECT_EQ(error_of(administrator.grant("nowhere", friend_.id(), right::kWrite, 1)), "no_such_name");
    EXPECT_EQ(error_of(administrator.grant("vault", 60000, right::kWrite, 1)), "no_such_process");
    EXPECT_EQ(error_of(administrator.grant("vault", friend_.id(), right::kProcess, 1)), "amplified");
    const auto granted = administrator.grant("vault", friend_.id(), right::kWrite, 55).value();
    auto message = friend_.receive(Deadline::in(10s)).value();
    EXPECT_EQ(message.carried(), granted);
    EXPECT_EQ(message.sender(), 0U);
    Capability fresh{.id = granted, .object = endpoint_.id};
    EXPECT_TRUE(succeeded(friend_.send(Outgoing::to(fresh, "granted"))));
    EXPECT_EQ(owner_.receive(Deadline::in(10s)).value().badge(), 55U);
}

TEST_F(Authority, a_capability_ends_with_its_lifetime) {
    const Capability vault = give(right::kWrite, 1, 1ms);  // rounded up to one router tick
    // The clock is the router's; sending until it refuses waits for the event itself.
    std::string last = "ok";
    const Deadline patience = Deadline::in(30s);
    while (last == "ok" && !patience.passed()) {
        last = error_of(friend_.send(Outgoing::to(vault, "tick")));
        while (owner_.try_receive()) {
        }
    }
    EXPECT_EQ(last, "expired");
    EXPECT_EQ(error_of(owner_.give(endpoint_.capability, to_friend_, right::kWrite, 1, 10h)), "bad_argument");
    EXPECT_EQ(error_of(owner_.give(endpoint_.capability, to_friend_, right::kWrite, 1, -1ns)),
              "bad_argument");
}

TEST_F(Authority, a_capability_that_was_released_is_gone_with_its_descendants) {
    const Capability vault = give(right::kWrite | right::kGrant);
    EXPECT_TRUE(succeeded(friend_.release(vault.id)));
    EXPECT_EQ(error_of(friend_.send(Outgoing::to(vault, "?"))), "no_such_capability");
    EXPECT_EQ(error_of(friend_.release(vault.id)), "no_such_capability");
    EXPECT_EQ(error_of(owner_.release(endpoint_.capability.id)), "bad_argument");
}

TEST_F(Authority, what_a_process_gave_ends_with_the_process) {
    auto giver = std::make_unique<Connection>(connect());
    auto gift = giver->register_endpoint("gift").value();
    const Capability to_friend = giver->lookup("friend").value();
    ASSERT_TRUE(succeeded(giver->give(gift.capability, to_friend, right::kWrite, 1)));
    const auto held = friend_.receive(Deadline::in(10s)).value().carried();
    giver.reset();
    // The router notices by the hang-up; ask until it has.
    const Deadline patience = Deadline::in(30s);
    std::string last = "ok";
    while (last == "ok" && !patience.passed()) {
        last = error_of(friend_.inspect(held));
    }
    EXPECT_EQ(last, "no_such_capability");
    EXPECT_EQ(error_of(friend_.lookup("gift")), "no_such_name");
}

TEST_F(Authority, no_message_is_delivered_after_a_revocation_returned) {
    // One thread sends as fast as it can while the other revokes; whatever is accepted must have been
    // accepted before the revocation's answer.
    for (int round = 0; round < 30; ++round) {
        const Capability vault = give(right::kWrite);
        std::atomic<bool> stop{false};
        std::thread sending([&] {
            while (!stop) {
                if (!friend_.post(Outgoing::to(vault, "x"), Deadline::in(10s), Deadline::in(10s))) {
                    break;
                }
            }
            EXPECT_TRUE(succeeded(friend_.flush(Deadline::in(30s))));
            while (friend_.next_refusal()) {
            }
        });
        for (int i = 0; i < 20 + round; ++i) {
            ASSERT_TRUE(succeeded(owner_.receive(Deadline::in(30s))));
        }
        ASSERT_EQ(owner_.revoke(endpoint_.capability, given_).value(), 1U);
        const std::uint64_t returned = Deadline::clock_ns();
        stop = true;
        while (true) {
            auto message = owner_.try_receive();
            if (!message) {
                break;
            }
            EXPECT_LE(message->timestamp(), returned);
        }
        sending.join();
        // Everything delivered was in the ring when the revocation returned, and has been taken out above.
        EXPECT_EQ(error_of(owner_.try_receive()), "would_block");
    }
}

TEST_F(Authority, a_use_count_is_the_number_of_messages_that_are_delivered) {
    for (const std::uint32_t uses : {1U, 2U, 5U}) {
        const auto id =
            owner_.give(endpoint_.capability, to_friend_, Terms{.rights = right::kWrite, .uses = uses});
        ASSERT_TRUE(succeeded(id));
        const auto message = friend_.receive(Deadline::in(10s)).value();
        ASSERT_EQ(message.carried(), *id);
        const Capability vault = friend_.inspect(*id).value();
        Outgoing impossible = Outgoing::to(vault, "?");
        impossible.flags = flag::kExpectsReply;
        EXPECT_EQ(error_of(friend_.send(impossible)), "insufficient_rights") << "costs no use";
        for (std::uint32_t i = 0; i < uses; ++i) {
            EXPECT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "x")))) << i << " of " << uses;
        }
        EXPECT_EQ(error_of(friend_.send(Outgoing::to(vault, "x"))), "no_such_capability") << uses;
    }
}

TEST_F(Authority, what_has_a_use_count_is_moved_and_never_copied) {
    ASSERT_TRUE(succeeded(owner_.give(endpoint_.capability, to_friend_,
                                      Terms{.rights = right::kWrite | right::kGrant, .uses = 3})));
    const Capability vault = friend_.inspect(friend_.receive(Deadline::in(10s)).value().carried()).value();
    Connection third = connect();
    ASSERT_TRUE(succeeded(third.register_endpoint("third")));
    const Capability to_third = friend_.lookup("third").value();
    EXPECT_EQ(error_of(friend_.give(vault, to_third, right::kWrite, 1)), "linearity");
    EXPECT_EQ(error_of(friend_.derive(vault, Terms{.rights = right::kWrite})), "linearity");
    ASSERT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "x"))));
    const auto moved = friend_.move(vault, to_third);
    ASSERT_TRUE(succeeded(moved));
    EXPECT_EQ(error_of(friend_.send(Outgoing::to(vault, "x"))), "no_such_capability");
    const Capability now = third.inspect(third.receive(Deadline::in(10s)).value().carried()).value();
    EXPECT_EQ(now.id, *moved);
    EXPECT_TRUE(succeeded(third.send(Outgoing::to(now, "x"))));
    EXPECT_TRUE(succeeded(third.send(Outgoing::to(now, "x"))));
    EXPECT_EQ(error_of(third.send(Outgoing::to(now, "x"))), "no_such_capability")
        << "one use was spent before";
}

TEST_F(Authority, one_derives_for_oneself_and_moves_it_with_the_badge_and_the_lifetime) {
    const auto mine =
        owner_.derive(endpoint_.capability, Terms{.rights = right::kWrite, .badge = 55, .lifetime = 1h});
    ASSERT_TRUE(succeeded(mine));
    EXPECT_EQ(mine->rights, right::kWrite);
    EXPECT_EQ(error_of(owner_.move(*mine, to_friend_)), "not_grantable");
    const auto movable =
        owner_.derive(endpoint_.capability, Terms{.rights = right::kWrite | right::kGrant, .badge = 56});
    ASSERT_TRUE(succeeded(movable));
    ASSERT_TRUE(succeeded(owner_.move(*movable, to_friend_)));
    const Capability vault = friend_.inspect(friend_.receive(Deadline::in(10s)).value().carried()).value();
    ASSERT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "x"))));
    EXPECT_EQ(owner_.receive(Deadline::in(10s)).value().badge(), 56U);
    EXPECT_EQ(owner_.revoke(endpoint_.capability).value(), 2U) << "what was moved is still what was derived";
    EXPECT_EQ(error_of(friend_.send(Outgoing::to(vault, "x"))), "no_such_capability");
}

TEST_F(Authority, deriving_for_oneself_has_the_same_limits_as_giving) {
    const Capability vault = give(right::kWrite | right::kGrant);
    EXPECT_EQ(error_of(friend_.derive(vault, Terms{.rights = right::kExecute})), "amplified");
    EXPECT_EQ(error_of(friend_.derive(endpoint_.capability, Terms{.rights = right::kWrite})),
              "no_such_carried");
    EXPECT_EQ(error_of(friend_.derive(give(right::kWrite), Terms{.rights = right::kWrite})), "not_grantable");
    EXPECT_EQ(error_of(friend_.derive(vault, Terms{.rights = right::kWrite, .lifetime = -1s})),
              "bad_argument");
    EXPECT_EQ(error_of(friend_.derive(vault, Terms{.rights = right::kWrite, .lifetime = 10000h})),
              "bad_argument");
    ASSERT_EQ(owner_.revoke(endpoint_.capability).value(), 2U);
    EXPECT_EQ(error_of(friend_.derive(vault, Terms{.rights = right::kWrite})), "no_such_carried")
        << "a stale generation";
}

TEST_F(Authority, a_counted_gift_that_can_not_be_delivered_leaves_nothing_behind) {
    const Capability vault = give(right::kWrite | right::kGrant);
    ASSERT_NE(vault.id, 0U);
    const Capability nowhere{.id = 12345, .object = friend_home_.id};
    EXPECT_EQ(error_of(owner_.give(endpoint_.capability, nowhere, Terms{.rights = right::kWrite, .uses = 2})),
              "no_such_capability");
    EXPECT_EQ(owner_.revoke(endpoint_.capability).value(), 1U) << "only what the friend holds";
}

TEST_F(Authority, nobody_revokes_its_ancestors) {
    const Capability vault = give(right::kWrite | right::kRevoke | right::kGrant);
    EXPECT_EQ(error_of(friend_.revoke(vault, endpoint_.capability.id)), "no_such_capability");
    EXPECT_EQ(error_of(friend_.revoke(vault, vault.id)), "no_such_capability");
    EXPECT_TRUE(succeeded(friend_.send(Outgoing::to(vault, "x"))));
}

}  // namespace keyway::test
