#include "region/pool.hpp"

#include <bit>

namespace keyway::region {

namespace {

constexpr int kPageShift = 12;

}  // namespace

Result<File> Pool::take(std::uint64_t bytes, bool revocable) {
    const std::uint64_t size = file_bytes(bytes);
    if (size > kMostPooled) {
        return make_file(bytes, revocable);
    }
    Shelf& shelf = shelves_[revocable ? 1 : 0][static_cast<std::size_t>(std::countr_zero(size) - kPageShift)];
    shelf.wanted = true;
    complete_ = false;
    if (shelf.files.empty()) {
        return make_file(bytes, revocable);
    }
    File file = std::move(shelf.files.back());
    shelf.files.pop_back();
    return file;
}

bool Pool::refill() {
    if (complete_) {
        return false;
    }
    for (std::size_t kind = 0; kind < shelves_.size(); ++kind) {
        for (std::size_t i = 0; i < kSizes; ++i) {
            Shelf& shelf = shelves_[kind][i];
            if (!shelf.wanted || shelf.files.size() >= kMostReady) {
                continue;
            }
            auto made = make_file(std::uint64_t{1} << (kPageShift + i), kind == 1);
            if (!made) {
                break;  // no descriptors or memory to spare; who needs one is told so
            }
            shelf.files.push_back(std::move(*made));
            return true;
        }
    }
    complete_ = true;
    return false;
}

std::size_t Pool::ready() const {
    std::size_t count = 0;
    for (const auto& kind : shelves_) {
        for (const Shelf& shelf : kind) {
            count += shelf.files.size();
        }
    }
    return count;
}

}  // namespace keyway::region
