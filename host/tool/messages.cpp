// keyway send, keyway call, keyway listen, keyway publish: messages by hand.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/fd.hpp"
#include "base/units.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace {

using namespace std::chrono_literals;

struct MessageOptions {
    std::string name;
    std::string text;
    std::string file;
    std::string type = "data";
    unsigned priority = 1;
    bool no_wait = false;
    std::chrono::nanoseconds timeout = 10s;
};

struct ListenOptions {
    std::string name;
    std::string reply;
    bool echo = false;
    std::uint64_t count = 0;
    std::chrono::nanoseconds timeout{0};
};

// What is sent, to whom, and how long that may take.
void add_payload_options(CLI::App& command, MessageOptions& options, const std::string& to) {
    command.add_option("NAME", options.name, "Name of the " + to)->required();
    auto* text = command.add_option("TEXT", options.text, "What to send; - reads it from stdin");
    command.add_option("--file", options.file, "Send what stands in this file")->excludes(text);
    add_duration(command, "--timeout", options.timeout, "How long to wait, such as 500ms; 10s unless told");
}

void add_message_options(CLI::App& command, MessageOptions& options) {
    add_payload_options(command, options, "endpoint");
    command.add_option("--type", options.type, "control or data")
        ->check(CLI::IsMember({"control", "data"}))
        ->capture_default_str();
    command.add_option("--priority", options.priority, "0 (background) to 3 (urgent)")
        ->check(CLI::Range(0U, limit::kPriorities - 1))
        ->capture_default_str();
}

// Everything that `fd` has, but little more than a message holds.
std::optional<std::string> read_some(int fd) {
    std::string text(limit::kPayloadBytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return std::nullopt;
        }
        if (got == 0) {
            break;
        }
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

// The payload that the options ask for; nothing when the session has failed.
std::optional<std::string> payload(Session& session, const MessageOptions& options, const CLI::App& command) {
    std::optional<std::string> text = options.text;
    if (!options.file.empty()) {
        const UniqueFd file(::open(options.file.c_str(), O_RDONLY | O_CLOEXEC));
        text = file ? read_some(file.get()) : std::nullopt;
    } else if (options.text == "-") {
        text = read_some(STDIN_FILENO);
    } else if (command.count("TEXT") == 0) {
        session.fail_usage("nothing to send: give TEXT, - for stdin, or --file");
        return std::nullopt;
    }
    if (!text) {
        session.fail_system(fmt::format("can't read {}: {}", options.file.empty() ? "stdin" : options.file,
                                        std::strerror(errno)));
    } else if (text->size() > limit::kPayloadBytes) {
        session.fail_usage(
            fmt::format("that is more than {} bytes, the most that a message holds; nothing was sent",
                        limit::kPayloadBytes));
        text.reset();
    }
    return text;
}

Outgoing outgoing(const MessageOptions& options, const Capability& capability, std::string_view text) {
    Outgoing message = Outgoing::to(capability, text);
    message.type = options.type == "control" ? Type::kControl
                   : options.type == "event" ? Type::kEvent
                                             : Type::kData;
    message.priority = static_cast<std::uint8_t>(options.priority);
    message.flags = options.no_wait ? flag::kNoWait : std::uint8_t{0};
    return message;
}

nlohmann::json described(const Received& message) {
    nlohmann::json json = {{"sender", message.sender()},       {"badge", message.badge()},
                           {"type", name_of(message.type())},  {"priority", message.header().priority()},
                           {"call", message.is_call()},        {"timestamp_ns", message.timestamp()},
                           {"bytes", message.payload().size()}};
    if (is_utf8(message.text())) {
        json["text"] = message.text();
    } else {
        json["hex"] = in_hex(message.text());
    }
    return json;
}

// What `send`, `call` and `publish` share: connects, finds the endpoint or topic and hands `act` the
// connection and the message to it. Without one of these the session has failed, and `act` is not called.
template <typename Act>
void with_message(Session& session, const MessageOptions& options, const CLI::App& command, const Act& act) {
    const auto text = payload(session, options, command);
    if (!text) {
        return;
    }
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto capability = connection->lookup(options.name);
    if (!capability) {
        return session.fail(capability.error(), "looking " + options.name + " up");
    }
    act(*connection, outgoing(options, *capability, *text));
}

void send(Session& session, const MessageOptions& options, const CLI::App& command) {
    with_message(session, options, command, [&](Connection& connection, const Outgoing& message) {
        const auto sent = connection.send(message, Deadline::in(options.timeout));
        if (!sent) {
            session.fail(sent.error(), "sending to " + options.name);
        }
    });
}

// A reply as it is; to a terminal without anything that it would obey.
void print_reply(std::string_view text) {
    if (::isatty(STDOUT_FILENO) != 0) {
        const std::string shown = printable(text, true);
        fmt::print("{}{}", shown, shown.ends_with('\n') ? "" : "\n");
    } else {
        std::fwrite(text.data(), 1, text.size(), stdout);
    }
    std::fflush(stdout);
}

void call(Session& session, const MessageOptions& options, const CLI::App& command) {
    with_message(session, options, command, [&](Connection& connection, const Outgoing& message) {
        const auto reply = connection.call(message, Deadline::in(options.timeout));
        if (!reply) {
            return session.fail(reply.error(), "calling " + options.name);
        }
        if (session.json) {
            Session::print(described(*reply));
        } else {
            print_reply(reply->text());
        }
    });
}

void show(const Session& session, const Received& message) {
    if (session.json) {
        return Session::print(described(message));
    }
    fmt::print("{} {} from process {}, badge {}, {} bytes: {}\n", name_of(message.type()),
               message.is_call() ? "call" : "message", message.sender(), message.badge(),
               message.payload().size(), printable(message.text()));
    std::fflush(stdout);
}

void listen(Session& session, const ListenOptions& options, bool answers) {
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto endpoint = connection->register_endpoint(options.name);
    if (!endpoint) {
        return session.fail(endpoint.error(), "registering " + options.name);
    }
    fmt::print(stderr, "keyway: listening as {} (endpoint {}, process {})\n", options.name, endpoint->id,
               connection->id());
    for (std::uint64_t taken = 0; options.count == 0 || taken < options.count;) {
        const auto message = connection->receive(
            options.timeout.count() == 0 ? Deadline::never() : Deadline::in(options.timeout));
        if (!message) {
            return session.fail(message.error(), "listening as " + options.name);
        }
        if (message->receiver() != endpoint->id) {
            continue;  // a capability for us, or another's reply; not what was asked for
        }
        ++taken;
        show(session, *message);
        if (!message->is_call()) {
            continue;
        }
        const auto done = answers
                              ? connection->reply(*message, options.echo ? message->text() : options.reply)
                              : connection->release(message->carried());  // the caller hears at once
        // The caller may have gone, or not take its replies: its trouble, not that of the next one.
        if (!done) {
            fmt::print(stderr, "keyway: no answer to process {}: {}\n", message->sender(),
                       done.error().message());
        }
    }
}

}  // namespace

