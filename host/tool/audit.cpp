// keyway audit: show what a router wrote down, check its seals, explain a refusal.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <map>
#include <optional>

#include "audit/reader.hpp"
#include "base/fd.hpp"
#include "base/units.hpp"
#include "base/wait.hpp"
#include "tool/session.hpp"

namespace keyway::tool {

namespace {

using audit::Record;
using audit::RecordKind;
using nlohmann::json;

constexpr auto kDefaultDirectory = "/var/log/keyway/audit";

struct AuditOptions {
    std::string directory = kDefaultDirectory;
    std::string key;
    std::optional<std::uint32_t> process;
    std::optional<std::uint32_t> capability;
    std::string verdict;
    std::uint64_t at_least = 0;
    std::uint64_t since_ns = 0;
    bool follow = false;
};

std::string_view kind_name(RecordKind kind) {
    switch (kind) {
        case RecordKind::kMessage:
            return "message";
        case RecordKind::kRequest:
            return "request";
        case RecordKind::kOpened:
            return "opened";
        case RecordKind::kClosed:
            return "closed";
        case RecordKind::kEnded:
            return "ended";
        case RecordKind::kLosses:
            return "losses";
        case RecordKind::kStarted:
            return "started";
        case RecordKind::kStopped:
            return "stopped";
        case RecordKind::kLane:
            return "lane";
    }
    return "unknown";
}

std::string outcome_of(const Record& record) {
    return record.verdict == 0 ? std::string(name_of(Verdict::kDelivered))
                               : std::string(Error::from_code(record.verdict).name());
}

std::string time_of(std::uint64_t ns) {
    const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000U);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", utc, ns % 1'000'000'000U / 1000);
}

const char* what_was_lost(const Record& r) {
    return r.flags == 1 ? "requests that came to nothing" : r.flags == 2 ? "frames" : "records";
}

json to_json(const Record& r) {
    json line{{"kind", kind_name(r.kind)}, {"time", time_of(r.first_ns)}};
    switch (r.kind) {
        case RecordKind::kMessage:
        case RecordKind::kLane:
            line.update({{"sender", r.process},
                         {"receiver", r.object},
                         {"capability", r.capability},
                         {"type", name_of(Type{r.type})},
                         {"flags", r.flags},
                         {"priority", r.priority},
                         {"verdict", outcome_of(r)},
                         {"count", r.count},
                         {"first_sequence", r.first_sequence},
                         {"last_sequence", r.last_sequence},
                         {"bytes", r.bytes},
                         {"last_time", time_of(r.last_ns)}});
            if (r.carried != 0) {
                line.update({{"carried", r.carried}, {"created", r.created}});
            }
            break;
        case RecordKind::kRequest:
            line.update({{"process", r.process},
                         {"request", name_of(static_cast<Request>(r.request))},
                         {"outcome", r.verdict == 0 ? "done" : outcome_of(r)},
                         {"name", r.get_name()},
                         {"object", r.object},
                         {"capability", r.capability},
                         {"target", r.carried},
                         {"created", r.created},
                         {"rights", units::describe_rights(r.rights)},
                         {"count", r.count}});
            break;
        case RecordKind::kOpened:
        case RecordKind::kClosed:
        case RecordKind::kStarted:
            line.update({{"process", r.process},
                         {"pid", r.first_sequence},
                         {"uid", r.last_sequence},
                         {"program", r.get_name()}});
            break;
        case RecordKind::kEnded:
            line.update({{"capability", r.capability},
                         {"holder", r.process},
                         {"object_kind", name_of(Kind{r.object_kind})},
                         {"object", r.object},
                         {"by", r.carried},
                         {"by_request",
                          r.request == 0 ? "end of process" : name_of(static_cast<Request>(r.request))}});
            break;
        case RecordKind::kLosses:
            line.update({{"count", r.count}, {"what", what_was_lost(r)}});
            break;
        case RecordKind::kStopped:
            break;
    }
    return line;
}

/// Names for numbers, as far as the log has told them.
class Names {
  public:
    void learn(const Record& r) {
        if (r.kind == RecordKind::kOpened) {
            programs_[r.process] = fmt::format("{} (process {}, pid {}, uid {})", r.get_name(), r.process,
                                               r.first_sequence, r.last_sequence);
        } else if (r.kind == RecordKind::kRequest && r.verdict == 0 && !r.get_name().empty()) {
            objects_[r.object] = fmt::format("\"{}\" ({})", r.get_name(), r.object);
        }
    }
    [[nodiscard]] std::string process(std::uint32_t id) const {
        const auto known = programs_.find(id);
        return known != programs_.end() ? known->second : fmt::format("process {}", id);
    }
    [[nodiscard]] std::string object(std::uint32_t id) const {
        const auto known = objects_.find(id);
        return known != objects_.end() ? known->second : fmt::format("{}", id);
    }

