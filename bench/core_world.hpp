#pragma once

// A full capability table and messages that use it in random order: what route() is measured on.

#include <cstdint>
#include <vector>

#include "core/capability_table.hpp"
#include "core/directory.hpp"
#include "core/queues.hpp"
#include "core/route.hpp"

namespace keyway::bench {

/// Takes everything and keeps nothing: what the decision costs without the queues.
struct NoQueues {
    static bool has_room(core::ObjectId, unsigned, std::uint32_t) { return true; }
    static void push(core::ObjectId, unsigned, const Header& header) {
        asm volatile("" : : "r"(&header) : "memory");
    }
};

/// 65,535 capabilities (slot 0 is never used): 256 processes with their home endpoints, and derived
/// capabilities to send to one of 16 of them (services), each owned by a random process. The table is 4 MiB,
/// more than most second-level caches hold; the queues are 128 KiB.
class CoreWorld {
  public:
    static constexpr std::uint32_t kSlots = 65536;
    static constexpr std::uint32_t kProcesses = 256;
    static constexpr std::uint32_t kReceivers = 16;
    static constexpr std::uint32_t kQueueDepth = 64;

    struct Message {
        Header header;
        core::ProcessId link = 0;
    };

    CoreWorld();

    /// One message a capability, in random order and then from the beginning again; all will be delivered.
    [[nodiscard]] const Message& message(std::size_t i) const { return messages_[i % kSlots]; }

    core::Outcome route(const Message& message) {
        return core::route(table, directory, queues, message.header, message.link, now);
    }
    /// Empties the queues that messages `first` to `first + count` went to.
    void drain(std::size_t first, std::size_t count) {
        Header out;
        for (std::size_t i = 0; i < count; ++i) {
            queues.pop(static_cast<core::ObjectId>(message(first + i).header.receiver()), out);
        }
    }

    core::CapabilityTable table;
    core::Directory directory;
    core::HeaderQueues queues;
    core::Now now{.ns = 1'000'000'000, .tick = 60};

  private:
    std::vector<Message> messages_;
    core::Share user_{.used = 0, .limit = kSlots};
};

}  // namespace keyway::bench
