#pragma once

// One line of the audit log: 128 bytes, little-endian, the same in memory and on disk.

#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace keyway::audit {

enum class RecordKind : std::uint8_t {
    kMessage = 1,  ///< a run of messages that are alike, or one that carried a capability
    kRequest,      ///< a process asked the router for something
    kOpened,       ///< a process connected
    kClosed,       ///< a process is gone
    kEnded,        ///< a capability ended with another, with its object or with its holder
    kLosses,       ///< what could not be kept while the log could not be written; `flags` 1: only requests
                   ///< that were refused or looked, and ends' words on their lanes
    kStarted,      ///< the router began, with the log's first record
    kStopped,      ///< the router ended in order: the last record
    kLane,         ///< what one end of a lane says that it sent or took
};

struct Record {
    RecordKind kind{};
    std::uint8_t type = 0;         ///< of the messages
    std::uint8_t flags = 0;        ///< of the messages
    std::uint8_t verdict = 0;      ///< verdict, or status of a request
    std::uint32_t process = 0;     ///< who: the sender, the asker, the holder
    std::uint32_t object = 0;      ///< to whom: endpoint, topic, region, qubit
    std::uint32_t capability = 0;  ///< by which authority; of a run of replies or guesses, the last one's
    std::uint32_t carried = 0;  ///< second capability: carried, or meant by a request; kEnded: who ended it
    /// Messages in the run; capabilities that a revoke ended; how often a request was refused, or looked.
    std::uint32_t count = 0;
    std::uint32_t first_sequence = 0;  ///< kOpened: pid
    std::uint32_t last_sequence = 0;   ///< kOpened: uid
    std::uint64_t first_ns = 0;        ///< CLOCK_REALTIME
    std::uint64_t last_ns = 0;
    std::uint64_t bytes = 0;   ///< payload, of all messages in the run
    std::uint8_t request = 0;  ///< kRequest, kEnded: what was asked; 0: a process's end
    std::uint8_t rights = 0;
    std::uint8_t object_kind = 0;
    std::uint8_t priority = 0;
    std::uint32_t created = 0;  ///< the capability that came of it
    char name[64] = {};         ///< endpoint or topic; kOpened: the program; ends with a zero

    void set_name(std::string_view text) noexcept {
        std::memcpy(name, text.data(), text.size() < sizeof name ? text.size() : sizeof name - 1);
    }
    [[nodiscard]] std::string_view get_name() const noexcept { return {name, ::strnlen(name, sizeof name)}; }
};
static_assert(sizeof(Record) == 128);
static_assert(std::is_trivially_copyable_v<Record>);
static_assert(std::has_unique_object_representations_v<Record>, "no padding: every byte is under the seal");

}  // namespace keyway::audit
