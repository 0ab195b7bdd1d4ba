#pragma once

// The router, to be embedded in an application or run as keywayd: the same class, the same code.
//
//     keyway::Router router(keyway::RouterOptions{.policy = keyway::Policy::permissive()});
//     router.start();                                       // a thread of its own
//     auto connection = router.connect().value();           // from any thread
//
// One thread does all routing, control requests and clean-up, so nothing in it takes a lock. It spins while
// there is traffic and for `spin` after that, then sleeps until a process rings its bell.
//
// TRUST. The router trusts the kernel, its policy file and the process that hosts it. Clients are trusted
// with nothing: what they write into their rings is copied once and checked; every descriptor and every byte
// of shared memory is made by the router and sealed before it is served.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "keyway/api.hpp"
#include "keyway/connection.hpp"
#include "keyway/protocol.hpp"
#include "keyway/result.hpp"

namespace keyway {

/// What one process, or one user with all its processes, may take of the router.
struct Limits {
    std::uint32_t connections = 0;   ///< to the router
    std::uint32_t capabilities = 0;  ///< entries of the capability table that it pays for
    std::uint64_t queue_bytes = 0;   ///< memory of rings
    std::uint32_t descriptors = 0;   ///< that the router holds for it
    std::uint32_t endpoints = 0;     ///< named endpoints and topics
    std::uint64_t region_bytes = 0;  ///< memory of shared regions
};

/// Whom a rule speaks of. Empty matches nobody; `everyone` matches all.
struct Subject {
    bool everyone = false;                ///< every user of the machine
    std::vector<std::uint32_t> users{};   ///< their numbers
    std::vector<std::uint32_t> groups{};  ///< their numbers; of the process, its own or a supplementary one
};

/// What a look-up of a matching name gives.
struct LookupRule {
    std::string name{};                                     ///< exact, or a prefix with a trailing '*'
    std::uint8_t rights = right::kWrite | right::kExecute;  ///< bits of `keyway::right`
    std::uint32_t badge = 0;                                ///< 0: the process id of the one who looks up
    std::chrono::nanoseconds lifetime{0};                   ///< 0: for ever; rounded up to router ticks
};

/// What it allows to whom. Each rule adds, none takes away.
struct Rule {
    Subject who{};                     ///< whom it speaks of
    std::vector<std::string> names{};  ///< endpoints that it may register
    /// Endpoints and topics that it may look up; the first that matches counts.
    std::vector<LookupRule> lookup{};
    bool observe = false;     ///< sees all of the router's state in `list`
    bool payloads = false;    ///< what it observes shows also what messages say
    bool administer = false;  ///< may grant and revoke any capability
    bool qubits = false;      ///< may prepare qubits
};

/// Who may do what. Nothing is allowed that no rule allows.
struct KEYWAY_API Policy {
    /// What one process may take.
    Limits process{.connections = 64,
                   .capabilities = 4096,
                   .queue_bytes = 64U << 20,
                   .descriptors = 512,
                   .endpoints = 256,
                   .region_bytes = 2ULL << 30};
    /// What all processes of one user may take together.
    Limits user{.connections = 256,
                .capabilities = 16384,
                .queue_bytes = 256U << 20,
                .descriptors = 2048,
                .endpoints = 1024,
                .region_bytes = 4ULL << 30};
    std::vector<Rule> rules{};  ///< in the order in which they are asked
    /// Where keywayd serves metrics: "127.0.0.1:9478", "[::1]:9478" or "unix:/path"; empty: nowhere. The
    /// router itself doesn't look at it.
    std::string metrics{};
    /// When the audit log can't be written: true goes on and counts what was lost, false takes nothing more
    /// until it can.
    bool continue_without_audit = false;

