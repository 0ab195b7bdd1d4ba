#pragma once

// Shared regions: memory that several processes see, and messages that point into it instead of copying.
//
//     auto region = keyway::StableRegion::create(connection, 1 << 20).value();
//     std::ranges::copy(picture, region.bytes().begin());
//     region.give_read(to_viewer).value();
//
//     auto message = connection.receive().value();                       // the viewer
//     auto view = keyway::StableView::accept(connection, message).value();
//     show(view.bytes());
//
// TWO KINDS, and the type says which, because they promise opposite things:
//
//                            StableRegion                     RevocableRegion
//     size                   never changes; no signal         may be cut under the holder
//     how to get at it       bytes(), in place                read() and write(), which return errors
//     taking it back         nobody new can map it; who has   recall(): the former holder never sees what is
//                            it mapped keeps it               written later. cut(): nothing is left to
//                            anybody
//
// READ-ONLY IS THE KERNEL'S WORD. A view is mapped from a descriptor that can't write, of a file that was
// sealed against every further writer: mprotect, opening it again through /proc, truncating a stable one and
// punching holes are all refused. So writable grants must be mapped before the first reader maps; after that
// `sealed`.
//
// WHAT IS NOT PROMISED. The owner, and who holds a writable grant, may change the bytes at any time: copy
// before you check. What a holder could read before a recall it may have kept. A hostile creator of a
// revocable region, and any process of the user whom the router runs as, may cut it itself; the others'
// `read` and `write` then return `corrupt`, and only the raw pointer is dangerous. The owner is told once;
// what was lost is zero, and its region goes on in a new file. Several writable holders of one region do not
// see each other's writes in any order, and what one writes between a recall and its own next access may be
// lost. docs/regions.md has the grades of recall.
//
// SIZES. 1 byte to 1 GiB; paid for by the maker as `region_bytes` of the policy.
//
// THREADS. A region belongs to the thread of its connection's sending half and must not outlive the
// connection. The bytes may be used by any thread; while the owner recalls, only by `read` and `write`.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "keyway/api.hpp"
#include "keyway/connection.hpp"

namespace keyway {

namespace client {
struct SliceMapping;
}

/// What a holder may do, as `recall` and `revoke` know it.
struct ReadGrant {
    std::uint32_t id = 0;  ///< of the holder's capability
};
/// The same, of a holder that may write.
struct WriteGrant {
    std::uint32_t id = 0;  ///< of the holder's capability
};

/// What all regions and views have in common: one mapping.
class KEYWAY_API RegionMapping {
  public:
    RegionMapping(const RegionMapping&) = delete;
    RegionMapping& operator=(const RegionMapping&) = delete;

    /// The authority over it that we hold; id 0 when it was destroyed.
    [[nodiscard]] const Capability& capability() const noexcept { return capability_; }
    /// In bytes.
    [[nodiscard]] std::uint64_t size() const noexcept { return bytes_; }
    /// Process id of whom the region belongs to.
    [[nodiscard]] std::uint32_t owner() const noexcept { return owner_process_; }
    /// It has an address: it was made or mapped, and not unmapped since. Says nothing of a recall.
    [[nodiscard]] bool mapped() const noexcept { return address_ != nullptr; }
    /// Unmaps, and says so to the router. The capability stays ours. Nothing happens when it is not mapped.
    void unmap() noexcept;
    /// Unmaps, and gives the capability up; the owner's ends the region, and with it all grants. Who has it
    /// mapped keeps the bytes. Errors: `no_such_capability`.
    Result<void> destroy();

  protected:
    RegionMapping() = default;
    RegionMapping(RegionMapping&& other) noexcept;
    RegionMapping& operator=(RegionMapping&& other) noexcept;
    /// Unmaps. The capability lives on with the connection; `destroy` ends it.
    ~RegionMapping() { forget(); }

    /// With `shared`, a stable region of somebody else's is mapped once for all its slices.
    Result<void> open(Connection& connection, std::uint32_t capability, bool write, bool revocable,
                      std::shared_ptr<client::SliceMapping>* shared = nullptr);
    Result<void> make(Connection& connection, std::uint64_t bytes, bool revocable);
    Result<std::uint32_t> give(const Capability& to, std::uint8_t rights, std::span<const std::byte> payload);
    Result<void> copy(std::uint64_t offset, std::byte* bytes, std::uint64_t count, bool out);
    Result<void> follow();
    Result<void> move_away(bool cut);
    void forget() noexcept;

