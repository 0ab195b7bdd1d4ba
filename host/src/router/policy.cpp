// Reads the policy file. The grammar and every range stand in docs/policy.md; each fault becomes a line with
// its place and a sentence that says what is allowed there. All faults of a file are gathered, so that a
// person mends it in one go, and a faulty file changes nothing.

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <ranges>
#include <string>

// toml++ before 3.4 asserts, or assumes without looking, what some malformed table headers don't keep. A file
// must not be able to end the router, so a failed assertion of the parser's becomes a fault of the file.
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

#include "base/fd.hpp"
#include "base/units.hpp"
#include "link/control.hpp"
#include "router/policy_faults.hpp"
#include "router/policy_text.hpp"

namespace keyway {

namespace {

constexpr std::size_t kMaxFileBytes = 1U << 20;
constexpr std::uint32_t kLargestId = UINT32_MAX - 1;  // the largest value means "nobody" to the system
constexpr std::chrono::hours kLongestLifetime{24 * 365};

using Keys = std::initializer_list<std::string_view>;

// What the file says, fit for a log line: short, and with nothing in it that a terminal would obey.
std::string in_quotes(std::string_view text) {
    constexpr std::size_t kMost = 80;
    std::string quoted = "\"";
    for (const char c : text.substr(0, kMost)) {
        quoted += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
    }
    return quoted + (text.size() > kMost ? "…\"" : "\"");
}

std::string joined(Keys keys) {
    std::string text;
    for (const std::string_view key : keys) {
        text += text.empty() ? "" : ", ";
        text += key;
    }
    return text;
}

// How many letters must be inserted, removed or replaced to make one word of the other.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
        }
    }
    return row.back();
}

// The end of a sentence about an unknown word: names a known one that is near enough.
std::string nearest(std::string_view word, auto&& known) {
    std::string_view best;
    std::size_t fewest = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string_view candidate : known) {
        if (const std::size_t d = distance(word, candidate); d < fewest) {
            fewest = d;
            best = candidate;
        }
    }
    return best.empty() ? "." : "; did you mean " + in_quotes(best) + "?";
}

std::string described(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::string:
            return "the string " + in_quotes(node.as_string()->get());
        case toml::node_type::integer:
            return std::to_string(node.as_integer()->get());
        case toml::node_type::floating_point:
            return "a number with a fraction";
        case toml::node_type::boolean:
            return node.as_boolean()->get() ? "true" : "false";
        case toml::node_type::array:
            return "a list";
        case toml::node_type::table:
            return "a table";
        default:
            return "a date or time";
    }
}

