// The histogram that all latencies are counted in, beside a sorted list of the same values.

#include "histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

namespace keyway::bench {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
    const auto sut = std::make_unique<Histogram>();
    EXPECT_EQ(sut->count(), 0U);
    EXPECT_EQ(sut->greatest(), 0U);
    EXPECT_EQ(sut->percentile(50), 0);
}

TEST(Histogram, KeepsSmallValuesExactly) {
    const auto sut = std::make_unique<Histogram>();
    for (std::uint64_t value = 1; value <= 100; ++value) {
        sut->add(value);
    }
    EXPECT_EQ(sut->percentile(1), 1);
    EXPECT_EQ(sut->percentile(50), 50);
    EXPECT_EQ(sut->percentile(90), 90);
    EXPECT_EQ(sut->percentile(99), 99);
    EXPECT_EQ(sut->percentile(100), 100);
    EXPECT_EQ(sut->greatest(), 100U);
}

TEST(Histogram, IsWithinASixtyFourthOfTheTruePercentileAtEveryScale) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> exponent(0, 39);
    const auto sut = std::make_unique<Histogram>();
    std::vector<std::uint64_t> values;
    for (int i = 0; i < 20'000; ++i) {
        values.push_back(static_cast<std::uint64_t>(std::exp2(exponent(random))));
        sut->add(values.back());
    }
    std::ranges::sort(values);
    for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9}) {
        const auto rank =
            static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(values.size())));
        const auto expected = static_cast<double>(values[rank - 1]);
        EXPECT_NEAR(sut->percentile(percent), expected, expected / 64) << percent;
    }
    EXPECT_EQ(sut->greatest(), values.back());
}

TEST(Histogram, CountsWhatIsTooLargeAsItsGreatestValue) {
    const auto sut = std::make_unique<Histogram>();
    sut->add(~std::uint64_t{0});
    EXPECT_EQ(sut->greatest(), Histogram::kGreatest);
    EXPECT_EQ(sut->count(), 1U);
    EXPECT_NEAR(sut->percentile(50), static_cast<double>(Histogram::kGreatest), 0x1p34);
}

TEST(Histogram, MergesIntoTheCountsOfBoth) {
    const auto sut = std::make_unique<Histogram>();
    const auto other = std::make_unique<Histogram>();
    for (int i = 0; i < 90; ++i) {
        sut->add(10);
    }
    for (int i = 0; i < 10; ++i) {
        other->add(1'000'000);
    }
    sut->merge(*other);
    EXPECT_EQ(sut->count(), 100U);
    EXPECT_EQ(sut->percentile(90), 10);
    EXPECT_NEAR(sut->percentile(91), 1'000'000, 1'000'000.0 / 64);
    EXPECT_EQ(sut->greatest(), 1'000'000U);
    sut->clear();
    EXPECT_EQ(sut->count(), 0U);
    EXPECT_EQ(sut->percentile(99), 0);
}

TEST(Histogram, NeverSaysMoreThanTheGreatestValue) {
    const auto sut = std::make_unique<Histogram>();
    sut->add(1'000'001);
    EXPECT_LE(sut->percentile(99.9), 1'000'001);
}

}  // namespace
}  // namespace keyway::bench
