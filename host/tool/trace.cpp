// keyway trace: follow messages, as text, JSON Lines or pcapng.

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>

#include "base/units.hpp"
#include "tool/capture.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace {

using nlohmann::json;

struct TraceChoice {
    std::string format = "text";
    std::string output;
    std::string endpoint;
    std::string verdict;
    std::uint32_t process = 0;
    std::uint64_t count = 0;
    std::chrono::nanoseconds timeout{0};
    bool payload = false;
    bool refused = false;
};

/// Names for ids, from the router's list; asked for again when an id is not known, but not at any rate.
class Names {
  public:
    explicit Names(Connection& connection) : connection_(connection) { learn(); }

    std::string object(std::uint32_t id) {
        if (!known_.contains(id) && next_.passed()) {
            learn();
        }
        const auto found = known_.find(id);
        return found != known_.end() ? found->second : std::string();
    }

  private:
    void learn() {
        next_ = Deadline::in(std::chrono::milliseconds(200));
        const auto text = connection_.list();
        const auto list = text ? json::parse(*text, nullptr, false) : json();
        if (!list.is_object()) {
            return;
        }
        known_.clear();
        for (const json& p : list.at("processes")) {
            known_[p.at("id")] = "";  // a home endpoint, which has no name
        }
        for (const char* const kind : {"endpoints", "topics"}) {
            for (const json& e : list.at(kind)) {
                known_[e.at("id")] = e.at("name");
            }
        }
    }
    Connection& connection_;
    std::map<std::uint32_t, std::string> known_;
    Deadline next_ = Deadline::now();
};

std::string flags_of(const Header& header) {
    constexpr std::pair<std::uint8_t, std::string_view> kNames[] = {
        {flag::kExpectsReply, "call"},        {flag::kReply, "reply"},
        {flag::kStreamFirst, "stream_first"}, {flag::kStreamLast, "stream_last"},
        {flag::kZeroCopy, "zero_copy"},       {flag::kNoWait, "no_wait"},
    };
    std::string text;
    for (const auto& [bit, name] : kNames) {
        if ((header.flags() & bit) != 0) {
            text += (text.empty() ? "" : ",") + std::string(name);
        }
    }
    return text;
}

std::string_view text_of(const TracedMessage& message) {
    return {reinterpret_cast<const char*>(message.payload.data()), message.payload.size()};
}

bool wanted(const TracedMessage& message, const TraceChoice& choice, Names& names) {
    const Header& header = message.header;
    if (choice.process != 0 && header.sender() != choice.process && message.head.owner() != choice.process) {
        return false;
    }
    if (choice.refused && message.verdict() == Verdict::kDelivered) {
        return false;
    }
    if (!choice.verdict.empty() && name_of(message.verdict()) != choice.verdict) {
        return false;
    }
    return choice.endpoint.empty() || choice.endpoint == names.object(header.receiver()) ||
           choice.endpoint == fmt::format("{}", header.receiver());
}

