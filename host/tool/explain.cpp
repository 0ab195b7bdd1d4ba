// keyway why: one sentence on why a message was refused, or what a capability is good for, and what would
// make it pass.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/units.hpp"
#include "core/ids.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace {

using nlohmann::json;

std::string joined(const json& words) {
    std::string text;
    for (const json& word : words) {
        text += (text.empty() ? "" : ",") + word.get<std::string>();
    }
    return text.empty() ? "nothing" : text;
}

bool has(const json& words, std::string_view word) {
    return std::ranges::any_of(words, [&](const json& each) { return each == word; });
}

/// The router's list, with the look-ups that sentences need.
class State {
  public:
    explicit State(json list) : list_(std::move(list)) {}

    [[nodiscard]] std::string process(std::uint32_t id) const {
        for (const json& p : list_.at("processes")) {
            if (p.at("id") == id) {
                return fmt::format("process {} ({}, pid {})", id, printable(p.at("name").get<std::string>()),
                                   p.at("pid").get<int>());
            }
        }
        return fmt::format("process {}", id);
    }
    [[nodiscard]] bool connected(std::uint32_t id) const {
        return std::ranges::any_of(list_.at("processes"), [&](const json& p) { return p.at("id") == id; });
    }
    /// Empty when the object has no name.
    [[nodiscard]] std::string name(std::uint32_t object) const {
        for (const char* const kind : {"endpoints", "topics"}) {
            for (const json& e : list_.at(kind)) {
                if (e.at("id") == object) {
                    return e.at("name");
                }
            }
        }
        return {};
    }
    [[nodiscard]] std::string object(std::uint32_t id) const {
        const std::string known = name(id);
        return !known.empty()  ? fmt::format("\"{}\" ({})", printable(known), id)
               : connected(id) ? "the home endpoint of " + process(id)
                               : fmt::format("object {}", id);
    }
    [[nodiscard]] const json* capability(std::uint32_t id) const {
        return find([&](std::uint32_t other) { return other == id; });
    }
    /// What is in the slot of `id` now.
    [[nodiscard]] const json* in_slot(std::uint32_t id) const {
        return find([&](std::uint32_t other) { return core::slot_of(other) == core::slot_of(id); });
    }
    [[nodiscard]] const json& refusals() const { return list_.at("refusals"); }
    [[nodiscard]] const json& list() const { return list_; }

  private:
    template <class Fits>
    [[nodiscard]] const json* find(const Fits& fits) const {
        for (const json& c : list_.at("capabilities")) {
            if (fits(c.at("id").get<std::uint32_t>())) {
                return &c;
            }
        }
        return nullptr;
    }
    json list_;
};

/// "because …", and what would make it pass.
struct Reason {
    std::string why;
    std::string next;
};

std::string grant_command(const State& state, std::uint32_t process, std::uint32_t object,
                          std::string_view rights) {
    const std::string name = state.name(object);
    return name.empty() || !state.connected(process)
               ? std::string()
               : fmt::format("; an administrator can give it one: keyway grant {} {} --rights {}", process,
                             printable(name), rights);
}

Reason why_no_capability(const State& state, const json& message) {
    const auto id = message.at("capability").get<std::uint32_t>();
    const auto sender = message.at("sender").get<std::uint32_t>();
    const auto receiver = message.at("receiver").get<std::uint32_t>();
    const std::string given =
        fmt::format("it passes with a capability of the sender's own: look the endpoint up{}",
                    grant_command(state, sender, receiver, message.at("call") == true ? "execute" : "write"));
    if (id == 0) {
        return {"it names no capability", given};
    }
    if (const json* const other = state.capability(id)) {
        return {fmt::format("capability {:#010x} is {}'s, and works for nobody else", id,
                            state.process(other->at("owner").get<std::uint32_t>())),
                given};
    }
    if (const json* const newer = state.in_slot(id)) {
        return {fmt::format("capability {:#010x} has ended; its place is {:#010x}'s now", id,
                            newer->at("id").get<std::uint32_t>()),
                given};
    }
    return {fmt::format("capability {:#010x} has ended, or never was", id), given};
}

