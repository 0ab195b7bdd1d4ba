#pragma once

// Looking on: what the router counts, and the messages that pass through it.
//
//     auto observer = keyway::become_observer(connection).value();             // the policy must allow it
//     auto counters = keyway::Counters::open(connection, observer.id).value();
//     keyway::Snapshot now = counters.read().value();                          // now.processes[0].sent
//
//     auto trace = keyway::Trace::open(connection, observer.id).value();
//     while (auto message = trace.next(keyway::Deadline::in(10s))) { … }       // message->verdict()
//
// WHO MAY SEE WHAT. Without a capability a process sees the counters of its own connection, endpoints and
// regions, and the router's totals. All else takes an observer capability: READ for everybody's counters and
// for the headers of all messages, PROCESS too for what the messages say. The policy decides who may make one
// (`observe`, `payloads`); from then on it is a capability as any other, to be given on with GRANT, revoked
// and released. When it ends, what was opened with it gets nothing more, at once.
//
// WHAT IT COSTS. The router never waits for who looks on. It copies its counters into memory that the others
// map read-only, ten times a second while somebody has opened them, a few rows at a time. A message that is
// traced is copied once more for each trace. What nobody looks at costs nothing.
//
// THREADS. A Counters or Trace belongs to one thread, any, and must not outlive the connection. `open`
// belongs to the connection's sending half.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "keyway/connection.hpp"
#include "keyway/deadline.hpp"
#include "keyway/engine.hpp"
#include "keyway/protocol.hpp"
#include "keyway/result.hpp"

namespace keyway {

/// Makes an observer capability: READ and GRANT, and PROCESS if the policy says `payloads`. Sending half.
/// Errors: `not_allowed` when the policy doesn't let this user observe; `table_full`.
KEYWAY_API Result<Capability> become_observer(Connection& connection);

/// How long calls took, from the delivery of the call to that of its reply, as the router saw it. Two buckets
/// an octave, so a quantile is right to within 50 %.
struct Latency {
    static constexpr std::size_t kBuckets = 56;  ///< of `count`
    std::uint64_t count[kBuckets] = {};          ///< calls by how long they took: see `bound`
    std::uint64_t sum_ns = 0;                    ///< of all of them, in ns

    /// The bucket of a duration.
    [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t ns) noexcept {
        std::size_t octave = 8;
        if (ns < 256) {
            return 0;
        }
        for (std::uint64_t rest = ns >> 9U; rest != 0; rest >>= 1U) {
            ++octave;
        }
        const std::size_t bucket = 1 + (octave - 8) * 2 + (ns >> (octave - 1) & 1U);
        return bucket < kBuckets ? bucket : kBuckets - 1;
    }
    /// Durations in a bucket are below this, in ns; the last bucket has no bound, and says UINT64_MAX.
    [[nodiscard]] static constexpr std::uint64_t bound(std::size_t bucket) noexcept {
        if (bucket == 0) {
            return 256;
        }
        if (bucket >= kBuckets - 1) {
            return UINT64_MAX;
        }
        const std::uint64_t octave = std::uint64_t{256} << (bucket - 1) / 2;
        return (bucket - 1) % 2 == 0 ? octave + octave / 2 : octave * 2;
    }
    /// How many calls there were.
    [[nodiscard]] constexpr std::uint64_t total() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t some : count) {
            sum += some;
        }
        return sum;
    }
    /// The bound of the bucket in which the given part of all calls, 0 to 1, is reached; 0 without calls.
    [[nodiscard]] constexpr std::uint64_t quantile(double part) const noexcept {
        const std::uint64_t all = total();
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
            seen += count[bucket];
            if (seen != 0 && static_cast<double>(seen) >= part * static_cast<double>(all)) {
                return bound(bucket);
            }
        }
        return 0;
    }
};

/// One of a process's four delivery queues.
struct QueueFigures {
    std::uint32_t used_bytes = 0;  ///< what it holds, with the records' heads
    /// The most that it held since the process connected. Exact from an eighth of the queue on; below that it
    /// is the most of ten looks a second.
    std::uint32_t high_water_bytes = 0;
};

