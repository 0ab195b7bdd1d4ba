// Fortified longjmp refuses to change stacks, which is what it is for here.
#undef _FORTIFY_SOURCE
#include "explorer.hpp"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <unordered_set>
#include <vector>

namespace keyway::model {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr std::ptrdiff_t kClearedStackBytes = 4096;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    std::uint64_t z = (hash ^ value) * 0x9E3779B97F4A7C15U + 0xD1B54A32D192ED03U;
    z ^= z >> 32;
    z *= 0xDA942042E4DD58B5U;
    return z ^ (z >> 29);
}

// What a thread, or whoever reads its store, is entitled to know.
struct View {
    std::array<std::uint16_t, kMaxThreads> clock{};   // operations of each thread that happened before
    std::array<std::uint16_t, kMaxLocations> seen{};  // the oldest store of each location that may be read

    void join_seen(const View& other) {
        for (unsigned i = 0; i < kMaxLocations; ++i) {
            seen[i] = std::max(seen[i], other.seen[i]);
        }
    }
    void join(const View& other) {
        join_seen(other);
        for (unsigned i = 0; i < kMaxThreads; ++i) {
            clock[i] = std::max(clock[i], other.clock[i]);
        }
    }
};

struct Store {
    std::uint64_t value = 0;
    View carried;
    std::uint8_t thread = 0;
};

// Number of the last operation of each kind that each thread made at a location; 0 is none.
using LastBy = std::array<std::uint16_t, kMaxThreads>;

struct Location {
    std::vector<Store> stores;
    LastBy data_read{}, data_write{}, atomic_read{}, atomic_write{};

    std::array<const LastBy*, 4> all_accesses() const {
        return {&data_read, &data_write, &atomic_read, &atomic_write};
    }
};

enum class Status : std::uint8_t { kReady, kAwaitingChange, kAwaitingBell, kEnded };

struct Thread {
    ucontext_t start{};
    jmp_buf resume{};
    bool entered = false;
    std::vector<char> stack = std::vector<char>(kStackBytes);

    Status status = Status::kReady;
    unsigned bell = 0;
    std::uint64_t history = 0;  // what it did and read: gives where it is, and all its private state
    View view;
    View acquirable;  // what an acquire fence would add: views carried by stores that were read relaxed
    View released;    // what a relaxed store carries, since the last release fence
    std::uint64_t loaded = 0;  // locations that it did nothing but load lately; see wait_for_change()
};

struct Range {
    const char* begin;
    std::size_t bytes;
    std::size_t word_bytes;
    unsigned first;
    const char* name;
};

struct Choice {
    std::uint16_t taken;
    std::uint16_t of;
};

struct Step {
    std::uint8_t thread;
    char kind;  // load, store, data read, data write, exchange, fence, bell
    std::uint8_t location;
    std::uint16_t index;
    std::uint16_t newest;
    std::uint64_t value;
    std::memory_order order;
};

struct Explorer {
    unsigned thread_count = 0;
    std::array<Thread, kMaxThreads> threads;
    std::array<Location, kMaxLocations> locations;
    std::array<bool, kMaxBells> bells{};
    unsigned location_count = 0;
    std::vector<Range> ranges;
    View fenced;  // the global view of sequentially consistent fences
    unsigned current = 0;
    World* world = nullptr;
    jmp_buf scheduler{};
    ucontext_t scheduler_context{};

    std::vector<Choice> choices;
    std::size_t next_choice = 0;
    std::unordered_set<std::uint64_t> known;
    mutable std::array<std::vector<std::uint16_t>, kMaxThreads> scratch;
    std::vector<Step> trace;
    std::string broken;

    void reset();
    std::string run(const Options& options, Outcome& outcome);
    unsigned choose(std::size_t of);
    std::uint64_t state() const;
    bool can_run(const Thread& thread) const;
    void resume(unsigned index);
    void pause();
    unsigned find(const void* word) const;
    void check_race(const Location& at, const LastBy& last, const char* what);
    void accessed(LastBy& last) { last[current] = me().view.clock[current]; }
    void append(unsigned location, std::uint64_t value, const View& carried);
    std::uint64_t take(unsigned location, std::size_t index, std::memory_order order);
    std::string story() const;
    std::string name(unsigned location) const;
    void note(char kind, unsigned location, std::size_t index, std::uint64_t value, std::memory_order order);
    Thread& me() { return threads[current]; }
};