Reason why_full(const State& state, const json& message) {
    const auto object = message.at("object").get<std::uint32_t>();
    for (const json& e : state.list().at("endpoints")) {
        if (e.at("id") == object) {
            return {
                fmt::format("the queue of {} had no room", state.process(e.at("owner").get<std::uint32_t>())),
                "it passes when that has drained: let the sender wait for longer, or the receiver read "
                "faster (keyway top shows its queue)"};
        }
    }
    return {"the receiver's queue had no room", "it passes when that has drained: wait, or try again later"};
}

Reason reason_of(const State& state, const json& message) {
    const std::string verdict = message.at("verdict");
    const auto sender = message.at("sender").get<std::uint32_t>();
    const auto object = message.at("object").get<std::uint32_t>();
    const auto id = message.at("capability").get<std::uint32_t>();
    if (verdict == "no_such_capability") {
        return why_no_capability(state, message);
    }
    if (verdict == "insufficient_rights") {
        const std::string needed = message.at("call") == true ? "execute" : "write";
        return {
            fmt::format("capability {:#010x} allows {}, and a {} needs {}", id, joined(message.at("rights")),
                        message.at("call") == true      ? "call"
                        : message.at("type") == "event" ? "publication"
                                                        : "message",
                        needed),
            fmt::format("it passes with a capability that has {}{}", needed,
                        grant_command(state, sender, object,
                                      has(message.at("rights"), "write") ? "write,execute" : needed))};
    }
    if (verdict == "wrong_object") {
        return {fmt::format("capability {:#010x} is for {} {}, and the message is for {}", id,
                            message.at("kind").is_string() ? message.at("kind").get<std::string>() : "object",
                            state.object(object), state.object(message.at("receiver").get<std::uint32_t>())),
                "it passes when it goes to what its capability is for, or names another capability"};
    }
    if (verdict == "expired") {
        return {fmt::format("the lifetime of capability {:#010x} is over", id),
                fmt::format("it passes with a new one: look the endpoint up again{}",
                            grant_command(state, sender, object, "write,execute"))};
    }
    if (verdict == "full" || verdict == "timed_out") {
        return why_full(state, message);
    }
    for (std::size_t i = 0; i < kVerdictCount; ++i) {
        const auto known = static_cast<Verdict>(i);
        if (name_of(known) == verdict) {
            std::string meaning(doc_of(known));
            meaning[0] = static_cast<char>(std::tolower(meaning[0]));
            return {meaning.substr(0, meaning.find_last_not_of('.') + 1), std::string(remedy_of(known))};
        }
    }
    return {verdict, "see docs/protocol.md"};
}

void explain_refusal(Session& session, const State& state, const json& message) {
    const Reason reason = reason_of(state, message);
    if (session.json) {
        json all = message;
        all["why"] = reason.why;
        all["next"] = reason.next;
        return Session::print(all);
    }
    fmt::print("Message {} from {} to {} was refused ({}) because {}; {}.\n",
               message.at("number").get<std::uint64_t>(),
               state.process(message.at("sender").get<std::uint32_t>()),
               state.object(message.at("receiver").get<std::uint32_t>()),
               printable(message.at("verdict").get<std::string>()), reason.why, reason.next);
}

