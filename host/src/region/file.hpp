#pragma once

// The file behind a shared region, as the router handles it: made, sized, filled with pages and sealed before
// anybody else can do something to it. The router never maps one.

#include <cstdint>

#include "base/fd.hpp"
#include "keyway/result.hpp"

namespace keyway::region {

/// Files up to this size come out of the pool, in powers of two, with all their pages.
inline constexpr std::uint64_t kMostPooled = 1U << 20;

/// One region's memory. `reading` is the same file opened read-only, for those who may not write.
struct File {
    UniqueFd writing;
    UniqueFd reading;
    std::uint64_t bytes = 0;  ///< of the file; a region may use fewer
};

/// Bytes that a region of `bytes` costs: whole pages, and a power of two up to `kMostPooled`.
[[nodiscard]] std::uint64_t file_bytes(std::uint64_t bytes) noexcept;

/// A new file of zeros. A stable one can't change its size from here on. Up to `kMostPooled` all its pages
/// are there; above that whoever maps it brings them in, because the router's thread must not spend the time.
Result<File> make_file(std::uint64_t bytes, bool revocable);

/// The file of a region that an earlier router made.
Result<File> open_again(UniqueFd writing, std::uint64_t bytes);

/// Nobody maps the file writable from here on, nor writes or punches it; who has it mapped writable goes on.
/// False when its creator has sealed it in some way that forbids this.
bool close_to_writers(const File& file, bool revocable);

/// No byte of the file can be read or written any more through any mapping, and none ever again.
void cut(const File& file);

}  // namespace keyway::region
