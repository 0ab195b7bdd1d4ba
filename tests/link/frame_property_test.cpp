// Any frames under any damages: what comes out was sent, in its order, and what was not hit comes out.
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>  // needs GoogleTest before it

#include <algorithm>
#include <functional>

#include "frames.hpp"

namespace keyway::device {
namespace {

struct Damage {
    unsigned what;  // 0 lost, 1 added, 2 changed
    std::size_t at;
    unsigned value;
};

RC_GTEST_PROP(FrameProperty, WhatWasNotHitComesOutAndNothingElseDoes, ()) {
    const auto count = *rc::gen::inRange<std::size_t>(1, 30);
    std::vector<Sample> samples;
    std::vector<std::pair<std::size_t, std::size_t>> places;  // first and past-the-last byte of each
    Bytes wire;
    for (std::size_t i = 0; i < count; ++i) {
        const auto size = *rc::gen::inRange<std::size_t>(0, 80);
        const bool zeros = *rc::gen::arbitrary<bool>();
        Bytes body(size);
        for (std::byte& byte : body) {
            byte = static_cast<std::byte>(zeros ? *rc::gen::inRange(0, 2) : *rc::gen::inRange(0, 256));
        }
        samples.push_back(sample(static_cast<std::uint16_t>(i), body));
        const std::size_t from = wire.size();
        encode_frame(samples.back().head, samples.back().body, wire);
        places.emplace_back(from, wire.size());
    }
    const auto damages = *rc::gen::inRange<std::size_t>(0, 6);
    std::vector<bool> hit(count, false);
    std::vector<Damage> list;
    for (std::size_t i = 0; i < damages; ++i) {
        list.push_back({*rc::gen::inRange(0U, 3U), *rc::gen::inRange<std::size_t>(0, wire.size()),
                        *rc::gen::inRange(1U, 256U)});
    }
    // From the back, so that places before it stay where they are.
    std::ranges::sort(list, std::greater{}, &Damage::at);
    for (const Damage& each : list) {
        for (std::size_t i = 0; i < count; ++i) {
            // An added byte goes in front of `at`: it touches the frame there, be it at its border.
            hit[i] = hit[i] || (each.at >= places[i].first && each.at < places[i].second);
        }
        const auto at = wire.begin() + static_cast<std::ptrdiff_t>(each.at);
        if (each.what == 0) {
            wire.erase(at);
        } else if (each.what == 1) {
            wire.insert(at, static_cast<std::byte>(each.value));
        } else {
            *at ^= static_cast<std::byte>(each.value);
        }
    }
    FrameDecoder sut;
    const auto got = decoded(sut, wire);
    std::size_t next = 0;
    for (const Sample& each : got) {
        while (next < count && !(samples[next] == each)) {
            RC_ASSERT(hit[next]);
            ++next;
        }
        RC_ASSERT(next < count);
        ++next;
    }
    while (next < count) {
        RC_ASSERT(hit[next]);
        ++next;
    }
}

}  // namespace
}  // namespace keyway::device
