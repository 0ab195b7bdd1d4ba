#pragma once

// A subscription as the library has it: C++ with a pipe of its own, C woken by the connection's.

#include <cstdint>
#include <optional>

#include "base/fd.hpp"
#include "broadcast/broadcast_ring.hpp"
#include "broadcast/ring_memory.hpp"
#include "client/connection_impl.hpp"
#include "client/wake.hpp"
#include "keyway/topic.hpp"

namespace keyway {

struct KEYWAY_HIDDEN Subscription::Impl {
    enum class Step : std::uint8_t {
        kEvent,    ///< in `record`
        kNothing,  ///< nothing there, and the router knows how far we are
        kMoved,    ///< renew() first
        kEnded,    ///< `why` says it
    };

    /// `joined`: events wake the connection's receiving half; there is no descriptor.
    static Result<std::unique_ptr<Impl>> open(Connection::Impl& connection, std::uint32_t capability,
                                              bool joined);
    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl();

    Step step();
    /// Takes over the ring that the topic has moved to. Sending half.
    Result<void> renew();
    /// Makes the router wake the connection once: what came before we were looking is not forgotten.
    Result<void> nudge();
    [[nodiscard]] bool ready() const;
    [[nodiscard]] Event event() const;
    void tell_position();

    Connection::Impl* connection = nullptr;
    std::uint32_t index = 0;
    std::uint32_t topic = 0;
    std::uint32_t ring_bytes = 0;
    broadcast::ReaderSlot* slot = nullptr;
    broadcast::RingMemory memory;
    broadcast::Reader reader;
    broadcast::Record record;
    client::Sleeper sleeper;
    UniqueFd pipe;
    std::uint32_t epoch = 0;  ///< of the connection, when the ring was looked for last
    /// The router is another than before: what we have in the connection's memory has moved.
    [[nodiscard]] bool follow();

    std::uint64_t told = 0;  ///< the position that the router can see
    std::optional<Error> why;
    bool gone = false;
};

}  // namespace keyway