Explorer* explorer = nullptr;
std::unordered_set<std::uint64_t> results;

extern "C" void keyway_model_thread_main() {
    Explorer& e = *explorer;
    e.world->thread(e.current);
    e.me().status = Status::kEnded;
    e.pause();
    std::abort();
}

void Explorer::reset() {
    for (unsigned i = 0; i < thread_count; ++i) {
        Thread& thread = threads[i];
        thread.entered = false;
        thread.status = Status::kReady;
        thread.history = i;
        thread.view = thread.acquirable = thread.released = View{};
        thread.loaded = 0;
    }
    for (Location& location : locations) {
        location.stores.clear();
        location.data_read = location.data_write = location.atomic_read = location.atomic_write = LastBy{};
    }
    bells.fill(false);
    location_count = 0;
    ranges.clear();
    fenced = View{};
    next_choice = 0;
    trace.clear();
    broken.clear();
}

unsigned Explorer::choose(std::size_t of) {
    if (of == 1) {
        return 0;
    }
    if (next_choice == choices.size()) {
        choices.push_back({0, static_cast<std::uint16_t>(of)});
    }
    const Choice choice = choices[next_choice++];
    if (choice.of != of) {
        std::fprintf(stderr, "model: the program under test is not deterministic\n");
        std::abort();
    }
    return choice.taken;
}

// Equal for two states from which the same things can happen. What can't matter any more is left out:
//   - stores that every thread has seen past: positions in a modification order count from the oldest that is
//   left;
//   - accesses that every other thread is ordered after; of the clock of a thread then only its order against
//   the
//     numbers of the accesses that are left. Future accesses have higher numbers than any clock holds now;
//   - the view of a thread that ended.
std::uint64_t Explorer::state() const {
    std::array<std::uint16_t, kMaxLocations> oldest;
    oldest.fill(0xFFFF);
    std::array<std::uint16_t, kMaxThreads>
        ordered;  // accesses of each thread that all others are ordered after
    ordered.fill(0xFFFF);
    for (unsigned i = 0; i < thread_count; ++i) {
        if (threads[i].status == Status::kEnded) {
            continue;
        }
        for (unsigned k = 0; k < location_count; ++k) {
            oldest[k] = std::min(oldest[k], threads[i].view.seen[k]);
        }
        for (unsigned k = 0; k < thread_count; ++k) {
            ordered[k] = k == i ? ordered[k] : std::min(ordered[k], threads[i].view.clock[k]);
        }
    }

    std::array<std::vector<std::uint16_t>, kMaxThreads>& numbers = scratch;
    for (unsigned i = 0; i < thread_count; ++i) {
        numbers[i].clear();
        for (unsigned k = 0; k < location_count; ++k) {
            for (const LastBy* last : locations[k].all_accesses()) {
                if ((*last)[i] > ordered[i]) {
                    numbers[i].push_back((*last)[i]);
                }
            }
        }
        std::sort(numbers[i].begin(), numbers[i].end());
        numbers[i].erase(std::unique(numbers[i].begin(), numbers[i].end()), numbers[i].end());
    }
    const auto rank = [&](unsigned thread, std::uint16_t number) {
        const auto& all = numbers[thread];
        return static_cast<std::uint64_t>(std::upper_bound(all.begin(), all.end(), number) - all.begin());
    };
    const auto hash_view = [&](std::uint64_t hash, const View& view) {
        for (unsigned i = 0; i < thread_count; ++i) {
            hash = hash * 64 + rank(i, view.clock[i]);
        }
        hash = mix(hash, 0);
        for (unsigned k = 0; k < location_count; ++k) {
            if (view.seen[k] > oldest[k]) {
                hash =
                    mix(hash, std::uint64_t{k} << 32 | static_cast<std::uint64_t>(view.seen[k] - oldest[k]));
            }
        }
        return hash;
    };

    std::uint64_t hash = hash_view(0, fenced);
    for (unsigned i = 0; i < thread_count; ++i) {
        const Thread& thread = threads[i];
        hash = mix(mix(hash, static_cast<std::uint64_t>(thread.status)), thread.history);
        if (thread.status == Status::kEnded) {
            continue;
        }
        hash = mix(hash, thread.loaded);
        hash = hash_view(hash, thread.view);
        hash = hash_view(hash, thread.acquirable);
        hash = hash_view(hash, thread.released);
    }
    for (unsigned k = 0; k < location_count; ++k) {
        const Location& at = locations[k];
        hash = mix(hash, k);
        for (std::size_t index = oldest[k]; index < at.stores.size(); ++index) {
            hash = hash_view(mix(hash, at.stores[index].value), at.stores[index].carried);
        }
        for (const LastBy* last : at.all_accesses()) {
            std::uint64_t ranks = 0;
            for (unsigned i = 0; i < thread_count; ++i) {
                ranks = ranks * 64 + ((*last)[i] > ordered[i] ? rank(i, (*last)[i]) : 0);
            }
            hash = mix(hash, ranks);
        }
    }
    for (const bool bell : bells) {
        hash = mix(hash, bell ? 1 : 0);
    }
    return hash;
}