void add_message_commands(CLI::App& app, Session& session) {
    auto sending = std::make_shared<MessageOptions>();
    CLI::App* send_command = app.add_subcommand("send", "Send one message");
    add_message_options(*send_command, *sending);
    send_command->add_flag("--no-wait", sending->no_wait, "Fail with `full` when the receiver has no room");
    session.add_options(*send_command, true);
    send_command->callback([&session, sending, send_command] { send(session, *sending, *send_command); });

    auto calling = std::make_shared<MessageOptions>();
    CLI::App* call_command = app.add_subcommand("call", "Send a request and print the reply");
    add_message_options(*call_command, *calling);
    session.add_options(*call_command, true);
    call_command->callback([&session, calling, call_command] { call(session, *calling, *call_command); });

    auto publishing = std::make_shared<MessageOptions>();
    publishing->type = "event";
    CLI::App* publish_command = app.add_subcommand("publish", "Publish one event to a topic");
    add_payload_options(*publish_command, *publishing, "topic");
    session.add_options(*publish_command, true);
    publish_command->callback(
        [&session, publishing, publish_command] { send(session, *publishing, *publish_command); });

    auto listening = std::make_shared<ListenOptions>();
    CLI::App* listen_command = app.add_subcommand("listen", "Register an endpoint and print what comes");
    listen_command->add_option("NAME", listening->name, "Name to register")->required();
    CLI::Option* reply =
        listen_command->add_option("--reply", listening->reply, "Answer each call with this text");
    listen_command->add_flag("--echo", listening->echo, "Answer each call with what it said")
        ->excludes(reply);
    listen_command->add_option("--count", listening->count, "End after so many messages");
    add_duration(*listen_command, "--timeout", listening->timeout,
                 "End when nothing came for so long, such as 10s");
    session.add_options(*listen_command, true);
    listen_command->callback([&session, listening, reply] {
        listen(session, *listening, listening->echo || reply->count() != 0);
    });
    listen_command->footer(
        "A call that is not to be answered is given up, so that the caller does not wait.");
}

}  // namespace keyway::tool