    Connection::Impl* connection_ = nullptr;
    Capability capability_;
    std::byte* address_ = nullptr;
    std::uint64_t bytes_ = 0;
    std::uint32_t epoch_ = 0;
    std::uint32_t owner_process_ = 0;
    std::uint32_t changes_ = 0;  ///< of this region that we have followed
    bool revocable_ = false;
    bool writable_ = false;
    bool owner_ = false;
    bool lost_ = false;      ///< recalled or cut: no access any more
    bool borrowed_ = false;  ///< the mapping is not ours to undo
};

// --- stable ---

/// Memory that we made and that can't be taken back, resized or cut.
class KEYWAY_API StableRegion : public RegionMapping {
  public:
    /// All zero, and with its pages up to 1 MiB. Errors: `bad_argument` (0 or over 1 GiB), `limit`,
    /// `table_full`, `system` (no memory or descriptors).
    static Result<StableRegion> create(Connection& connection, std::uint64_t bytes);
    /// Gives it to the owner of the endpoint `to`, in a capability message with `payload`. Errors: those of
    /// `Connection::give`.
    Result<ReadGrant> give_read(const Capability& to, std::span<const std::byte> payload = {});
    /// The same for writing, before anybody has mapped it for reading: after that its holder gets `sealed`.
    Result<WriteGrant> give_write(const Capability& to, std::span<const std::byte> payload = {});
    /// The memory, in place; empty when it is not mapped.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {address_, std::size_t{bytes_}}; }
};

/// Somebody's stable memory, read-only.
class KEYWAY_API StableView : public RegionMapping {
  public:
    /// Maps what came with a message. Errors: `no_such_capability`, `expired`,
    /// `insufficient_rights`, `wrong_object` (no region, or a revocable one), `system`.
    static Result<StableView> accept(Connection& connection, const Received& message);
    /// The same, by the id of the capability.
    static Result<StableView> map(Connection& connection, std::uint32_t capability);
    /// The memory, in place; empty when it is not mapped. Its owner may change it at any time.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {address_, std::size_t{bytes_}};
    }
};

/// Somebody's stable memory, writable.
class KEYWAY_API StableWindow : public RegionMapping {
  public:
    /// As for the view, and `sealed` when somebody reads the region already.
    static Result<StableWindow> accept(Connection& connection, const Received& message);
    /// The same, by the id of the capability.
    static Result<StableWindow> map(Connection& connection, std::uint32_t capability);
    /// The memory, in place; empty when it is not mapped. Others may change it at any time.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {address_, std::size_t{bytes_}}; }
};

// --- revocable ---

/// How a holder is parted from the memory.
enum class Recall : std::uint8_t {
    kFuture,  ///< R2: it keeps the bytes as they are now, and sees nothing that is written later
    kHard,    ///< R4: its bytes are gone too; its raw pointer is a SIGBUS
};

/// Memory that we made and can take back.
class KEYWAY_API RevocableRegion : public RegionMapping {
  public:
    /// All zero. Errors: those of `StableRegion::create`.
    static Result<RevocableRegion> create(Connection& connection, std::uint64_t bytes);
    /// As `StableRegion::give_read`; `recall` takes it back.
    Result<ReadGrant> give_read(const Capability& to, std::span<const std::byte> payload = {});
    /// As `StableRegion::give_write`; `recall` takes it back.
    Result<WriteGrant> give_write(const Capability& to, std::span<const std::byte> payload = {});
    ///@{
    /// Copies out of and into the memory. Never a signal. Errors: `bad_argument` past the end; `revoked`
    /// after `cut`; `corrupt` when somebody else has cut the file.
    Result<void> read(std::uint64_t offset, std::span<std::byte> to);
    Result<void> write(std::uint64_t offset, std::span<const std::byte> from);
    ///@}

    ///@{
    /// Parts one holder, and what it passed the grant on to, from the region. Complete on return; costs one
    /// copy of the region. The other holders go on: their next access maps the new memory at the same
    /// address. Errors: `no_such_capability` when the grant has ended already, `limit`, `system`.
    Result<void> recall(ReadGrant grant, Recall how) { return recall(grant.id, how); }
    Result<void> recall(WriteGrant grant, Recall how) { return recall(grant.id, how); }
    ///@}
    /// R3: takes the memory from everybody, ourselves included. Nothing is left to any mapping; accesses
    /// return `revoked`.
    Result<void> cut();
    /// For code that must have a pointer. It is where it was after a recall. Not to be written to while
    /// `recall` runs, nor to be used after `cut`.
    [[nodiscard]] std::span<std::byte> unsafe_bytes() const noexcept {
        return {address_, std::size_t{bytes_}};
    }

  private:
    Result<void> recall(std::uint32_t grant, Recall how);
};

