// What a scenario file says: who is there, who may do what, what is sent. docs/simulation.md has the keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "keyway/protocol.hpp"

namespace keyway::sim {

struct Process {
    std::string name;
    std::uint16_t id = 0;
    std::optional<unsigned> port;  ///< on which it sends; receiving needs none
};
/// An endpoint or topic. Its id is its destination too; that of a process is where replies to it go.
struct Object {
    std::string name;
    std::uint16_t id = 0, owner = 0;
    bool topic = false;
    std::uint64_t subscribers = 0;  ///< destinations, a bit each
};
struct Capability {
    std::string name;
    std::uint32_t slot = 0;
    Entry entry;
    bool cached = true;  ///< in the router's table from the beginning; else its first use is a miss
};
enum class Pattern : std::uint8_t { kSteady, kRandom, kBurst };
struct Traffic {
    unsigned port = 0;
    Header header;  ///< as it is sent, without its sequence number
    std::uint32_t count = 1, burst = 16;
    double gap_ns = 0, start_ns = 0;
    Pattern pattern = Pattern::kSteady;
    unsigned torn_percent = 0;  ///< of the frames end after one beat
    bool guess = false;         ///< a random capability id in each message
};
struct Recall {
    std::size_t capability = 0;
    double at_ns = 0;
};

struct Scenario {
    std::string title;
    double clock_mhz = 125;
    std::uint64_t seed = 1;
    double limit_us = 1000, quantum_ns = 1000, host_ns = 400;
    std::vector<Process> processes;
    std::vector<Object> objects;
    std::vector<Capability> capabilities;
    std::vector<Traffic> traffic;
    std::vector<Recall> recalls;
    std::map<unsigned, unsigned> ready_percent;   ///< by port; 100 where nothing is said
    std::map<std::string, std::uint64_t> expect;  ///< verdict name to messages; empty: nothing is promised
};

/// Throws std::runtime_error with "FILE:LINE:COLUMN: what is wrong".
Scenario read_scenario(const std::string& file);

/// Rows that scenarios' capabilities take, from 1 on; those above are for what calls create.
inline constexpr std::uint32_t kScenarioSlots = 128, kTableRows = 256;
inline constexpr unsigned kPlatformPorts = 4, kPlatformDestinations = 16;
/// The host's own port, on which it sends again what it was asked about.
inline constexpr unsigned kHostPort = 0;
inline constexpr std::uint16_t kFirstGeneration = 1;

}  // namespace keyway::sim
