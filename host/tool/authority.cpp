// keyway grant, keyway revoke: an administrator's hand in who may do what.

#include <fmt/format.h>

#include <memory>

#include "base/units.hpp"
#include "tool/session.hpp"

namespace keyway::tool {

namespace {

struct GrantOptions {
    std::string process;
    std::string endpoint;
    std::string rights = "write,execute";
    std::uint32_t badge = 0;
    std::chrono::nanoseconds lifetime{0};
};

std::string check_id(const std::string& text) {
    return units::parse_id(text) ? "" : text + " is no id; it must be a number, or hexadecimal with 0x";
}

// Rights as bits; nothing, and `unknown`, when a word between the commas is no right.
std::optional<std::uint8_t> parse_rights(std::string_view text, std::string& unknown) {
    std::uint8_t rights = 0;
    while (true) {
        const std::string_view word = text.substr(0, text.find(','));
        const std::uint8_t right = units::right_of(word);
        if (right == 0) {
            unknown = word;
            return std::nullopt;
        }
        rights = static_cast<std::uint8_t>(rights | right);
        if (word.size() == text.size()) {
            return rights;
        }
        text.remove_prefix(word.size() + 1);
    }
}

std::string check_rights(const std::string& text) {
    std::string unknown;
    return parse_rights(text, unknown)
               ? ""
               : '"' + unknown + "\" is no right; rights are: " + std::string(units::kRightNames);
}

void grant(Session& session, const GrantOptions& options) {
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    std::string unknown;
    const std::uint8_t rights = parse_rights(options.rights, unknown).value_or(0);
    const auto capability = connection->grant(options.endpoint, *units::parse_id(options.process), rights,
                                              options.badge, options.lifetime);
    if (!capability) {
        return session.fail(capability.error(), "granting " + options.endpoint);
    }
    if (session.json) {
        Session::print({{"capability", *capability}});
    } else {
        fmt::print("{:#010x}\n", *capability);
    }
}

void revoke(Session& session, const std::string& id) {
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto ended = connection->revoke_any(*units::parse_id(id));
    if (!ended) {
        return session.fail(ended.error(), "revoking " + id);
    }
    if (session.json) {
        Session::print({{"ended", *ended}});
    } else {
        fmt::print("{} {} ended\n", *ended, *ended == 1 ? "capability" : "capabilities");
    }
}

}  // namespace

void add_authority_commands(CLI::App& app, Session& session) {
    auto granting = std::make_shared<GrantOptions>();
    CLI::App* grant_command =
        app.add_subcommand("grant", "Give a process a capability (administrators only)");
    grant_command->add_option("PROCESS", granting->process, "Id of the process, as `keyway ls` shows it")
        ->required()
        ->check(check_id);
    grant_command->add_option("ENDPOINT", granting->endpoint, "Name of the endpoint that it is for")
        ->required();
    grant_command->add_option("--rights", granting->rights, "Rights, separated by commas")
        ->check(check_rights)
        ->capture_default_str();
    grant_command->add_option("--badge", granting->badge,
                              "What the receiver sees; the process's id unless told");
    add_duration(*grant_command, "--lifetime", granting->lifetime, "When it ends by itself, such as 10s");
    session.add_options(*grant_command, true);
    grant_command->callback([&session, granting] { grant(session, *granting); });

    auto revoking = std::make_shared<std::string>();
    CLI::App* revoke_command = app.add_subcommand("revoke", "End a capability and all that came of it");
    revoke_command->add_option("CAPABILITY", *revoking, "Its id, as `keyway ls` and `keyway grant` show it")
        ->required()
        ->check(check_id);
    session.add_options(*revoke_command, true);
    revoke_command->callback([&session, revoking] { revoke(session, *revoking); });
}

}  // namespace keyway::tool
