#pragma once

// What judges messages before the router's own core does: hardware, or a simulation of it.
//
// WHO DECIDES. The router's table is the authority. An engine has a copy of the rows that it was shown, says
// what it makes of a message, and leaves to the router what it can't tell: a *miss*. What an engine refuses
// is refused. What it lets through is carried out by the core, which looks at it again while it does. So an
// engine can only be stricter than the core, never laxer; where the two differ the stricter verdict stands,
// and the router says so (RouterOptions::cross_check has it compare refusals too).
//
// FALLING BACK. An engine that fails says so once and is not asked again: the core goes on alone, with the
// same message. Nothing is lost by that, since no message is ever anywhere else than in the router's memory.
//
// THREADS. Used by the router's thread only.

#include <cstdint>
#include <optional>
#include <string_view>

#include "keyway/api.hpp"
#include "keyway/protocol.hpp"

namespace keyway {

/// What an engine is.
enum class EngineKind : std::uint32_t {
    kSoftware = 0,   ///< none: the router's own core alone
    kSimulated = 1,  ///< the hardware block in a simulation, in the router's process
    kUsb = 2,        ///< the hardware block on a board
};

/// As people read it: "software", "simulated", "usb"; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view name_of(EngineKind kind) noexcept {
    switch (kind) {
        case EngineKind::kSoftware:
            return "software";
        case EngineKind::kSimulated:
            return "simulated";
        case EngineKind::kUsb:
            return "usb";
    }
    return "unknown";
}

/// To be implemented by whatever judges messages; `RouterOptions::engine` takes one.
class KEYWAY_API Engine {
  public:
    /// A message as the router has it.
    struct Question {
        const Header* header = nullptr;  ///< as the sender wrote it
        std::uint32_t sender = 0;        ///< on whose link it came
        /// The row of the header's capability, if `sender` holds it. Null otherwise.
        const Entry* authority = nullptr;
        std::uint32_t receiver_owner = 0;  ///< of the authority's object
    };

    Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;

    /// What it is, for people and counters; always the same.
    [[nodiscard]] virtual EngineKind kind() const noexcept = 0;
    /// `delivered`, or why not; nothing for a miss. Must return within milliseconds.
    virtual std::optional<Verdict> judge(const Question& question) = 0;
    /// The capability has ended or moved. On return no judgement goes by it any more.
    virtual void forget(std::uint32_t capability) = 0;
    /// True for ever once it doesn't answer any more; then judge() said nothing.
    [[nodiscard]] virtual bool failed() const noexcept = 0;
};

}  // namespace keyway
