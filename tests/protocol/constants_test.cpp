// The C header and the C++ header are generated apart; here each constant of the one is held against the
// other.
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <string_view>

#include "keyway/protocol.hpp"

extern "C" {
struct Constant {
    const char* name;
    unsigned long value;
};
extern const Constant kCConstants[];  // compiled as C99 from keyway/protocol.h
extern const unsigned long kCConstantCount;
}

namespace keyway {
namespace {

struct Place {
    unsigned lsb, width;
};

/// Where a field is, by what its setter does to a structure of zeroes. {999, 999} when that is not one run of
/// bits, or the getter does not find them.
template <typename Struct, typename Value>
constexpr Place measure(void (Struct::*set)(Value) noexcept, Value (Struct::*get)() const noexcept) {
    Struct ones;
    (ones.*set)(static_cast<Value>(~Value{0}));
    unsigned lsb = 0;
    unsigned width = 0;
    unsigned runs = 0;
    bool before = false;
    for (unsigned bit = 0; bit < 64 * ones.words.size(); ++bit) {
        const bool is_set = (ones.words[bit / 64] >> bit % 64 & 1) != 0;
        if (is_set && !before) {
            lsb = bit;
            ++runs;
        }
        width += is_set ? 1U : 0U;
        before = is_set;
    }
    if (runs != 1) {
        return {999, 999};
    }
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - width);
    return (ones.*get)() == all ? Place{lsb, width} : Place{999, 999};
}

struct CppConstant {
    std::string_view name;
    unsigned long value;
};

TEST(ConstantsTest, EveryConstantIsTheSameInCAndCpp) {
    const CppConstant cpp_constants[] = {
#include "constants.inc"
    };
    ASSERT_EQ(kCConstantCount, std::size(cpp_constants));
    for (unsigned long i = 0; i < kCConstantCount; ++i) {
        EXPECT_EQ(kCConstants[i].name, cpp_constants[i].name);
        EXPECT_EQ(kCConstants[i].value, cpp_constants[i].value) << kCConstants[i].name;
    }
    EXPECT_GT(kCConstantCount, 100U);
}

}  // namespace
}  // namespace keyway