bool Explorer::can_run(const Thread& thread) const {
    switch (thread.status) {
        case Status::kReady:
            return true;
        case Status::kEnded:
            return false;
        case Status::kAwaitingBell:
            return bells[thread.bell];
        case Status::kAwaitingChange:
            for (unsigned i = 0; i < location_count; ++i) {
                if ((thread.loaded >> i & 1) != 0 && thread.view.seen[i] + 1U < locations[i].stores.size()) {
                    return true;
                }
            }
            return false;
    }
    return false;
}

void Explorer::resume(unsigned index) {
    current = index;
    Thread& thread = threads[index];
    if (_setjmp(scheduler) != 0) {
        return;
    }
    if (thread.entered) {
        _longjmp(thread.resume, 1);
    }
    thread.entered = true;
    // So that padding inside of objects is the same in each execution; see begin_turn().
    std::fill(thread.stack.end() - kClearedStackBytes, thread.stack.end(), '\0');
    getcontext(&thread.start);
    thread.start.uc_stack.ss_sp = thread.stack.data();
    thread.start.uc_stack.ss_size = thread.stack.size();
    thread.start.uc_link = nullptr;
    makecontext(&thread.start, keyway_model_thread_main, 0);
    setcontext(&thread.start);
}

// Back to the scheduler, until it chooses this thread again.
void Explorer::pause() {
    if (_setjmp(me().resume) == 0) {
        _longjmp(scheduler, 1);
    }
}

unsigned Explorer::find(const void* word) const {
    const auto* address = static_cast<const char*>(word);
    for (const Range& range : ranges) {
        if (address >= range.begin && address < range.begin + range.bytes) {
            const auto offset = static_cast<std::size_t>(address - range.begin);
            if (offset % range.word_bytes != 0) {
                break;
            }
            return range.first + static_cast<unsigned>(offset / range.word_bytes);
        }
    }
    fail("access outside of shared memory, or inside a word");
    return 0;
}

void Explorer::check_race(const Location& at, const LastBy& last, const char* what) {
    for (unsigned i = 0; i < thread_count; ++i) {
        if (i != current && last[i] > me().view.clock[i]) {
            std::ostringstream text;
            text << "data race at " << name(static_cast<unsigned>(&at - locations.data())) << ": thread "
                 << current << " against " << what << " by thread " << i;
            fail(text.str());
        }
    }
}

