// A router that a test can use at once, and the names of what tests are run on.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "bench.hpp"
#include "core/route.hpp"
#include "shapes.hpp"

namespace keyway::rtl {

inline constexpr std::uint16_t kSender = 5;

/// A router with one bound port, and capabilities of process 5 in the rows of slots 1, 2, 3 ....
template <typename Shape>
struct Ready : Bench<Shape> {
    using B = Bench<Shape>;
    static constexpr std::uint32_t kGeneration = 7;

    Ready() {
        this->open_port(0, kSender);
        for (unsigned object = 1; object < B::kDests; ++object) {
            this->route(object, static_cast<std::uint16_t>(object), 0);
        }
        this->start();
        this->on_clock = [this](const Inside& inside) {
            if (inside.verdict_valid) {
                verdicts.push_back(inside.verdict);
                verdict_cycles.push_back(this->cycle());
            }
        };
    }
    void give(std::uint32_t slot, std::uint16_t object, std::uint8_t rights = right::kAll,
              std::uint8_t flags = 0, Kind kind = Kind::kEndpoint, std::uint8_t spare = 0) {
        Entry entry;
        entry.set_generation(kGeneration);
        entry.set_flags(static_cast<std::uint8_t>(flags | entry_flag::kValid));
        entry.set_rights(rights);
        entry.set_kind(static_cast<std::uint8_t>(kind));
        entry.set_owner(kSender);
        entry.set_object(object);
        entry.set_badge(0xBAD6E);
        entry.set_spare(spare);
        this->command(slot, 1, &entry);
    }
    static std::uint32_t id(std::uint32_t slot) { return core::make_capability_id(kGeneration, slot); }
    static Header message(std::uint32_t slot, std::uint16_t object) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_receiver(object);
        header.set_capability(id(slot));
        return header;
    }
    /// Sends one frame and waits for its verdict.
    Verdict ask(const Header& header, unsigned beats = B::kBeats) {
        const std::size_t before = verdicts.size();
        this->send(0, header, beats);
        this->run_until([&] { return verdicts.size() > before; }, 200);
        return verdicts.size() > before ? verdicts.back() : Verdict::kClosed;
    }
    /// The block takes the next good frame, whatever was before.
    void expect_alive() {
        const std::size_t before = this->received[1 % Shape::kPorts].size();
        EXPECT_EQ(ask(message(1, 1)), Verdict::kDelivered);
        EXPECT_TRUE(
            this->run_until([&] { return this->received[1 % Shape::kPorts].size() == before + 1; }, 200));
        EXPECT_EQ(this->received[1 % Shape::kPorts].back().destination, 1U);
    }
    std::vector<Verdict> verdicts;
    std::vector<std::uint64_t> verdict_cycles;
};

}  // namespace keyway::rtl
