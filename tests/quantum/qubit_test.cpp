// Qubits through a router: one holder, never a copy, an end to coherence.

#include "keyway/quantum.hpp"

#include <nlohmann/json.hpp>

#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

class Qubits : public RouterFixture {
  protected:
    Qubits() : Qubits(quick_options()) {}
    explicit Qubits(RouterOptions options)
        : RouterFixture(std::move(options)), alice_(connect()), bob_(connect()) {
        bob_home_ = bob_.register_endpoint("bob").value();
        to_bob_ = alice_.lookup("bob").value();
    }
    Qubit prepare(unsigned width = 0, std::chrono::nanoseconds coherence = 1h) {
        return Qubit::prepare(alice_, {.coherence = coherence, .fidelity = 0.99, .width = width}).value();
    }
    /// The holders that the router has in its books; process 0 is the router.
    std::vector<std::uint32_t> holders(Connection& viewer) {
        std::vector<std::uint32_t> found;
        const auto state = nlohmann::json::parse(viewer.list().value());
        for (const auto& qubit : state.at("qubits")) {
            found.push_back(qubit.at("holder"));
        }
        return found;
    }

    Connection alice_;
    Connection bob_;
    Endpoint bob_home_;
    Capability to_bob_;
};

class QubitsSeenByAll : public Qubits {
  protected:
    static RouterOptions all_observe() {
        RouterOptions options = quick_options();
        options.policy.rules[0].observe = true;
        return options;
    }
    QubitsSeenByAll() : Qubits(all_observe()) {}
};

class QubitsNotAllowed : public Qubits {
  protected:
    static RouterOptions none() {
        RouterOptions options = quick_options();
        options.policy.rules[0].qubits = false;
        return options;
    }
    QubitsNotAllowed() : Qubits(none()) {}
};

TEST_F(Qubits, a_hand_off_makes_the_receiver_the_one_holder) {
    Qubit qubit = prepare();
    const Capability before = qubit.capability();
    ASSERT_TRUE(succeeded(qubit.hand_off(to_bob_, "yours")));

    EXPECT_EQ(qubit.capability().id, 0U);
    EXPECT_EQ(error_of(alice_.inspect(before.id)), "no_such_capability");
    const auto message = bob_.receive(Deadline::in(10s)).value();
    EXPECT_EQ(message.type(), Type::kQuantum);
    EXPECT_EQ(message.text(), "yours");
    auto received = Qubit::accept(bob_, message);
    ASSERT_TRUE(succeeded(received));
    EXPECT_EQ(received->number(), qubit.number());
    EXPECT_DOUBLE_EQ(received->fidelity(), 0.99);
    EXPECT_EQ(received->deadline().ns(), qubit.deadline().ns());
    EXPECT_FALSE(received->simulated());
    EXPECT_EQ(bob_.inspect(message.carried())->kind, Kind::kQubit);
}

TEST_F(Qubits, a_simulated_state_goes_along_in_place) {
    Qubit qubit = prepare(3);
    ASSERT_EQ(qubit.state().size(), 8U);
    for (std::size_t i = 0; i < 8; ++i) {
        qubit.state()[i] = {double(i), -double(i)};
    }
    ASSERT_TRUE(succeeded(qubit.hand_off(to_bob_)));
    EXPECT_TRUE(qubit.state().empty());
    auto received = Qubit::accept(bob_, bob_.receive(Deadline::in(10s)).value());
    ASSERT_TRUE(succeeded(received));
    ASSERT_EQ(received->state().size(), 8U);
    for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_EQ(received->state()[i], (std::complex<double>{double(i), -double(i)}));
    }
}

TEST_F(Qubits, are_never_copied_granted_or_derived) {
    Qubit qubit = prepare();
    EXPECT_EQ(error_of(alice_.give(qubit.capability(), to_bob_, right::kRead, 1)), "linearity");
    EXPECT_EQ(error_of(alice_.derive(qubit.capability(), Terms{.rights = right::kRead})), "linearity");
    Outgoing along = Outgoing::to(to_bob_, "x");
    along.carried = qubit.capability().id;
    along.grant.set_rights(right::kRead);
    EXPECT_EQ(error_of(alice_.send(along)), "linearity");
    EXPECT_TRUE(succeeded(alice_.inspect(qubit.capability().id)));
}

TEST_F(Qubits, what_is_no_qubit_is_not_handed_off) {
    Outgoing message = Outgoing::to(to_bob_, "x");
    message.type = Type::kQuantum;
    message.carried = to_bob_.id;
    EXPECT_EQ(error_of(alice_.send(message)), "linearity");
    ASSERT_TRUE(succeeded(alice_.send(Outgoing::to(to_bob_, "plain"))));
    EXPECT_EQ(error_of(Qubit::accept(bob_, bob_.receive(Deadline::in(10s)).value())), "no_such_capability");
}

TEST_F(Qubits, a_refused_hand_off_changes_nothing) {
    Qubit qubit = prepare(1);
    qubit.state()[0] = 0.5;
    const Capability nowhere{.id = 4711, .object = to_bob_.object};
    EXPECT_EQ(error_of(qubit.hand_off(nowhere)), "no_such_capability");
    EXPECT_EQ(qubit.state()[0], 0.5);
    EXPECT_TRUE(succeeded(qubit.hand_off(to_bob_)));
}

