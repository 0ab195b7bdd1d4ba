#include "machine.hpp"

#include <sched.h>
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <thread>

#include "clock.hpp"

namespace keyway::bench {

namespace {

std::string field_of_cpuinfo(const std::string& name) {
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line)) {
        const auto colon = line.find(':');
        if (colon != std::string::npos && line.starts_with(name) && colon + 2 <= line.size()) {
            return line.substr(colon + 2);
        }
    }
    return "unknown";
}

// The list is like "0,4" or "0-1"; we only ask whether a core is in it.
bool is_thread_sibling(int core, int other) {
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(core) +
                       "/topology/thread_siblings_list");
    std::string text;
    std::getline(file, text);
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
        int first = 0;
        auto parsed = std::from_chars(at, end, first);
        int last = first;
        if (parsed.ec != std::errc()) {
            return false;
        }
        if (parsed.ptr < end && *parsed.ptr == '-') {
            parsed = std::from_chars(parsed.ptr + 1, end, last);
        }
        if (first <= other && other <= last) {
            return true;
        }
        at = parsed.ptr + 1;
    }
    return false;
}

double measure_overhead() {
    constexpr int kReadings = 100'001;
    Samples samples(kReadings);
    for (int i = 0; i < kReadings; ++i) {
        const Ticks begin = ticks_begin();
        samples.add(ticks_end() - begin);
    }
    return samples.percentile(50);
}

// Readings that are a varying time apart: where the counter moves in steps, all differences are multiples of
// one.
Ticks measure_step() {
    constexpr int kReadings = 100'000;
    constexpr Ticks kJitter = 2;  // steps are not always a whole number of ticks
    std::map<Ticks, int> seen;
    for (int i = 0; i < kReadings; ++i) {
        const Ticks first = ticks();
        for (int wait = i % 61; wait > 0; --wait) {
            asm volatile("");
        }
        ++seen[ticks() - first];
    }
    const auto usual = std::ranges::find_if(seen, [](const auto& difference) {
        return difference.first > kJitter && difference.second > kReadings / 100;
    });
    if (usual == seen.end()) {
        return 1;
    }
    const Ticks step = usual->first;
    int multiples = 0;
    for (const auto& [difference, count] : seen) {
        const Ticks rest = difference % step;
        multiples += rest <= kJitter || step - rest <= kJitter ? count : 0;
    }
    return multiples > kReadings / 10 * 9 ? step : 1;
}

double measure_rate() {
    const auto begin = std::chrono::steady_clock::now();
    const Ticks from = ticks();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto end = std::chrono::steady_clock::now();
    const Ticks to = ticks();
    return std::chrono::duration<double, std::nano>(end - begin).count() / static_cast<double>(to - from);
}

}  // namespace

double ns_per_tick() {
    static const double kRate = measure_rate();
    return kRate;
}

Ticks tick_step() {
    static const Ticks kStep = measure_step();
    return kStep;
}

double timer_overhead_ns() {
    static const double kOverhead = measure_overhead();
    return kOverhead;
}

std::vector<int> usable_cores() {
    std::vector<int> cores;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
        for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
            if (CPU_ISSET(core, &set)) {
                cores.push_back(static_cast<int>(core));
            }
        }
    }
    return cores;
}

CorePair choose_cores() {
    const std::vector<int> cores = usable_cores();
    if (cores.size() < 2) {
        const int only = cores.empty() ? 0 : cores.front();
        return {.ours = only, .partner = only, .siblings = true};
    }
    for (std::size_t i = 1; i < cores.size(); ++i) {
        if (!is_thread_sibling(cores[0], cores[i])) {
            return {.ours = cores[0], .partner = cores[i], .siblings = false};
        }
    }
    return {.ours = cores[0], .partner = cores[1], .siblings = true};
}

Machine this_machine() {
    Machine machine;
    machine.processor = field_of_cpuinfo("model name");
    utsname names{};
    if (::uname(&names) == 0) {
        machine.kernel = std::string(names.release) + " " + names.machine;
    }
    machine.cores = static_cast<unsigned>(usable_cores().size());
#if defined(__x86_64__)
    const std::string flags = " " + field_of_cpuinfo("flags") + " ";
    const bool constant =
        flags.find(" constant_tsc ") != std::string::npos && flags.find(" nonstop_tsc ") != std::string::npos;
    machine.timer =
        constant ? "time-stamp counter" : "time-stamp counter, NOT CONSTANT: don't trust the figures";
#elif defined(__aarch64__)
    machine.timer = "virtual counter";
#else
    machine.timer = "steady clock";
#endif
    machine.timer_ns = timer_overhead_ns();
    machine.timer_step_ns = static_cast<double>(tick_step()) * ns_per_tick();
    return machine;
}

}  // namespace keyway::bench
