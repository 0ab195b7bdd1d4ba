// Copies of bytes that a hostile peer may change while they are copied.
//
// memcpy is not good enough. A data race on plain memory is undefined behaviour, and the practical form of
// that is a compiler that reads the source twice: once to check, once to use, with the peer's store in
// between (it may drop the private copy and go back to the original, since "nobody else can have changed
// it"). So
//   - each shared byte is loaded or stored exactly once, by an access that the compiler must take as it
//   stands:
//     relaxed atomic words, or on x86-64 inline assembly, from kWideFrom bytes 16-byte moves, from
//     kStringMoveFrom bytes REP MOVSB (where microcode wins). A volatile loop would be neither race-free nor
//     fast.
//   - what comes out is a private copy with which the language's rules hold again. It may be torn, a mix of
//   what the
//     peer wrote at different times. That is the peer's own message: check the copy, use the copy.
// Order against other words (the commit word) comes from those words, not from here.
//
// Under ThreadSanitizer these are memcpy, so that it checks the claim that honest use is ordered entirely by
// commit words and heads. Under AddressSanitizer the word loop is used for all sizes, since it can be
// instrumented.
//
// No alignment is required; the ring gives 8, which is best. Ranges must not overlap. May be called by any
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace keyway::ring {

namespace detail {

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define KEYWAY_RING_COPY_ASM 1
#else
#define KEYWAY_RING_COPY_ASM 0
#endif

#if KEYWAY_RING_COPY_ASM
inline constexpr std::size_t kWideFrom = 64;
inline constexpr std::size_t kStringMoveFrom = 2048;

// The memory that these touch is opaque to the compiler, which is the point.
inline void move_string(std::byte* to, const std::byte* from, std::size_t count) {
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

inline void move_64_bytes(std::byte* to, const std::byte* from) {
    asm volatile(
        "movdqu (%[from]), %%xmm0\n\t"
        "movdqu 16(%[from]), %%xmm1\n\t"
        "movdqu 32(%[from]), %%xmm2\n\t"
        "movdqu 48(%[from]), %%xmm3\n\t"
        "movdqu %%xmm0, (%[to])\n\t"
        "movdqu %%xmm1, 16(%[to])\n\t"
        "movdqu %%xmm2, 32(%[to])\n\t"
        "movdqu %%xmm3, 48(%[to])"
        :
        : [to] "r"(to), [from] "r"(from)
        : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
}
#endif

// One access of the size of Word at a place that is aligned for it.
template <class Word>
Word load_shared(const std::byte* from) {
    return __atomic_load_n(reinterpret_cast<const Word*>(from), __ATOMIC_RELAXED);
}
template <class Word>
void store_shared(std::byte* to, Word value) {
    __atomic_store_n(reinterpret_cast<Word*>(to), value, __ATOMIC_RELAXED);
}

struct FromShared {
    template <class Word>
    static void move(std::byte* to, const std::byte* from) {
        const Word value = load_shared<Word>(from);
        std::memcpy(to, &value, sizeof value);
    }
    static std::uintptr_t misalignment(const std::byte*, const std::byte* from) {
        return reinterpret_cast<std::uintptr_t>(from);
    }
};

struct ToShared {
    template <class Word>
    static void move(std::byte* to, const std::byte* from) {
        Word value;
        std::memcpy(&value, from, sizeof value);
        store_shared<Word>(to, value);
    }
    static std::uintptr_t misalignment(const std::byte* to, const std::byte*) {
        return reinterpret_cast<std::uintptr_t>(to);
    }
};

struct SharedToShared {
    template <class Word>
    static void move(std::byte* to, const std::byte* from) {
        store_shared<Word>(to, load_shared<Word>(from));
    }
    static std::uintptr_t misalignment(const std::byte* to, const std::byte* from) {
        return reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from);
    }
};

template <class How>
void move_words(std::byte* to, const std::byte* from, std::size_t count) {
    std::size_t at = 0;
    if (How::misalignment(to, from) % 8 == 0) [[likely]] {
        for (; at + 8 <= count; at += 8) {
            How::template move<std::uint64_t>(to + at, from + at);
        }
        if ((count & 4) != 0) {
            How::template move<std::uint32_t>(to + at, from + at);
            at += 4;
        }
    }
    for (; at < count; ++at) {
        How::template move<std::uint8_t>(to + at, from + at);
    }
}

template <class How>
void move(std::byte* to, const std::byte* from, std::size_t count) {
#if defined(__SANITIZE_THREAD__)
    if (count != 0) {
        std::memcpy(to, from, count);
    }
#elif KEYWAY_RING_COPY_ASM
    if (count >= kStringMoveFrom) {
        move_string(to, from, count);
        return;
    }
    for (; count >= kWideFrom; count -= 64) {
        move_64_bytes(to, from);
        to += 64;
        from += 64;
    }
    move_words<How>(to, from, count);
#else
    move_words<How>(to, from, count);
#endif
}

}  // namespace detail

// `from` is shared, `to` is private.
inline void copy_from_shared(std::byte* to, const std::byte* from, std::size_t count) {
    detail::move<detail::FromShared>(to, from, count);
}

// `to` is shared, `from` is private.
inline void copy_to_shared(std::byte* to, const std::byte* from, std::size_t count) {
    detail::move<detail::ToShared>(to, from, count);
}

// Both are shared, and the bytes may change on the way. Only for bytes that nobody has checked or will rely
// on here.
inline void copy_shared_to_shared(std::byte* to, const std::byte* from, std::size_t count) {
    detail::move<detail::SharedToShared>(to, from, count);
}

}  // namespace keyway::ring

#undef KEYWAY_RING_COPY_ASM
