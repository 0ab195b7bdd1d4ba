#include "scenario.hpp"

#include <algorithm>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string_view>

// toml++ before 3.4 asserts what some malformed table headers don't keep; here that is a fault of the file.
namespace {
struct ParserAssertion {};
[[noreturn]] void parser_assertion_failed() {
    throw ParserAssertion{};
}
}  // namespace
#undef NDEBUG
#define TOML_ASSERT(condition) \
    (static_cast<bool>(condition) ? static_cast<void>(0) : parser_assertion_failed())
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "keyway/sim/control.hpp"

namespace keyway::sim {

namespace {

class Reader {
  public:
    explicit Reader(std::string file) : file_(std::move(file)) {}
    Scenario read();

  private:
    [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const {
        std::ostringstream text;
        text << file_ << ':' << where.begin.line << ':' << where.begin.column << ": " << what;
        throw std::runtime_error(text.str());
    }
    void only(const toml::table& table, std::initializer_list<std::string_view> keys) const {
        for (const auto& [key, value] : table) {
            if (std::ranges::find(keys, key.str()) == keys.end()) {
                fail(key.source(), "there is no key '" + std::string(key.str()) + "' here");
            }
        }
    }
    template <typename T>
    std::optional<T> maybe(const toml::table& table, std::string_view key, std::string_view wanted) const {
        const toml::node* node = table.get(key);
        if (node == nullptr) {
            return std::nullopt;
        }
        if (const auto value = node->value<T>()) {
            return value;
        }
        fail(node->source(), "'" + std::string(key) + "' has to be " + std::string(wanted));
    }
    std::string text(const toml::table& table, std::string_view key) const {
        const auto value = maybe<std::string>(table, key, "text");
        if (!value) {
            fail(table.source(), "'" + std::string(key) + "' is missing");
        }
        return *value;
    }
    double number(const toml::table& table, std::string_view key, double otherwise, double least,
                  double most) const {
        const double value = maybe<double>(table, key, "a number").value_or(otherwise);
        if (!(value >= least && value <= most)) {
            std::ostringstream what;
            what << '\'' << key << "' has to be from " << least << " to " << most;
            fail(table.get(key)->source(), what.str());
        }
        return value;
    }
    std::uint64_t whole(const toml::table& table, std::string_view key,
                        std::optional<std::uint64_t> otherwise, std::uint64_t least,
                        std::uint64_t most) const {
        const auto value = maybe<std::int64_t>(table, key, "a whole number");
        if (!value) {
            if (!otherwise) {
                fail(table.source(), "'" + std::string(key) + "' is missing");
            }
            return *otherwise;
        }
        if (*value < 0 || static_cast<std::uint64_t>(*value) < least ||
            static_cast<std::uint64_t>(*value) > most) {
            fail(table.get(key)->source(), "'" + std::string(key) + "' has to be from " +
                                               std::to_string(least) + " to " + std::to_string(most));
        }
        return static_cast<std::uint64_t>(*value);
    }
    template <typename Call>
    void each(const toml::table& root, std::string_view key, const Call& call) const {
        const toml::node* node = root.get(key);
        if (node == nullptr) {
            return;
        }
        const toml::array* list = node->as_array();
        if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
            fail(node->source(), "write [[" + std::string(key) + "]]");
        }
        for (const toml::node& item : *list) {
            call(*item.as_table());
        }
    }
    template <typename Call>
    void each_text(const toml::table& table, std::string_view key, const Call& call) const {
        const toml::node* node = table.get(key);
        if (node == nullptr) {
            return;
        }
        const toml::array* list = node->as_array();
        if (list == nullptr) {
            fail(node->source(), "'" + std::string(key) + "' has to be a list of names");
        }
        for (const toml::node& item : *list) {
            const auto name = item.value<std::string>();
            if (!name) {
                fail(item.source(), "'" + std::string(key) + "' has to be a list of names");
            }
            call(*name, item.source());
        }
    }
    template <typename List>
    const auto& named(const List& list, std::string_view what, const toml::table& table,
                      std::string_view key) const {
        const std::string name = text(table, key);
        const auto found = std::ranges::find(list, name, [](const auto& item) { return item.name; });
        if (found == list.end()) {
            fail(table.get(key)->source(), "there is no " + std::string(what) + " '" + name + "' (so far)");
        }
        return *found;
    }
    template <typename List>
    std::string fresh(const List& list, const toml::table& table) const {
        std::string name = text(table, "name");
        if (std::ranges::find(list, name, [](const auto& item) { return item.name; }) != list.end()) {
            fail(table.get("name")->source(), "'" + name + "' is there already");
        }
        return name;
    }
    // Processes, endpoints and topics share their numbers.
    std::uint16_t fresh_id(const toml::table& table) const {
        const auto id =
            static_cast<std::uint16_t>(whole(table, "id", std::nullopt, 1, kPlatformDestinations - 1));
        const auto check = [&](const auto& list) {
            for (const auto& other : list) {
                if (other.id == id) {
                    fail(table.get("id")->source(), "that is the id of '" + other.name + "'");
                }
            }
        };
        check(out_.processes);
        check(out_.objects);
        return id;
    }
    template <std::size_t N>
    std::uint8_t bits(const toml::table& table, std::string_view key, std::uint8_t otherwise,
                      const std::pair<std::string_view, std::uint8_t> (&names)[N]) const {
        std::uint8_t value = 0;
        each_text(table, key, [&](const std::string& name, const toml::source_region& where) {
            const auto found = std::ranges::find(names, name, [](const auto& pair) { return pair.first; });
            if (found == std::end(names)) {
                fail(where, "'" + name + "' is none of the names for '" + std::string(key) + "'");
            }
            value = static_cast<std::uint8_t>(value | found->second);
        });
        return table.get(key) == nullptr ? otherwise : value;
    }
    void processes(const toml::table& root);
    void objects(const toml::table& root);
    void capabilities(const toml::table& root);
    void traffic(const toml::table& root);
    void rest(const toml::table& root);

