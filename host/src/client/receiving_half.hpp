#pragma once

#include <array>
#include <deque>
#include <optional>

#include "client/wake.hpp"
#include "core/queues.hpp"
#include "keyway/connection.hpp"
#include "link/link_memory.hpp"
#include "ring/ring.hpp"

namespace keyway {

/// The four delivery rings of a connection, and what was set aside from them. One thread at a time.
class ReceivingHalf {
  public:
    ReceivingHalf(link::LinkMemory& memory, int wake_pipe, int bell);

    /// The next message in order of priority, into `out`; false when there is none. What was set aside comes
    /// first. Into the caller's object, because moving one costs as much as taking it.
    bool take(Received& out);
    /// The same, but only out of the rings.
    bool take_from_rings(Received& out);
    /// Keeps a message for a later `take`, and gives its room in the ring back.
    void set_aside(Received message);

    /// Something to take, or a ring gone bad.
    [[nodiscard]] bool ready() const;
    /// The router wrote something impossible: not to be expected of a router that is in its right mind.
    [[nodiscard]] bool corrupt() const;

    /// Before sleeping: gives all room back that nobody looks at any more.
    void release_all();
    /// Called by Received.
    void release(std::size_t level) noexcept;

    [[nodiscard]] client::Sleeper& sleeper() noexcept { return sleeper_; }

    /// All of it has been copied to another memory. Messages that are out stay in the old one.
    void move_to(link::LinkMemory& memory);
    /// Where the rings end, by priority.
    void ends(std::uint64_t* to) const;
    [[nodiscard]] bool has_views() const;
    /// The connection that this is a half of.
    Connection::Impl* of = nullptr;

  private:
    struct Level {
        std::optional<ring::Consumer<>> ring;
        std::uint32_t views = 0;  ///< Received that lie in this ring: one at most, the others are copies
    };
    void done_with(Level& level) noexcept;
    void give_back(Level& level) noexcept;

    std::array<Level, limit::kPriorities> levels_;
    std::deque<Received> aside_;
    core::PriorityScheduler scheduler_;
    client::Sleeper sleeper_;
    link::LinkShared* shared_;
    int bell_;
};

}  // namespace keyway
