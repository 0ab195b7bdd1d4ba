// keyway graph: who may talk to whom, for Graphviz.

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <set>

#include "base/fd.hpp"
#include "base/units.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace {

using nlohmann::json;

struct Graph {
    struct Process {
        std::string name;
        std::int32_t pid = 0;
    };
    struct Named {
        std::string name;
        std::uint32_t owner = 0;
        bool topic = false;
    };
    std::map<std::uint32_t, Process> processes;
    std::map<std::uint32_t, Named> named;  ///< endpoints and topics, by object
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::set<std::string>>
        edges;  ///< process, object: rights
};

// Rights that let a process talk.
constexpr std::string_view kTalks[] = {"write", "execute"};

Graph graph_of(const json& list) {
    Graph graph;
    for (const json& p : list.at("processes")) {
        graph.processes[p.at("id")] = {p.at("name"), p.at("pid")};
    }
    for (const bool topic : {false, true}) {
        for (const json& e : list.at(topic ? "topics" : "endpoints")) {
            graph.named[e.at("id")] = {e.at("name"), e.at("owner"), topic};
        }
    }
    for (const json& c : list.at("capabilities")) {
        const std::uint32_t object = c.at("object");
        const std::uint32_t owner = c.at("owner");
        const bool topic = c.at("kind") == "topic";
        if (!topic && c.at("kind") != "endpoint") {
            continue;
        }
        const auto at = graph.named.find(object);
        const std::uint32_t receiver = at != graph.named.end() ? at->second.owner : object;
        if (owner == receiver) {
            continue;  // one's own
        }
        for (const json& right : c.at("rights")) {
            const bool talks = std::ranges::find(kTalks, right.get<std::string>()) != std::end(kTalks);
            if (talks || (topic && right == "read")) {
                graph.edges[{owner, object}].insert(right);
            }
        }
    }
    return graph;
}

std::string dot_string(std::string_view text) {
    std::string safe;
    for (const char c : printable(text)) {
        safe += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return '"' + safe + '"';
}

std::string in_words(const std::set<std::string>& rights) {
    std::string text;
    for (const std::string& right : rights) {
        text += (text.empty() ? "" : ", ") + (right == "write"     ? "send"
                                              : right == "execute" ? "call"
                                                                   : right);
    }
    return text;
}

std::string dot_of(const Graph& graph) {
    std::string dot =
        "digraph keyway {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n"
        "  edge [fontname=\"sans-serif\", fontsize=10];\n";
    for (const auto& [id, process] : graph.processes) {
        dot += fmt::format("  p{} [shape=box, label={}];\n", id,
                           dot_string(fmt::format("{} (process {}, pid {})", process.name, id, process.pid)));
    }
    for (const auto& [id, named] : graph.named) {
        dot += fmt::format("  e{} [shape={}, label={}];\n", id, named.topic ? "hexagon" : "ellipse",
                           dot_string(named.name));
        dot += named.topic
                   ? fmt::format("  p{} -> e{} [style=dashed, dir=none, label=\"owns\"];\n", named.owner, id)
                   : fmt::format("  e{} -> p{} [style=dashed];\n", id, named.owner);
    }
    for (const auto& [ends, rights] : graph.edges) {
        const auto& [owner, object] = ends;
        const char* const to = graph.named.contains(object) ? "e" : "p";
        std::set<std::string> talks = rights;
        if (talks.erase("read") != 0) {
            dot += fmt::format("  {}{} -> p{} [label=\"read\"];\n", to, object, owner);
        }
        if (!talks.empty()) {
            dot += fmt::format("  p{} -> {}{} [label={}];\n", owner, to, object, dot_string(in_words(talks)));
        }
    }
    return dot + "}\n";
}

json json_of(const Graph& graph) {
    json edges = json::array();
    for (const auto& [ends, rights] : graph.edges) {
        const auto named = graph.named.find(ends.second);
        edges.push_back({{"process", ends.first},
                         {"object", ends.second},
                         {"name", named != graph.named.end() ? json(named->second.name) : json(nullptr)},
                         {"owner", named != graph.named.end() ? named->second.owner : ends.second},
                         {"rights", rights}});
    }
    return edges;
}

// Gives the text to `dot -Tsvg`, which writes to our stdout. False when it isn't there, or fails.
bool draw(const std::string& dot) {
    const UniqueFd file(::memfd_create("keyway-graph", MFD_CLOEXEC));
    if (!file || ::write(file.get(), dot.data(), dot.size()) != static_cast<ssize_t>(dot.size()) ||
        ::lseek(file.get(), 0, SEEK_SET) != 0) {
        return false;
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, file.get(), STDIN_FILENO);
    std::string words[] = {"dot", "-Tsvg"};
    char* arguments[] = {words[0].data(), words[1].data(), nullptr};
    pid_t child = 0;
    const bool started = ::posix_spawnp(&child, "dot", &actions, nullptr, arguments, environ) == 0;
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    return started && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void show_graph(Session& session, const std::string& format) {
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto text = connection->list();
    if (!text) {
        return session.fail(text.error(), "listing");
    }
    try {
        json list = json::parse(*text);
        const std::uint32_t ours = connection->id();
        std::erase_if(list.at("processes").get_ref<json::array_t&>(),
                      [&](const json& p) { return p.at("id") == ours; });
        const Graph graph = graph_of(list);
        if (session.json) {
            return Session::print(json_of(graph));
        }
        const std::string dot = dot_of(graph);
        if (format == "dot") {
            fmt::print("{}", dot);
        } else if (!draw(dot)) {
            session.fail_system(
                "SVG needs the program dot; install the package graphviz, or take the default, --format dot");
        }
    } catch (const json::exception& error) {
        session.fail_system(fmt::format("the router's list is not as expected: {}", error.what()));
    }
}

}  // namespace

void add_graph_command(CLI::App& app, Session& session) {
    CLI::App* command = app.add_subcommand("graph", "Draw who may talk to whom");
    session.add_options(*command, true);
    const auto format = std::make_shared<std::string>("dot");
    command->add_option("--format", *format, "dot, or svg if Graphviz is installed")
        ->check(CLI::IsMember({"dot", "svg"}))
        ->capture_default_str();
    command->callback([&session, format] { show_graph(session, *format); });
    command->footer(
        "Boxes are processes, ellipses endpoints, hexagons topics; a dashed line leads to the owner.\n"
        "Shows what you may see: all of it if the policy lets you observe.");
}

}  // namespace keyway::tool
