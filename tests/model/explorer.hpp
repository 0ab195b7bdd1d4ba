// A small model checker for lock-free code. It runs a few threads of real code, every atomic operation of
// which goes through ModelAtomics, in all interleavings and with every value that the memory model lets a
// load return.
//
// The memory model is that of C++ release/acquire, told operationally: a location is the list of all stores
// made to it (its modification order); each thread has a view, the oldest store of each location that it may
// still see; a load picks any store from there on; a release store carries its thread's view, an acquire load
// that picks it takes that view over. Sequentially consistent fences exchange views with a global one.
// Accesses to plain data must be ordered by happens-before (vector clocks) or they are reported as a race.
// README.md says what is left out.
//
// The search is depth-first over all choices, by running the program again from its start with the choices of
// before and another one at the end. A state that was met already is not searched again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace keyway::model {

inline constexpr unsigned kMaxThreads = 3;
inline constexpr unsigned kMaxLocations = 48;
inline constexpr unsigned kMaxBells = 3;

// The program under test. Constructed anew for each execution; says in its constructor which memory is
// shared. Threads hold nothing that needs a destructor: an execution may be dropped half way.
class World {
  public:
    World() = default;
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    virtual ~World() = default;
    virtual void thread(unsigned index) = 0;
    // When all threads have ended; for checks with fail().
    virtual void finished() {}
};

struct Outcome {
    std::uint64_t executions = 0;  // that ran to their end
    std::uint64_t cut = 0;         // that came to a state met before
    std::uint64_t states = 0;      // distinct, at points where a thread is chosen
    bool exhausted = false;        // all was seen; false if broken, or if a limit was reached
    std::string broken;  // what went wrong, with the execution that leads there; empty if nothing did
};

struct Options {
    bool merge_states = true;
    std::uint64_t max_executions = 20'000'000;  // including those cut
};

Outcome explore(unsigned threads, const std::function<std::unique_ptr<World>()>& make, Options options = {});

// The following are for a World: its constructor, its threads.

// Makes `bytes` from `memory` on shared, in words of `word_bytes`, initially zero. The bytes themselves are
// not used.
void share(const void* memory, std::size_t bytes, std::size_t word_bytes, const char* name);

std::uint64_t atomic_load(const void* word, std::memory_order order);
void atomic_store(const void* word, std::uint64_t value, std::memory_order order);
std::uint64_t atomic_exchange(const void* word, std::uint64_t value, std::memory_order order);
void seq_cst_fence();

// Plain memory: must be free of races.
std::uint64_t read(const void* word);
void write(const void* word, std::uint64_t value);

// For a loop that waits for others, each turn of which only loads: does not return before there is something
// that this thread has not seen at a location that it loaded since it last did anything else, and then makes
// it see at least one such thing. It so stands for any number of turns that find nothing, and says that
// stores become visible at last.
void wait_for_change();

// At the head of a loop: says that the private state of this thread is now given by the bytes of an object
// and by `rest`, whatever it went through before, so that needless turns lead back to states met before.
// Optional.
void begin_turn(const void* object, std::size_t bytes, std::uint64_t rest);

// A descriptor to sleep on, without any order between who rings and who wakes: weaker than an eventfd.
void ring_bell(unsigned bell);
void wait_bell(unsigned bell);

// Ends the execution as broken.
void fail(const std::string& what);

// A value that distinguishes executions, for the explorer's own tests.
void note_result(std::uint64_t value);
bool was_result(std::uint64_t value);
void forget_results();

// The policy for the code under test.
struct ModelAtomics {
    template <class T>
    static T load(const T& word, std::memory_order order) {
        return static_cast<T>(atomic_load(&word, order));
    }
    template <class T>
    static void store(T& word, T value, std::memory_order order) {
        atomic_store(&word, value, order);
    }
    template <class T>
    static T exchange(T& word, T value, std::memory_order order) {
        return static_cast<T>(atomic_exchange(&word, value, order));
    }
    static void fence() { seq_cst_fence(); }
    static void pause() {}
};

}  // namespace keyway::model
