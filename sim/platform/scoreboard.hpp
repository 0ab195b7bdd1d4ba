// The software core beside the hardware router: every verdict, and every header that left, must be what
// route() says.
//
// It knows what can be seen at the pins, and what the host does and when. Where that leaves two answers open
// (a row is being filled or recalled, a copy is on its way out of a queue) either one is right, for the few
// clocks that it takes. What the hardware calls a miss must have a reason.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/route.hpp"
#include "keyway/sim/driver.hpp"
#include "scenario.hpp"

namespace keyway::sim {

/// Clocks to how often they were measured.
using Histogram = std::map<std::uint64_t, std::uint64_t>;

class Scoreboard {
  public:
    Scoreboard(const Scenario& scenario, const Geometry& geometry);

    // ---- What the host does. `cycle`: the router's clock.

    /// The row of `slot` is about to change; until `filled` or `recalled` either state may be in force.
    void changing(std::uint32_t slot) { rows_.at(slot).changing = true; }
    void filled(std::uint32_t slot, std::uint64_t cycle);
    /// The capability and its row are gone.
    void recalled(std::uint32_t slot, std::uint64_t cycle);
    /// An id for the router's stock, or nullopt: none is free, or the stock is full. Call `given` once the
    /// router has it.
    std::optional<std::uint32_t> next_id();
    void given(std::uint64_t cycle);
    /// What the core says to a message that the router left to the host. Delivered: it is for the router
    /// after all, once its row is filled. For a message that the router may decide, nothing is changed.
    [[nodiscard]] Verdict decide(const Header& header);
    /// The entry that belongs into the row; nullopt when the router made that row itself, or nobody did.
    [[nodiscard]] std::optional<Entry> entry(std::uint32_t slot) const;
    [[nodiscard]] bool is_cached(std::uint32_t slot) const { return rows_.at(slot).cached; }

    // ---- What is seen at the pins

    void sent(unsigned port, const Header& header, bool torn) {
        sent_.at(port).push_back({.header = header, .torn = torn, .first = {}, .last = {}});
    }
    void taken(unsigned port, std::uint64_t first, std::uint64_t last);
    void judged(const Event& event);
    void left(const Delivery& delivery);

    // ---- Results

    /// Every message has its verdict, and every copy has left.
    [[nodiscard]] bool settled() const;
    /// What differed, in words; the first hundred.
    [[nodiscard]] const std::vector<std::string>& differences() const { return differences_; }
    struct Totals {
        std::uint64_t messages = 0, copies = 0, replies = 0, torn = 0, host_refused = 0;
        std::map<std::string, std::uint64_t> verdicts;
        Histogram verdict_clocks;  ///< last beat taken until the audit event is out
        Histogram through_clocks;  ///< first beat taken until the copy's first beat is offered
    };
    [[nodiscard]] const Totals& totals() const { return totals_; }

  private:
    // Clocks for which a change that the host knows to be done may still not be what a message meets, and
    // within which an audit event comes out.
    static constexpr std::uint64_t kSettle = 16;
    // Copies that have left their queue but not the router: in the ports out and on the way there.
    static constexpr std::size_t kOnTheWayOut = 6;

    struct Sent {
        Header header;
        bool torn = false;
        std::optional<std::uint64_t> first, last;
    };
    struct Row {
        bool cached = false, changing = false;
        std::uint64_t changed = 0;
        std::uint16_t generation = kFirstGeneration;
        core::CapabilityId core = 0;
        std::optional<std::size_t> of_scenario;
    };
    struct Stocked {
        std::uint32_t id = 0;
        std::uint64_t sure = ~std::uint64_t{0};  ///< clock from which on the router surely has it
    };
    struct Copy {
        Header header;
        std::uint64_t first = 0;
        bool stamped = true;  ///< with a time of the router's
    };
    struct Queue {
        std::deque<Copy> waiting;
        std::deque<std::uint64_t> left;  ///< clocks in which the last ones did
    };
    class Mirror;

    void differ(std::uint64_t cycle, const std::string& what);
    void put(unsigned destination, const Header& header, std::uint64_t first, bool stamped);
    [[nodiscard]] core::CapabilityId to_core(std::uint32_t id) const;
    [[nodiscard]] core::ProcessId link_of(unsigned port, const Header& header) const {
        return static_cast<core::ProcessId>(bound_.at(port) != 0 ? bound_.at(port) : header.sender());
    }
    [[nodiscard]] bool may_miss(const Header& header, core::ProcessId link, std::uint64_t cycle) const;
    [[nodiscard]] bool may_be_full(unsigned destination, unsigned priority, std::uint64_t cycle) const;
    void decide_and_compare(const Header& header, core::ProcessId link, std::uint64_t first,
                            const Event& event);

    const Scenario& scenario_;
    unsigned depth_;
    core::Share user_{.used = 0, .limit = 1U << 16};
    core::CapabilityTable table_;
    core::Directory directory_;
    std::array<Row, kTableRows> rows_{};
    std::deque<std::uint32_t> free_slots_;
    std::deque<Stocked> stock_;
    std::array<std::uint16_t, kPlatformPorts> bound_{};
    std::array<std::deque<Sent>, kPlatformPorts> sent_;
    std::array<std::array<Queue, limit::kPriorities>, kPlatformDestinations> queues_;
    std::vector<std::string> differences_;
    Totals totals_;
};

}  // namespace keyway::sim