void Explorer::append(unsigned location, std::uint64_t value, const View& carried) {
    Location& at = locations[location];
    me().loaded = 0;
    me().history = mix(me().history, 5);
    me().view.seen[location] = static_cast<std::uint16_t>(at.stores.size());
    at.stores.push_back({value, carried, static_cast<std::uint8_t>(current)});
    Store& store = at.stores.back();
    store.carried.seen[location] = me().view.seen[location];
}

std::uint64_t Explorer::take(unsigned location, std::size_t index, std::memory_order order) {
    Thread& thread = me();
    const Store& store = locations[location].stores[index];
    thread.view.seen[location] = static_cast<std::uint16_t>(index);
    thread.loaded |= std::uint64_t{1} << location;
    if (order == std::memory_order_acquire || order == std::memory_order_acq_rel) {
        thread.view.join(store.carried);
    }
    thread.acquirable.join(store.carried);
    thread.history = mix(thread.history, store.value);
    return store.value;
}

void Explorer::note(char kind, unsigned location, std::size_t index, std::uint64_t value,
                    std::memory_order order) {
    const std::size_t newest = location < kMaxLocations ? locations[location].stores.size() - 1 : 0;
    trace.push_back({static_cast<std::uint8_t>(current), kind, static_cast<std::uint8_t>(location),
                     static_cast<std::uint16_t>(index), static_cast<std::uint16_t>(newest), value, order});
}

std::string Explorer::name(unsigned location) const {
    for (const Range& range : ranges) {
        const auto words = static_cast<unsigned>(range.bytes / range.word_bytes);
        if (location >= range.first && location < range.first + words) {
            return words == 1 ? std::string(range.name)
                              : range.name + ("[" + std::to_string(location - range.first) + "]");
        }
    }
    return "?";
}

std::string Explorer::story() const {
    std::ostringstream text;
    for (const Step& step : trace) {
        text << "\n  thread " << unsigned{step.thread} << ": ";
        const char* order = step.order == std::memory_order_relaxed   ? "relaxed"
                            : step.order == std::memory_order_acquire ? "acquire"
                            : step.order == std::memory_order_release ? "release"
                                                                      : "acq_rel";
        switch (step.kind) {
            case 'L':
                text << "load " << name(step.location) << " (" << order << ") = 0x" << std::hex << step.value
                     << std::dec << ", store " << step.index << " of 0.." << step.newest;
                break;
            case 'S':
                text << "store " << name(step.location) << " (" << order << ") := 0x" << std::hex
                     << step.value << std::dec;
                break;
            case 'X':
                text << "exchange " << name(step.location) << ", was 0x" << std::hex << step.value
                     << std::dec;
                break;
            case 'r':
                text << "read " << name(step.location) << " = 0x" << std::hex << step.value << std::dec;
                break;
            case 'w':
                text << "write " << name(step.location) << " := 0x" << std::hex << step.value << std::dec;
                break;
            case 'F':
                text << "fence";
                break;
            case 'B':
                text << "ring bell " << step.value;
                break;
            case 'W':
                text << "woken by bell " << step.value;
                break;
            default:
                text << "goes on";
        }
    }
    return text.str();
}

// One execution, with the choices as given and the first alternative from there on.
std::string Explorer::run(const Options& options, Outcome& outcome) {
    for (unsigned i = 0; i < thread_count; ++i) {
        resume(i);  // up to its first operation, so that from here on each step changes the state
        if (!broken.empty()) {
            return broken;
        }
    }
    for (;;) {
        unsigned runnable[kMaxThreads];
        std::size_t count = 0;
        bool all_ended = true;
        for (unsigned i = 0; i < thread_count; ++i) {
            all_ended = all_ended && threads[i].status == Status::kEnded;
            if (can_run(threads[i])) {
                runnable[count++] = i;
            }
        }
        if (all_ended) {
            world->finished();
            ++outcome.executions;
            return broken;
        }
        if (count == 0) {
            return "nobody can go on: a wake-up was lost, or a thread waits for what never comes";
        }
        if (options.merge_states && next_choice == choices.size() && !known.insert(state()).second) {
            ++outcome.cut;
            return {};
        }
        resume(runnable[choose(count)]);
        if (!broken.empty()) {
            return broken;
        }
    }
}

}  // namespace

