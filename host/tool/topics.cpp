// keyway subscribe: a topic's events, as they come.

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "keyway/topic.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace {

struct SubscribeOptions {
    std::string name;
    bool make = false;
    bool block = false;
    std::uint32_t keep = 0;
    std::uint64_t count = 0;
    std::chrono::nanoseconds timeout{0};
};

void show(const Session& session, const Event& event, std::uint64_t lost) {
    if (session.json) {
        nlohmann::json json = {{"topic", event.topic()},
                               {"sender", event.sender()},
                               {"badge", event.badge()},
                               {"sequence", event.sequence},
                               {"lost", lost},
                               {"timestamp_ns", event.header.timestamp()},
                               {"bytes", event.payload.size()}};
        if (is_utf8(event.text())) {
            json["text"] = event.text();
        } else {
            json["hex"] = in_hex(event.text());
        }
        return Session::print(json);
    }
    fmt::print("event {} from process {}, badge {}, {} bytes: {}\n", event.sequence, event.sender(),
               event.badge(), event.payload.size(), printable(event.text()));
    std::fflush(stdout);
}

void subscribe(Session& session, const SubscribeOptions& options) {
    if (!options.make && (options.block || options.keep != 0)) {
        return session.fail_usage("--block and --keep are for a topic that is made here: add --make");
    }
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    if (options.make) {
        const auto made = make_topic(
            *connection, options.name,
            {.policy = options.block ? TopicPolicy::kBlock : TopicPolicy::kDropOldest, .keep = options.keep});
        if (!made) {
            return session.fail(made.error(), "making " + options.name);
        }
    }
    const auto topic = connection->lookup(options.name);
    if (!topic) {
        return session.fail(topic.error(), "looking " + options.name + " up");
    }
    auto events = Subscription::open(*connection, *topic);
    if (!events) {
        return session.fail(events.error(), "subscribing to " + options.name);
    }
    fmt::print(stderr, "keyway: subscribed to {} (topic {}, process {})\n", options.name, topic->object,
               connection->id());
    std::uint64_t lost = 0;
    for (std::uint64_t taken = 0; options.count == 0 || taken < options.count; ++taken) {
        const auto event =
            events->next(options.timeout.count() == 0 ? Deadline::never() : Deadline::in(options.timeout));
        if (!event) {
            session.fail(event.error(), "listening to " + options.name);
            if (event.error() == Error(Verdict::kClosed)) {
                session.exit = exit_code::kPeerGone;  // here it is the topic's end, no refusal
            }
            return;
        }
        if (events->lost() != lost && !session.json) {
            fmt::print(stderr, "keyway: {} events were lost here\n", events->lost() - lost);
        }
        lost = events->lost();
        show(session, *event, lost);
    }
}

}  // namespace

void add_topic_commands(CLI::App& app, Session& session) {
    auto options = std::make_shared<SubscribeOptions>();
    CLI::App* command = app.add_subcommand("subscribe", "Print the events of a topic");
    command->add_option("NAME", options->name, "Name of the topic")->required();
    command->add_flag("--make", options->make, "Make the topic first; it ends with this command");
    command->add_flag("--block", options->block,
                      "With --make: publishers wait for slow subscribers, rather than these lose events");
    command->add_option("--keep", options->keep, "With --make: events that late subscribers get, up to 4096")
        ->check(CLI::Range(0U, 4096U));
    command->add_option("--count", options->count, "End after so many events");
    add_duration(*command, "--timeout", options->timeout, "End when nothing came for so long, such as 10s");
    session.add_options(*command, true);
    command->callback([&session, options] { subscribe(session, *options); });
}

}  // namespace keyway::tool
