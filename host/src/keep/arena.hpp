#pragma once

// What must outlive the router, in memory that does: a memfd which only routers map, and which somebody else
// keeps open (keep/store.hpp). docs/decisions/0076 says why it looks like this.
//
//     Head | intent, undo log | a row for each capability | heads, used flags, records of links and objects
//
// A process that is killed has done all instructions up to some point and none after it, and what it stored
// in a shared mapping stays. So the order of stores in the program is the order in which they survive, and
// ordering takes the compiler's word only. From this follow three rules:
//
//   R1  Every change within a step logs the old bytes first. A step that was not finished is undone.
//   R2  A step ends with settle(). One that others can see, because it puts a record into somebody's ring, is
//       armed before: all its changes are made, and the store that shows the record is the end of the step.
//       After a death in between, the word in that ring says whether the step counts.
//   R3  What takes much (a revocation of a great tree) may fill the log; then what is done so far stays done.
//       Only what takes authority away is that large.
//
// WHO IS TRUSTED. Whoever can open the memory: the routers. In R2 the owner of a ring could claim to have, or
// not to have, a record that was meant for it; what follows concerns itself alone, since all that the step
// did was complete before, or is undone as a whole.
//
// Not thread-safe. put() and settle() neither allocate nor enter the kernel.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/fd.hpp"
#include "core/ids.hpp"
#include "keyway/result.hpp"
#include "link/control.hpp"
#include "quantum/ledger.hpp"

namespace keyway::keep {

/// Compiler only; see above.
inline void in_order() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// A capability: all of it that can't be found out from the others.
struct Row {
    Entry entry;
    std::uint32_t parent = 0;
    std::uint32_t uses = 0;
    std::uint32_t payer = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(Row) == 32);

/// Where a step becomes visible. 0 to 3 are delivery rings.
inline constexpr std::uint32_t kNoticeRing = 4;
inline constexpr std::uint32_t kTopicRing = 5;

struct Intent {
    std::uint64_t at = 0;      ///< position of the word; of a topic its tail after the event
    std::uint64_t word = 0;    ///< what stands there when the step counts
    std::uint64_t ticket = 0;  ///< how far the sender's submissions are judged then
    std::uint32_t sender = 0;
    std::uint32_t receiver = 0;  ///< process, or topic
    std::uint32_t ring = 0;
};

inline constexpr std::size_t kTokenBytes = 16;
inline constexpr std::size_t kMostGroups = 32;

/// A subscription of a link.
struct Reading {
    std::uint32_t capability = 0;
    std::uint16_t topic = 0;
    std::uint8_t used = 0;
    std::uint8_t own_pipe = 0;
};

struct LinkRecord {
    quantum::Identity who;
    std::uint32_t gid = 0;
    std::uint32_t serial = 0;  ///< of the memory: part of the names of its descriptors
    std::uint32_t submission_bytes = 0;
    std::uint32_t delivery_bytes = 0;
    std::uint32_t home = 0;
    std::uint32_t groups_count = 0;
    std::uint32_t groups[kMostGroups] = {};
    std::uint8_t token[kTokenBytes] = {};
    char name[16] = {};
    std::uint64_t granted_ticket = 0;  ///< the last message that gave a capability
    std::uint32_t granted = 0;
    std::uint32_t answered_tag = 0;  ///< the last request that was answered; 0: none
    link::ControlMessage answer;
    Reading readings[24] = {};
};
static_assert(std::is_trivially_copyable_v<LinkRecord>);

/// What a thing is beyond its row of the directory.
struct ObjectRecord {
    std::uint8_t what = 0;    ///< core::Directory::What
    std::uint8_t flag = 0;    ///< topic: blocks; region: revocable
    std::uint8_t closed = 0;  ///< region: closed to writers
    std::uint8_t reserved = 0;
    std::uint16_t owner = 0;
    std::uint16_t payer = 0;
    std::uint32_t root = 0;
    std::uint32_t serial = 0;  ///< part of its descriptors' names; of a region its epoch
    char name[limit::kNameBytes + 1] = {};
    std::uint64_t bytes = 0;     ///< region: bytes; topic: ring's
    std::uint64_t time = 0;      ///< topic: patience; qubit: deadline
    std::uint64_t sequence = 0;  ///< topic: of the event that is written, or comes, next
    std::uint32_t count = 0;     ///< topic: events kept; qubit: width
    std::uint32_t number = 0;
    std::uint32_t slot = 0;  ///< qubit: in the ledger
    std::uint32_t fidelity = 0;
    quantum::Identity who;  ///< qubit: its holder
};
static_assert(std::is_trivially_copyable_v<ObjectRecord>);

class Arena {
  public:
    static constexpr std::uint32_t kIds = limit::kIds;
    static constexpr std::size_t kUndoBytes = std::size_t{1} << 20;