void explain_capability(Session& session, const State& state, std::uint32_t id) {
    const json* last = nullptr;
    for (const json& refusal : state.refusals()) {
        if (refusal.at("capability") == id || refusal.at("carried") == id) {
            last = &refusal;
        }
    }
    const json* const capability = state.capability(id);
    if (last != nullptr) {
        return explain_refusal(session, state, *last);
    }
    if (capability == nullptr) {
        session.fail_system(fmt::format(
            "nobody that you may see holds capability {:#010x}, and no message was refused for it lately; "
            "`keyway ls` lists capabilities, and `keyway audit why --capability {:#x}` has its history if a "
            "log is kept",
            id, id));
        session.exit = exit_code::kRefused;
        return;
    }
    const json& c = *capability;
    const std::string use = has(c.at("rights"), "write") && has(c.at("rights"), "execute") ? "send and call"
                            : has(c.at("rights"), "write")                                 ? "send"
                            : has(c.at("rights"), "execute")                               ? "call"
                                                             : "neither send nor call";
    const std::string until =
        c.at("expires_in_ms").is_null()
            ? std::string()
            : fmt::format(" for another {} ms", c.at("expires_in_ms").get<std::uint64_t>());
    if (session.json) {
        return Session::print(c);
    }
    fmt::print(
        "Capability {:#010x} is good: {} holds {} for {} {} with it, so it may {}{}; nothing was refused "
        "for it lately.\n",
        id, state.process(c.at("owner").get<std::uint32_t>()), joined(c.at("rights")),
        printable(c.at("kind").get<std::string>()), state.object(c.at("object").get<std::uint32_t>()), use,
        until);
}

void why(Session& session, const std::string& what, std::uint32_t process) {
    std::optional<std::uint32_t> capability;
    std::optional<std::uint64_t> number;
    std::optional<std::uint32_t> sequence;
    if (what.starts_with("0x") || what.starts_with("0X")) {
        capability = units::parse_id(what);
        if (!capability) {
            return session.fail_usage(fmt::format("\"{}\" is no capability id", printable(what)));
        }
    } else if (const std::size_t colon = what.find(':'); colon != std::string::npos) {
        const auto sender = units::parse_id(what.substr(0, colon));
        sequence = units::parse_id(what.substr(colon + 1));
        if (!sender || !sequence) {
            return session.fail_usage(
                fmt::format("\"{}\" is no message: give PROCESS:SEQUENCE, such as 5:17", printable(what)));
        }
        process = *sender;
    } else if (!what.empty()) {
        std::uint64_t value = 0;
        const auto [rest, error] = std::from_chars(what.data(), what.data() + what.size(), value);
        if (error == std::errc{} && rest == what.data() + what.size()) {
            number = value;
        }
        if (!number) {
            return session.fail_usage(fmt::format(
                "\"{}\" is neither the number of a message, PROCESS:SEQUENCE, nor a capability id "
                "such as 0x00100007",
                printable(what)));
        }
    }
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto text = connection->list();
    if (!text) {
        return session.fail(text.error(), "listing");
    }
    try {
        const State state(json::parse(*text));
        if (capability) {
            return explain_capability(session, state, *capability);
        }
        const json* found = nullptr;
        for (const json& refusal : state.refusals()) {
            const bool fits = (!number || refusal.at("number") == *number) &&
                              (!sequence || refusal.at("sequence") == *sequence) &&
                              (process == 0 || refusal.at("sender") == process);
            found = fits ? &refusal : found;
        }
        if (found == nullptr) {
            session.fail_system(
                "no refusal that you may see fits; the router remembers the last 256, and `keyway audit why` "
                "knows older ones if a log is kept");
            session.exit = exit_code::kRefused;
            return;
        }
        explain_refusal(session, state, *found);
    } catch (const json::exception& error) {
        session.fail_system(fmt::format("the router's list is not as expected: {}", error.what()));
    }
}

}  // namespace

void add_why_command(CLI::App& app, Session& session) {
    struct Options {
        std::string what;
        std::uint32_t process = 0;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("why", "Say in a sentence why a message was refused");
    session.add_options(*command, true);
    command->add_option(
        "what", options->what,
        "A message: its number, or PROCESS:SEQUENCE; or a capability, such as 0x00100007. The last refusal "
        "unless given");
    command->add_option("--process", options->process, "Only refusals of what this process sent");
    command->callback([&session, options] { why(session, options->what, options->process); });
    command->footer(
        "The number of a message is what `keyway trace` and `keyway ls --json` say. The router remembers "
        "the\n"
        "last 256 refusals; `keyway audit why` knows older ones.");
}

}  // namespace keyway::tool
