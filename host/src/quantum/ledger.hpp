#pragma once

// The book of who holds which qubit. It decides, when the router itself was killed: the table is gone then,
// and with it everybody's authority, but the ledger still says whose each qubit is.
//
//     header (64 bytes)    magic, version, slots, boot id
//     slot 0   copy A | copy B
//     slot 1   copy A | copy B      64 bytes each: number, holder, deadline, …, sequence, checksum
//     …
//
// A change writes the copy that is not the newest, and its checksum last; a reader takes the valid copy with
// the higher sequence. So a router that is killed between any two instructions leaves the old entry or the
// new one, and a change is one moment: the store that completes the newer copy. The file is mapped, so
// nothing that the process wrote is lost when it is killed. When the machine goes down everything is lost: an
// entry counts only in the boot in which it was made, because a qubit's state is memory and its deadline is
// of CLOCK_MONOTONIC.
//
// Who is trusted: whoever can write the file. It is made 0600 and locked, so that two routers can't share
// one. Not thread-safe.

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/fd.hpp"
#include "keyway/result.hpp"

namespace keyway::quantum {

/// A process as the kernel knows it, beyond one connection and beyond the reuse of its pid.
struct Identity {
    std::int32_t pid = 0;  ///< 0: nobody
    std::uint32_t uid = 0;
    std::uint64_t start_time = 0;  ///< clock ticks since boot, from /proc

    friend bool operator==(const Identity&, const Identity&) = default;
};

/// The identity of a process that lives now; nobody when it doesn't.
[[nodiscard]] Identity identity_of(std::int32_t pid, std::uint32_t uid);

struct LedgerEntry {
    std::uint32_t number = 0;       ///< of the qubit, never used again; 0: the slot is free
    std::uint32_t width = 0;        ///< simulated two-level systems; 0: not simulated
    Identity holder;                ///< who holds it, or may reclaim it
    std::uint64_t deadline_ns = 0;  ///< CLOCK_MONOTONIC, end of coherence
    std::uint32_t fidelity_ppb = 0;

    friend bool operator==(const LedgerEntry&, const LedgerEntry&) = default;
};

class Ledger {
  public:
    static constexpr std::uint32_t kSlots = 1024;

    /// Keeps the entries in memory only: they end with the router.
    Ledger();
    /// Opens or makes a ledger file. Errors: `system`, with EWOULDBLOCK when another router has it;
    /// `corrupt` when the file is something else.
    static Result<Ledger> open(const std::filesystem::path& file);
    Ledger(Ledger&& other) noexcept;
    Ledger& operator=(Ledger&& other) noexcept;
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;
    ~Ledger();

    /// What the slots hold; free ones have number 0.
    [[nodiscard]] std::span<const LedgerEntry> entries() const { return entries_; }
    /// A free slot, or kSlots when there is none.
    [[nodiscard]] std::uint32_t free_slot() const;
    /// Replaces a slot's entry; an entry with number 0 frees it. Complete, or not begun, whatever happens.
    void write(std::uint32_t slot, const LedgerEntry& entry);
    /// The number for the next qubit.
    [[nodiscard]] std::uint32_t next_number();

  private:
    struct Page;
    explicit Ledger(UniqueFd file, Page* page);
    void recover();

    UniqueFd file_;  // holds the lock
    Page* page_ = nullptr;
    std::vector<LedgerEntry> entries_;
    std::vector<std::uint64_t> sequences_;
    std::uint32_t last_number_ = 0;
};

}  // namespace keyway::quantum