    struct Head {
        std::uint64_t magic;
        std::uint32_t version;
        std::uint32_t slots;
        std::uint64_t origin_ns;  ///< where ticks count from
        std::uint32_t next_serial;
        std::uint32_t born;  ///< everything above is there
        alignas(64) std::uint32_t armed;
        std::uint32_t undo_bytes;
        Intent intent;
        std::uint64_t heads[kIds];  ///< how far each process's submissions are judged
        std::uint8_t link_used[kIds];
        std::uint8_t object_used[kIds];
    };

    Arena() = default;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena();

    /// A new one. `file` gets the descriptor, for the store.
    Result<void> create(std::uint32_t slots, std::uint64_t origin_ns, UniqueFd& file);
    /// One that an earlier router has left. Errors: `corrupt` when it is of another version or size.
    Result<void> open(int file, std::uint32_t slots);
    /// After open(): what was begun and not finished is undone, or done. `shown(intent)` says whether the
    /// step that was armed became visible.
    template <class Shown>
    void recover(const Shown& shown) {
        if (head_->armed != 0 && shown(head_->intent)) {
            head_->undo_bytes = 0;
            head_->heads[head_->intent.sender % kIds] = head_->intent.ticket;
        }
        in_order();
        undo();
        head_->armed = 0;
    }

    [[nodiscard]] explicit operator bool() const noexcept { return head_ != nullptr; }
    [[nodiscard]] Head& head() const noexcept { return *head_; }
    [[nodiscard]] Row& row(core::SlotId slot) const noexcept { return rows_[slot]; }
    [[nodiscard]] LinkRecord& link(core::ProcessId id) const noexcept { return links_[id]; }
    [[nodiscard]] ObjectRecord& object(core::ObjectId id) const noexcept { return objects_[id]; }

    /// Changes a piece of the arena, within a step.
    template <class T>
    void put(T& place, const T& value) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        remember(&place, sizeof place);
        std::memcpy(static_cast<void*>(&place), &value, sizeof value);
        in_order();
    }
    /// Everything is done but the one store that shows it.
    void arm(const Intent& intent) noexcept {
        head_->intent = intent;
        in_order();
        head_->armed = 1;
        in_order();
    }
    /// The end of a step. `ticket`: how far the sender is judged by now.
    void settle(core::ProcessId sender, std::uint64_t ticket) noexcept {
        in_order();
        head_->undo_bytes = 0;
        in_order();
        head_->heads[sender] = ticket;
        in_order();
        head_->armed = 0;
        in_order();
    }
    void settle() noexcept {
        in_order();
        head_->undo_bytes = 0;
        in_order();
    }

  private:
    Result<void> map(int file, std::uint32_t slots);
    void remember(const void* place, std::uint32_t bytes) noexcept;
    void undo() noexcept;

    Head* head_ = nullptr;
    std::byte* undo_ = nullptr;
    Row* rows_ = nullptr;
    LinkRecord* links_ = nullptr;
    ObjectRecord* objects_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace keyway::keep
