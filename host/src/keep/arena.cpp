#include "keep/arena.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.hpp"

namespace keyway::keep {

namespace {

constexpr std::uint64_t kMagicNumber = 0x50454B2D59415745U;  // "EWAY-KEP"
/// Goes up with each change of what lies in the arena; another version's is not taken over.
constexpr std::uint32_t kVersion = 1;

constexpr std::size_t line_up(std::size_t bytes) {
    return (bytes + 4095) & ~std::size_t{4095};
}

// In front of the old bytes in the undo log; its size comes behind them too, for the way back.
struct Change {
    std::uint64_t offset;
    std::uint32_t bytes;
    std::uint32_t reserved;
};

}  // namespace

Arena::~Arena() {
    if (head_ != nullptr) {
        ::munmap(head_, bytes_);
    }
}

Result<void> Arena::map(int file, std::uint32_t slots) {
    const std::size_t undo_at = line_up(sizeof(Head));
    const std::size_t rows_at = undo_at + kUndoBytes;
    const std::size_t links_at = rows_at + line_up(std::size_t{slots} * sizeof(Row));
    const std::size_t objects_at = links_at + line_up(std::size_t{kIds} * sizeof(LinkRecord));
    bytes_ = objects_at + line_up(std::size_t{kIds} * sizeof(ObjectRecord));
    struct stat status {};
    if (::fstat(file, &status) != 0) {
        return Error::system();
    }
    if (status.st_size == 0 && ::ftruncate(file, static_cast<off_t>(bytes_)) != 0) {
        return Error::system();
    }
    if (status.st_size != 0 && static_cast<std::size_t>(status.st_size) != bytes_) {
        return Status::kCorrupt;
    }
    void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        return Error::system();
    }
    auto* base = static_cast<std::byte*>(memory);
    head_ = reinterpret_cast<Head*>(base);
    undo_ = base + undo_at;
    rows_ = reinterpret_cast<Row*>(base + rows_at);
    links_ = reinterpret_cast<LinkRecord*>(base + links_at);
    objects_ = reinterpret_cast<ObjectRecord*>(base + objects_at);
    return {};
}

Result<void> Arena::create(std::uint32_t slots, std::uint64_t origin_ns, UniqueFd& file) {
    UniqueFd made(::memfd_create("keyway-state", MFD_CLOEXEC));
    if (!made) {
        return Error::system();
    }
    if (auto mapped = map(made.get(), slots); !mapped) {
        return mapped;
    }
    head_->magic = kMagicNumber;
    head_->version = kVersion;
    head_->slots = slots;
    head_->origin_ns = origin_ns;
    in_order();
    head_->born = 1;
    file = std::move(made);
    return {};
}

Result<void> Arena::open(int file, std::uint32_t slots) {
    struct stat status {};
    if (::fstat(file, &status) != 0 || status.st_size == 0) {
        return Status::kCorrupt;
    }
    if (auto mapped = map(file, slots); !mapped) {
        return mapped;
    }
    const bool good = head_->magic == kMagicNumber && head_->version == kVersion && head_->slots == slots &&
                      head_->born == 1 && head_->undo_bytes <= kUndoBytes;
    if (!good) {
        ::munmap(std::exchange(head_, nullptr), bytes_);
        return Status::kCorrupt;
    }
    return {};
}

void Arena::remember(const void* place, std::uint32_t bytes) noexcept {
    const std::uint32_t padded = (bytes + 7) & ~7U;
    const std::size_t whole = sizeof(Change) + padded + sizeof(std::uint64_t);
    if (head_->undo_bytes + whole > kUndoBytes) {
        settle();  // R3
    }
    std::byte* at = undo_ + head_->undo_bytes;
    const Change change{static_cast<std::uint64_t>(static_cast<const std::byte*>(place) -
                                                   reinterpret_cast<std::byte*>(head_)),
                        bytes, 0};
    const std::uint64_t back = whole;
    std::memcpy(at, &change, sizeof change);
    std::memcpy(at + sizeof change, place, bytes);
    std::memcpy(at + sizeof change + padded, &back, sizeof back);
    in_order();
    head_->undo_bytes += static_cast<std::uint32_t>(whole);
    in_order();
}

// Backwards, so that of several changes of one place the oldest wins. A death in here begins it anew: writing
// the same old bytes twice does no harm.
void Arena::undo() noexcept {
    std::uint32_t left = head_->undo_bytes;
    while (left != 0) {
        std::uint64_t whole = 0;
        std::memcpy(&whole, undo_ + left - sizeof whole, sizeof whole);
        KEYWAY_CHECK(whole >= sizeof(Change) && whole <= left);
        Change change{};
        std::memcpy(&change, undo_ + left - whole, sizeof change);
        KEYWAY_CHECK(change.offset + change.bytes <= bytes_);
        std::memcpy(reinterpret_cast<std::byte*>(head_) + change.offset, undo_ + left - whole + sizeof change,
                    change.bytes);
        in_order();
        left -= static_cast<std::uint32_t>(whole);
        head_->undo_bytes = left;
        in_order();
    }
}

}  // namespace keyway::keep
