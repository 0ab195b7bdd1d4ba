// What the tests of the device link have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "driver/frame.hpp"

namespace keyway::device {

using Bytes = std::vector<std::byte>;

struct Sample {
    Frame head;
    Bytes body;
    friend bool operator==(const Sample&, const Sample&) = default;
};

inline Sample sample(std::uint16_t sequence, Bytes body, FrameKind kind = FrameKind::kMessage) {
    Sample made{.head = {}, .body = std::move(body)};
    made.head.set_kind(static_cast<std::uint8_t>(kind));
    made.head.set_sequence(sequence);
    made.head.set_grant(static_cast<std::uint16_t>(sequence + 7));
    made.head.set_length(static_cast<std::uint16_t>(made.body.size()));
    return made;
}

inline Bytes encoded(const std::vector<Sample>& samples) {
    Bytes wire;
    for (const Sample& each : samples) {
        encode_frame(each.head, each.body, wire);
    }
    return wire;
}

inline std::vector<Sample> decoded(FrameDecoder& decoder, std::span<const std::byte> wire) {
    std::vector<Sample> out;
    decoder.take(wire, [&](const FrameDecoder::View& view) {
        out.push_back({view.head, Bytes(view.body.begin(), view.body.end())});
    });
    return out;
}

inline Bytes bytes_of(std::initializer_list<unsigned> values) {
    Bytes made;
    for (const unsigned value : values) {
        made.push_back(static_cast<std::byte>(value));
    }
    return made;
}

}  // namespace keyway::device