  private:
    std::map<std::uint32_t, std::string> programs_;
    std::map<std::uint32_t, std::string> objects_;
};

std::string to_text(const Record& r, const Names& names) {
    std::string time = time_of(r.first_ns);
    switch (r.kind) {
        case RecordKind::kMessage: {
            std::string text =
                fmt::format("{} {} {} {} -> {} by {:#x}: {}", time, r.count, name_of(Type{r.type}),
                            names.process(r.process), names.object(r.object), r.capability, outcome_of(r));
            if (r.carried != 0) {
                text += fmt::format(", carried {:#x}", r.carried);
            }
            return r.created != 0 ? text + fmt::format(", made {:#x}", r.created) : text;
        }
        case RecordKind::kLane:
            return fmt::format("{} {} {} {} messages, {} bytes on channel {} by {:#x}", time,
                               names.process(r.process), r.flags == 0 ? "sent" : "took", r.count, r.bytes,
                               r.object, r.capability);
        case RecordKind::kRequest: {
            std::string text = fmt::format("{} {} by {}", time, name_of(static_cast<Request>(r.request)),
                                           names.process(r.process));
            text += r.get_name().empty() ? "" : fmt::format(" \"{}\"", r.get_name());
            text += r.capability != 0 ? fmt::format(" of {:#x}", r.capability) : "";
            text += r.carried != 0 ? fmt::format(" for {:#x}", r.carried) : "";
            text += fmt::format(": {}", r.verdict == 0 ? "done" : outcome_of(r));
            text += r.created != 0 ? fmt::format(", made {:#x}", r.created) : "";
            if (static_cast<Request>(r.request) == Request::kRevoke && r.verdict == 0) {
                return text + fmt::format(", {} ended", r.count);
            }
            return r.count > 1 ? text + fmt::format(", {} times", r.count) : text;
        }
        case RecordKind::kOpened:
            return fmt::format("{} connected: {}", time, names.process(r.process));
        case RecordKind::kClosed:
            return fmt::format("{} gone: {}", time, names.process(r.process));
        case RecordKind::kEnded:
            return fmt::format("{} ended {:#x} of {}, by {} ({})", time, r.capability,
                               names.process(r.process), names.process(r.carried),
                               r.request == 0 ? "end of process" : name_of(static_cast<Request>(r.request)));
        case RecordKind::kLosses:
            return r.flags == 2
                       ? fmt::format(
                             "{} {} frames before this are gone: the machine lost its power, or they were "
                             "cut off",
                             time, r.count)
                       : fmt::format("{} {} {} were not written down: the log could not be written", time,
                                     r.count, what_was_lost(r));
        case RecordKind::kStarted:
            return fmt::format("{} router started, pid {}", time, r.first_sequence);
        case RecordKind::kStopped:
            return fmt::format("{} router stopped", time);
    }
    return time;
}

/// A time in UTC, or how long ago; in ns since 1970.
std::optional<std::uint64_t> parse_time(const std::string& text) {
    std::tm utc{};
    if (const char* const rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
        rest != nullptr && (*rest == '\0' || std::string_view(rest) == "Z")) {
        return static_cast<std::uint64_t>(::timegm(&utc)) * 1'000'000'000U;
    }
    const auto ago = units::parse_duration(text);
    if (!ago) {
        return std::nullopt;
    }
    const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    return static_cast<std::uint64_t>(std::max((now - *ago).count(), std::int64_t{0}));
}

bool wanted(const Record& r, const AuditOptions& options) {
    if (std::max(r.first_ns, r.last_ns) < options.since_ns) {
        return false;
    }
    if (options.process && r.process != *options.process) {
        return false;
    }
    if (options.capability && r.capability != *options.capability && r.carried != *options.capability &&
        r.created != *options.capability) {
        return false;
    }
    return options.verdict.empty() || ((r.kind == RecordKind::kMessage || r.kind == RecordKind::kRequest) &&
                                       outcome_of(r) == options.verdict);
}

/// Says what is wrong with the log, if anything is.
bool good(Session& session, const audit::Verification& result) {
    if (!result.fault) {
        return true;
    }
    session.fail_system(result.fault->message());
    session.exit = exit_code::kRefused;
    return false;
}

/// The key in `file`; nothing when the session has failed.
std::optional<audit::Key> key_in(Session& session, const std::string& file) {
    const auto key = audit::load_key(file, false);
    if (!key) {
        session.fail_system(fmt::format("can't read the key {}: {}", file, key.error().message()));
        return std::nullopt;
    }
    return *key;
}

/// The key to read with, if one was given; else says that nothing vouches for what is read. False when the
/// session has failed.
bool take_key(Session& session, const AuditOptions& options, std::optional<audit::Key>& key) {
    if (options.key.empty()) {
        fmt::print(stderr, "keyway: the seals are not checked; --key FILE checks them\n");
        return true;
    }
    key = key_in(session, options.key);
    return key.has_value();
}

/// Waits until something changes in the folder, and then until that has settled a little.
class Changes {
  public:
    explicit Changes(const std::string& directory) : notify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
        ::inotify_add_watch(notify_.get(), directory.c_str(), IN_MODIFY | IN_CREATE);
    }
    void wait() {
        pollfd changed{.fd = notify_.get(), .events = POLLIN, .revents = 0};
        wait_for(std::span(&changed, 1), Deadline::never());
        std::array<char, 4096> events{};
        while (::read(notify_.get(), events.data(), events.size()) > 0) {
        }
    }

