// Sleeping without being forgotten, waking without asking the kernel when nobody sleeps.
//
// A party that may sleep has one shared word, `parked`, in a line of its own. It says "I am about to block,
// ring my bell". What it waits for is anything that others publish in shared memory: a commit word, a head,
// several of them.
//
//      waiter                                        waker
//      ------                                        -----
//   A1 parked := 1          (announce)            B1 publish             (commit(), release())
//   A2 full fence           (announce)            B2 full fence          (wake_if_parked)
//   A3 look again: is it published?               B3 parked != 0 ?       (wake_if_parked)
//   A4   yes: parked := 0, go on                  B4   yes: exchange it for 0; if it was not 0: wake()
//   A5   no:  block until woken; parked := 0
//
// Why no wake-up is lost. Without the fences each side's store can still sit in its store buffer while its
// load goes ahead, both see the old value, and the waiter sleeps on a message that is there: the pattern of
// Dekker. The fences have one order. If A2 comes first, B3 sees the 1, and B4 wakes. If B2 comes first, A3
// sees what was published, and the waiter does not block. In neither case both miss.
//   A wake() that comes too late, for a waiter that found the message by itself in A3, leaves a token in the
// descriptor, and costs one needless turn of a later wait. So: block in a loop, never take the wake-up for
// the message.
//   B4 exchanges rather than stores so that of several wakers only one pays for the system call.
//   After a wake-up the order between B1 and the waiter's next look comes from A2 of the next round, not from
//   the
// descriptor, so anything that can block and be woken will do.
//
// WHO MAY CALL WHAT. The Waiter belongs to the thread that sleeps. wake_if_parked() may be called by any
// number of threads and processes. Nothing here enters the kernel, except for what the given callable does.
//
// WHOM IT TRUSTS. Nobody. The word is a hint in memory that a peer can write. A hostile waiter can make its
// wakers call wake() for each publication; bound or refuse that outside if it matters. A hostile waker can
// fail to wake, as it can fail to send, so a wait needs its deadline and must end when the peer dies.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "ring/atomics.hpp"

namespace keyway::ring {

// Shared.
struct alignas(64) ParkWord {
    std::uint32_t parked;
    std::uint8_t reserved[60];
};
static_assert(sizeof(ParkWord) == 64 && std::is_trivially_copyable_v<ParkWord>);

template <class Atomics = NativeAtomics>
class Waiter {
  public:
    explicit Waiter(ParkWord& word) : word_(&word) {}

    // Before the second look at whatever is awaited. After it: look, and block only if there is still
    // nothing.
    void announce() {
        Atomics::store(word_->parked, std::uint32_t{1}, std::memory_order_relaxed);
        if constexpr (Atomics::kFencesAnnouncement) {
            Atomics::fence();
        }
    }

    // After announce(), when awake again or when the second look found something.
    void retract() { Atomics::store(word_->parked, std::uint32_t{0}, std::memory_order_relaxed); }

    // One turn of the whole: announce, look, block, retract. `ready()` looks, `block()` sleeps until woken or
    // for as long as it likes. Returns what ready() said; false means that block() was called, so look again.
    template <class Ready, class Block>
    bool park_unless(Ready&& ready, Block&& block) {
        announce();
        const bool found = std::forward<Ready>(ready)();
        if (!found) {
            std::forward<Block>(block)();
        }
        retract();
        return found;
    }

  private:
    ParkWord* word_;
};

// For several waiters after one round of publishing: publication_fence() once, then this for each of them.
// Does not fence by itself. Returns true if wake() was called.
template <class Atomics = NativeAtomics, class Wake>
bool wake_if_parked_after_fence(ParkWord& word, Wake&& wake) {
    if (Atomics::load(word.parked, std::memory_order_relaxed) == 0) [[likely]] {
        return false;
    }
    if (Atomics::exchange(word.parked, std::uint32_t{0}, std::memory_order_relaxed) == 0) {
        return false;
    }
    std::forward<Wake>(wake)();
    return true;
}

template <class Atomics = NativeAtomics>
void publication_fence() {
    if constexpr (Atomics::kFencesPublication) {
        Atomics::fence();
    }
}

// After publishing something that the owner of `word` may be waiting for.
template <class Atomics = NativeAtomics, class Wake>
bool wake_if_parked(ParkWord& word, Wake&& wake) {
    publication_fence<Atomics>();
    return wake_if_parked_after_fence<Atomics>(word, std::forward<Wake>(wake));
}

// Spins for a bounded time before its user parks, and learns how long that is worth: a spin that paid doubles
// the next budget up to the maximum, one that did not halves it down to 1/64 of that, so that a quiet party
// costs little, and a busy one never sleeps. Belongs to one thread.
template <class Atomics = NativeAtomics>
class Spinner {
  public:
    // 0 never spins: it looks once.
    explicit Spinner(std::uint64_t max_ns) : max_ns_(max_ns), budget_ns_(max_ns) {}

    // True as soon as ready() is; false when the budget is spent.
    template <class Ready>
    bool until(Ready&& ready) {
        for (int i = 0; i < kEagerLooks; ++i) {  // at hand or nearly: no clock, no pause
            if (ready()) {
                return true;
            }
            if (max_ns_ == 0) {
                return false;
            }
        }
        const std::uint64_t begin = Atomics::now_ns();
        do {
            for (int i = 0; i < kLooksPerClock; ++i) {
                Atomics::pause();
                if (ready()) {
                    budget_ns_ = budget_ns_ < max_ns_ / 2 ? 2 * budget_ns_ : max_ns_;
                    return true;
                }
            }
        } while (Atomics::now_ns() - begin < budget_ns_);
        const std::uint64_t least = max_ns_ / 64 + 1;
        budget_ns_ = budget_ns_ / 2 > least ? budget_ns_ / 2 : least;
        return false;
    }

    [[nodiscard]] std::uint64_t budget_ns() const { return budget_ns_; }

  private:
    static constexpr int kEagerLooks = 16;
    static constexpr int kLooksPerClock = 16;

    std::uint64_t max_ns_;
    std::uint64_t budget_ns_;
};

}  // namespace keyway::ring