/// A connected process. sent = delivered + refused + expired.
struct ProcessFigures {
    std::uint32_t id = 0;            ///< process id at the router
    std::uint32_t serial = 0;        ///< tells it from an earlier process with this id
    std::int32_t pid = 0;            ///< of the operating system, as the kernel says
    std::uint32_t uid = 0;           ///< its user, as the kernel says
    char name[16] = {};              ///< of its command; ends with a zero
    std::uint32_t capabilities = 0;  ///< entries of the table that it pays for
    std::uint32_t waiting = 0;       ///< 1: a message of its waits for room
    std::uint32_t queue_bytes = 0;   ///< size of each queue
    std::uint32_t regions = 0;       ///< that it pays for
    std::uint64_t region_bytes = 0;  ///< their memory
    std::uint64_t sent = 0;          ///< messages of its that were judged
    std::uint64_t delivered = 0;     ///< of these
    std::uint64_t refused = 0;       ///< of these: all verdicts but delivered, expired and timed_out
    std::uint64_t expired = 0;       ///< of these: expired and timed_out
    std::uint64_t received = 0;      ///< messages delivered to it
    std::uint64_t verdict[kVerdictCount] = {};  ///< of what it sent
    QueueFigures queues[limit::kPriorities];    ///< one a priority

    /// `name` without the zero; points into this object.
    [[nodiscard]] std::string_view get_name() const noexcept { return {name, ::strnlen(name, sizeof name)}; }
};

/// A named endpoint or topic.
struct EndpointFigures {
    std::uint32_t id = 0;                   ///< its number at the router
    std::uint32_t owner = 0;                ///< process id of its owner
    Kind kind = Kind::kEndpoint;            ///< or kTopic
    std::uint8_t reserved[3] = {};          ///< zero
    std::uint32_t subscribers = 0;          ///< of a topic
    char name[limit::kNameBytes + 1] = {};  ///< ends with a zero
    std::uint64_t messages = 0;             ///< delivered to it; of a topic: events, each once
    std::uint64_t bytes = 0;                ///< of their payload
    std::uint64_t calls = 0;                ///< since somebody looks on, as `replies` and `latency`
    std::uint64_t replies = 0;              ///< to these calls
    Latency latency;                        ///< of these calls

    /// `name` without the zero; points into this object.
    [[nodiscard]] std::string_view get_name() const noexcept { return {name, ::strnlen(name, sizeof name)}; }
};

/// A shared region.
struct RegionFigures {
    std::uint32_t id = 0;         ///< its number at the router
    std::uint32_t owner = 0;      ///< process id of its owner
    std::uint32_t mapped = 0;     ///< processes that have it mapped
    std::uint32_t revocable = 0;  ///< 1: a RevocableRegion; 0: a StableRegion
    std::uint64_t bytes = 0;      ///< its size
};

/// The router as a whole. Messages since its start.
struct RouterFigures {
    std::int32_t pid = 0;                       ///< of the process that hosts the router
    EngineKind engine = EngineKind::kSoftware;  ///< what makes the verdicts
    std::uint32_t awake = 0;         ///< 1: its thread looks for messages; 0: it sleeps until somebody rings
    std::uint32_t everything = 0;    ///< 1: the rows are everybody's; 0: the reader's own
    std::uint64_t published_ns = 0;  ///< CLOCK_MONOTONIC, when these figures were true
    std::uint64_t uptime_ns = 0;     ///< since its start, at `published_ns`
    std::uint64_t verdict[kVerdictCount] = {};  ///< messages, by verdict
    std::uint64_t capabilities = 0;             ///< slots of the table that are in use
    std::uint64_t capability_slots = 0;         ///< that the table has
    std::uint64_t processes = 0;                ///< connected, whether there is a row for each or not
    std::uint64_t audit_open = 0;  ///< 1: an audit log is kept and takes records; 2: it can't be written