template <typename Entry>
std::optional<std::uint32_t> id_of(const std::string& name,
                                   int (*find)(const char*, Entry*, char*, std::size_t, Entry**),
                                   std::uint32_t Entry::*id) {
    std::vector<char> buffer(1024);
    Entry entry{};
    Entry* found = nullptr;
    while (find(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE &&
           buffer.size() < kMaxFileBytes) {
        buffer.resize(buffer.size() * 2);
    }
    return found != nullptr ? std::optional(entry.*id) : std::nullopt;
}

std::optional<std::uint32_t> user_id(const std::string& name) {
    return id_of<passwd>(name, ::getpwnam_r, &passwd::pw_uid);
}
std::optional<std::uint32_t> group_id(const std::string& name) {
    return id_of<group>(name, ::getgrnam_r, &group::gr_gid);
}

// Metrics say what all processes do, so they are served to this machine only.
bool valid_metrics_address(std::string_view text) {
    if (text.starts_with("unix:/")) {
        return text.size() < sizeof(sockaddr_un::sun_path) && text.find('\0') == std::string_view::npos;
    }
    const std::size_t colon = text.rfind(':');
    const std::string_view host = text.substr(0, colon);
    const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    std::uint16_t number = 0;
    const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    return (host == "127.0.0.1" || host == "[::1]") && error == std::errc{} &&
           rest == port.data() + port.size() && number != 0;
}

class PolicyReader {
  public:
    explicit PolicyReader(std::string_view file) : file_(file) {}

    Policy read(const toml::table& root) {
        Policy policy;
        only(root, {"version", "limits", "audit", "metrics", "rule"}, "at the top level");
        if (const toml::node* version = root.get("version"); version == nullptr) {
            fault(PlaceInText{}, "the key version is missing; begin the file with version = 1");
        } else if (!version->is_integer() || version->as_integer()->get() != 1) {
            fault(*version, "version is " + described(*version) + "; this program reads version = 1 only");
        }
        if (const toml::table* limits = table(root, "limits", "limits")) {
            only(*limits, {"process", "user"}, "in [limits]");
            if (const toml::table* process = table(*limits, "process", "limits.process")) {
                read_limits(*process, "limits.process", policy.process);
            }
            if (const toml::table* user = table(*limits, "user", "limits.user")) {
                read_limits(*user, "limits.user", policy.user);
            }
        }
        if (const toml::table* audit = table(root, "audit", "audit")) {
            policy.continue_without_audit = read_continue(*audit);
        }
        if (const toml::table* metrics = table(root, "metrics", "metrics")) {
            policy.metrics = read_metrics(*metrics);
        }
        if (const toml::node* rules = root.get("rule")) {
            if (const toml::array* array = rules->as_array();
                array != nullptr && array->is_array_of_tables()) {
                for (const toml::node& rule : *array) {
                    policy.rules.push_back(read_rule(*rule.as_table()));
                }
            } else if (array == nullptr || !array->empty()) {
                fault(*rules, "rule is " + described(*rules) + "; begin each rule with a line [[rule]]");
            }
        }
        return policy;
    }

    [[nodiscard]] std::vector<PolicyError> take_faults() {
        std::ranges::stable_sort(faults_, [](const PolicyError& a, const PolicyError& b) {
            return std::pair(a.line, a.column) < std::pair(b.line, b.column);
        });
        return std::move(faults_);
    }

    void fault(toml::source_position at, std::string what) {
        faults_.push_back({.file = file_, .line = at.line, .column = at.column, .what = std::move(what)});
    }
    void fault(PlaceInText at, std::string what) {
        fault(toml::source_position{at.line, at.column}, std::move(what));
    }
    void fault(const toml::node& node, std::string what) { fault(node.source().begin, std::move(what)); }

  private:
    // --- shapes ---

    void only(const toml::table& table, Keys keys, std::string_view where) {
        for (const auto& [key, node] : table) {
            if (std::ranges::find(keys, key.str()) == keys.end()) {
                fault(key.source().begin, "there is no key " + in_quotes(key.str()) + ' ' +
                                              std::string(where) + nearest(key.str(), keys) +
                                              " Allowed are: " + joined(keys));
            }
        }
    }

    const toml::table* table(const toml::table& in, std::string_view key, std::string_view what) {
        const toml::node* node = in.get(key);
        if (node != nullptr && !node->is_table()) {
            fault(*node, std::string(what) + " is " + described(*node) + "; it must be a table, [" +
                             std::string(what) + "]");
        }
        return node != nullptr ? node->as_table() : nullptr;
    }

    const toml::array* list(const toml::table& in, std::string_view key, std::string_view of) {
        const toml::node* node = in.get(key);
        if (node == nullptr) {
            return nullptr;
        }
        if (!node->is_array()) {
            fault(*node,
                  std::string(key) + " is " + described(*node) + "; it must be a list of " + std::string(of));
        } else if (node->as_array()->empty()) {
            fault(*node, std::string(key) + " is an empty list; name at least one, or leave the key out");
        }
        return node->as_array();
    }

    bool flag(const toml::table& in, std::string_view key) {
        const toml::node* node = in.get(key);
        if (node != nullptr && !node->is_boolean()) {
            fault(*node, std::string(key) + " is " + described(*node) + "; it must be true or false");
        }
        return node != nullptr && node->is_boolean() && node->as_boolean()->get();
    }

    void number(const toml::table& in, std::string_view key, std::string_view where, std::uint64_t least,
                std::uint64_t most, auto& value) {
        const toml::node* node = in.get(key);
        if (node == nullptr) {
            return;
        }
        if (node->is_integer() && node->as_integer()->get() >= 0) {
            const auto found = static_cast<std::uint64_t>(node->as_integer()->get());
            if (found >= least && found <= most) {
                value = static_cast<std::remove_reference_t<decltype(value)>>(found);
                return;
            }
        }
        fault(*node, std::string(where) + std::string(key) + " is " + described(*node) +
                         "; it must be a whole number from " + std::to_string(least) + " to " +
                         std::to_string(most));
    }

    // --- limits ---

    void read_limits(const toml::table& in, const std::string& where, Limits& limits) {
        only(in, {"connections", "capabilities", "queue_bytes", "descriptors", "endpoints", "region_bytes"},
             "in [" + where + "]");
        const std::string prefix = where + '.';
        number(in, "connections", prefix, 1, limit::kIds - 1, limits.connections);
        number(in, "capabilities", prefix, 1, limit::kSlots - 1, limits.capabilities);
        number(in, "descriptors", prefix, 1, 1U << 20, limits.descriptors);
        number(in, "endpoints", prefix, 0, limit::kIds - 1, limits.endpoints);
        read_size(in, "queue_bytes", prefix, limits.queue_bytes);
        read_size(in, "region_bytes", prefix, limits.region_bytes);
    }

    void read_size(const toml::table& in, std::string_view key, const std::string& prefix,
                   std::uint64_t& to) {
        const toml::node* bytes = in.get(key);
        if (bytes == nullptr || !bytes->is_string()) {
            number(in, key, prefix, 1, 1ULL << 40, to);
        } else if (const auto size = units::parse_size(bytes->as_string()->get())) {
            to = *size;
        } else {
            fault(*bytes, prefix + std::string(key) + " is " + described(*bytes) + "; it must be " +
                              std::string(units::kSizeForm));
        }
    }

    // --- audit ---

    bool read_continue(const toml::table& in) {
        only(in, {"on_failure"}, "in [audit]");
        const toml::node* what = in.get("on_failure");
        if (what == nullptr) {
            return false;
        }
        const auto text = what->value<std::string>();
        if (!text || (*text != "stop" && *text != "continue")) {
            fault(*what, "on_failure is " + described(*what) + "; it has to be \"stop\" or \"continue\"");
            return false;
        }
        return *text == "continue";
    }

    // --- metrics ---

    std::string read_metrics(const toml::table& in) {
        only(in, {"listen"}, "in [metrics]");
        const toml::node* where = in.get("listen");
        if (where == nullptr) {
            return {};
        }
        auto text = where->value<std::string>().value_or("");
        if (!valid_metrics_address(text)) {
            fault(*where, "listen is " + described(*where) +
                              "; it must be an address of this machine alone and a port, such as "
                              "\"127.0.0.1:9478\" or \"[::1]:9478\", or \"unix:\" and a path, such as "
                              "\"unix:/run/keyway/metrics.sock\"");
            return {};
        }
        return text;
    }

    // --- rules ---

    Rule read_rule(const toml::table& in) {
        Rule rule;
        only(in, {"who", "register", "lookup", "observe", "payloads", "administer", "qubits"},
             "in a [[rule]]");
        if (const toml::node* who = in.get("who"); who == nullptr) {
            fault(in,
                  "this [[rule]] has no who; say whom it is for: who = { everyone = true }, who = { user = "
                  "\"alice\" } or who = { group = \"staff\" }");
        } else if (!who->is_table()) {
            fault(*who, "who is " + described(*who) +
                            "; it must be a table: { everyone = true }, { user = \"alice\" "
                            "} or { group = \"staff\" }");
        } else {
            rule.who = read_subject(*who->as_table());
        }
        if (const toml::array* names = list(in, "register", "endpoint names")) {
            for (const toml::node& name : *names) {
                if (auto pattern = read_pattern(name, "register")) {
                    rule.names.push_back(std::move(*pattern));
                }
            }
        }
        if (const toml::array* lookups = list(in, "lookup", "endpoint names, or tables { name = \"…\" }")) {
            for (const toml::node& lookup : *lookups) {
                read_lookup(lookup, rule);
            }
        }
        rule.observe = flag(in, "observe");
        rule.payloads = flag(in, "payloads");
        if (rule.payloads && !rule.observe) {
            fault(*in.get("payloads"), "payloads = true says nothing without observe = true");
        }
        rule.administer = flag(in, "administer");
        rule.qubits = flag(in, "qubits");
        return rule;
    }

    Subject read_subject(const toml::table& in) {
        Subject who;
        only(in, {"everyone", "user", "users", "group", "groups"}, "in who");
        who.everyone = flag(in, "everyone");
        if (const toml::node* everyone = in.get("everyone");
            everyone != nullptr && everyone->is_boolean() && !who.everyone) {
            fault(*everyone, "everyone = false says nothing; name users or groups instead");
        }
        if (who.everyone && in.size() > 1) {
            fault(in, "everyone = true includes every user and group; leave the others out, or everyone");
        }
        const auto ids = [&](std::string_view one, std::string_view many, std::string_view word, auto find,
                             std::vector<std::uint32_t>& to) {
            if (const toml::node* node = in.get(one)) {
                read_id(*node, one, word, find, to);
            }
            if (const toml::array* nodes = list(in, many, std::string(word) + " names or numbers")) {
                for (const toml::node& node : *nodes) {
                    read_id(node, many, word, find, to);
                }
            }
        };
        ids("user", "users", "user", user_id, who.users);
        ids("group", "groups", "group", group_id, who.groups);
        if (in.empty()) {
            fault(
                in,
                "who is empty, so the rule is for nobody; allowed are: everyone, user, users, group, groups");
        }
        return who;
    }

    void read_id(const toml::node& node, std::string_view key, std::string_view word, auto find,
                 std::vector<std::uint32_t>& to) {
        const std::string kind(word);
        if (node.is_string()) {
            const std::string& name = node.as_string()->get();
            if (const auto id = find(name)) {
                to.push_back(*id);
            } else {
                const bool digits =
                    !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
                fault(node, "this machine has no " + kind + " called " + in_quotes(name) + "; " +
                                (digits ? "a numeric id stands without quotes"
                                        : "name one that exists, or give a number"));
            }
            return;
        }
        if (node.is_integer() && node.as_integer()->get() >= 0 && node.as_integer()->get() <= kLargestId) {
            to.push_back(static_cast<std::uint32_t>(node.as_integer()->get()));
            return;
        }
        fault(node, std::string(key) + " has " + described(node) + "; a " + kind +
                        " is a name in quotes or a number from 0 to " + std::to_string(kLargestId));
    }

    // An endpoint's name, or its beginning and '*'.
    std::optional<std::string> read_pattern(const toml::node& node, std::string_view key) {
        if (node.is_string()) {
            const std::string& pattern = node.as_string()->get();
            const std::string_view name = pattern;
            const bool prefix = name.ends_with('*');
            if (link::valid_name(prefix ? name.substr(0, name.size() - 1) : name) || name == "*") {
                return pattern;
            }
            fault(node, in_quotes(pattern) +
                            " can't be the name of an endpoint; a name has 1 to 63 of the characters A-Z "
                            "a-z 0-9 . _ - /, and may end with * to mean every name that begins so");
        } else {
            fault(node, std::string(key) + " has " + described(node) +
                            "; an endpoint's name is a string, such as "
                            "\"wordcount\" or \"build/*\"");
        }
        return std::nullopt;
    }

    void read_lookup(const toml::node& node, Rule& rule) {
        LookupRule lookup;
        if (!node.is_table()) {
            if (auto pattern = read_pattern(node, "lookup")) {
                lookup.name = std::move(*pattern);
                add_lookup(node, std::move(lookup), rule);
            }
            return;
        }
        const toml::table& in = *node.as_table();
        only(in, {"name", "rights", "badge", "lifetime"}, "in a lookup");
        number(in, "badge", "lookup.", 0, UINT32_MAX, lookup.badge);
        if (const toml::array* rights = list(in, "rights", "rights: " + std::string(units::kRightNames))) {
            lookup.rights = 0;
            for (const toml::node& right : *rights) {
                lookup.rights = static_cast<std::uint8_t>(lookup.rights | read_right(right));
            }
        }
        if (const toml::node* lifetime = in.get("lifetime")) {
            const auto found =
                lifetime->is_string() ? units::parse_duration(lifetime->as_string()->get()) : std::nullopt;
            if (found && *found > std::chrono::nanoseconds{0} && *found <= kLongestLifetime) {
                lookup.lifetime = *found;
            } else {
                fault(*lifetime, "lifetime is " + described(*lifetime) + "; it must be " +
                                     std::string(units::kDurationForm) +
                                     ", longer than nothing and at most 365d");
            }
        }
        const toml::node* name = in.get("name");
        if (name == nullptr) {
            fault(node, "this lookup has no name; say which endpoint it is for: { name = \"wordcount\" }");
        } else if (auto pattern = read_pattern(*name, "name")) {
            lookup.name = std::move(*pattern);
            add_lookup(*name, std::move(lookup), rule);
        }
    }

    void add_lookup(const toml::node& at, LookupRule lookup, Rule& rule) {
        if (std::ranges::find(rule.lookup, lookup.name, &LookupRule::name) != rule.lookup.end()) {
            fault(at, "this rule has a lookup of " + in_quotes(lookup.name) +
                          " already; only the first would count");
        }
        rule.lookup.push_back(std::move(lookup));
    }

    std::uint8_t read_right(const toml::node& node) {
        const std::uint8_t right =
            node.is_string() ? units::right_of(node.as_string()->get()) : std::uint8_t{0};
        if (right == 0) {
            std::string hint = ".";
            if (node.is_string()) {
                hint = nearest(node.as_string()->get(), std::views::keys(units::kRights));
            }
            fault(node, described(node) + " is no right" + hint +
                            " Rights are: " + std::string(units::kRightNames));
        }
        return right;
    }

    std::string file_;
    std::vector<PolicyError> faults_;
};

PolicyError unreadable(const std::filesystem::path& file, std::string what) {
    return {.file = file.string(), .line = 1, .column = 1, .what = std::move(what)};
}

}  // namespace

