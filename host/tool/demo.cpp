// keyway demo: a router, a service, its clients and an intruder, each a process of its own, and a check of
// everything that is claimed.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <random>

#include "base/fd.hpp"
#include "daemon/engines.hpp"
#include "daemon/log.hpp"
#include "daemon/serve.hpp"
#include "tool/demo_roles.hpp"
#include "tool/demo_scenario.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

namespace demo {

int play_router(const Channel& director, const std::filesystem::path& folder,
                const daemon::EngineChoice& engine) {
    // What it logs is kept for the case that something fails.
    const UniqueFd log(
        ::open((folder / "router.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    ::dup2(log.get(), STDERR_FILENO);
    daemon::set_log_name("router");
    daemon::ServeOptions options;
    options.router.socket = folder / "router.sock";
    options.router.audit.directory = folder / "audit";
    options.policy_file = folder / "policy.toml";
    if (const std::string why = daemon::choose_engine(engine, options.router); !why.empty()) {
        director.send(why);
        return exit_code::kSystem;
    }
    options.on_ready = [&] { director.send("ok"); };
    return daemon::serve(std::move(options));
}

namespace {

struct DirectorOptions {
    std::string path = ".";
    std::uint64_t pings = 5000;
    std::uint64_t seed = 0;
    bool one_user = false;
    std::string engine = "software";
    std::string cable;
};

struct RoleOptions {
    std::string name;
    std::string folder;
    daemon::EngineChoice engine;
    std::optional<uid_t> uid;
};

int play_role(const RoleOptions& options) {
    constexpr int kChannelFd = 3;
    ::fcntl(kChannelFd, F_SETFD, FD_CLOEXEC);
    const Channel director{UniqueFd(kChannelFd)};
    if (const auto became = become(options.uid, options.name); !became) {
        director.send(became.error().name());
        return exit_code::kSystem;
    }
    const std::string socket = std::filesystem::path(options.folder) / "router.sock";
    if (options.name == name_of(Role::kRouter)) {
        return play_router(director, options.folder, options.engine);
    }
    if (options.name == name_of(Role::kService)) {
        return play_service(director, socket);
    }
    for (const Role partner : {Role::kAlice, Role::kBob, Role::kCarol}) {
        if (options.name == name_of(partner)) {
            return play_partner(director, socket);
        }
    }
    return play_client(director, socket);
}

void print_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        fmt::print(stderr, "  {}\n", printable(line));
    }
}

int direct(Session& session, const DirectorOptions& options) {
    const Input input = input_at(options.path);
    if (input.files.empty()) {
        session.fail_system("there is no file to read at " + options.path);
        return session.exit;
    }
    const Stage stage(options.one_user, options.engine);
    std::ofstream(stage.policy_file()) << policy_text(stage);
    const std::uint64_t seed = options.seed != 0 ? options.seed : std::random_device{}();
    fmt::print("{} {}: capabilities at work on {} (seed {})\n", bold("keyway demo"), KEYWAY_VERSION,
               options.path, seed);
    Report report;
    {
        Scenario scenario(stage, input, seed, options.pings, report);
        scenario.pull_cable_by(options.cable);
        scenario.play();
    }
    if (report.failed()) {
        fmt::print(stderr, "\nWhat the router said:\n");
        print_file(stage.router_log());
    }
    return report.finish();
}

}  // namespace
}  // namespace demo

void add_demo_command(CLI::App& app, Session& session) {
    auto options = std::make_shared<demo::DirectorOptions>();
    CLI::App* command = app.add_subcommand("demo", "Show the router at work, and check what it shows");
    command->add_option("PATH", options->path, "File or folder for the service to count")
        ->capture_default_str();
    command->add_option("--pings", options->pings, "Calls to measure the latency of")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    command->add_option("--seed", options->seed, "Seed of what is done at random; it is printed");
    command->add_flag("--one-user", options->one_user, "Run all processes as this user, even if root");
    command->add_option("--engine", options->engine, "What judges messages before the software does")
        ->check(CLI::IsMember(daemon::engine_names()))
        ->capture_default_str();
    command->add_option("--cable", options->cable, "Command that pulls the board's cable, half-way")
        ->type_name("COMMAND");
    command->callback([&session, options] { session.exit = demo::direct(session, *options); });
    command->footer("Everything runs in a temporary folder. The last line is `demo: N passed, 0 failed`.");

    auto role = std::make_shared<demo::RoleOptions>();
    CLI::App* hidden = app.add_subcommand("demo-role", "A process of the demo")->group("");
    hidden->add_option("ROLE", role->name)->required();
    hidden->add_option("--folder", role->folder)->required();
    hidden->add_option("--uid", role->uid);
    hidden->add_option("--engine", role->engine.name);
    hidden->callback([&session, role] { session.exit = demo::play_role(*role); });
}

}  // namespace keyway::tool
