#pragma once

// What the fuzz targets have in common. A target is a function that takes any bytes. It returns when what the
// product did with them was right, and ends the program when it was not; sanitizers do the same for what it
// can't see.
//
// Under libFuzzer (./dev fuzz) one target is linked with libfuzzer_main.cpp. As ordinary tests all of them
// are linked with corpus_test.cpp, which feeds them the files of corpus/.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>

namespace keyway::fuzz {

using Input = std::span<const std::uint8_t>;

void control(Input input);     ///< conversations on control sockets, and records, with a whole router
void policy(Input input);      ///< the policy file
void header(Input input);      ///< headers, judged by core and naive model
void ring(Input input);        ///< both ends of a ring, whose peer writes anything
void capability(Input input);  ///< operations on capabilities, by core and naive model
void audit(Input input);       ///< the files of an audit log
void frame(Input input);       ///< bytes from the device link, and what both sides count of them
void setup(Input input);       ///< control requests to the firmware of the board

struct Target {
    const char* name;
    void (*run)(Input);
};
inline constexpr Target kTargets[] = {
    {"control", control},       {"policy", policy}, {"header", header}, {"ring", ring},
    {"capability", capability}, {"audit", audit},   {"frame", frame},   {"setup", setup}};

[[noreturn]] inline void broken(const char* what, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    std::abort();
}
#define KEYWAY_HOLDS(condition) \
    ((condition) ? static_cast<void>(0) : ::keyway::fuzz::broken(#condition, __FILE__, __LINE__))

/// Takes the input apart from its beginning. What it no longer has reads as zero.
class Reader {
  public:
    explicit Reader(Input input) : rest_(input) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    template <typename T = std::uint8_t>
    requires std::is_trivially_copyable_v<T> T take() {
        T value{};
        const std::size_t size = std::min(sizeof value, rest_.size());
        if (size != 0) {
            std::memcpy(&value, rest_.data(), size);
        }
        rest_ = rest_.subspan(size);
        return value;
    }
    Input take(std::size_t most) {
        const Input taken = rest_.first(std::min(most, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

  private:
    Input rest_;
};

}  // namespace keyway::fuzz