  private:
    UniqueFd notify_;
};

void show(Session& session, const AuditOptions& options) {
    std::optional<audit::Key> key;
    if (!take_key(session, options, key)) {
        return;
    }
    Names names;
    const auto print = [&](const Record& r) {
        names.learn(r);
        if (!wanted(r, options)) {
            return;
        }
        if (session.json) {
            Session::print(to_json(r));
        } else {
            fmt::print("{}\n", to_text(r, names));
        }
    };
    Changes changes(options.directory);  // before the first look, so that none is missed
    std::uint64_t seen = 0;
    while (true) {
        const auto result = audit::verify(options.directory, key ? &*key : nullptr, print, seen);
        std::fflush(stdout);
        if (!good(session, result) || !options.follow) {
            return;
        }
        if (seen != 0 && result.first_frame > seen + 1) {
            fmt::print(stderr, "keyway: frames {} to {} were removed before they could be read\n", seen + 1,
                       result.first_frame - 1);
        }
        seen = result.last_frame;
        changes.wait();
    }
}

void verify(Session& session, const AuditOptions& options) {
    const auto key = key_in(session, options.key.empty() ? options.directory + "/key" : options.key);
    if (!key) {
        return;
    }
    const auto result = audit::verify(options.directory, &*key);
    if (!good(session, result)) {
        return;
    }
    if (result.last_frame < options.at_least) {
        session.fail_system(
            fmt::format("the log ends with frame {}, but frame {} was seen before: it was set back",
                        result.last_frame, options.at_least));
        session.exit = exit_code::kRefused;
        return;
    }
    if (session.json) {
        Session::print({{"segments", result.segments},
                        {"first_frame", result.first_frame},
                        {"last_frame", result.last_frame},
                        {"records", result.records},
                        {"ended_in_order", result.ended_in_order},
                        {"lost_frames", result.lost_frames},
                        {"cut_short_bytes", result.cut_short}});
        return;
    }
    fmt::print("{}: good. {} records in frames {} to {}, {} files\n", options.directory, result.records,
               result.first_frame, result.last_frame, result.segments);
    if (result.lost_frames != 0) {
        fmt::print(
            "Its last {} frames are gone: the machine lost its power within a second of them, or somebody "
            "cut them off.\n",
            result.lost_frames);
    } else if (!result.ended_in_order) {
        fmt::print("The router runs, or was killed: what it had not yet written is not here.\n");
    }
}

