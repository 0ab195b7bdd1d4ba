// keyway ls: the router's state, as far as the caller may see it.

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace {

using nlohmann::json;

std::string number(const json& value) {
    return fmt::format("{}", value.get<std::uint64_t>());
}

std::string user_name(std::uint32_t uid) {
    const passwd* const entry = ::getpwuid(uid);
    return entry != nullptr ? entry->pw_name : fmt::format("{}", uid);
}

// "850 ms", "12 s", "3 min 20 s", "5 h 2 min", "3 d 4 h"
std::string duration(std::uint64_t ms) {
    const std::uint64_t s = ms / 1000;
    if (s < 1) {
        return fmt::format("{} ms", ms);
    }
    if (s < 60) {
        return fmt::format("{} s", s);
    }
    if (s < 3600) {
        return fmt::format("{} min {} s", s / 60, s % 60);
    }
    return s < 86400 ? fmt::format("{} h {} min", s / 3600, s / 60 % 60)
                     : fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

std::string joined(const json& words) {
    std::string text;
    for (const json& word : words) {
        text += (text.empty() ? "" : ",") + word.get<std::string>();
    }
    return text.empty() ? "none" : text;
}

// How full a process's delivery queues are: "-" when all are empty, else bytes per priority from 0 up.
std::string depth(const json& queues) {
    std::string text;
    bool any = false;
    for (const json& queue : queues) {
        const auto used = queue.at("used_bytes").get<std::uint64_t>();
        any = any || used != 0;
        text += fmt::format("{}{}", text.empty() ? "" : "/", used);
    }
    return any ? text : "-";
}

void show_router(const json& router) {
    fmt::print("{} pid {}, up {}, {} of {} capabilities in use\n", bold("router"), number(router.at("pid")),
               duration(router.at("uptime_ns").get<std::uint64_t>() / 1'000'000),
               number(router.at("capabilities").at("used")), number(router.at("capabilities").at("slots")));
    fmt::print("  {} sent = {} delivered + {} refused + {} expired\n", number(router.at("sent")),
               number(router.at("delivered")), number(router.at("refused")), number(router.at("expired")));
    for (const auto& [name, count] : router.at("verdicts").items()) {
        if (name != "delivered" && count.get<std::uint64_t>() != 0) {
            fmt::print("  {:>10} {}\n", number(count), printable(name));
        }
    }
}

void show_processes(const json& processes) {
    Table table({">PROCESS", ">PID", "USER", "NAME", ">CAPS", ">SENT", ">DELIVERED", ">REFUSED", ">EXPIRED",
                 ">RECEIVED", "QUEUED"});
    for (const json& p : processes) {
        table.add({number(p.at("id")), number(p.at("pid")),
                   printable(user_name(p.at("uid").get<std::uint32_t>())),
                   printable(p.at("name").get<std::string>()), number(p.at("capabilities")),
                   number(p.at("sent")), number(p.at("delivered")), number(p.at("refused")),
                   number(p.at("expired")), number(p.at("received")), depth(p.at("queues"))});
    }
    fmt::print("\n{}", table.text());
}

void show_endpoints(const json& endpoints) {
    Table table({">ENDPOINT", "NAME", ">OWNER"});
    for (const json& e : endpoints) {
        table.add({number(e.at("id")), printable(e.at("name").get<std::string>()), number(e.at("owner"))});
    }
    if (!table.empty()) {
        fmt::print("\n{}", table.text());
    }
}

void show_capabilities(const json& capabilities) {
    Table table({"CAPABILITY", ">OWNER", "KIND", ">OBJECT", "RIGHTS", ">BADGE", ">ENDS IN", "PARENT"});
    for (const json& c : capabilities) {
        const json& expires = c.at("expires_in_ms");
        const json& parent = c.at("parent");
        const bool rooted = parent.is_null() || parent.get<std::uint32_t>() == 0;
        table.add({fmt::format("{:#010x}", c.at("id").get<std::uint32_t>()), number(c.at("owner")),
                   printable(c.at("kind").get<std::string>()), number(c.at("object")),
                   printable(joined(c.at("rights"))), number(c.at("badge")),
                   expires.is_null() ? "-" : duration(expires.get<std::uint64_t>()),
                   rooted ? "-" : fmt::format("{:#010x}", parent.get<std::uint32_t>())});
    }
    if (!table.empty()) {
        fmt::print("\n{}", table.text());
    }
}

// "block, keep 16"
std::string policy_of(const json& topic) {
    const auto keep = topic.at("keep").get<std::uint64_t>();
    return printable(topic.at("policy").get<std::string>()) +
           (keep != 0 ? fmt::format(", keep {}", keep) : "");
}

void show_topics(const json& topics) {
    Table table({">TOPIC", "NAME", ">OWNER", "POLICY", ">EVENTS", ">SUBSCRIBERS", ">LOST"});
    for (const json& t : topics) {
        std::uint64_t lost = 0;
        for (const json& subscriber : t.at("subscribers")) {
            lost += subscriber.at("lost").get<std::uint64_t>();
        }
        table.add({number(t.at("id")), printable(t.at("name").get<std::string>()), number(t.at("owner")),
                   policy_of(t), number(t.at("events")), fmt::format("{}", t.at("subscribers").size()),
                   fmt::format("{}", lost)});
    }
    if (!table.empty()) {
        fmt::print("\n{}", table.text());
    }
}

void show_channels(const json& channels) {
    Table table({">CHANNEL", "KIND", "STATE", ">ENDPOINT", ">OPENER", ">ACCEPTOR", ">RING", ">SENT BYTES"});
    for (const json& c : channels) {
        const json& opener = c.at("opener");
        const json& acceptor = c.at("acceptor");
        const auto sent = opener.at("sent").at("bytes").get<std::uint64_t>() +
                          acceptor.at("sent").at("bytes").get<std::uint64_t>();
        table.add({number(c.at("id")), printable(c.at("kind").get<std::string>()),
                   printable(c.at("state").get<std::string>()), number(c.at("endpoint")),
                   number(opener.at("process")), number(acceptor.at("process")), number(c.at("bytes")),
                   fmt::format("{}", sent)});
    }
    if (!table.empty()) {
        fmt::print("\n{}", table.text());
    }
}

void show_regions(const json& regions) {
    Table table({">REGION", ">OWNER", ">BYTES", "KIND", ">MAPPED BY"});
    for (const json& r : regions) {
        table.add({number(r.at("object")), number(r.at("owner")), number(r.at("bytes")),
                   r.at("revocable").get<bool>() ? "revocable" : "stable", number(r.at("mapped"))});
    }
    if (!table.empty()) {
        fmt::print("\n{}", table.text());
    }
}

void show_qubits(const json& qubits) {
    Table table({">QUBIT", ">HOLDER", ">DECOHERES IN", ">FIDELITY", "STATE"});
    for (const json& q : qubits) {
        const auto width = q.at("width").get<unsigned>();
        table.add({number(q.at("number")),
                   q.at("holder") == 0 ? std::string("router") : number(q.at("holder")),
                   duration(q.at("decoheres_in_ms").get<std::uint64_t>()),
                   fmt::format("{:.4f}", q.at("fidelity").get<double>()),
                   width != 0 ? fmt::format("simulated, width {}", width) : std::string("real")});
    }
    if (!table.empty()) {
        fmt::print("\n{}", table.text());
    }
}

void list(Session& session) {
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto text = connection->list();
    if (!text) {
        return session.fail(text.error(), "listing");
    }
    if (session.json) {
        fmt::print("{}\n", *text);
        return;
    }
    try {
        const json state = json::parse(*text);
        show_router(state.at("router"));
        show_processes(state.at("processes"));
        show_endpoints(state.at("endpoints"));
        show_topics(state.at("topics"));
        show_channels(state.at("channels"));
        show_regions(state.at("regions"));
        show_qubits(state.at("qubits"));
        show_capabilities(state.at("capabilities"));
    } catch (const json::exception& error) {
        session.fail_system(fmt::format("the router's list is not as expected: {}", error.what()));
    }
}

}  // namespace

void add_list_command(CLI::App& app, Session& session) {
    CLI::App* command = app.add_subcommand("ls", "Show processes, what they own, and counters");
    session.add_options(*command, true);
    command->callback([&session] { list(session); });
    command->footer(
        "Shows what is yours; all of it to those whom the policy lets observe or administer.\n"
        "QUEUED is bytes that wait for the process, by priority from 0 to 3.");
}

}  // namespace keyway::tool
