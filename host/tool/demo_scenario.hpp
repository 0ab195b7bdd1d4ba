#pragma once

// What happens in the demo, step by step.

#include <optional>

#include "keyway/connection.hpp"
#include "tool/demo_count.hpp"
#include "tool/demo_report.hpp"
#include "tool/demo_stage.hpp"

namespace keyway::tool::demo {

class Scenario {
  public:
    Scenario(const Stage& stage, const Input& input, std::uint64_t seed, std::uint64_t pings, Report& report);

    /// For the router's board: a command that pulls its cable, and returns when the kernel has seen that.
    void pull_cable_by(std::string command) { cable_ = std::move(command); }
    /// All of it, in this order.
    void play();

  private:
    [[nodiscard]] bool introduce();
    void work();
    void refusals();
    void back_pressure();
    void revocation();
    void expiry();
    void caller_dies();
    void service_dies();
    void board();
    void latency();
    void counters();
    void end();

    // demo_patterns.cpp
    void partners();
    void publish_subscribe();
    void streaming();
    void lane();
    void region();
    void recall();
    void ticket();
    void quantum();
    void audit();

    /// Lets a client come by what its role is allowed: it looks the service up and the policy decides, or,
    /// when all run as one user and no policy can tell them apart, the administrator grants it.
    [[nodiscard]] Answer authorise(Actor& client, std::uint8_t rights, std::uint32_t badge);
    /// Has a client pass all files on, by "count" (calls) or "stream" (one-way): how many messages, or the
    /// error.
    [[nodiscard]] Answer pass_on(Actor& client, std::string_view how);
    /// For what only prepares a step: a line in the report only when it failed.
    void prepare(std::string_view what, const Answer& answer);
    /// Whether the router has a process of that id.
    [[nodiscard]] bool is_listed(std::uint32_t process);

    const Stage& stage_;
    std::string cable_;
    const Input& input_;
    Totals truth_;
    std::uint64_t seed_;
    std::uint64_t pings_;
    Report& report_;

    std::optional<Actor> router_;
    std::optional<Actor> service_;
    std::optional<Actor> caller_;
    std::optional<Actor> sender_;
    std::optional<Actor> intruder_;
    std::optional<Actor> alice_;
    std::optional<Actor> bob_;
    std::optional<Actor> carol_;
    std::optional<Connection> administrator_;

    std::uint64_t caller_capability_ = 0;
    std::uint64_t endpoint_ = 0;  ///< of the service
    std::uint64_t sent_ = 0;      ///< by the router's count
};

/// The policy that the demo's router runs under.
[[nodiscard]] std::string policy_text(const Stage& stage);

}  // namespace keyway::tool::demo
