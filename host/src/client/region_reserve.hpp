#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "keyway/connection.hpp"
#include "link/control.hpp"

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

/// A stable region's file, mapped read-only for as long as somebody looks at a part of it.
struct SliceMapping {
    SliceMapping(std::byte* memory, std::size_t length, dev_t on, ino_t inode) noexcept
        : address(memory), bytes(length), device(on), file(inode) {}
    ~SliceMapping();
    SliceMapping(const SliceMapping&) = delete;
    SliceMapping& operator=(const SliceMapping&) = delete;

    std::byte* address;
    std::size_t bytes;
    dev_t device;
    ino_t file;
};

/// The regions of which slices came lately, still mapped. Mapping and touching a page anew costs more than
/// copying it, and who sends parts of a region sends many. A file is known by its inode, which is not used
/// again while we have it mapped; so a region that ended is never taken for one that came after it.
class SliceMappings {
  public:
    static constexpr std::size_t kMost = 8;
    static constexpr std::size_t kMostBytes = std::size_t{64} << 20;

    /// The mapping of the region that the router answered with. Errors: `corrupt`, `system`.
    Result<std::shared_ptr<SliceMapping>> map(const link::ReceivedControl& answer);
    [[nodiscard]] std::size_t count() const noexcept { return lately_.size(); }

  private:
    std::vector<std::shared_ptr<SliceMapping>> lately_;  ///< the last one used comes last
};

/// A stable region with this content, not mapped: the kernel fills new pages as it makes them, which costs
/// half of what mapping, clearing and then copying does.
Result<Capability> make_region_of(Connection::Impl& connection, std::span<const std::byte> content);

}  // namespace keyway::client