/// Somebody's revocable memory, read-only.
class KEYWAY_API RevocableView : public RegionMapping {
  public:
    /// As `StableView::accept`; `wrong_object` also for a stable region.
    static Result<RevocableView> accept(Connection& connection, const Received& message);
    /// The same, by the id of the capability.
    static Result<RevocableView> map(Connection& connection, std::uint32_t capability);
    /// Never a signal. Errors: `bad_argument` past the end; `revoked` when the grant was recalled or the
    /// region cut; `would_block` for up to 100 ms after a recall while a writable holder has not followed.
    Result<void> read(std::uint64_t offset, std::span<std::byte> to);
    /// The bytes in place. DANGER: when the owner recalls hard or cuts, touching them is a SIGBUS.
    [[nodiscard]] std::span<const std::byte> unsafe_bytes() const noexcept {
        return {address_, std::size_t{bytes_}};
    }
};

/// Somebody's revocable memory, writable.
class KEYWAY_API RevocableWindow : public RegionMapping {
  public:
    /// As for the view, and `sealed` when somebody reads the region already.
    static Result<RevocableWindow> accept(Connection& connection, const Received& message);
    /// The same, by the id of the capability.
    static Result<RevocableWindow> map(Connection& connection, std::uint32_t capability);
    /// As the view's.
    Result<void> read(std::uint64_t offset, std::span<std::byte> to);
    /// As `read`, and `sealed` when a reader mapped the region after a recall before we did.
    Result<void> write(std::uint64_t offset, std::span<const std::byte> from);
    /// As the view's.
    [[nodiscard]] std::span<std::byte> unsafe_bytes() const noexcept {
        return {address_, std::size_t{bytes_}};
    }
};

/// Has `count` stable regions of `bytes` ready, mapped and with their pages, for `create` of exactly this
/// size to take: then it asks nobody. Those that are ready already count; 0 gives all of this size up.
/// Errors: those of `create`.
KEYWAY_API Result<void> reserve_regions(Connection& connection, std::uint64_t bytes, std::size_t count);

// --- messages that point into regions ---

/// Part of a region that came with a message, mapped read-only.
class KEYWAY_API ReceivedSlice {
  public:
    /// The part, in place; empty when the region is revocable.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
    /// Of the part, in bytes.
    [[nodiscard]] std::uint64_t size() const noexcept { return length_; }
    /// The region is a RevocableRegion: only `read` shows the part.
    [[nodiscard]] bool revocable() const noexcept { return revocable_; }
    /// Copies out of the part, of either kind. Errors as `RevocableView::read`.
    Result<void> read(std::uint64_t offset, std::span<std::byte> to);
    /// Gives the capability up; with what `send_large` sent, the memory too. A stable region of somebody
    /// else's stays mapped for its next slice, with the last eight such and up to 64 MiB, until others take
    /// their place or the connection ends; its memory is not free before.
    Result<void> release();

  private:
    friend Result<ReceivedSlice> open_slice(Connection& connection, const Received& message);
    struct Any : RegionMapping {
        friend class ReceivedSlice;
        friend Result<ReceivedSlice> open_slice(Connection& connection, const Received& message);
    };
    Any mapping_;
    std::shared_ptr<client::SliceMapping> shared_;
    std::uint64_t offset_ = 0;
    std::uint64_t length_ = 0;
    bool revocable_ = false;
};

/// Sends `length` bytes of a region from `offset` to the owner of the endpoint `to`, without copying: the
/// message carries a read-only grant of the whole region, and says which part is meant. Returns with the
/// verdict. Needs GRANT on the region. `bad_argument` when the part is not inside the region.
KEYWAY_API Result<void> send_slice(Connection& connection, const Capability& to, const RegionMapping& region,
                                   std::uint64_t offset, std::uint64_t length,
                                   Deadline deadline = Deadline::never());

/// How `send_large` sent.
enum class SentAs : std::uint8_t {
    kMessage,  ///< copied into the rings
    kRegion,   ///< copied once, into a region that now belongs to the receiver
};
/// Up to this many bytes `send_large` sends an ordinary message: that is cheaper than a region.
inline constexpr std::size_t kLargeThreshold = limit::kPayloadBytes;

/// Sends 1 byte to 1 GiB in one message: copied into it if it fits (`kLargeThreshold`), else in a region that
/// becomes the receiver's; says which. Errors: those of `send` and of `StableRegion::create`.
KEYWAY_API Result<SentAs> send_large(Connection& connection, const Capability& to,
                                     std::span<const std::byte> bytes, Deadline deadline = Deadline::never());

/// True when a message points into a region.
[[nodiscard]] KEYWAY_API bool has_slice(const Received& message) noexcept;
/// Maps what `send_slice` or `send_large` sent as a region. The part is checked against the region. Errors:
/// `bad_argument` when the message has no slice or an impossible one; those of `StableView::accept`.
KEYWAY_API Result<ReceivedSlice> open_slice(Connection& connection, const Received& message);

}  // namespace keyway
