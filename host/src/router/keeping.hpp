#pragma once

// What the router writes down for its successor, while there is a place to keep it: see keep/arena.hpp.

#include <memory>
#include <string>
#include <vector>

#include "core/capability_table.hpp"
#include "keep/arena.hpp"
#include "keep/store.hpp"

namespace keyway::router {

struct Link;

/// The arena, the store, and what goes into them for each capability.
struct Keeping final : core::Shadow {
    explicit Keeping(std::shared_ptr<StateStore> where) : store(std::move(where)) {}

    void row(core::SlotId slot, const Entry& entry, core::SlotId parent, std::uint32_t uses,
             core::ProcessId payer) noexcept override {
        arena.put(arena.row(slot), {.entry = entry, .parent = parent, .uses = uses, .payer = payer});
    }

    keep::Arena arena;
    std::shared_ptr<StateStore> store;
    std::vector<std::string> outdated;  ///< to be forgotten once the step is over

    void forget_outdated() {
        for (const std::string& name : outdated) {
            store->forget(name);
        }
        outdated.clear();
    }
};

/// Names of descriptors in the store.
namespace kept {
inline constexpr const char* kState = "keyway-state";
[[nodiscard]] inline std::string memory(core::ProcessId id, std::uint32_t serial) {
    return "keyway-link-" + std::to_string(id) + "-" + std::to_string(serial);
}
[[nodiscard]] inline std::string sender_wake(core::ProcessId id) {
    return "keyway-wakes-" + std::to_string(id);
}
[[nodiscard]] inline std::string receiver_wake(core::ProcessId id) {
    return "keyway-waker-" + std::to_string(id);
}
[[nodiscard]] inline std::string reader(core::ProcessId id, std::uint32_t slot) {
    return "keyway-reader-" + std::to_string(id) + "-" + std::to_string(slot);
}
/// Of a topic, region or qubit.
[[nodiscard]] inline std::string object(core::ObjectId id, std::uint32_t serial) {
    return "keyway-object-" + std::to_string(id) + "-" + std::to_string(serial);
}
}  // namespace kept

}  // namespace keyway::router
