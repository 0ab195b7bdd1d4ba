#pragma once

#include "client/channel_end.hpp"
#include "keyway/lane.hpp"
#include "ring/ring.hpp"

namespace keyway {

struct LaneSender::State {
    State(client::ChannelEnd& of, unsigned way);
    Result<void> put(std::span<const std::byte> payload, Type type);
    [[nodiscard]] Error over() const;

    client::ChannelEnd* end;
    ring::Producer<> ring;
    ring::ParkWord* peer_word;  ///< of the receiver at the other end
    client::ChannelEnd::Sleeper sleeper;
    channel::Count* count;
    Header header;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint32_t sequence = 0;
};

struct LaneReceiver::State {
    State(client::ChannelEnd& of, unsigned way);
    /// `would_block`: there is nothing.
    Result<void> take(Header& header, std::byte* to);
    void give_back();

    client::ChannelEnd* end;
    ring::Consumer<> ring;
    ring::ParkWord* peer_word;  ///< of the sender at the other end
    client::ChannelEnd::Sleeper sleeper;
    channel::Count* count;
    std::uint32_t sender;  ///< what is stamped
    std::uint32_t receiver;
    std::uint32_t badge;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint32_t sequence = 0;
    bool corrupt = false;
};

struct KEYWAY_HIDDEN Lane::Impl {
    explicit Impl(client::ChannelEnd of);

    client::ChannelEnd end;  // outlives the halves, which point into it
    LaneSender::State sending;
    LaneReceiver::State receiving;
    LaneSender sender;
    LaneReceiver receiver;
};

}  // namespace keyway
