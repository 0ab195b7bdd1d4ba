// The router is killed and followed by another: what holds for those who were connected.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "client/connection_impl.hpp"
#include "keyway/quantum.hpp"
#include "keyway/region.hpp"
#include "keyway/topic.hpp"
#include "tests/restart/restart_stage.hpp"

namespace keyway::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;

Deadline soon() {
    return Deadline::in(kPatience);
}

Connection connect(const RestartStage& stage, std::chrono::nanoseconds reattach = kPatience) {
    auto connection = Connection::open(stage.client(reattach));
    if (!connection) {
        ADD_FAILURE() << connection.error().message();
        std::abort();
    }
    return std::move(*connection);
}

// Whoever is to receive must be back first. Who waits in the library, or watches its descriptor, is so by
// itself.
void look(Connection& connection) {
    EXPECT_TRUE(connection.inspect(connection.self().id));
}

std::span<const std::byte> bytes_of(const std::uint64_t& number) {
    return std::as_bytes(std::span(&number, 1));
}

std::uint64_t number_in(std::span<const std::byte> payload) {
    std::uint64_t number = 0;
    std::memcpy(&number, payload.data(), std::min(payload.size(), sizeof number));
    return number;
}

TEST(Restart, a_connection_goes_on_with_its_id_its_names_and_its_capabilities) {
    RestartStage sut;
    sut.start();
    Connection service = connect(sut);
    const Endpoint endpoint = service.register_endpoint("echo").value();
    Connection client = connect(sut);
    const Capability echo = client.lookup("echo").value();
    ASSERT_TRUE(client.send(Outgoing::to(echo, "before")));

    sut.replace();
    look(service);

    ASSERT_TRUE(client.send(Outgoing::to(echo, "after")));
    EXPECT_EQ(service.receive(soon()).value().text(), "before");
    const auto after = service.receive(soon()).value();
    EXPECT_EQ(after.text(), "after");
    EXPECT_EQ(after.badge(), client.id());
    EXPECT_EQ(client.inspect(echo.id).value().rights, echo.rights);
    EXPECT_EQ(service.register_endpoint("echo").error(), Error{Status::kNameTaken});
    EXPECT_TRUE(service.close_endpoint(endpoint.id));
    EXPECT_EQ(client.send(Outgoing::to(echo, "late")).error(), Error{Verdict::kNoSuchCapability});
}

TEST(Restart, without_patience_a_call_ends_at_once_and_a_later_one_goes_on) {
    RestartStage sut;
    sut.start();
    Connection service = connect(sut, 0ns);
    ASSERT_TRUE(service.register_endpoint("echo"));
    Connection client = connect(sut, 0ns);
    const Capability echo = client.lookup("echo").value();

    sut.kill();
    EXPECT_EQ(service.receive(soon()).error(), Error{Status::kRouterGone});
    EXPECT_EQ(client.call(echo, "hello", soon()).error(), Error{Status::kRouterGone});
    EXPECT_EQ(client.lookup("echo").error(), Error{Status::kRouterGone});
    sut.start();

    // What was submitted is judged by the next router: that call was.
    EXPECT_TRUE(client.lookup("echo"));
    auto call = service.receive(soon());
    ASSERT_TRUE(call) << call.error().message();
    EXPECT_EQ(call->text(), "hello");
    ASSERT_TRUE(client.send(Outgoing::to(echo, "again")));
    EXPECT_EQ(service.receive(soon()).value().text(), "again");
}

TEST(Restart, a_router_without_a_state_takes_its_connections_with_it) {
    RestartStage sut;
    sut.keeps = false;
    sut.start();
    Connection client = connect(sut);
    sut.kill();
    EXPECT_EQ(client.receive(soon()).error(), Error{Status::kRouterGone});
    sut.start();
    EXPECT_EQ(client.lookup("echo").error(), Error{Status::kRouterGone});
}

