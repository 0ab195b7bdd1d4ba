#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>

#include "client/wake.hpp"
#include "keyway/connection.hpp"
#include "link/link_memory.hpp"
#include "ring/ring.hpp"

namespace keyway {

/// The submission ring of a connection, and the notice ring that tells what became of submissions. A
/// submission is known by its ticket, the position in the ring where it ends. One thread at a time.
class SendingHalf {
  public:
    SendingHalf(link::LinkMemory& memory, int wake_pipe, int bell);

    /// Puts a message into the ring; nullopt when there is no room. The router sees it at once but is not
    /// woken: call `ring_bell` after one or several.
    std::optional<std::uint64_t> put(const Header& header, std::span<const std::byte> payload);
    void ring_bell();

    [[nodiscard]] bool has_room(std::uint32_t payload_bytes) {
        return ring_.has_room(limit::kHeaderBytes + payload_bytes);
    }
    /// Everything up to this ticket has been judged.
    [[nodiscard]] bool judged(std::uint64_t ticket) { return ring_.consumed() >= ticket; }
    /// The ticket of the last message that was put in.
    [[nodiscard]] std::uint64_t last_ticket() const { return ring_.tail(); }
    [[nodiscard]] bool corrupt() const { return ring_.corrupt() || notices_.corrupt(); }

    /// Reads what the router has told.
    void read_notices();
    [[nodiscard]] bool notices_pending() const { return notices_.pending(); }

    /// The verdict on a ticket that was not delivered, once; nullopt: nothing bad is known of it.
    std::optional<Error> take_refusal(std::uint64_t ticket);
    std::optional<Refusal> next_refusal();
    /// This one was given up: what the router says of it, or has said by now, is nobody's.
    void give_up(std::uint64_t ticket);
    /// The capability that a capability message gave its receiver, once; 0: not known.
    std::uint32_t take_granted(std::uint64_t ticket);
    /// True once when the callee of the call with this sequence is gone.
    bool take_peer_gone(std::uint32_t sequence);
    /// How often the router has told of a change to this region.
    [[nodiscard]] std::uint32_t region_changes(std::uint32_t object) const {
        const auto found = region_changes_.find(object);
        return region_base_ + (found == region_changes_.end() ? 0 : found->second);
    }
    /// Why the router closed the link, if it said so.
    [[nodiscard]] std::optional<Error> closed() const { return closed_; }

    [[nodiscard]] std::uint32_t next_sequence() { return ++sequence_ != 0 ? sequence_ : ++sequence_; }
    [[nodiscard]] client::Sleeper& sleeper() noexcept { return sleeper_; }

    /// All of it has been copied to another memory.
    void move_to(link::LinkMemory& memory);
    [[nodiscard]] std::uint64_t notices_end() const { return notices_.end(); }
    /// What was told of regions may have been lost: as if each had been changed.
    void regions_may_have_changed() { ++region_base_; }

  private:
    static constexpr std::size_t kMostGivenUp = 16;  ///< as many as the router remembers
    void take(const link::NoticeBody& notice);

    ring::Producer<> ring_;
    ring::Consumer<> notices_;
    std::deque<Refusal> refusals_;
    std::deque<std::uint64_t> given_up_;  // before they were judged
    std::unordered_map<std::uint64_t, std::uint32_t> granted_;
    std::deque<std::uint32_t> peers_gone_;
    std::unordered_map<std::uint32_t, std::uint32_t> region_changes_;  // at most one for each object id
    std::uint32_t region_base_ = 0;
    std::optional<Error> closed_;
    client::Sleeper sleeper_;
    link::LinkShared* shared_;
    int bell_;
    std::uint32_t sequence_ = 0;
};

}  // namespace keyway
