#pragma once

// What the router keeps of a topic: its broadcast ring, and who reads it.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "broadcast/broadcast_ring.hpp"
#include "broadcast/ring_memory.hpp"
#include "core/ids.hpp"

namespace keyway::router {

struct Link;
struct User;

/// A process that was given the topic's ring. It stays here after it has unsubscribed, until the topic moves
/// or its capability ends: it still has the mapping.
struct Subscriber {
    core::CapabilityId capability = 0;
    Link* link = nullptr;
    std::uint32_t slot = 0;          ///< in LinkShared::readers
    std::uint32_t expiry = 0;        ///< tick; 0: never
    UniqueFd wake;                   ///< our end of its pipe; none: it is woken by its connection's
    std::uint64_t position = 0;      ///< as last copied and found possible
    std::uint64_t blocks_since = 0;  ///< ns; since when an event waits for it to read on; 0: none does
    bool reads = true;               ///< subscribed
    bool overrun = false;            ///< used up our patience: nobody waits for it any more
};

struct Topic {
    User* user = nullptr;  ///< who pays for the ring
    bool blocks = false;   ///< wait for the slowest instead of dropping the oldest
    std::uint32_t ring_bytes = 0;
    std::uint64_t patience_ns = 0;
    std::vector<std::uint64_t> recent;  ///< positions of the last events, one for each that is kept; a circle
    std::uint64_t events = 0;
    std::uint64_t written_bytes = 0;

    UniqueFd file;
    broadcast::RingMemory memory;
    std::optional<broadcast::Writer> writer;
    std::vector<Subscriber> subscribers;
    std::uint64_t safe_until = 0;  ///< nobody whom we wait for was before this position when we looked
    std::uint32_t next_expiry = UINT32_MAX;  ///< tick at which the first subscriber's capability expires
    bool stale = false;                      ///< somebody has the ring who may not read what follows
    bool touched = false;                    ///< in touched_topics_
};

}  // namespace keyway::router
