#pragma once

// What lanes (lane.hpp) and streams (stream.hpp) have in common: how they are offered, and how they end.
//
// Both are channels: memory that two processes share, made by the router on the authority of a capability for
// one of the acceptor's endpoints. Whoever holds an end has been checked; the router is not asked again.
//
//     opener                          router                              acceptor
//       | open_lane(capability) ------->| checks DEVICE (WRITE for a stream), limits
//       |                               |--- offer, as a message to the endpoint ---->|
//       offered_channel(message)
//       |<------------------------------|<------------------------------ accept_lane(message), or decline()
//       |<========================== messages, without the router =========================>|
//
// AUTHORITY. The router keeps a page that both ends can read and neither can write, which says whether the
// capability that authorised the channel is in force. Revoking it, at any distance, changes that page before
// the revocation is answered; each end looks at it for each message. Expiry is checked against the clock when
// an end waits and from time to time in between, and the router changes the page then as well.
//
// ENDING. The end objects' destruction, the death of either process, the closing of the endpoint, and the
// router's own end all end a channel: nobody waits for a channel that nobody can revoke. Both ends notice at
// once, also asleep; the descriptors of Waitable become readable.
//
// LIFETIME. An end must not outlive the connection that it was made with.

#include <cstdint>
#include <optional>

#include "keyway/api.hpp"
#include "keyway/connection.hpp"

namespace keyway {

/// What a channel is.
enum class ChannelKind : std::uint8_t {
    kLane = 1,    ///< messages both ways (lane.hpp)
    kStream = 2,  ///< bytes or records one way (stream.hpp)
};

/// A channel that somebody wants to open to one of our endpoints.
struct ChannelOffer {
    ChannelKind kind = ChannelKind::kLane;  ///< what is offered
    bool records = false;                   ///< a stream of records, not of bytes
    std::uint32_t bytes = 0;                ///< size of the ring (of a lane: of each of the two)
    std::uint32_t opener = 0;               ///< process id, from the router
    std::uint32_t badge = 0;                ///< of the capability that it is opened with
    std::uint32_t endpoint = 0;             ///< which of ours it is offered to
    std::uint32_t capability = 0;           ///< ours for our end
};

/// What `message` offers, if it is an offer: only the router can make one.
[[nodiscard]] KEYWAY_API std::optional<ChannelOffer> offered_channel(const Received& message);

/// Says no to an offer: whoever opens gets `declined`. For the connection's sending half's thread. Errors:
/// `bad_argument` when the message is no offer, `no_such_capability` when the offer is over.
KEYWAY_API Result<void> decline(Connection& connection, const Received& offer);

}  // namespace keyway