TEST(Restart, what_was_revoked_stays_so_and_what_was_used_up_too) {
    RestartStage sut;
    sut.start();
    Connection owner = connect(sut);
    const Endpoint endpoint = owner.register_endpoint("desk").value();
    Connection other = connect(sut);
    const Capability to_other = owner.lookup("desk").value();
    static_cast<void>(to_other);
    const Capability other_home = [&] {
        // The other says who it is, and gives us its home.
        const Capability desk = other.lookup("desk").value();
        EXPECT_TRUE(other.give(other.self(), desk, right::kWrite, 0));
        const auto message = owner.receive(soon()).value();
        return owner.inspect(message.carried()).value();
    }();
    const auto kept = owner.give(endpoint.capability, other_home, right::kWrite, 7).value();
    const auto recalled = owner.give(endpoint.capability, other_home, right::kWrite, 8).value();
    const auto once =
        owner.give(endpoint.capability, other_home, Terms{.rights = right::kWrite, .uses = 1}).value();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(other.receive(soon()));
    }
    ASSERT_EQ(owner.revoke(endpoint.capability, recalled).value(), 1U);
    const auto with = [&](std::uint32_t id) {
        return other.send(Outgoing::to({.id = id, .object = endpoint.id}, "x"));
    };
    ASSERT_TRUE(with(once));
    for (int round = 0; round < 3; ++round) {
        sut.replace();
        look(owner);
        EXPECT_TRUE(with(kept));
        EXPECT_EQ(with(recalled).error(), Error{Verdict::kNoSuchCapability});
        EXPECT_EQ(with(once).error(), Error{Verdict::kNoSuchCapability});
    }
    EXPECT_EQ(owner.revoke(endpoint.capability, kept).value(), 1U);
    EXPECT_EQ(with(kept).error(), Error{Verdict::kNoSuchCapability});
}

// The use is taken off before the message is shown, and the router dies in between.
TEST(Restart, a_step_that_was_cut_in_half_is_undone_and_done_once) {
    RestartStage sut;
    sut.start();
    Connection service = connect(sut);
    const Capability home = service.register_endpoint("box").value().capability;
    const Capability twice = service.derive(home, {.rights = right::kWrite, .uses = 2}).value();

    sut.kill();
    sut.start("keep.armed#1");
    look(service);
    ASSERT_TRUE(service.post(Outgoing::to(twice, "one")));
    ASSERT_TRUE(sut.was_killed());
    sut.start();

    ASSERT_TRUE(service.flush(soon()));
    EXPECT_EQ(service.receive(soon()).value().text(), "one");
    EXPECT_TRUE(service.send(Outgoing::to(twice, "two")));
    EXPECT_EQ(service.receive(soon()).value().text(), "two");
    EXPECT_EQ(service.send(Outgoing::to(twice, "three")).error(), Error{Verdict::kNoSuchCapability});
}

TEST(Restart, messages_that_nobody_has_taken_yet_are_still_there) {
    RestartStage sut;
    sut.start();
    Connection service = connect(sut);
    ASSERT_TRUE(service.register_endpoint("box"));
    Connection client = connect(sut);
    const Capability box = client.lookup("box").value();
    for (std::uint64_t number = 0; number < 100; ++number) {
        ASSERT_TRUE(client.send(Outgoing::to(box, bytes_of(number))));
        if (number % 30 == 29) {
            sut.replace();
            look(service);
        }
    }
    for (std::uint64_t number = 0; number < 100; ++number) {
        EXPECT_EQ(number_in(service.receive(soon()).value().payload()), number);
    }
    EXPECT_EQ(service.try_receive().error(), Error{Status::kWouldBlock});
}

TEST(Restart, another_process_can_not_take_a_connection_over) {
    RestartStage sut;
    sut.start();
    Connection client = connect(sut);
    const auto claim = [&](const std::string& token) {
        const UniqueFd socket = std::move(*connect_to(sut.folder() / "router.sock"));
        link::ControlMessage hello;
        hello.request = static_cast<std::uint8_t>(Request::kHello);
        hello.object = client.id();
        hello.submission_bytes = hello.delivery_bytes = 64 * 1024;
        hello.set_name(token);
        EXPECT_TRUE(link::send_control(socket.get(), hello));
        return link::receive_control(socket.get(), soon()).value().message.status;
    };
    const std::string token = client.impl().again.token;
    ASSERT_EQ(token.size(), 32U);
    std::string wrong = token;
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    const std::uint8_t refused = Error{Status::kNotAllowed}.code();
    EXPECT_EQ(claim(token), refused);  // it is not away
    sut.replace();
    for (const std::string& guess : {wrong, std::string(), token.substr(1), std::string(32, '0')}) {
        EXPECT_EQ(claim(guess), refused) << guess;
    }
    // Whoever knows the token must be that process, too.
    const pid_t child = ::fork();
    if (child == 0) {
        std::_Exit(claim(token) == refused ? 0 : 1);
    }
    int status = 1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(client.inspect(client.self().id));
}

