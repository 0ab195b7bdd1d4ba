#pragma once

#include <memory>

#include "base/fd.hpp"
#include "client/receiving_half.hpp"
#include "client/region_reserve.hpp"
#include "client/sending_half.hpp"
#include "keyway/connection.hpp"
#include "link/control.hpp"

namespace keyway {

/// The capability that an answer of the router describes.
[[nodiscard]] Capability capability_of(const link::ControlMessage& reply);

struct KEYWAY_HIDDEN Connection::Impl {
    Impl(UniqueFd control, UniqueFd bell_fd, UniqueFd sender_pipe, UniqueFd receiver_pipe,
         link::LinkMemory mapped, const ConnectOptions& options);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    /// Builds the header as `message` says and the contract wants it.
    [[nodiscard]] Header header_for(const Outgoing& message, Deadline deadline);
    /// Refuses what the library can see to be wrong.
    [[nodiscard]] static Result<void> check(const Outgoing& message);
    /// Puts a message into the submission ring, waiting for room there. Returns its ticket.
    Result<std::uint64_t> submit(const Header& header, std::span<const std::byte> payload, Deadline deadline);
    /// Waits for the verdict on a ticket. `patience` is for the verdict itself and ends only with the router.
    Result<void> await_verdict(std::uint64_t ticket, Deadline deadline);
    Result<void> await_judged(std::uint64_t ticket, Deadline deadline);
    /// Submits exactly these bytes as header and waits for the verdict.
    Result<void> submit_raw(const Header& header, std::span<const std::byte> payload);
    Result<Received> await_reply(std::uint32_t sequence, std::uint64_t ticket, Deadline deadline);
    Result<std::uint32_t> hand_over(Type type, const Capability& what, const Grant& grant,
                                    const Capability& to, std::span<const std::byte> payload,
                                    Deadline deadline);
    void cancel(std::uint32_t sequence, std::uint64_t ticket);
    /// Asks the router for something and waits for its answer. For the sending half's thread.
    Result<link::ReceivedControl> request(link::ControlMessage message);
    Result<void> ask(const link::ControlMessage& message);
    [[nodiscard]] bool usable() const;
    [[nodiscard]] Error why_gone() const;

    UniqueFd socket;
    UniqueFd bell;
    UniqueFd sender_wake;
    UniqueFd receiver_wake;
    link::LinkMemory memory;  // outlives the halves, which point into it
    SendingHalf sending;
    ReceivingHalf receiving;
    std::chrono::nanoseconds spin;
    Capability self;
    client::RegionReserve reserve;
    client::SliceMappings slices;
    std::uint32_t next_tag = 1;
    std::uint32_t fork_generation;
    bool sender_gone = false;    ///< the sending half has seen the router hang up
    bool receiver_gone = false;  ///< the receiving half has
};

}  // namespace keyway
