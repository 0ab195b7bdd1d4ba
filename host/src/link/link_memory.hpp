#pragma once

// The memory of one link: what a process and the router share, and nobody else.
//
//     memfd, made by the router, mapped by both, then sealed against growing, shrinking, new writable
//     mappings, writes and holes (F_SEAL_GROW|SHRINK|FUTURE_WRITE|SEAL), then populated in the router:
//
//     +--------------------+------------------+-----------+---------+---------+---------+---------+
//     | LinkShared (1 page)| submission ring  | notices   | delivery rings, priority 0, 1, 2 and 3 |
//     +--------------------+------------------+-----------+---------+---------+---------+---------+
//                            process -> router  router -> process ...
//
// The order "both map, then seal" is what lets the process write while no process can truncate the file,
// punch holes into it or grow it under the router; see docs/decisions/0003-link-memory.md.

#include <cstddef>
#include <cstdint>
#include <span>

#include "broadcast/broadcast_layout.hpp"
#include "keyway/protocol.hpp"
#include "keyway/result.hpp"
#include "ring/park.hpp"
#include "ring/ring_layout.hpp"

namespace keyway::link {

/// The first page. Each word has one writer, or is a park word (ring/park.hpp).
struct LinkShared {
    ring::ParkWord router;    ///< the router doesn't poll this link: ring the bell after a submission
    ring::ParkWord room;      ///< somebody waits for room in a delivery ring: ring the bell after a release
    ring::ParkWord sender;    ///< the process's sending half sleeps
    ring::ParkWord receiver;  ///< the process's receiving half sleeps
    ring::RingControl submission;
    ring::RingControl notices;
    ring::RingControl delivery[limit::kPriorities];
    broadcast::ReaderSlot readers[broadcast::kReaderSlots];  ///< where its subscriptions are
};

inline constexpr std::size_t kPage = 4096;
static_assert(sizeof(LinkShared) <= kPage);

/// What the router writes to the notice ring.
struct NoticeBody {
    std::uint8_t kind = 0;  ///< Notice
    std::uint8_t code = 0;  ///< verdict or status, for kRefused and kClosed
    std::uint16_t reserved = 0;
    std::uint32_t value = 0;   ///< capability id, or the call's sequence for kPeerGone
    std::uint64_t ticket = 0;  ///< end position of the submission, for kRefused and kGranted
};
static_assert(sizeof(NoticeBody) == 16);

/// Sizes of the rings of one link, all powers of two.
struct Geometry {
    std::uint32_t submission_bytes = 0;
    std::uint32_t delivery_bytes = 0;

    static constexpr std::uint32_t kNoticeBytes = 16 * 1024;
    static constexpr std::uint32_t kMinBytes = static_cast<std::uint32_t>(ring::kMinFullSizeRingBytes);
    static constexpr std::uint32_t kMaxBytes = 16U << 20;

    [[nodiscard]] constexpr bool valid() const noexcept {
        const auto good = [](std::uint32_t bytes) {
            return ring::valid_ring_bytes(bytes) && bytes >= kMinBytes && bytes <= kMaxBytes;
        };
        return good(submission_bytes) && good(delivery_bytes);
    }
    [[nodiscard]] constexpr std::size_t total() const noexcept {
        return kPage + submission_bytes + kNoticeBytes + std::size_t{limit::kPriorities} * delivery_bytes;
    }
};

/// One party's mapping of a link's memory.
class LinkMemory {
  public:
    LinkMemory() = default;
    LinkMemory(LinkMemory&& other) noexcept;
    LinkMemory& operator=(LinkMemory&& other) noexcept;
    LinkMemory(const LinkMemory&) = delete;
    LinkMemory& operator=(const LinkMemory&) = delete;
    ~LinkMemory();

    /// Router: makes the file and maps it. `fd` gets the descriptor, to be sent and then sealed.
    static Result<LinkMemory> create(const Geometry& geometry, int& fd);
    /// Process: maps the file that the router sent. Not inherited over fork.
    static Result<LinkMemory> map(int fd, const Geometry& geometry);
    /// Router: a view of a file that an earlier router made and sealed, which can't be mapped writable any
    /// more. It can be written to, and nobody sees that.
    static Result<LinkMemory> map_copy(int fd, const Geometry& geometry);
    /// Router, after the process has mapped too: seals the file, then populates our mapping, so that no
    /// access of ours can fault from here on.
    Result<void> seal(int fd);

    [[nodiscard]] LinkShared& shared() const noexcept { return *reinterpret_cast<LinkShared*>(base_); }
    [[nodiscard]] std::span<std::byte> submission() const noexcept {
        return {base_ + kPage, geometry_.submission_bytes};
    }
    [[nodiscard]] std::span<std::byte> notices() const noexcept {
        return {base_ + kPage + geometry_.submission_bytes, Geometry::kNoticeBytes};
    }
    [[nodiscard]] std::span<std::byte> delivery(std::size_t priority) const noexcept {
        return {base_ + kPage + geometry_.submission_bytes + Geometry::kNoticeBytes +
                    priority * geometry_.delivery_bytes,
                geometry_.delivery_bytes};
    }
    [[nodiscard]] std::span<std::byte> whole() const noexcept { return {base_, geometry_.total()}; }
    [[nodiscard]] bool mapped() const noexcept { return base_ != nullptr; }
    [[nodiscard]] const Geometry& geometry() const noexcept { return geometry_; }

  private:
    LinkMemory(std::byte* base, const Geometry& geometry) noexcept : base_(base), geometry_(geometry) {}
    void unmap() noexcept;

    std::byte* base_ = nullptr;
    Geometry geometry_;
};

}  // namespace keyway::link
