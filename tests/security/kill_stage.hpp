#pragma once

// A router, two honest processes that talk throughout, and victims: processes that play a role until they end
// at a labelled step. The test itself plays the victim's partner. Everything is forked from a test without
// threads.

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "keyway/connection.hpp"
#include "keyway/region.hpp"
#include "keyway/topic.hpp"

namespace keyway::test {

/// What the processes tell each other beside the router: a page that all of them share.
struct Board {
    std::atomic<std::uint64_t> confirmed;  ///< what the victim was told is accepted
    std::atomic<bool> ready;               ///< the partner is
    std::atomic<bool> joined;              ///< the victim is
    std::atomic<bool> end;                 ///< the honest shall end
    std::atomic<std::uint64_t> honest_calls;
    char complaint[200];
};

enum class Role { kClient, kCallee, kPublisher, kSubscriber, kGranter, kRegionOwner };

/// What the router's process and its books hold.
struct Holdings {
    std::size_t descriptors = 0;
    std::size_t mappings = 0;
    std::size_t memory_kib = 0;  ///< resident
    std::size_t processes = 0, capabilities = 0, endpoints = 0, topics = 0, regions = 0, channels = 0;
};

class KillStage {
  public:
    /// `router_ends_at`: a crash point of the router's own, and how.
    explicit KillStage(const std::string& router_ends_at = {}, const std::string& how = "kill");
    KillStage(const KillStage&) = delete;
    KillStage& operator=(const KillStage&) = delete;
    ~KillStage();

    /// One victim, which ends at `label` the `turn`-th time in the way `how`. True when it came there. What
    /// the living see and should not is a failure of the test.
    bool play(Role role, const std::string& label, int turn, const std::string& how);
    /// Waits until nobody is left of the victims.
    Holdings at_rest();
    [[nodiscard]] std::string complaint_of_the_honest() const { return board_->complaint; }
    [[nodiscard]] std::uint64_t honest_calls() const { return board_->honest_calls; }
    /// How long the router took to know of the last victim's death after the kernel had told us.
    [[nodiscard]] double noticed_ms() const { return noticed_ms_; }

    [[nodiscard]] std::string socket() const { return folder_ / "router.sock"; }
    [[nodiscard]] std::filesystem::path folder() const { return folder_; }
    /// None when the router ended before it could be connected to.
    Connection* partner() { return partner_.get(); }
    /// For tests that end the router: waits for that, and starts another, which lives.
    bool router_ended();
    void start_router(const std::string& ends_at, const std::string& how);

  private:
    void meet_client();
    void meet_callee();
    void meet_publisher();
    void meet_subscriber();
    void meet_granter();
    void meet_region_owner();
    void victim(Role role);
    [[nodiscard]] bool victim_ended();

    std::filesystem::path folder_;
    Board* board_ = nullptr;
    pid_t router_ = 0;
    pid_t honest_ = 0;
    pid_t victim_ = 0;
    int victim_status_ = 0;
    std::string name_;  ///< of this victim's endpoint or topic
    int rounds_ = 0;
    std::uint64_t said_ = 0;
    double noticed_ms_ = 0;
    std::unique_ptr<Connection> partner_;
    std::unique_ptr<Connection> witness_;  ///< subscribes beside a victim that does
    Capability topic_;
    std::unique_ptr<Subscription> news_;
};

}  // namespace keyway::test