TEST(Restart, who_dies_while_there_is_no_router_is_noticed_by_the_next) {
    RestartStage sut;
    sut.start();
    Connection watcher = connect(sut);
    {
        Connection gone = connect(sut);
        ASSERT_TRUE(gone.register_endpoint("short"));
        sut.kill();
    }
    sut.start();
    while (watcher.lookup("short")) {
        std::this_thread::yield();
    }
    EXPECT_EQ(watcher.lookup("short").error(), Error{Status::kNoSuchName});
}

TEST(Restart, a_topic_goes_on_where_its_subscribers_are) {
    RestartStage sut;
    sut.start();
    Connection publisher = connect(sut);
    const Capability topic = make_topic(publisher, "news", {}).value();
    Connection reader = connect(sut);
    auto subscription = Subscription::open(reader, reader.lookup("news").value());
    // The permissive policy gives READ.
    ASSERT_TRUE(subscription) << subscription.error().message();
    for (std::uint64_t number = 1; number <= 60; ++number) {
        ASSERT_TRUE(publish(publisher, topic, bytes_of(number)));
        if (number % 20 == 10) {
            sut.replace();
        }
    }
    for (std::uint64_t number = 1; number <= 60; ++number) {
        auto event = subscription->next(soon());
        ASSERT_TRUE(event) << event.error().message();
        EXPECT_EQ(event->sequence, number);
        EXPECT_EQ(number_in(event->payload), number);
    }
    EXPECT_EQ(subscription->lost(), 0U);
}

TEST(Restart, the_state_of_a_qubit_goes_on_to_its_receiver) {
    RestartStage sut;
    sut.start();
    Connection receiver = connect(sut);
    ASSERT_TRUE(receiver.register_endpoint("lab"));
    Connection sender = connect(sut);
    auto qubit = Qubit::prepare(sender, {.coherence = 60s, .width = 2}).value();
    qubit.state()[3] = {0.25, 0.5};
    ASSERT_TRUE(qubit.hand_off(sender.lookup("lab").value()));

    sut.replace();  // before the receiver has mapped it

    const auto message = receiver.receive(soon()).value();
    auto held = Qubit::accept(receiver, message);
    ASSERT_TRUE(held) << held.error().message();
    EXPECT_FALSE(held->state_lost());
    EXPECT_EQ(held->state()[3], std::complex<double>(0.25, 0.5));
}

TEST(Restart, a_region_goes_on_with_its_bytes_and_its_recall) {
    RestartStage sut;
    sut.start();
    Connection reader = connect(sut);
    ASSERT_TRUE(reader.register_endpoint("reader"));
    Connection owner = connect(sut);
    auto region = RevocableRegion::create(owner, 4096).value();
    ASSERT_TRUE(region.write(0, std::as_bytes(std::span("before", 6))));
    const auto given = region.give_read(owner.lookup("reader").value()).value();
    const auto message = reader.receive(soon()).value();
    sut.replace();
    look(reader);

    auto view = RevocableView::accept(reader, message);
    ASSERT_TRUE(view) << view.error().message();
    std::array<std::byte, 6> seen{};
    ASSERT_TRUE(view->read(0, seen));
    EXPECT_EQ(std::memcmp(seen.data(), "before", seen.size()), 0);
    sut.replace();
    look(reader);
    ASSERT_TRUE(region.recall(given, Recall::kFuture));
    EXPECT_FALSE(reader.inspect(message.carried()));
    EXPECT_FALSE(view->read(0, seen));
    EXPECT_TRUE(region.write(0, std::as_bytes(std::span("behind", 6))));
}

TEST(Restart, handing_on_is_the_same_way) {
    RestartStage sut;
    sut.start();
    Connection service = connect(sut);
    ASSERT_TRUE(service.register_endpoint("echo"));
    Connection client = connect(sut);
    const Capability echo = client.lookup("echo").value();
    EXPECT_EQ(sut.hand_on(), 0);
    sut.start();
    look(service);
    ASSERT_TRUE(client.send(Outgoing::to(echo, "after")));
    EXPECT_EQ(service.receive(soon()).value().text(), "after");
    EXPECT_EQ(sut.stop(), 0);
    EXPECT_EQ(service.receive(soon()).error(), Error{Status::kRouterGone});
}

}  // namespace
}  // namespace keyway::test