Outcome explore(unsigned threads, const std::function<std::unique_ptr<World>()>& make, Options options) {
    auto owned = std::make_unique<Explorer>();
    Explorer& e = *owned;
    explorer = &e;
    e.thread_count = threads;
    Outcome outcome;
    while (outcome.executions + outcome.cut < options.max_executions) {
        e.reset();
        const std::unique_ptr<World> world = make();
        e.world = world.get();
        const std::string broken = e.run(options, outcome);
        if (!broken.empty()) {
            outcome.broken = broken + e.story();
            break;
        }
        while (!e.choices.empty() && e.choices.back().taken + 1 == e.choices.back().of) {
            e.choices.pop_back();
        }
        if (e.choices.empty()) {
            outcome.exhausted = true;
            break;
        }
        ++e.choices.back().taken;
    }
    outcome.states = e.known.size();
    explorer = nullptr;
    return outcome;
}

void share(const void* memory, std::size_t bytes, std::size_t word_bytes, const char* name) {
    Explorer& e = *explorer;
    e.ranges.push_back({static_cast<const char*>(memory), bytes, word_bytes, e.location_count, name});
    const auto end = e.location_count + static_cast<unsigned>(bytes / word_bytes);
    if (end > kMaxLocations) {
        std::fprintf(stderr, "model: too many locations\n");
        std::abort();
    }
    for (; e.location_count < end; ++e.location_count) {
        e.locations[e.location_count].stores.emplace_back();
    }
}

std::uint64_t atomic_load(const void* word, std::memory_order order) {
    Explorer& e = *explorer;
    e.pause();
    const unsigned location = e.find(word);
    Location& at = e.locations[location];
    ++e.me().view.clock[e.current];
    e.check_race(at, at.data_write, "a plain write");
    const std::size_t oldest = e.me().view.seen[location];
    const std::size_t index = oldest + e.choose(at.stores.size() - oldest);
    e.accessed(at.atomic_read);
    const std::uint64_t value = e.take(location, index, order);
    e.note('L', location, index, value, order);
    return value;
}

void atomic_store(const void* word, std::uint64_t value, std::memory_order order) {
    Explorer& e = *explorer;
    e.pause();
    const unsigned location = e.find(word);
    Location& at = e.locations[location];
    ++e.me().view.clock[e.current];
    e.check_race(at, at.data_write, "a plain write");
    e.check_race(at, at.data_read, "a plain read");
    e.accessed(at.atomic_write);
    e.append(location, value, order == std::memory_order_release ? e.me().view : e.me().released);
    e.note('S', location, at.stores.size() - 1, value, order);
}

std::uint64_t atomic_exchange(const void* word, std::uint64_t value, std::memory_order order) {
    Explorer& e = *explorer;
    e.pause();
    const unsigned location = e.find(word);
    Location& at = e.locations[location];
    ++e.me().view.clock[e.current];
    e.check_race(at, at.data_write, "a plain write");
    e.check_race(at, at.data_read, "a plain read");
    e.accessed(at.atomic_write);
    const std::uint64_t was = e.take(location, at.stores.size() - 1, order);
    const bool release = order == std::memory_order_release || order == std::memory_order_acq_rel;
    View carried = release ? e.me().view : e.me().released;
    carried.join(at.stores.back().carried);  // a read-modify-write continues the release sequence
    e.append(location, value, carried);
    e.note('X', location, at.stores.size() - 1, was, order);
    return was;
}

void seq_cst_fence() {
    Explorer& e = *explorer;
    e.pause();
    Thread& thread = e.me();
    ++thread.view.clock[e.current];
    thread.view.join(thread.acquirable);
    thread.view.join_seen(e.fenced);
    e.fenced.join_seen(thread.view);
    thread.history = mix(thread.history, 6);
    thread.released = thread.view;
    e.note('F', kMaxLocations, 0, 0, std::memory_order_seq_cst);
}

