#include "core_world.hpp"

#include <algorithm>
#include <random>

#include "base/check.hpp"

namespace keyway::bench {

CoreWorld::CoreWorld()
    : table(kSlots, kProcesses + 1), directory(kProcesses + 1), queues(kProcesses + 1, kQueueDepth) {
    std::mt19937 random(20240511);  // the same world in each run
    std::vector<core::ProcessId> processes;
    for (std::uint32_t i = 0; i < kProcesses; ++i) {
        const core::ObjectId id = directory.open(core::Directory::What::kEndpoint, 0);
        table.open_account(id, kSlots, user_);
        const core::CapabilityId root = table.make_root(
            {.owner = id, .object = id, .rights = 0xFF, .flags = entry_flag::kRevocable, .payer = id});
        directory.set_root(id, core::slot_of(root));
        processes.push_back(id);
    }
    std::uniform_int_distribution<std::size_t> any(0, processes.size() - 1);
    while (table.can_allocate(processes[0])) {
        const core::ProcessId to = processes[any(random) % kReceivers];
        const core::ProcessId owner = processes[any(random)];
        const core::CapabilityId id = table.derive(directory.root(to), {.owner = owner,
                                                                        .object = to,
                                                                        .rights = right::kWrite,
                                                                        .flags = entry_flag::kRevocable,
                                                                        .badge = owner,
                                                                        .payer = owner});
        KEYWAY_CHECK(id != 0);
        Message message;
        message.link = owner;
        message.header.set_version(kVersionMajor);
        message.header.set_type(static_cast<std::uint8_t>(Type::kData));
        message.header.set_priority(static_cast<std::uint8_t>(random() % limit::kPriorities));
        message.header.set_length(64);
        message.header.set_receiver(to);
        message.header.set_capability(id);
        messages_.push_back(message);
    }
    std::ranges::shuffle(messages_, random);
    // As many as slots: then to find the next one takes no division, which would be measured along.
    for (std::size_t i = 0; messages_.size() < kSlots; ++i) {
        messages_.push_back(Message(messages_[i]));
    }
}

}  // namespace keyway::bench
