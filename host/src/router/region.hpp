#pragma once

#include <cstdint>
#include <map>

#include "core/ids.hpp"
#include "region/file.hpp"

namespace keyway::router {

/// Shared memory as the router keeps its books. Its owner is the owner of its root capability.
struct Region {
    /// Who has it mapped, by the capability that allowed it.
    struct Holder {
        core::ProcessId process = 0;
        bool writes = false;
        std::uint32_t epoch = 0;  ///< of the file that it has mapped
    };

    std::uint64_t bytes = 0;
    bool revocable = false;
    bool closed_to_writers = false;  ///< somebody reads it, so the kernel lets nobody else map it writable
    std::uint32_t epoch = 1;         ///< counts the files that the region has had
    bool owner_told = false;         ///< that it should move, because a holder is gone
    std::uint64_t moved_ns = 0;      ///< when it moved to this one
    region::File file{};
    region::File fresh{};  ///< what its owner is moving it to
    std::map<core::CapabilityId, Holder> holders{};
    core::ProcessId payer = 0;  ///< who made it; whose share it uses
};

}  // namespace keyway::router
