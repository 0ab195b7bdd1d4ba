// The timing diagram in docs/rtl.md shows what the router does: each level in it is a signal of the model.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "Vsim_router___024root.h"
#include "keyway/sim/model.hpp"

namespace keyway::sim {
namespace {

/// Level by level, without the shorthand.
std::string spelt_out(const std::string& wave) {
    std::string levels;
    for (const char state : wave) {
        levels += state == '.' ? levels.back() : state;
    }
    return levels;
}

TEST(Picture, OfAHeaderSLifeIsWhatTheRouterDoes) {
    std::ifstream file(KEYWAY_SOURCE "/docs/pictures/header.json");
    const nlohmann::json picture = nlohmann::json::parse(file);

    RouterModel sut;
    sut.bind(0, 5);
    sut.route(3, 9);
    Entry entry;
    entry.set_generation(1);
    entry.set_flags(entry_flag::kValid);
    entry.set_rights(right::kAll);
    entry.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
    entry.set_owner(5);
    entry.set_object(3);
    sut.fill(1, entry);
    sut.start();

    const auto& inside = *sut.model().rootp;
    const std::map<std::string, std::function<bool()>> signals = {
        {"s_axis_tvalid", [&] { return sut.pins().s_tvalid.on(0); }},
        {"verdict_valid", [&] { return inside.keyway_router__DOT__verdict_valid != 0; }},
        {"audit_valid", [&] { return sut.pins().audit_valid.on(); }},
        {"arrive", [&] { return inside.keyway_router__DOT__arrive != 0; }},
        {"depart", [&] { return inside.keyway_router__DOT__depart != 0; }},
        {"m_axis_tvalid", [&] { return sut.pins().m_tvalid.on(3); }},
    };
    std::map<std::string, std::string> seen;
    sut.on_clock = [&] {
        for (const auto& [name, level] : signals) {
            seen[name] += level() ? '1' : '0';
        }
    };
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kData));
    header.set_receiver(3);
    header.set_capability(capability_id(1, 1));
    sut.tick();
    sut.push(0, header);
    sut.run(picture["signal"][0]["wave"].get<std::string>().size() - 1);

    std::size_t compared = 0;
    for (const auto& signal : picture["signal"]) {
        const auto found = seen.find(signal["name"].get<std::string>());
        if (found != seen.end()) {
            ++compared;
            EXPECT_EQ(spelt_out(signal["wave"].get<std::string>()), found->second) << found->first;
        }
    }
    EXPECT_EQ(compared, signals.size());
}

}  // namespace
}  // namespace keyway::sim
