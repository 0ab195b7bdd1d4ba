#pragma once

// Files of regions made while the router has nothing else to do, so that making a region costs no page
// faults. Every one of them is new: what a process had once is never handed out again.

#include <array>
#include <vector>

#include "region/file.hpp"

namespace keyway::region {

class Pool {
  public:
    /// Ready files of one size, at most. With all sizes of both kinds that is 16 MiB.
    static constexpr std::size_t kMostReady = 4;

    /// A file of at least `bytes`: a ready one, or made now. Remembers that this size is wanted.
    Result<File> take(std::uint64_t bytes, bool revocable);
    /// Makes one file of a size that was wanted and has fewer than kMostReady ready; false when all are full.
    bool refill();

    [[nodiscard]] std::size_t ready() const;

  private:
    static constexpr std::size_t kSizes = 9;  // 4 KiB to 1 MiB
    struct Shelf {
        bool wanted = false;
        std::vector<File> files;
    };
    std::array<std::array<Shelf, kSizes>, 2> shelves_;
    bool complete_ = true;
};

}  // namespace keyway::region
