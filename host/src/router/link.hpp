#pragma once

// What the router keeps of one connected process.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "core/capability_table.hpp"
#include "core/ids.hpp"
#include "keep/arena.hpp"
#include "link/link_memory.hpp"
#include "ring/ring.hpp"

namespace keyway::router {

/// What all processes of one user use together.
struct User {
    std::uint32_t uid = 0;
    std::uint32_t connections = 0;
    std::uint64_t queue_bytes = 0;
    std::uint32_t descriptors = 0;
    std::uint64_t region_bytes = 0;
    std::uint32_t endpoints = 0;
    core::Share capabilities;
};

struct LinkCounters {
    std::uint64_t sent = 0;
    std::uint64_t verdict[kVerdictCount] = {};  ///< of what it sent
    std::uint64_t refused = 0;
    std::uint64_t expired = 0;
    std::uint64_t received = 0;  ///< put into its delivery rings
};

/// Descriptors that the router holds for a link: socket, pidfd, bell, two wake pipes.
inline constexpr std::uint32_t kDescriptorsPerLink = 5;

struct Link {
    enum class State : std::uint8_t {
        kGreeting,  ///< connected, has not said hello
        kMapping,   ///< has the memory, which is not sealed yet
        kLive,
        kAway,  ///< an earlier router's, and not back yet: recovering.cpp
    };

    State state = State::kGreeting;
    core::ProcessId id = 0;
    std::uint32_t serial = 0;  ///< never reused; tells events of an earlier link with this id apart
    std::int32_t pid = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;
    std::string name;     ///< command name, for people only
    bool hosted = false;  ///< may observe, because the router's own process connected it for that
    User* user = nullptr;
    core::CapabilityId home = 0;
    std::array<std::uint8_t, keep::kTokenBytes> token{};  ///< by which it proves later that it is the same
    std::uint64_t region_bytes = 0;                       ///< of regions that it pays for
    std::uint32_t region_descriptors = 0;
    std::vector<core::ObjectId> endpoints;

    UniqueFd socket;
    UniqueFd pidfd;
    UniqueFd bell;         ///< the process writes, we watch
    UniqueFd sender_wake;  ///< writing ends of the wake pipes; ours alone
    UniqueFd receiver_wake;
    UniqueFd memory_fd;  ///< until it is sealed

    // `memory` outlives the rings, which point into it.
    link::LinkMemory memory;
    std::optional<ring::Consumer<>> submissions;
    std::optional<ring::Producer<>> notices;
    std::array<std::optional<ring::Producer<>>, limit::kPriorities> delivery;

    /// What it will have once it is back.
    struct Coming {
        link::LinkMemory memory;
        UniqueFd file;
        UniqueFd bell;
        std::uint32_t serial = 0;
    };
    std::unique_ptr<Coming> coming;

    std::uint32_t reader_slots = 0;  ///< bit i: LinkShared::readers[i] is in use

    bool active = false;         ///< the router polls it
    bool wake_receiver = false;  ///< something was put into a delivery or notice ring in this pass
    bool wake_sender = false;    ///< submissions were judged in this pass
    std::uint8_t fresh = 0;      ///< bit p: delivery ring p got something in this pass
    bool choked = false;         ///< not served until it reads its notices
    bool awaits_log = false;     ///< its next message is taken when the audit log can be written again
    bool closing = false;  ///< what it has submitted is judged for the last time; it is told nothing more
    std::optional<Error> doomed;  ///< it is closed for this reason once the pass is over
    std::uint64_t idle_since = 0;

    // A message that waits for room: it stays at the head of the submission ring.
    bool held = false;
    core::ProcessId held_for = 0;   ///< whose ring has no room
    core::ObjectId held_topic = 0;  ///< or which topic, and for how long an event
    std::uint32_t held_length = 0;
    std::uint8_t held_priority = 0;
    std::uint64_t held_consumed = 0;  ///< what that ring's reader had released when we looked last
    std::uint64_t held_deadline = 0;  ///< ns; 0: none
    /// Tickets of calls that were given up before they were judged, the newest last; few, and no duplicates.
    std::vector<std::uint64_t> given_up;
    std::uint64_t held_ticket = 0;
    Header held_header{};

    std::deque<link::NoticeBody>
        pending_notices;  ///< that found the ring full; bounded by the process's shares
    LinkCounters counters;
    std::array<std::uint32_t, limit::kPriorities> high_water{};  ///< bytes in each delivery queue

    void open_rings() {
        auto& shared = memory.shared();
        submissions.emplace(shared.submission, memory.submission());
        notices.emplace(shared.notices, memory.notices());
        for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
            delivery[priority].emplace(shared.delivery[priority], memory.delivery(priority));
        }
    }
};

}  // namespace keyway::router
