// Registering and looking up names, and what the policy has to say.

#include "tests/client/router_fixture.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

namespace keyway::test {

class Names : public RouterFixture {};

TEST_F(Names, a_registered_name_can_be_looked_up) {
    Connection service = connect();
    Connection client = connect();
    const auto endpoint = service.register_endpoint("a/b-c_d.9").value();
    const auto found = client.lookup("a/b-c_d.9").value();
    EXPECT_EQ(found.object, endpoint.id);
    EXPECT_EQ(found.rights, right::kRead | right::kWrite | right::kExecute);
    EXPECT_EQ(found.badge, client.id());
}

TEST_F(Names, bad_names_are_refused) {
    Connection sut = connect();
    const std::string names[] = {"",       "white space", "tab\t", std::string(64, 'x'),
                                 "ümlaut", "new\nline",   "\x7f"};
    for (const std::string& name : names) {
        EXPECT_EQ(error_of(sut.register_endpoint(name)), "bad_name") << name;
        EXPECT_EQ(error_of(sut.lookup(name)), "bad_name") << name;
    }
    EXPECT_EQ(error_of(sut.register_endpoint(std::string("nul\0in", 6))), "bad_name");
    EXPECT_TRUE(succeeded(sut.register_endpoint(std::string(63, 'x'))));
}

TEST_F(Names, a_name_is_taken_once_and_free_again_when_it_was_closed) {
    Connection first = connect();
    Connection second = connect();
    const auto endpoint = first.register_endpoint("only").value();
    EXPECT_EQ(error_of(second.register_endpoint("only")), "name_taken");
    EXPECT_EQ(error_of(second.close_endpoint(endpoint.id)), "bad_argument");
    EXPECT_TRUE(succeeded(first.close_endpoint(endpoint.id)));
    EXPECT_EQ(error_of(first.close_endpoint(endpoint.id)), "bad_argument");
    EXPECT_TRUE(succeeded(second.register_endpoint("only")));
}

TEST_F(Names, closing_an_endpoint_ends_every_capability_for_it) {
    Connection service = connect();
    Connection client = connect();
    const auto endpoint = service.register_endpoint("brief").value();
    const auto capability = client.lookup("brief").value();
    ASSERT_TRUE(succeeded(service.close_endpoint(endpoint.id)));
    EXPECT_EQ(error_of(client.send(Outgoing::to(capability, "?"))), "no_such_capability");
    EXPECT_EQ(error_of(service.send(Outgoing::to(endpoint.capability, "?"))), "no_such_capability");
    EXPECT_EQ(error_of(client.lookup("brief")), "no_such_name");
    EXPECT_EQ(error_of(service.close_endpoint(service.id())), "bad_argument");
}

TEST_F(Names, an_unknown_name_and_one_that_may_not_be_seen_get_the_same_answer) {
    Policy policy;
    Rule rule;
    rule.who.everyone = true;
    rule.names = {"public/*"};
    rule.lookup = {{.name = "public/*", .rights = right::kExecute, .badge = 12}};
    policy.rules = {rule};
    router_.set_policy(policy);
    Connection service = connect();
    Connection client = connect();
    EXPECT_EQ(error_of(service.register_endpoint("secret")), "not_allowed");
    ASSERT_TRUE(succeeded(service.register_endpoint("public/echo")));
    EXPECT_EQ(error_of(client.lookup("secret")), "no_such_name");
    EXPECT_EQ(error_of(client.lookup("public/other")), "no_such_name");
    const auto found = client.lookup("public/echo").value();
    EXPECT_EQ(found.rights, right::kExecute);
    EXPECT_EQ(found.badge, 12U);
}

TEST_F(Names, nothing_is_allowed_that_no_rule_allows) {
    router_.set_policy(Policy{});
    Connection sut = connect();
    EXPECT_EQ(error_of(sut.register_endpoint("x")), "not_allowed");
    EXPECT_EQ(error_of(sut.lookup("x")), "no_such_name");
    // Its own home endpoint is all it has.
    EXPECT_TRUE(succeeded(sut.send(Outgoing::to(sut.self(), "to myself"))));
    EXPECT_EQ(sut.receive(Deadline::in(10s)).value().text(), "to myself");
}

TEST_F(Names, rules_speak_of_users_and_groups) {
    Policy policy;
    Rule mine;
    mine.who.users = {::getuid()};
    mine.names = {"user"};
    Rule group;
    group.who.groups = {::getgid()};
    group.names = {"group"};
    Rule others;
    others.who.users = {::getuid() + 12345};
    others.who.groups = {::getgid() + 54321};
    others.names = {"others"};
    policy.rules = {mine, group, others};
    router_.set_policy(policy);
    Connection sut = connect();
    EXPECT_TRUE(succeeded(sut.register_endpoint("user")));
    EXPECT_TRUE(succeeded(sut.register_endpoint("group")));
    EXPECT_EQ(error_of(sut.register_endpoint("others")), "not_allowed");
}

TEST_F(Names, a_listing_shows_a_process_its_own_and_an_observer_everything) {
    Connection service = connect();
    Connection client = connect();
    const auto endpoint = service.register_endpoint("seen").value();
    const auto capability = client.lookup("seen").value();
    ASSERT_TRUE(succeeded(client.send(Outgoing::to(capability, "x"))));

    const auto mine = nlohmann::json::parse(client.list().value());
    ASSERT_EQ(mine["processes"].size(), 1U);
    EXPECT_EQ(mine["processes"][0]["id"], client.id());
    EXPECT_EQ(mine["processes"][0]["sent"], 1);
    EXPECT_TRUE(mine["endpoints"].empty());
    EXPECT_EQ(mine["capabilities"].size(), 2U);
    EXPECT_EQ(mine["router"]["delivered"], 1);

    Policy policy = Policy::permissive();
    policy.rules[0].observe = true;
    router_.set_policy(policy);
    Connection observer = connect();
    const auto all = nlohmann::json::parse(observer.list().value());
    EXPECT_EQ(all["processes"].size(), 3U);
    ASSERT_EQ(all["endpoints"].size(), 1U);
    EXPECT_EQ(all["endpoints"][0]["name"], "seen");
    EXPECT_EQ(all["endpoints"][0]["id"], endpoint.id);
    for (const auto& process : all["processes"]) {
        if (process["id"] == service.id()) {
            EXPECT_EQ(process["received"], 1);
            EXPECT_EQ(process["queues"][1]["used_bytes"], 64);
        }
    }
}

}  // namespace keyway::test
