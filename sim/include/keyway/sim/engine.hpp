// A simulated router as the engine of a software router: keywayd --engine simulated, and
// RouterOptions::engine.
//
// It judges data and control messages that go to an endpoint by a capability which neither expires nor is
// used up. All else it leaves to the software: messages that carry a capability, replies, topics,
// capabilities that end by themselves, and endpoints beyond the number of its destinations. A call it checks
// and then leaves to the software, which makes the reply's capability. Its table is a cache: a row that is
// missing is filled from the question and asked about again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "keyway/engine.hpp"
#include "keyway/sim/router.hpp"

namespace keyway::sim {

/// The engine: see the top of this header. For the router's thread only.
class SimulatedEngine final : public Engine {
  public:
    /// Takes a router fresh from its reset.
    explicit SimulatedEngine(std::unique_ptr<Router> router);

    [[nodiscard]] EngineKind kind() const noexcept override { return EngineKind::kSimulated; }
    std::optional<Verdict> judge(const Question& question) override;
    void forget(std::uint32_t capability) override;
    [[nodiscard]] bool failed() const noexcept override { return failed_; }

    /// For tests: what lies beneath.
    [[nodiscard]] Router& router() noexcept { return *router_; }

  private:
    static constexpr unsigned kPort = 0;

    std::optional<Verdict> ask(const Question& question);
    void show(const Question& question);
    [[nodiscard]] std::uint32_t& cached(std::uint32_t capability) {
        return rows_[capability % limit::kSlots % rows_.size()];
    }

    std::unique_ptr<Router> router_;
    std::vector<std::uint32_t> rows_;  ///< capability whose entry is in the row; 0: none
    std::uint32_t bound_ = 0;          ///< process that the port stands for
    bool failed_ = false;
};

}  // namespace keyway::sim
