#include "watch/board.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <utility>

#include "ring/atomics.hpp"
#include "ring/shared_copy.hpp"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace keyway::watch {

using ring::NativeAtomics;

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint32_t kMostRows = limit::kIds;

// Torn copies are thrown away, so honest use races: words by relaxed accesses, which a sanitiser understands.
void copy_in(std::byte* to, const void* from, std::size_t bytes) {
    ring::detail::move_words<ring::detail::ToShared>(to, static_cast<const std::byte*>(from), bytes);
}
void copy_out(void* to, const std::byte* from, std::size_t bytes) {
    ring::detail::move_words<ring::detail::FromShared>(static_cast<std::byte*>(to), from, bytes);
}

}  // namespace

Board::Board(Board&& other) noexcept {
    *this = std::move(other);
}

Board& Board::operator=(Board&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    std::swap(room_, other.room_);
    std::swap(present_, other.present_);
    std::swap(sequence_, other.sequence_);
    std::swap(writing_, other.writing_);
    std::swap(more_, other.more_);
    return *this;
}

Board::~Board() {
    if (base_ != nullptr) {
        ::munmap(base_, bytes_);
    }
}

std::size_t Board::bytes_for(const Rows& room) noexcept {
    const std::size_t bytes = sizeof(BoardHead) + sizeof(RouterFigures) +
                              room.processes * sizeof(ProcessFigures) +
                              room.endpoints * sizeof(EndpointFigures) + room.regions * sizeof(RegionFigures);
    return (bytes + kPage - 1) & ~(kPage - 1);
}

std::byte* Board::processes() const noexcept {
    return base_ + sizeof(BoardHead) + sizeof(RouterFigures);
}
std::byte* Board::endpoints() const noexcept {
    return processes() + room_.processes * sizeof(ProcessFigures);
}
std::byte* Board::regions() const noexcept {
    return endpoints() + room_.endpoints * sizeof(EndpointFigures);
}

Result<Board> Board::create(const Rows& room, UniqueFd& file) {
    const std::size_t bytes = bytes_for(room);
    UniqueFd made(::memfd_create("keyway-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!made || ::ftruncate(made.get(), static_cast<off_t>(bytes)) != 0) {
        return Error::system();
    }
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made.get(), 0);
    if (base == MAP_FAILED) {
        return Error::system();
    }
    Board board(static_cast<std::byte*>(base), bytes, room);
    const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (::fcntl(made.get(), F_ADD_SEALS, seals) != 0 || ::madvise(base, bytes, MADV_POPULATE_WRITE) != 0) {
        return Error::system();
    }
    board.head() = BoardHead{.room = room, .present = {}};
    file = std::move(made);
    return board;
}

Result<Board> Board::map(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) {
        return Error::system();
    }
    const auto bytes = static_cast<std::size_t>(status.st_size);
    if (bytes < kPage) {
        return Status::kCorrupt;
    }
    void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (base == MAP_FAILED) {
        return Error::system();
    }
    Board board(static_cast<std::byte*>(base), bytes, {});
    BoardHead head;
    copy_out(&head, board.base_, sizeof head);
    const bool sane = head.room.processes <= kMostRows && head.room.endpoints <= kMostRows &&
                      head.room.regions <= kMostRows && bytes_for(head.room) == bytes;
    if (!sane) {
        return Status::kCorrupt;
    }
    board.room_ = head.room;
    return board;
}

void Board::begin() {
    NativeAtomics::store(head().sequence, ++sequence_, std::memory_order_relaxed);  // W1
    std::atomic_thread_fence(std::memory_order_release);                            // W2
    present_ = {};
    writing_ = true;
    more_ = false;
}

template <class Row>
bool Board::put(const Row& row, std::byte* at, std::uint32_t& present, std::uint32_t room) {
    if (present == room) {
        more_ = true;
        return false;
    }
    copy_in(at + present++ * sizeof row, &row, sizeof row);  // W3
    return true;
}

bool Board::add(const ProcessFigures& row) {
    return put(row, processes(), present_.processes, room_.processes);
}
bool Board::add(const EndpointFigures& row) {
    return put(row, endpoints(), present_.endpoints, room_.endpoints);
}
bool Board::add(const RegionFigures& row) {
    return put(row, regions(), present_.regions, room_.regions);
}

void Board::finish(const RouterFigures& router) {
    copy_in(base_ + sizeof(BoardHead), &router, sizeof router);
    NativeAtomics::store(head().more, std::uint32_t{more_ ? 1U : 0U}, std::memory_order_relaxed);
    NativeAtomics::store(head().present.processes, present_.processes, std::memory_order_relaxed);
    NativeAtomics::store(head().present.endpoints, present_.endpoints, std::memory_order_relaxed);
    NativeAtomics::store(head().present.regions, present_.regions, std::memory_order_relaxed);
    NativeAtomics::store(head().sequence, ++sequence_, std::memory_order_release);  // W4
    writing_ = false;
}

void Board::end() {
    NativeAtomics::store(head().ended, std::uint32_t{1}, std::memory_order_release);
}

Board::Look Board::read(Snapshot& snapshot) const {
    const BoardHead& shared = head();
    const std::uint64_t before = NativeAtomics::load(shared.sequence, std::memory_order_acquire);  // R1
    if (NativeAtomics::load(shared.ended, std::memory_order_acquire) != 0) {
        return Look::kEnded;
    }
    if (before == 0 || before % 2 != 0) {
        return Look::kTorn;
    }
    BoardHead copy;
    copy_out(&copy, base_, sizeof copy);
    const bool sane = copy.present.processes <= room_.processes &&
                      copy.present.endpoints <= room_.endpoints && copy.present.regions <= room_.regions;
    if (sane) {
        snapshot.more = copy.more != 0;
        snapshot.processes.resize(copy.present.processes);
        snapshot.endpoints.resize(copy.present.endpoints);
        snapshot.regions.resize(copy.present.regions);
        copy_out(&snapshot.router, base_ + sizeof(BoardHead), sizeof snapshot.router);  // R2
        copy_out(snapshot.processes.data(), processes(), snapshot.processes.size() * sizeof(ProcessFigures));
        copy_out(snapshot.endpoints.data(), endpoints(), snapshot.endpoints.size() * sizeof(EndpointFigures));
        copy_out(snapshot.regions.data(), regions(), snapshot.regions.size() * sizeof(RegionFigures));
    }
    std::atomic_thread_fence(std::memory_order_acquire);                              // R3
    if (NativeAtomics::load(shared.sequence, std::memory_order_relaxed) != before) {  // R4
        return Look::kTorn;
    }
    return sane ? Look::kDone : Look::kCorrupt;
}

}  // namespace keyway::watch
