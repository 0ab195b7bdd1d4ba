#pragma once

// The processes of the demo. Each connects to the router like any program, and does what the director says
// over its channel until that ends. What a command does stands beside its name in demo_client.cpp,
// demo_service.cpp and demo_partner.cpp.

#include <cstdint>
#include <filesystem>
#include <string>

#include "daemon/engines.hpp"
#include "tool/demo_stage.hpp"

namespace keyway::tool::demo {

inline constexpr char kServiceName[] = "wordcount";
inline constexpr char kTopicName[] = "progress";   // alice's
inline constexpr char kArchiveName[] = "archive";  // bob's
inline constexpr char kInboxName[] = "inbox";      // carol's

/// What the service sends back for a "ping": when it had the request, and when it began to send the reply.
struct Pong {
    std::uint64_t received_ns = 0;
    std::uint64_t replied_ns = 0;
    std::uint64_t padding[6] = {};
};
static_assert(sizeof(Pong) == 64);

int play_router(const Channel& director, const std::filesystem::path& folder,
                const daemon::EngineChoice& engine);
int play_service(const Channel& director, const std::string& socket);
/// Caller, sender, intruder and victim: one program. What each may do is the router's business, not its own.
int play_client(const Channel& director, const std::string& socket);
/// Alice, Bob and Carol: likewise.
int play_partner(const Channel& director, const std::string& socket);

}  // namespace keyway::tool::demo
