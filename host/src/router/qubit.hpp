#pragma once

#include <cstdint>
#include <map>

#include "base/fd.hpp"
#include "core/ids.hpp"
#include "quantum/ledger.hpp"

namespace keyway::router {

struct User;

/// A linear resource that the router keeps the books of. Its table entry, if it has one, is owned by
/// `holder`.
struct Qubit {
    std::uint32_t number = 0;
    std::uint32_t ledger_slot = 0;
    core::ProcessId holder = 0;  ///< 0: the router
    quantum::Identity identity;  ///< of the holder, or of the last one when it is the router
    std::uint64_t deadline_ns = 0;
    std::uint32_t fidelity_ppb = 0;
    std::uint32_t width = 0;  ///< of the simulated state; 0: a real one
    UniqueFd state{};         ///< memory of the simulated state
    User* payer = nullptr;    ///< whose share the memory uses
};

}  // namespace keyway::router