    /// Everybody may register, look up, send to, call and subscribe to everything. For tests and single-user
    /// use.
    [[nodiscard]] static Policy permissive();
};

/// A fault in a policy file, with the place.
struct PolicyError {
    std::string file;          ///< its name, as it was given
    std::uint32_t line = 0;    ///< from 1
    std::uint32_t column = 0;  ///< from 1
    std::string what;          ///< a sentence, with what is allowed there
    /// `file:line:column: what`
    [[nodiscard]] std::string message() const {
        return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + what;
    }
};

/// Reads a policy file (TOML; docs/policy.md describes it). Nothing of a faulty file is taken. On success
/// `error` is left as it was.
[[nodiscard]] KEYWAY_API bool load_policy(const std::filesystem::path& file, Policy& policy,
                                          PolicyError& error);
/// The same of a text; `file_name` is for the error.
[[nodiscard]] KEYWAY_API bool parse_policy(std::string_view text, std::string_view file_name, Policy& policy,
                                           PolicyError& error);

/// Where the router writes down what was done by whom (docs/audit.md).
struct AuditOptions {
    /// Folder of the log; made if need be. Empty: no log.
    std::string directory{};
    /// 32 bytes that the log is sealed with; made if need be. Empty: `key` in the folder.
    std::string key_file{};
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;  ///< a new file is begun after so many
    std::uint32_t keep = 0;                                 ///< files to keep, the oldest go first; 0: all
};

class Engine;
class StateStore;

/// What a router shall be.
struct RouterOptions {
    Policy policy{};  ///< who may do what; as it stands, nobody anything
    /// The audit log; none unless told.
    AuditOptions audit =
        AuditOptions();  // not {}: g++ 12 would warn of it wherever options are named in place
    /// Where processes connect; empty: only `connect()` and `adopt()`. An existing socket that nobody listens
    /// on is replaced.
    std::string socket{};
    unsigned socket_mode = 0666;  ///< who may connect at all; authority comes from the policy
    /// A listening socket made by somebody else (socket activation), or -1.
    int listening_socket = -1;
    std::uint32_t capability_slots = 65536;  ///< size of the capability table, 2 to 2^20
    /// File of the ledger that says who holds which qubit, also after the router was killed; on a file system
    /// of this machine's. Empty: qubits end with the router.
    std::string qubit_ledger{};
    /// How long the router spins after the last message before it sleeps. `max()`: it never sleeps.
    std::chrono::nanoseconds spin = std::chrono::microseconds(50);
    /// Where the router keeps what shall survive its death, and what an earlier one has left (keywayd's
    /// --state makes one); null: everything ends with the router.
    std::shared_ptr<StateStore> state{};
    /// Judges beside the router's own core (keyway/engine.hpp); null: software alone.
    std::shared_ptr<Engine> engine{};
    /// The core looks at what the engine has refused as well, so that each difference is found and said.
    bool cross_check = false;
    /// Called in the router's thread for each line that a person may want to read. Must not block.
    void (*log)(std::string_view line) = nullptr;
};

/// Counters since the start. sent = delivered + refused + expired, always.
struct RouterCounters {
    std::uint64_t sent = 0;                ///< messages judged
    std::uint64_t delivered = 0;           ///< put into every destination queue
    std::uint64_t refused = 0;             ///< all verdicts but delivered, expired and timed_out
    std::uint64_t expired = 0;             ///< expired and timed_out
    std::uint64_t verdict[32] = {};        ///< messages, by number of the verdict
    std::uint64_t links_opened = 0;        ///< connections
    std::uint64_t links_closed = 0;        ///< connections that ended
    std::uint64_t links_quarantined = 0;   ///< closed because a ring held something impossible
    std::uint64_t sleeps = 0;              ///< times the router's thread went to sleep
    std::uint64_t engine_judged = 0;       ///< messages of which the engine had a verdict
    std::uint64_t engine_missed = 0;       ///< and those that it left to the core
    std::uint64_t engine_differences = 0;  ///< verdicts that were not the core's; each is an alarm
};

/// A router. What may be called from which thread stands at each function; the rest belongs to the thread
/// that made it.
class KEYWAY_API Router {
  public:
    /// Makes the tables; nothing listens yet.
    explicit Router(RouterOptions options);
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;
    /// Stops, if it runs.
    ~Router();

    /// Binds the socket. Errors: `system` with errno, e.g. EADDRINUSE when another router listens there.
    Result<void> listen();
    /// Routes in this thread until `stop()`. Drains before it returns.
    void run();
    /// `listen()`, then `run()` in a thread of its own.
    Result<void> start();
    /// Ends `run()`: takes nothing new, routes what has been submitted, tells every process, closes. Any
    /// thread; also from a signal handler. Returns at once.
    void stop() noexcept;
    /// Ends `run()` without telling anybody: what RouterOptions::state keeps is for the next router, which
    /// goes on as after a crash. Without a state as `stop()`. Any thread; returns at once.
    void hand_on() noexcept;
    /// Waits for the thread of `start()`.
    void join();

    /// A connection from within this process. Any thread; the router must be running or be started later.
    Result<Connection> connect(const ConnectOptions& options = {});
    /// The same, and the connection may observe (keyway/observe.hpp) whatever the policy says. It is for the
    /// process that hosts the router, which is trusted anyway: don't give the connection away.
    Result<Connection> connect_observer(const ConnectOptions& options = {});
    /// Serves a connected SOCK_SEQPACKET socket as if it had been accepted. Takes the descriptor. Any thread.
    void adopt(int socket);
    /// Replaces the policy for what is asked from now on; capabilities which were given stay. Any thread.
    void set_policy(Policy policy);

    /// Any thread. The figures are of one moment of the router's thread.
    [[nodiscard]] RouterCounters counters() const;

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
    std::thread thread_;
};

}  // namespace keyway
