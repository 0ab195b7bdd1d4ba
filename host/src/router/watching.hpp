#pragma once

// What the router keeps of those who look on: a board for counters, a ring for messages, and what it
// remembers for them.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broadcast/broadcast_ring.hpp"
#include "broadcast/ring_memory.hpp"
#include "core/ids.hpp"
#include "keyway/observe.hpp"
#include "watch/board.hpp"

namespace keyway::router {

struct Link;

/// Who reads counters.
struct Watcher {
    Link* link = nullptr;
    core::CapabilityId capability = 0;  ///< by which it sees everything; 0: it sees its own
    watch::Board board;
    std::uint64_t next_ns = 0;        ///< when the next writing may begin
    std::uint64_t seen_stir = 0;      ///< what had happened when the last one began
    bool undrained = true;            ///< a queue held something then: its reader may empty it without us
    std::vector<std::uint64_t> todo;  ///< rows of the writing under way, the next one last: kind and id
    std::size_t a_turn = 0;           ///< rows that one turn writes
};

/// Who follows messages.
struct Tracer {
    Link* link = nullptr;
    core::CapabilityId capability = 0;
    bool payloads = false;
    std::uint64_t charged = 0;
    broadcast::RingMemory memory;
    std::optional<broadcast::Writer> writer;
};

/// What was delivered to an object.
struct Reached {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
};

/// Calls to an endpoint, counted while somebody looks on.
struct CallTimes {
    std::uint64_t calls = 0;
    std::uint64_t replies = 0;
    Latency latency;
};

/// A message that was not delivered, for `why`.
struct Refused {
    TraceHead head;
    Header header;
};

struct Watching {
    static constexpr std::size_t kMostObservers = 16;
    static constexpr std::size_t kRefusals = 256;  ///< that are remembered

    std::vector<std::unique_ptr<Watcher>> watchers;
    std::vector<std::unique_ptr<Tracer>> tracers;
    std::vector<Link*> live;
    std::uint64_t stir = 1;        ///< counts what may have changed a figure
    std::uint64_t judged = 0;      ///< messages
    std::vector<Reached> reached;  ///< by object id

    bool timing = false;  ///< somebody looks on, so calls are timed
    struct Call {
        std::uint64_t since_ns = 0;  ///< 0: not timed
        core::ObjectId endpoint = 0;
    };
    std::vector<Call> calls;                             ///< by the slot of the reply capability
    std::vector<std::unique_ptr<CallTimes>> call_times;  ///< by endpoint
    Latency latency;                                     ///< of all endpoints

    std::array<Refused, kRefusals> refusals{};
    std::uint64_t refused = 0;  ///< the next one's place, modulo kRefusals
};

}  // namespace keyway::router
