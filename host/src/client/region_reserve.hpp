#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "keyway/connection.hpp"

namespace keyway::client {

/// A region that the router has made and that is mapped, and that nobody has used yet.
struct MappedRegion {
    Capability capability;
    std::byte* address = nullptr;
    std::uint64_t bytes = 0;
    std::uint32_t epoch = 0;
    bool revocable = false;
};

/// Regions kept ready by `reserve_regions`; unmapped with the connection.
class RegionReserve {
  public:
    RegionReserve() = default;
    RegionReserve(const RegionReserve&) = delete;
    RegionReserve& operator=(const RegionReserve&) = delete;
    ~RegionReserve();

    std::vector<MappedRegion> ready;
};

}  // namespace keyway::client