    std::string file_;
    Scenario out_;
};

constexpr std::pair<std::string_view, std::uint8_t> kRights[] = {
    {"read", right::kRead},     {"write", right::kWrite},     {"execute", right::kExecute},
    {"grant", right::kGrant},   {"revoke", right::kRevoke},   {"quantum", right::kQuantum},
    {"device", right::kDevice}, {"process", right::kProcess},
};
constexpr std::pair<std::string_view, std::uint8_t> kEntryFlags[] = {
    {"one_shot", entry_flag::kOneShot},
    {"revocable", entry_flag::kRevocable},
};

void Reader::processes(const toml::table& root) {
    each(root, "process", [&](const toml::table& table) {
        only(table, {"name", "id", "port"});
        Process process{.name = fresh(out_.processes, table), .id = fresh_id(table), .port = std::nullopt};
        if (table.contains("port")) {
            process.port = static_cast<unsigned>(whole(table, "port", std::nullopt, 1, kPlatformPorts - 1));
            for (const Process& other : out_.processes) {
                if (other.port == process.port) {
                    fail(table.get("port")->source(),
                         "port " + std::to_string(*process.port) + " is that of '" + other.name + "'");
                }
            }
        }
        out_.processes.push_back(process);
    });
}

void Reader::objects(const toml::table& root) {
    for (const bool topic : {false, true}) {  // endpoints first: topics name them
        each(root, topic ? "topic" : "endpoint", [&](const toml::table& table) {
            only(table, {"name", "id", "owner", topic ? "subscribers" : "name"});
            Object object{.name = fresh(out_.objects, table),
                          .id = fresh_id(table),
                          .owner = named(out_.processes, "process", table, "owner").id,
                          .topic = topic,
                          .subscribers = 0};
            each_text(table, "subscribers", [&](const std::string& name, const toml::source_region& where) {
                const auto found = std::ranges::find_if(
                    out_.objects, [&](const Object& o) { return o.name == name && !o.topic; });
                if (found == out_.objects.end()) {
                    fail(where, "there is no endpoint '" + name + "'");
                }
                object.subscribers |= std::uint64_t{1} << found->id;
            });
            out_.objects.push_back(object);
        });
    }
}

void Reader::capabilities(const toml::table& root) {
    each(root, "capability", [&](const toml::table& table) {
        only(table, {"name", "holder", "object", "rights", "flags", "badge", "cached"});
        const Object& object = named(out_.objects, "endpoint or topic", table, "object");
        Capability capability{.name = fresh(out_.capabilities, table),
                              .slot = static_cast<std::uint32_t>(out_.capabilities.size() + 1),
                              .entry = {},
                              .cached = maybe<bool>(table, "cached", "true or false").value_or(true)};
        if (capability.slot >= kScenarioSlots) {
            fail(table.source(), "there may be " + std::to_string(kScenarioSlots - 1) + " capabilities");
        }
        Entry& entry = capability.entry;
        entry.set_generation(kFirstGeneration);
        entry.set_flags(static_cast<std::uint8_t>(entry_flag::kValid | bits(table, "flags", 0, kEntryFlags)));
        entry.set_rights(bits(table, "rights", right::kWrite, kRights));
        entry.set_kind(static_cast<std::uint8_t>(object.topic ? Kind::kTopic : Kind::kEndpoint));
        entry.set_owner(named(out_.processes, "process", table, "holder").id);
        entry.set_object(object.id);
        entry.set_badge(static_cast<std::uint32_t>(whole(table, "badge", 0, 0, 0xFFFFFFFF)));
        out_.capabilities.push_back(capability);
    });
}

void Reader::traffic(const toml::table& root) {
    each(root, "traffic", [&](const toml::table& table) {
        only(table, {"from", "capability", "count", "gap_ns", "start_ns", "pattern", "burst", "priority",
                     "length", "call", "claims_to_be", "object", "torn_percent", "guess"});
        const Process& from = named(out_.processes, "process", table, "from");
        if (!from.port) {
            fail(table.get("from")->source(), "'" + from.name + "' has no port to send on");
        }
        const Capability& capability = named(out_.capabilities, "capability", table, "capability");
        Traffic traffic;
        traffic.port = *from.port;
        traffic.count = static_cast<std::uint32_t>(whole(table, "count", std::nullopt, 1, 1'000'000));
        traffic.burst = static_cast<std::uint32_t>(whole(table, "burst", 16, 1, 1000));
        traffic.gap_ns = number(table, "gap_ns", 0, 0, 1e9);
        traffic.start_ns = number(table, "start_ns", 0, 0, 1e9);
        traffic.torn_percent = static_cast<unsigned>(whole(table, "torn_percent", 0, 0, 100));
        traffic.guess = maybe<bool>(table, "guess", "true or false").value_or(false);
        const std::string pattern = maybe<std::string>(table, "pattern", "text").value_or("steady");
        if (pattern != "steady" && pattern != "random" && pattern != "burst") {
            fail(table.get("pattern")->source(), "'pattern' is steady, random or burst");
        }
        traffic.pattern = pattern == "steady"   ? Pattern::kSteady
                          : pattern == "random" ? Pattern::kRandom
                                                : Pattern::kBurst;
        const bool topic = Kind{capability.entry.kind()} == Kind::kTopic;
        Header& header = traffic.header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(topic ? Type::kEvent : Type::kData));
        header.set_priority(
            static_cast<std::uint8_t>(whole(table, "priority", 1, 0, limit::kPriorities - 1)));
        header.set_length(static_cast<std::uint16_t>(whole(table, "length", 0, 0, 65535)));
        header.set_receiver(table.contains("object")
                                ? named(out_.objects, "endpoint or topic", table, "object").id
                                : capability.entry.object());
        header.set_capability(capability_id(capability.slot, kFirstGeneration));
        if (table.contains("claims_to_be")) {
            header.set_sender(named(out_.processes, "process", table, "claims_to_be").id);
        }
        if (maybe<bool>(table, "call", "true or false").value_or(false)) {
            if (topic) {
                fail(table.get("call")->source(), "a topic can't be called");
            }
            header.set_flags(flag::kExpectsReply);
        }
        out_.traffic.push_back(traffic);
    });
}

void Reader::rest(const toml::table& root) {
    each(root, "recall", [&](const toml::table& table) {
        only(table, {"capability", "at_ns"});
        const Capability& capability = named(out_.capabilities, "capability", table, "capability");
        out_.recalls.push_back(
            {.capability = static_cast<std::size_t>(&capability - out_.capabilities.data()),
             .at_ns = number(table, "at_ns", 0, 0, 1e9)});
    });
    each(root, "consumer", [&](const toml::table& table) {
        only(table, {"port", "ready_percent"});
        const auto port = static_cast<unsigned>(whole(table, "port", std::nullopt, 0, kPlatformPorts - 1));
        out_.ready_percent[port] = static_cast<unsigned>(whole(table, "ready_percent", 100, 1, 100));
    });
    const toml::node* expect = root.get("expect");
    if (expect == nullptr) {
        return;
    }
    if (!expect->is_table()) {
        fail(expect->source(), "write [expect]");
    }
    for (const auto& [key, value] : *expect->as_table()) {
        bool known = key.str() == "copies" || key.str() == "replies" || key.str() == "verdict_clocks_most" ||
                     key.str() == "through_clocks_most";
        for (std::uint8_t verdict = 0; verdict <= static_cast<std::uint8_t>(Verdict::kMiss); ++verdict) {
            known = known || key.str() == name_of(Verdict{verdict});
        }
        if (!known) {
            fail(key.source(), "'" + std::string(key.str()) + "' is no verdict of the router");
        }
        out_.expect[std::string(key.str())] =
            whole(*expect->as_table(), key.str(), std::nullopt, 0, 1'000'000'000);
    }
}

Scenario Reader::read() {
    toml::table root;
    try {
        root = toml::parse_file(file_);
    } catch (const toml::parse_error& error) {
        if (error.source().begin.line == 0) {
            throw std::runtime_error(file_ + ": " + std::string(error.description()));
        }
        fail(error.source(), std::string(error.description()));
    } catch (const ParserAssertion&) {
        throw std::runtime_error(file_ + ": not TOML");
    }
    only(root, {"title", "clock_mhz", "seed", "limit_us", "quantum_ns", "host_ns", "process", "endpoint",
                "topic", "capability", "traffic", "recall", "consumer", "expect"});
    out_.title = text(root, "title");
    out_.clock_mhz = number(root, "clock_mhz", out_.clock_mhz, 1, 1000);
    out_.seed = whole(root, "seed", out_.seed, 1, 0xFFFFFFFF);
    out_.limit_us = number(root, "limit_us", out_.limit_us, 1, 1e6);
    out_.quantum_ns = number(root, "quantum_ns", out_.quantum_ns, 0, 1e6);
    out_.host_ns = number(root, "host_ns", out_.host_ns, 0, 1e6);
    processes(root);
    objects(root);
    capabilities(root);
    traffic(root);
    rest(root);
    if (out_.traffic.empty()) {
        fail(root.source(), "nothing is sent: [[traffic]] is missing");
    }
    return std::move(out_);
}

}  // namespace

Scenario read_scenario(const std::string& file) {
    return Reader(file).read();
}

}  // namespace keyway::sim
