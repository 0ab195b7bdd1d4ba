#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "keyway/router.hpp"

namespace keyway::test {

#ifdef KEYWAY_TEST_ENGINE
/// A fresh engine of the kind that tests/conformance builds these tests for.
std::shared_ptr<Engine> engine_under_test();
#endif

/// A router in a thread of this program, and connections to it. Built for an engine, it judges every message
/// by it and by the core, which must never differ.
class RouterFixture : public ::testing::Test {
  protected:
    static RouterOptions quick_options() {
        RouterOptions options;
#ifdef KEYWAY_TEST_ENGINE
        options.engine = engine_under_test();
        options.cross_check = true;
#endif
        options.policy = Policy::permissive();
        options.capability_slots = 4096;
        options.spin = std::chrono::microseconds(5);  // tests share few cores
        return options;
    }
    explicit RouterFixture(RouterOptions options = quick_options()) : router_(std::move(options)) {
        router_.start().value();
    }

    ~RouterFixture() override {
        EXPECT_EQ(router_.counters().engine_differences, 0U);
    }

    static ConnectOptions small_rings() {
        ConnectOptions options;
        options.submission_bytes = 16 * 1024;
        options.delivery_bytes = 16 * 1024;
        options.spin = std::chrono::microseconds(5);
        return options;
    }
    Connection connect(const ConnectOptions& options = small_rings()) {
        return router_.connect(options).value();
    }

    Router router_;
};

/// Fails the test with the error's own words.
template <typename T>
::testing::AssertionResult succeeded(const Result<T>& result) {
    if (result) {
        return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << result.error().message();
}

template <typename T>
std::string error_of(const Result<T>& result) {
    return result ? "ok" : std::string(result.error().name());
}

}  // namespace keyway::test
