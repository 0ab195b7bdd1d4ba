// The atomic operations of the ring and of parking, as a policy, so that the model checker of tests/model
// runs the same code as the product. A policy has the functions of NativeAtomics and the constants of
// ProvenOrders.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace keyway::ring {

// Each order has its name here, beside its reason; the model checker shows for each that a weaker one breaks.
struct ProvenOrders {
    // Producer, commit word: body and cleared lines are visible to whoever sees the word.
    static constexpr std::memory_order kPublish = std::memory_order_release;
    // Consumer, commit word: pairs with kPublish.
    static constexpr std::memory_order kPoll = std::memory_order_acquire;
    // Consumer, head: all reading of the lines is over before the producer can know that it may have them.
    static constexpr std::memory_order kGiveBack = std::memory_order_release;
    // Producer, head: pairs with kGiveBack.
    static constexpr std::memory_order kTakeBack = std::memory_order_acquire;
    // See "stale bytes" in ring.hpp. Off only in a test that shows what would happen.
    static constexpr bool kClearsLines = true;
    // See the picture in park.hpp: both fences are needed.
    static constexpr bool kFencesAnnouncement = true;
    static constexpr bool kFencesPublication = true;
};

struct NativeAtomics : ProvenOrders {
    template <class T>
    static T load(const T& word, std::memory_order order) {
        // atomic_ref<const T> is not usable with libstdc++ 12; a load writes nothing, also on a read-only
        // mapping.
        return std::atomic_ref<T>(const_cast<T&>(word)).load(order);
    }
    template <class T>
    static void store(T& word, T value, std::memory_order order) {
        std::atomic_ref<T>(word).store(value, order);
    }
    template <class T>
    static T exchange(T& word, T value, std::memory_order order) {
        return std::atomic_ref<T>(word).exchange(value, order);
    }

    // A sequentially consistent fence. A locked operation on our own stack orders stores before loads as
    // MFENCE does, in about half of the time.
    static void fence() {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
        asm volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
#else
        std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
    }

    // Tells the core that this is a spin loop.
    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb" : : : "memory");
#else
        asm volatile("" : : : "memory");
#endif
    }

    static std::uint64_t now_ns() {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::steady_clock::now().time_since_epoch())
                                              .count());
    }

    static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);
    static_assert(std::atomic_ref<std::uint32_t>::is_always_lock_free);
};

}  // namespace keyway::ring