void print_text(const TracedMessage& message, Names& names) {
    const TraceHead& head = message.head;
    const Header& header = message.header;
    const auto seconds = static_cast<std::time_t>(head.time() / 1'000'000'000U);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    const std::string name = names.object(header.receiver());
    const std::string to = name.empty() ? fmt::format("{}", header.receiver())
                                        : fmt::format("{} ({})", printable(name), header.receiver());
    const std::string flags = flags_of(header);
    std::string line = fmt::format("{:%H:%M:%S}.{:06} {} {} {} -> {} {} bytes, priority {}{}{}, by {:#010x}",
                                   utc, head.time() % 1'000'000'000U / 1000, head.number(),
                                   name_of(Type{header.type()}), header.sender(), to, header.length(),
                                   header.priority(), flags.empty() ? "" : ", ", flags, header.capability());
    line += header.carried() != 0 ? fmt::format(", carries {:#010x}", header.carried()) : "";
    line += head.created() != 0 ? fmt::format(", made {:#010x}", head.created()) : "";
    const std::string_view verdict = name_of(message.verdict());
    line += ": " + (message.verdict() == Verdict::kDelivered ? std::string(verdict) : bad(verdict));
    if (!message.payload.empty()) {
        line += " " + (is_utf8(text_of(message)) ? "\"" + printable(text_of(message)) + "\""
                                                 : in_hex(text_of(message)));
    }
    fmt::print("{}\n", line);
}

json json_of(const TracedMessage& message, Names& names, bool payload) {
    const TraceHead& head = message.head;
    const Header& header = message.header;
    const std::string name = names.object(header.receiver());
    json line{{"number", head.number()},
              {"time_ns", head.time()},
              {"verdict", name_of(message.verdict())},
              {"type", name_of(Type{header.type()})},
              {"flags", flags_of(header)},
              {"priority", header.priority()},
              {"sender", header.sender()},
              {"receiver", header.receiver()},
              {"name", name.empty() ? json(nullptr) : json(name)},
              {"owner", head.owner() != 0 ? json(head.owner()) : json(nullptr)},
              {"capability", header.capability()},
              {"rights", units::describe_rights(head.rights())},
              {"carried", header.carried()},
              {"created", head.created()},
              {"sequence", header.sequence()},
              {"bytes", header.length()}};
    if (payload) {
        if (is_utf8(text_of(message))) {
            line["text"] = text_of(message);
        } else {
            line["hex"] = in_hex(text_of(message));
        }
    }
    return line;
}

/// Where the output goes; stdout unless told.
class Output {
  public:
    bool open(Session& session, const TraceChoice& choice) {
        if (choice.output.empty() || choice.output == "-") {
            if (choice.format == "pcapng" && ::isatty(STDOUT_FILENO) != 0) {
                session.fail_usage(
                    "pcapng is not for a terminal; give --output FILE, or a pipe to Wireshark");
                return false;
            }
            return true;
        }
        if (std::freopen(choice.output.c_str(), "we", stdout) == nullptr) {
            session.fail_system(fmt::format("can't write {}: {}; give another --output", choice.output,
                                            std::strerror(errno)));
            return false;
        }
        return true;
    }
};

/// The next message; what was printed so far is out before it waits.
Result<TracedMessage> next(Trace& trace, Deadline deadline) {
    auto message = trace.next(Deadline::now());
    if (message || message.error() != Error{Status::kTimeout}) {
        return message;
    }
    std::fflush(stdout);
    return trace.next(deadline);
}

void follow(Session& session, TraceChoice choice) {
    if (session.json) {
        choice.format = "json";
    }
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto observer = become_observer(*connection);
    if (!observer) {
        return session.fail(observer.error(),
                            "asking to observe (observe = true in a rule of the policy allows it)");
    }
    if (choice.payload && (observer->rights & right::kProcess) == 0) {
        return session.fail(Verdict::kInsufficientRights,
                            "asking for payloads (payloads = true in a rule of the policy allows it; without "
                            "--payload headers are shown)");
    }
    auto trace = Trace::open(*connection, observer->id, {.payloads = choice.payload});
    if (!trace) {
        return session.fail(trace.error(), "following messages");
    }
    Output output;
    if (!output.open(session, choice)) {
        return;
    }
    std::optional<CaptureWriter> capture;
    if (choice.format == "pcapng") {
        capture.emplace(stdout, "keyway " KEYWAY_VERSION);
        std::fflush(stdout);
    }
    fmt::print(stderr, "keyway: following messages\n");
    Names names(*connection);
    std::uint64_t lost = 0;
    for (std::uint64_t shown = 0; choice.count == 0 || shown < choice.count;) {
        const Deadline deadline =
            choice.timeout.count() != 0 ? Deadline::in(choice.timeout) : Deadline::never();
        auto message = next(*trace, deadline);
        if (!message) {
            const auto here = connection->try_receive();
            const bool gone = !here && here.error() != Error{Status::kWouldBlock};
            std::fflush(stdout);
            return session.fail(gone ? here.error() : message.error(), "following messages");
        }
        if (trace->lost() != lost) {
            fmt::print(stderr, "keyway: {} messages came faster than they could be shown\n",
                       trace->lost() - lost);
            lost = trace->lost();
        }
        if (!wanted(*message, choice, names)) {
            continue;
        }
        ++shown;
        if (capture) {
            if (!capture->add(*message)) {
                return session.fail_system("the capture can't be written; is the disk full?");
            }
        } else if (choice.format == "json") {
            fmt::print("{}\n", json_of(*message, names, choice.payload).dump());
        } else {
            print_text(*message, names);
        }
    }
    std::fflush(stdout);
}

}  // namespace

void add_trace_command(CLI::App& app, Session& session) {
    CLI::App* command = app.add_subcommand("trace", "Follow messages as the router judges them");
    session.add_options(*command, true);
    const auto choice = std::make_shared<TraceChoice>();
    command->add_option("--format", choice->format, "text, json (a line each) or pcapng (for Wireshark)")
        ->check(CLI::IsMember({"text", "json", "pcapng"}))
        ->capture_default_str();
    command->add_option("--output", choice->output, "File to write to; stdout unless told");
    command->add_flag("--payload", choice->payload, "Also what messages say, if the policy allows it");
    command->add_flag("--refused", choice->refused, "Only what was not delivered");
    command->add_option("--verdict", choice->verdict, "Only messages with this verdict");
    command->add_option("--process", choice->process, "Only what this process sent or was sent");
    command->add_option("--endpoint", choice->endpoint, "Only what was sent to this name or id");
    command->add_option("--count", choice->count, "End after so many messages");
    add_duration(*command, "--timeout", choice->timeout, "End when nothing came for so long");
    command->callback([&session, choice] { follow(session, *choice); });
    command->footer(
        "Needs observe = true in the policy, and payloads = true for --payload. What goes over lanes, "
        "streams\n"
        "and regions doesn't pass the router, so it is not seen. Nobody waits for a slow trace: it loses "
        "the\n"
        "oldest, and says how many.");
}

}  // namespace keyway::tool