std::vector<PolicyError> check_policy(std::string_view text, std::string_view file_name, Policy& policy) {
    PolicyReader reader(file_name);
    Policy read;
    if (const auto odd = odd_letter(text)) {
        reader.fault(*odd, "letters outside of ASCII are for comments only");
        return reader.take_faults();
    }
    try {
        read = reader.read(toml::parse(text));
    } catch (const toml::parse_error& error) {
        std::string what(error.description());
        // The one syntax error that is about this file's meaning deserves its own sentence.
        if (const auto at = what.find("cannot redefine existing"); at != std::string::npos) {
            what = "given twice: " + what.substr(at) + "; write each key and table once";
        } else {
            what = "not valid TOML: " + what;
        }
        reader.fault(error.source().begin, std::move(what));
    } catch (const ParserAssertion&) {
        reader.fault(nameless_header(text),
                     "not valid TOML: a table's name is missing after [; such as [limits.user] or "
                     "[[rule]]");
    }
    std::vector<PolicyError> faults = reader.take_faults();
    if (faults.empty()) {
        policy = std::move(read);
    }
    return faults;
}

std::vector<PolicyError> check_policy_file(const std::filesystem::path& file, Policy& policy) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return {unreadable(file, std::string("can't be read: ") + std::strerror(errno))};
    }
    if (!S_ISREG(status.st_mode)) {
        return {unreadable(file, "is not a regular file")};
    }
    if ((status.st_mode & S_IWOTH) != 0) {
        return {unreadable(
            file, "everyone may write to this file, so it can't say who may do what; run chmod o-w on it")};
    }
    if (static_cast<std::uint64_t>(status.st_size) > kMaxFileBytes) {
        return {unreadable(file, "is longer than 1 MiB; no policy is")};
    }
    std::string text;
    char buffer[16384];
    while (true) {
        const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0 || text.size() > kMaxFileBytes) {
            return {
                unreadable(file, std::string("can't be read: ") + std::strerror(size < 0 ? errno : EFBIG))};
        }
        if (size == 0) {
            return check_policy(text, file.string(), policy);
        }
        text.append(buffer, static_cast<std::size_t>(size));
    }
}

bool parse_policy(std::string_view text, std::string_view file_name, Policy& policy, PolicyError& error) {
    std::vector<PolicyError> faults = check_policy(text, file_name, policy);
    if (!faults.empty()) {
        error = std::move(faults.front());
    }
    return faults.empty();
}

bool load_policy(const std::filesystem::path& file, Policy& policy, PolicyError& error) {
    std::vector<PolicyError> faults = check_policy_file(file, policy);
    if (!faults.empty()) {
        error = std::move(faults.front());
    }
    return faults.empty();
}

}  // namespace keyway
