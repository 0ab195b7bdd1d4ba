#pragma once

// What count.py counts the instructions of: everything inside of keyway_measured(), in the order of the
// calls. It prints the name of each step, and how often the step did its work.

#include <cstdio>
#include <functional>

extern "C" [[gnu::noinline]] inline void keyway_measured(const std::function<void()>& work) {
    work();
    asm volatile("" : : : "memory");
}

namespace keyway::bench {

/// `warm_up` times uncounted, then `count` times counted, with numbers that go on.
inline void count_step(const char* name, std::size_t count, const std::function<void(std::size_t)>& work,
                       std::size_t warm_up = 64) {
    for (std::size_t i = 0; i < warm_up; ++i) {
        work(i);
    }
    keyway_measured([&] {
        for (std::size_t i = 0; i < count; ++i) {
            work(warm_up + i);
        }
    });
    std::printf("step %s %zu\n", name, count);
}

inline void print_build() {
    std::printf("compiler %s\n", __VERSION__);
#if defined(__x86_64__)
    __builtin_cpu_init();
    std::printf("processor x86_64%s\n", __builtin_cpu_supports("avx2") ? " avx2" : "");
#elif defined(__aarch64__)
    std::printf("processor aarch64\n");
#else
    std::printf("processor other\n");
#endif
}

}  // namespace keyway::bench