std::uint64_t read(const void* word) {
    Explorer& e = *explorer;
    const unsigned location = e.find(word);
    Location& at = e.locations[location];
    ++e.me().view.clock[e.current];
    e.check_race(at, at.data_write, "a plain write");
    e.check_race(at, at.atomic_write, "an atomic store");
    e.accessed(at.data_read);
    e.me().loaded = 0;
    const Store& store = at.stores.back();  // race-free, so it is the newest
    e.me().history = mix(e.me().history, store.value);
    e.note('r', location, at.stores.size() - 1, store.value, std::memory_order_relaxed);
    return store.value;
}

void write(const void* word, std::uint64_t value) {
    Explorer& e = *explorer;
    const unsigned location = e.find(word);
    Location& at = e.locations[location];
    ++e.me().view.clock[e.current];
    e.check_race(at, at.data_write, "a plain write");
    e.check_race(at, at.data_read, "a plain read");
    e.check_race(at, at.atomic_write, "an atomic store");
    e.check_race(at, at.atomic_read, "an atomic load");
    e.accessed(at.data_write);
    e.append(location, value, View{});
    e.note('w', location, at.stores.size() - 1, value, std::memory_order_relaxed);
}

void wait_for_change() {
    Explorer& e = *explorer;
    Thread& thread = e.me();
    thread.status = Status::kAwaitingChange;
    e.pause();
    unsigned changed[kMaxLocations];
    std::size_t count = 0;
    for (unsigned i = 0; i < e.location_count; ++i) {
        if ((thread.loaded >> i & 1) != 0 && thread.view.seen[i] + 1U < e.locations[i].stores.size()) {
            changed[count++] = i;
        }
    }
    const unsigned location = changed[e.choose(count)];
    ++thread.view.seen[location];
    thread.status = Status::kReady;
    thread.loaded = 0;
    thread.history = mix(thread.history, 1);
    e.note('C', kMaxLocations, 0, 0, std::memory_order_relaxed);
}

void ring_bell(unsigned bell) {
    Explorer& e = *explorer;
    e.pause();
    e.bells[bell] = true;
    e.me().history = mix(e.me().history, 2);
    e.note('B', kMaxLocations, 0, bell, std::memory_order_relaxed);
}

void wait_bell(unsigned bell) {
    Explorer& e = *explorer;
    Thread& thread = e.me();
    thread.status = Status::kAwaitingBell;
    thread.bell = bell;
    e.pause();
    thread.status = Status::kReady;
    thread.loaded = 0;
    e.bells[bell] = false;
    thread.history = mix(thread.history, 3);
    e.note('W', kMaxLocations, 0, bell, std::memory_order_relaxed);
}

void begin_turn(const void* object, std::size_t bytes, std::uint64_t rest) {
    Thread& thread = explorer->me();
    thread.loaded = 0;
    thread.history = mix(4, rest);
    for (std::size_t at = 0; at < bytes; at += sizeof rest) {
        std::uint64_t word = 0;
        std::memcpy(&word, static_cast<const char*>(object) + at, std::min(sizeof word, bytes - at));
        for (const Range& range : explorer->ranges) {  // a pointer: each execution has its World elsewhere
            const std::uint64_t offset = word - reinterpret_cast<std::uintptr_t>(range.begin);
            if (offset < range.bytes) {
                word = range.first + offset;
                break;
            }
        }
        thread.history = mix(thread.history, word);
    }
}

// In a thread, does not come back: the scheduler drops the execution.
void fail(const std::string& what) {
    Explorer& e = *explorer;
    e.broken = what;
    bool in_thread = false;
    for (unsigned i = 0; i < e.thread_count; ++i) {
        in_thread = in_thread || e.threads[i].status != Status::kEnded;
    }
    if (in_thread) {
        _longjmp(e.scheduler, 1);
    }
}

void note_result(std::uint64_t value) {
    results.insert(value);
}
bool was_result(std::uint64_t value) {
    return results.contains(value);
}
void forget_results() {
    results.clear();
}

}  // namespace keyway::model