/// The last refusal that fits, and all that the log says of its capability.
void why(Session& session, const AuditOptions& options) {
    std::optional<audit::Key> given;
    if (!take_key(session, options, given)) {
        return;
    }
    const audit::Key* const key = given ? &*given : nullptr;
    Names names;
    std::optional<Record> refusal;
    const auto result = audit::verify(options.directory, key, [&](const Record& r) {
        names.learn(r);
        const bool refused =
            (r.kind == RecordKind::kMessage || r.kind == RecordKind::kRequest) && r.verdict != 0;
        if (refused && wanted(r, options)) {
            refusal = r;
        }
    });
    if (!good(session, result)) {
        return;
    }
    if (!refusal) {
        fmt::print("Nothing was refused that fits.\n");
        session.exit = exit_code::kRefused;
        return;
    }
    const Error reason = Error::from_code(refusal->verdict);
    std::vector<Record> history;
    // What the sender gave along may be what was wrong, too.
    const auto about = [&](std::uint32_t id) {
        return id != 0 && (id == refusal->capability || id == refusal->carried);
    };
    const auto second = audit::verify(options.directory, key, [&](const Record& r) {
        const bool names_it = about(r.created) || (r.kind == RecordKind::kEnded && about(r.capability)) ||
                              (r.kind == RecordKind::kRequest && about(r.carried));
        if (names_it && r.first_ns <= refusal->last_ns) {
            history.push_back(r);
        }
    });
    if (!good(session, second)) {
        return;
    }
    if (session.json) {
        json all = json::array();
        for (const Record& r : history) {
            all.push_back(to_json(r));
        }
        Session::print({{"refused", to_json(*refusal)},
                        {"reason", reason.name()},
                        {"meaning", reason.meaning()},
                        {"remedy", reason.remedy()},
                        {"history", std::move(all)}});
        return;
    }
    fmt::print("{}\n\n{}: {}\nNext: {}.\n", to_text(*refusal, names), reason.name(), reason.meaning(),
               reason.remedy());
    if (refusal->capability == 0 && history.empty()) {
        return;  // it needed none
    }
    if (history.empty()) {
        fmt::print("\nThe log knows nothing of capability {:#x}: nobody was given it.\n",
                   refusal->capability);
        return;
    }
    fmt::print("\nWhat the log says of the capability:\n");
    for (const Record& r : history) {
        fmt::print("  {}\n", to_text(r, names));
    }
}

void add_common(CLI::App& command, AuditOptions& options) {
    command.add_option("directory", options.directory, "Folder of the log")->capture_default_str();
}

void add_filters(CLI::App& command, AuditOptions& options) {
    command.add_option("--key", options.key, "The log's key: check its seals on the way");
    command.add_option("--process", options.process, "Only what this process did");
    command
        .add_option_function<std::string>(
            "--capability",
            [&options](const std::string& text) {
                const auto id = units::parse_id(text);
                if (!id) {
                    throw CLI::ValidationError("--capability", "\"" + text + "\" is no capability id");
                }
                options.capability = *id;
            },
            "Only what has to do with this capability")
        ->type_name("ID");
}

}  // namespace

void add_audit_commands(CLI::App& app, Session& session) {
    CLI::App* group = app.add_subcommand("audit", "Read a router's audit log");
    group->require_subcommand(1);
    const auto options = std::make_shared<AuditOptions>();

    CLI::App* shows = group->add_subcommand("show", "What was done, by whom, and what came of it");
    add_common(*shows, *options);
    add_filters(*shows, *options);
    shows->add_option("--verdict", options->verdict, "Only messages and requests with this outcome");
    shows
        ->add_option_function<std::string>(
            "--since",
            [options](const std::string& text) {
                const auto since = parse_time(text);
                if (!since) {
                    throw CLI::ValidationError(
                        "--since", "\"" + text +
                                       "\" is neither a time such as 2026-11-23T08:00:00Z nor how long "
                                       "ago, such as 10min");
                }
                options->since_ns = *since;
            },
            "Only from this time on (2026-11-23T08:00:00Z), or so long ago (10min)")
        ->type_name("TIME");
    shows->add_flag("--follow", options->follow, "Go on with what comes, until interrupted");
    shows->add_flag("--json", session.json, "A JSON object a line");
    shows->callback([&session, options] { show(session, *options); });

    CLI::App* verifies = group->add_subcommand("verify", "Check every seal");
    add_common(*verifies, *options);
    verifies->add_option("--key", options->key, "The log's key; default: `key` in the folder");
    verifies->add_option("--at-least", options->at_least, "Frame that an earlier check has seen");
    verifies->add_flag("--json", session.json, "A JSON object");
    verifies->callback([&session, options] { verify(session, *options); });
    verifies->footer("Exit codes: 0 good, 1 changed (the first place is named), 6 can't be read.");

    CLI::App* explains = group->add_subcommand("why", "Explain the last refusal");
    add_common(*explains, *options);
    add_filters(*explains, *options);
    explains->add_option("--verdict", options->verdict, "Only refusals for this reason");
    explains->add_flag("--json", session.json, "A JSON object");
    explains->callback([&session, options] { why(session, *options); });
}

}  // namespace keyway::tool
