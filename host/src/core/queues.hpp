#pragma once

// Destination queues: where route() puts what it accepts, and in which order it comes out again.

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/ids.hpp"

namespace keyway::core {

/// What route() needs of the destinations. The daemon's are delivery rings in shared memory; the reference
/// for the hardware is `HeaderQueues` below.
///
/// `has_room` promises that the next `push` with the same arguments succeeds if nothing else is pushed in
/// between; route() asks for all destinations first and pushes to all of them after. `push` can't fail.
template <typename Q>
concept DestinationQueues = requires(Q& queues, ObjectId destination, unsigned priority, const Header& header,
                                     std::uint32_t length) {
    { queues.has_room(destination, priority, length) } -> std::same_as<bool>;
    { queues.push(destination, priority, header) } -> std::same_as<void>;
};

/// Which priority goes next. Level p has 2^p credits a round; the highest non-empty level with a credit goes
/// first; when no non-empty level has one, the round restarts. So an urgent message never waits for more than
/// the credits of the levels above it, and level 0 gets at least 1 of every 15 turns when all are busy.
///
/// The same rule serves the egress of the RTL (`rtl/egress`) and a receiver's four delivery rings.
class PriorityScheduler {
  public:
    /// `ready`: bit p is set when level p has something. Returns the level to serve, or -1 when none is
    /// ready.
    [[nodiscard]] int next(unsigned ready) noexcept {
        ready &= (1U << limit::kPriorities) - 1;
        if (ready == 0) {
            return -1;
        }
        unsigned eligible = ready & with_credit();
        if (eligible == 0) {
            credits_ = kRound;
            eligible = ready;
        }
        const int level = static_cast<int>(std::bit_width(eligible)) - 1;
        --credits_[static_cast<std::size_t>(level)];
        return level;
    }

  private:
    static constexpr std::array<std::uint8_t, limit::kPriorities> kRound{1, 2, 4, 8};

    [[nodiscard]] unsigned with_credit() const noexcept {
        unsigned mask = 0;
        for (unsigned level = 0; level < limit::kPriorities; ++level) {
            mask |= (credits_[level] != 0 ? 1U : 0U) << level;
        }
        return mask;
    }

    std::array<std::uint8_t, limit::kPriorities> credits_ = kRound;
};

/// Bounded queues of headers, one per destination and priority, as the hardware has them.
class HeaderQueues {
  public:
    HeaderQueues(std::uint32_t destinations, std::uint32_t depth) : depth_(depth), ports_(destinations) {
        for (Port& port : ports_) {
            for (Ring& ring : port.rings) {
                ring.slots.resize(depth);
            }
        }
    }

    [[nodiscard]] bool has_room(ObjectId destination, unsigned priority, std::uint32_t /*length*/) const {
        return destination < ports_.size() && ports_[destination].rings[priority].count < depth_;
    }
    void push(ObjectId destination, unsigned priority, const Header& header) {
        Ring& ring = ports_[destination].rings[priority];
        ring.slots[wrapped(ring.first + ring.count++)] = header;
    }
    /// Takes the next header for `destination` in the order of PriorityScheduler; false when all are empty.
    bool pop(ObjectId destination, Header& out) {
        Port& port = ports_[destination];
        unsigned ready = 0;
        for (unsigned level = 0; level < limit::kPriorities; ++level) {
            ready |= (port.rings[level].count != 0 ? 1U : 0U) << level;
        }
        const int level = port.scheduler.next(ready);
        if (level < 0) {
            return false;
        }
        Ring& ring = port.rings[static_cast<std::size_t>(level)];
        out = ring.slots[ring.first];
        ring.first = wrapped(ring.first + 1);
        --ring.count;
        return true;
    }
    [[nodiscard]] std::uint32_t count(ObjectId destination, unsigned priority) const {
        return ports_[destination].rings[priority].count;
    }

  private:
    struct Ring {
        std::vector<Header> slots;
        std::uint32_t first = 0;
        std::uint32_t count = 0;
    };
    struct Port {
        std::array<Ring, limit::kPriorities> rings;
        PriorityScheduler scheduler;
    };

    // Below twice the depth; a division would cost more than all the rest.
    [[nodiscard]] std::uint32_t wrapped(std::uint32_t at) const { return at < depth_ ? at : at - depth_; }

    std::uint32_t depth_;
    std::vector<Port> ports_;
};

static_assert(DestinationQueues<HeaderQueues>);

}  // namespace keyway::core
