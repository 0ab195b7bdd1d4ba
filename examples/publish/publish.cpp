// A publisher and its subscribers, each a process of its own.
//
//     publish reader SOCKET COUNT     subscribes to "ticks", and prints COUNT events
//     publish writer SOCKET COUNT     makes the topic, waits for two readers, publishes COUNT events
//
// The policy must let readers look "ticks" up with READ; see policy.toml beside this file.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "keyway/topic.hpp"

namespace {

using keyway::Connection;
using keyway::Deadline;
using namespace std::chrono_literals;

int fail(const char* what, keyway::Error error) {
    std::fprintf(stderr, "publish: %s: %s\n", what, error.message().c_str());
    return 1;
}

int writer(Connection& connection, unsigned count) {
    // A reader that comes late still gets the last events.
    auto topic = keyway::make_topic(connection, "ticks", {.policy = keyway::TopicPolicy::kBlock, .keep = 4});
    if (!topic) {
        return fail("the topic", topic.error());
    }
    auto ready = connection.register_endpoint("ticks.ready");
    if (!ready) {
        return fail("the endpoint", ready.error());
    }
    std::printf("writer: ready\n");
    std::fflush(stdout);
    for (int readers = 0; readers < 2; ++readers) {
        if (auto message = connection.receive(Deadline::in(60s)); !message) {
            return fail("waiting for readers", message.error());
        }
    }
    for (unsigned i = 1; i <= count; ++i) {
        if (auto sent = keyway::publish(connection, *topic, "tick " + std::to_string(i), Deadline::in(60s));
            !sent) {
            return fail("publishing", sent.error());
        }
    }
    return 0;  // the topic ends with us: the readers can still read what is in its ring
}

int reader(Connection& connection, unsigned count) {
    auto topic = connection.lookup("ticks");
    if (!topic) {
        return fail("looking the topic up", topic.error());
    }
    auto ticks = keyway::Subscription::open(connection, *topic);
    if (!ticks) {
        return fail("subscribing", ticks.error());
    }
    auto ready = connection.lookup("ticks.ready");
    if (!ready) {
        return fail("looking the writer up", ready.error());
    }
    if (auto told = connection.send(keyway::Outgoing::to(*ready, "ready")); !told) {
        return fail("telling the writer", told.error());
    }
    for (unsigned i = 0; i < count; ++i) {
        auto event = ticks->next(Deadline::in(60s));
        if (!event) {
            return fail("reading", event.error());
        }
        std::printf("%s\n", std::string(event->text()).c_str());
    }
    std::printf("lost %llu\n", static_cast<unsigned long long>(ticks->lost()));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 1 ? argv[1] : "";
    if (argc != 4 || (role != "writer" && role != "reader")) {
        std::fprintf(stderr, "usage: %s writer|reader SOCKET COUNT\n", argv[0]);
        return 2;
    }
    auto connection = Connection::open({.socket = argv[2]});
    if (!connection) {
        return fail("connecting", connection.error());
    }
    const auto count = static_cast<unsigned>(std::strtoul(argv[3], nullptr, 0));
    return role == "writer" ? writer(*connection, count) : reader(*connection, count);
}
