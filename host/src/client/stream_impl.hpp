#pragma once

#include "client/channel_end.hpp"
#include "keyway/stream.hpp"
#include "stream/stream_ring.hpp"

namespace keyway {

/// What the two ends of a stream have in common.
struct StreamEnd {
    StreamEnd(client::ChannelEnd of, ring::ParkWord channel::StreamShared::*mine,
              ring::ParkWord channel::StreamShared::*theirs);

    [[nodiscard]] channel::StreamShared& shared() const noexcept {
        return *reinterpret_cast<channel::StreamShared*>(end.head());
    }
    void store_abort(stream::Abort& to, std::uint32_t code, std::string_view text) const;
    /// Wakes the peer, if it sleeps.
    void wake() const { end.wake(*peer_word, 0); }
    void note(channel::Count& count, std::uint64_t bytes);

    client::ChannelEnd end;
    client::ChannelEnd::Sleeper sleeper;
    ring::ParkWord* peer_word;
    std::byte* data;  ///< mapped twice in a row
    std::uint64_t capacity;
    std::uint64_t times = 0;
    std::uint64_t total = 0;
    bool aborted_by_us = false;
    AbortReason our_reason;
};

struct KEYWAY_HIDDEN StreamWriter::Impl : StreamEnd {
    explicit Impl(client::ChannelEnd of);
    /// `timeout` when there is no room by the deadline.
    Result<std::uint64_t> wait_for_room(std::uint64_t bytes, Deadline deadline);
    /// Whether the stream is over, and why.
    [[nodiscard]] std::optional<Error> over();

    stream::Writer<> cursor;
    std::uint64_t reserved = 0;
    bool finished = false;
};

struct KEYWAY_HIDDEN StreamReader::Impl : StreamEnd {
    explicit Impl(client::ChannelEnd of);
    /// How many bytes are there, at least `least`; fewer only at the end of the stream, 0 there.
    Result<std::uint64_t> wait_for_bytes(std::uint64_t least, Deadline deadline);
    [[nodiscard]] std::optional<Error> cut_off();

    stream::Reader<> cursor;
    bool ended = false;
    std::uint64_t record = 0;  ///< bytes of the record that was peeked at, with its length; 0: none
};

}  // namespace keyway
