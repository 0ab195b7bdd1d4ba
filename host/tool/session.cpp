#include "tool/session.hpp"

#include <fmt/format.h>

#include "base/units.hpp"

namespace keyway::tool {

int exit_code_of(const Error& error) {
    static const std::pair<Error, int> kCodes[] = {
        {Status::kNotConnected, exit_code::kNoRouter}, {Status::kRouterGone, exit_code::kNoRouter},
        {Status::kShuttingDown, exit_code::kNoRouter}, {Status::kTimeout, exit_code::kTimeout},
        {Verdict::kTimedOut, exit_code::kTimeout},     {Status::kPeerGone, exit_code::kPeerGone},
        {Status::kSystem, exit_code::kSystem},         {Status::kBadArgument, exit_code::kUsage},
        {Status::kBadName, exit_code::kUsage},
    };
    if (error.code() >= static_cast<std::uint8_t>(Status::kNoDevice) &&
        error.code() <= static_cast<std::uint8_t>(Status::kBadImage)) {
        return exit_code::kSystem;  // a board, or a file for it
    }
    for (const auto& [known, code] : kCodes) {
        if (known == error) {
            return code;
        }
    }
    return exit_code::kRefused;
}

void Session::add_options(CLI::App& command, bool with_json) {
    command.add_option("--socket", socket,
                       "The router's socket; else $KEYWAY_SOCKET, else /run/keyway/router.sock");
    if (with_json) {
        command.add_flag("--json", json, "Output for programs");
    }
}

Result<Connection> Session::connect() const {
    return Connection::open({.socket = socket});
}

void Session::fail(const Error& error, std::string_view doing) {
    exit = exit_code_of(error);
    fmt::print(stderr, "keyway: {}: {}\n", doing, error.message());
    if (json) {
        print({{"error", {{"name", error.name()}, {"code", error.code()}, {"message", error.message()}}}});
    }
}

void Session::fail_usage(std::string_view what) {
    exit = exit_code::kUsage;
    fmt::print(stderr, "keyway: {}\n", what);
}

void Session::fail_system(std::string_view what) {
    exit = exit_code::kSystem;
    fmt::print(stderr, "keyway: {}\n", what);
}

void Session::print(const nlohmann::json& value) {
    fmt::print("{}\n", value.dump());
    std::fflush(stdout);
}

CLI::Option* add_duration(CLI::App& command, const std::string& flag, std::chrono::nanoseconds& value,
                          const std::string& description) {
    const auto read = [&value](const std::string& text) {
        const auto duration = units::parse_duration(text);
        value = duration.value_or(std::chrono::nanoseconds{0});
        return duration.has_value();
    };
    return command
        .add_option_function<std::string>(
            flag,
            [read, flag](const std::string& text) {
                if (!read(text)) {
                    throw CLI::ValidationError(
                        flag, text + " is no duration; it must be " + std::string(units::kDurationForm));
                }
            },
            description)
        ->type_name("DURATION");
}

}  // namespace keyway::tool
