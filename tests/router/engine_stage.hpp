#pragma once

// A router beside an engine, and what it says in its log.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "keyway/engine.hpp"
#include "keyway/router.hpp"

namespace keyway::test {

inline std::mutex said_mutex;
inline std::vector<std::string> said;

inline void listen_to(std::string_view line) {
    const std::lock_guard lock(said_mutex);
    said.emplace_back(line);
}
inline std::size_t times_said(std::string_view words) {
    const std::lock_guard lock(said_mutex);
    return static_cast<std::size_t>(std::ranges::count_if(
        said, [&](const std::string& line) { return line.find(words) != std::string::npos; }));
}

inline RouterOptions with(std::shared_ptr<Engine> engine, bool cross_check) {
    const std::lock_guard lock(said_mutex);
    said.clear();
    RouterOptions options;
    options.policy = Policy::permissive();
    options.spin = std::chrono::microseconds(5);
    options.engine = std::move(engine);
    options.cross_check = cross_check;
    options.log = listen_to;
    return options;
}

inline std::uint64_t number_in(const Received& message) {
    std::uint64_t number = 0;
    std::memcpy(&number, message.payload().data(), std::min(sizeof number, message.payload().size()));
    return number;
}

}  // namespace keyway::test