TEST_F(Qubits, past_its_deadline_one_is_decohered) {
    Qubit qubit = prepare(0, 30ms);
    while (!qubit.deadline().passed()) {
    }
    EXPECT_EQ(error_of(qubit.hand_off(to_bob_)), "decohered");
    // The faults that are looked for before that one keep their names.
    EXPECT_EQ(error_of(qubit.hand_off(Capability{.id = 4711, .object = to_bob_.object})),
              "no_such_capability");
    // Also when the table's own, coarser clock has got there.
    const Deadline later = Deadline::in(60ms);
    while (!later.passed()) {
    }
    EXPECT_EQ(error_of(qubit.hand_off(to_bob_)), "decohered");
}

TEST_F(Qubits, one_that_decoheres_on_the_way_is_not_accepted) {
    Qubit qubit = prepare(0, 50ms);
    const Deadline end = qubit.deadline();
    const auto handed = qubit.hand_off(to_bob_);
    while (!end.passed()) {
    }
    if (handed) {
        EXPECT_EQ(error_of(Qubit::accept(bob_, bob_.receive(Deadline::in(10s)).value())), "decohered");
    } else {
        EXPECT_EQ(error_of(handed), "decohered") << "a very slow machine";
    }
}

TEST_F(QubitsSeenByAll, have_one_holder_in_the_books_wherever_they_are) {
    Qubit qubit = prepare();
    EXPECT_EQ(holders(alice_), std::vector{alice_.id()});
    ASSERT_TRUE(succeeded(qubit.hand_off(to_bob_)));
    EXPECT_EQ(holders(alice_), std::vector{bob_.id()});
    auto received = Qubit::accept(bob_, bob_.receive(Deadline::in(10s)).value());
    ASSERT_TRUE(succeeded(received->discard()));
    EXPECT_TRUE(holders(alice_).empty());
    EXPECT_EQ(error_of(received->discard()), "no_such_capability");
}

TEST_F(QubitsSeenByAll, a_holder_that_ends_leaves_them_to_the_router_and_takes_them_back) {
    auto carol = std::make_unique<Connection>(connect());
    Qubit qubit = Qubit::prepare(*carol, {.coherence = 1h, .width = 1}).value();
    qubit.state()[1] = 0.25;
    const std::uint32_t number = qubit.number();
    carol.reset();
    const Deadline patience = Deadline::in(30s);
    while (holders(alice_) != std::vector{0U} && !patience.passed()) {
    }
    ASSERT_EQ(holders(alice_), std::vector{0U});

    Connection again = connect();  // of the same process
    EXPECT_EQ(error_of(Qubit::reclaim(again, number + 1)), "no_such_qubit");
    ASSERT_TRUE(succeeded(qubit.reclaim_over(again)));
    EXPECT_EQ(qubit.number(), number);
    EXPECT_EQ(qubit.state()[1], 0.25);
    EXPECT_FALSE(qubit.state_lost());
    EXPECT_EQ(holders(alice_), std::vector{again.id()});
    EXPECT_EQ(error_of(Qubit::reclaim(again)), "no_such_qubit") << "there is one holder";
}

TEST_F(QubitsSeenByAll, what_the_router_holds_ends_with_its_coherence) {
    auto carol = std::make_unique<Connection>(connect());
    Qubit qubit = Qubit::prepare(*carol, {.coherence = 200ms}).value();
    carol.reset();
    const Deadline patience = Deadline::in(30s);
    while (!holders(alice_).empty() && !patience.passed()) {
    }
    EXPECT_TRUE(holders(alice_).empty());
}

TEST_F(QubitsNotAllowed, who_may_not_prepare_qubits_can_not) {
    EXPECT_EQ(error_of(Qubit::prepare(alice_, {})), "not_allowed");
}

TEST_F(Qubits, absurd_ones_are_refused) {
    EXPECT_EQ(error_of(Qubit::prepare(alice_, {.coherence = 0s})), "bad_argument");
    EXPECT_EQ(error_of(Qubit::prepare(alice_, {.fidelity = 1.5})), "bad_argument");
    EXPECT_EQ(error_of(Qubit::prepare(alice_, {.fidelity = std::nan("")})), "bad_argument");
    EXPECT_EQ(error_of(Qubit::prepare(alice_, {.width = 21})), "bad_argument");
    EXPECT_TRUE(succeeded(Qubit::prepare(alice_, {.width = 20})));
}

class QubitsOfAPoorUser : public Qubits {
  protected:
    static RouterOptions poor() {
        RouterOptions options = quick_options();
        options.policy.user.queue_bytes = 2U << 20;
        return options;
    }
    QubitsOfAPoorUser() : Qubits(poor()) {}
};

TEST_F(QubitsOfAPoorUser, the_memory_of_states_is_limited_and_given_back) {
    EXPECT_EQ(error_of(Qubit::prepare(alice_, {.width = 17})), "limit");
    for (int i = 0; i < 20; ++i) {
        auto qubit = Qubit::prepare(alice_, {.coherence = 1h, .width = 15});
        ASSERT_TRUE(succeeded(qubit)) << i;
        ASSERT_TRUE(succeeded(qubit->discard()));
    }
}

}  // namespace keyway::test