    std::uint64_t links_opened = 0;  ///< 0 unless `everything`, as all below; connections since the start
    std::uint64_t links_closed = 0;  ///< of these, those that ended
    std::uint64_t links_quarantined = 0;  ///< of these, because a ring held something impossible
    std::uint64_t sleeps = 0;             ///< times the router's thread went to sleep
    std::uint64_t endpoints = 0;          ///< named endpoints and topics there are
    std::uint64_t regions = 0;            ///< shared regions there are
    std::uint64_t channels = 0;           ///< lanes and streams there are
    std::uint64_t qubits = 0;             ///< qubits there are
    Latency latency;                      ///< of all endpoints

    [[nodiscard]] std::uint64_t sent() const noexcept;       ///< all messages judged
    [[nodiscard]] std::uint64_t delivered() const noexcept;  ///< of these, delivered
    [[nodiscard]] std::uint64_t refused() const noexcept;    ///< all verdicts but the others
    [[nodiscard]] std::uint64_t expired() const noexcept;    ///< expired and timed_out
};

/// Figures of one moment.
struct Snapshot {
    RouterFigures router;                   ///< the router as a whole
    std::vector<ProcessFigures> processes;  ///< those that the reader may see
    /// Named endpoints and topics, as far as the reader may see them.
    std::vector<EndpointFigures> endpoints;
    std::vector<RegionFigures> regions;  ///< likewise
    /// There are more than the memory has rows for; open it anew for a larger one.
    bool more = false;
};

/// The published counters.
class KEYWAY_API Counters {
  public:
    /// `observer`: id of an observer capability with READ; 0: one's own counters only. A connection has one;
    /// opening it again ends the one before. Errors: `no_such_capability`, `expired`, `wrong_object`,
    /// `insufficient_rights`, `limit` (bytes of the user's queues, or 16 observers), `system`.
    static Result<Counters> open(Connection& connection, std::uint32_t observer = 0);
    Counters(const Counters&) = delete;
    Counters& operator=(const Counters&) = delete;
    Counters(Counters&&) noexcept;
    Counters& operator=(Counters&&) noexcept;
    ~Counters();

    /// The figures of one moment, at most 0.1 s old while the router has work. Takes no system call but to
    /// wait, for a millisecond at a time, while the router writes. Errors: `revoked` when the capability or
    /// the connection has ended, or the router; `timeout`, after 1 s; `corrupt`.
    Result<Snapshot> read();

  private:
    struct Impl;
    explicit Counters(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// A message that the router judged.
struct TracedMessage {
    TraceHead head;  ///< what became of it, and when
    Header header;   ///< as it was sent, with the sender's id; `capability` is what the sender named
    std::span<const std::byte> payload;  ///< until the next call; empty without the right, and may be cut

    /// What the router decided.
    [[nodiscard]] Verdict verdict() const noexcept { return Verdict{head.verdict()}; }
};

/// What to follow.
struct TraceOptions {
    bool payloads = false;  ///< takes PROCESS. What is shown of a payload ends after 4064 bytes
    /// Bytes of the ring between the router and us: a power of two, 16 KiB to 16 MiB.
    std::uint32_t ring_bytes = 4U << 20;
};

/// All messages as they are judged. Who is too slow loses the oldest, and can count them. What goes over
/// lanes, streams and regions doesn't pass through the router and is not seen. A sender that changes its
/// payload while the router copies it can have other bytes traced than delivered.
class KEYWAY_API Trace {
  public:
    /// `observer`: id of an observer capability with READ. A connection has one; opening it again ends the
    /// one before. Errors: as `Counters::open`, and `bad_argument`.
    static Result<Trace> open(Connection& connection, std::uint32_t observer,
                              const TraceOptions& options = {});
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;
    Trace(Trace&&) noexcept;
    Trace& operator=(Trace&&) noexcept;
    ~Trace();

    /// The next message. The router wakes nobody who looks on, so this looks every 2 ms. Errors: `timeout`,
    /// `revoked` when the capability or connection has ended, or the router; `corrupt`.
    Result<TracedMessage> next(Deadline deadline);
    /// Messages that were overwritten before they were read.
    [[nodiscard]] std::uint64_t lost() const;

  private:
    struct Impl;
    explicit Trace(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyway
