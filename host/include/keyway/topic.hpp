#pragma once

// Publish and subscribe.
//
//     auto topic = keyway::make_topic(connection, "news", {.keep = 16}).value();      // the owner
//     keyway::publish(connection, topic, "it rains").value();
//
//     auto news = other.lookup("news").value();                                       // policy: READ
//     auto subscription = keyway::Subscription::open(other, news).value();
//     auto event = subscription.next().value();                                       // event.text()
//
// WHAT IT COSTS. An event is written once, into a ring that all subscribers map for reading. A publisher pays
// for one write, however many read.
//
// WHO MAY WHAT. To publish takes WRITE on the topic, to subscribe READ. A subscriber whose capability ended
// (revoked, expired) can still read what was published before that; then `next` says `revoked` or `expired`.
// What is published after it never gets, not by its mapping either: the others go on in a ring that it
// doesn't have.
//
// WHO CAN HOLD WHOM UP. A subscriber nobody but, under `block`, the publisher, and through it the others, for
// at most `patience`; after that the topic no longer waits for it and it loses events, which `lost` counts.
// Under `drop_oldest` nobody ever waits.
//
// THREADS. A Subscription belongs to the thread of its connection's sending half, because it asks the router
// for a new ring now and then, and must not outlive the connection.

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>

#include "keyway/api.hpp"
#include "keyway/connection.hpp"

namespace keyway {

/// What becomes of an event for which a subscriber has no room.
enum class TopicPolicy : std::uint8_t {
    kDropOldest = 0,  ///< never wait: who is too slow loses the oldest events, and can count them
    kBlock = 1,       ///< a publisher waits for the slowest subscriber, as for any full queue
};

/// What a topic shall be.
struct TopicOptions {
    TopicPolicy policy = TopicPolicy::kDropOldest;  ///< who gives way when a subscriber is slow
    /// A subscriber starts this many events back, 0 to 4096, as far as the ring still has them.
    std::uint32_t keep = 0;
    /// A power of two, 16 KiB to 16 MiB. An event takes its payload and 48 bytes, in steps of 64.
    std::uint32_t ring_bytes = 256 * 1024;
    /// `kBlock`: how long one event waits for one subscriber, more than 0; the maximum means for ever.
    std::chrono::nanoseconds patience = std::chrono::seconds(1);
};

/// Makes a topic that others can look up, as an endpoint is made; `Connection::close_endpoint` ends it.
/// Returns the owner's capability: READ, WRITE, GRANT, REVOKE. Sending half. Errors: `bad_name`,
/// `name_taken`, `not_allowed`, `limit`, `bad_argument`, `system`.
KEYWAY_API Result<Capability> make_topic(Connection& connection, std::string_view name,
                                         const TopicOptions& options = {});

/// An event, to be given to `Connection::send`, `post` or `post_batch`.
[[nodiscard]] KEYWAY_API Outgoing event_for(const Capability& topic, std::span<const std::byte> payload);

/// Publishes and waits for the verdict; under `block` waits for room until the deadline (`timed_out`).
/// Sending half. Needs WRITE: `insufficient_rights`.
KEYWAY_API Result<void> publish(Connection& connection, const Capability& topic,
                                std::span<const std::byte> payload, Deadline deadline = Deadline::never());
/// The same with a text as payload.
inline Result<void> publish(Connection& connection, const Capability& topic, std::string_view text,
                            Deadline deadline = Deadline::never()) {
    return publish(connection, topic, std::as_bytes(std::span(text.data(), text.size())), deadline);
}

/// Subscribes another process, to which it comes as a capability message from the router (sender 0) that
/// carries a READ capability and has the topic's id as its sequence. Needs READ and GRANT on the topic and a
/// capability with PROCESS on the process's home endpoint. Returns the capability's id, for `revoke`. Errors:
/// `insufficient_rights`, also when there is no such process; `not_grantable`, `full`, `table_full`.
KEYWAY_API Result<std::uint32_t> subscribe_process(Connection& connection, const Capability& topic,
                                                   std::uint32_t process);

/// An event as a subscriber sees it. The payload is a copy of our own, and is good until the next call for
/// the same subscription.
struct Event {
    Header header;                       ///< as the router stamped it
    std::uint64_t sequence = 0;          ///< counts the topic's events from 1
    std::span<const std::byte> payload;  ///< 0 to 4096 bytes: the publisher's word

    /// Process id of who published it.
    [[nodiscard]] std::uint32_t sender() const noexcept { return header.sender(); }
    /// The topic's id.
    [[nodiscard]] std::uint32_t topic() const noexcept { return header.receiver(); }
    /// Badge of the capability that it was published with.
    [[nodiscard]] std::uint32_t badge() const noexcept { return header.capability(); }
    /// The payload as characters; not checked to be any text.
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(payload.data()), payload.size()};
    }
};

/// A topic's events, as one process follows them. As Waitable it waits for the next.
class KEYWAY_API Subscription : public Waitable {
  public:
    /// Needs READ on the topic. At most 24 a connection. Errors: `no_such_capability`, `expired`,
    /// `wrong_object`, `insufficient_rights`, `limit`, `system`.
    static Result<Subscription> open(Connection& connection, const Capability& topic);

    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    Subscription(Subscription&&) noexcept;
    Subscription& operator=(Subscription&&) noexcept;
    /// Unsubscribes. The capability stays.
    ~Subscription() override;

    /// The next event. Errors: `timeout`; `revoked`, `expired`; `closed` once everything is read of a topic
    /// that has ended; `router_gone`; `corrupt`.
    Result<Event> next(Deadline deadline = Deadline::never());
    /// The next event, or `would_block`; after that the descriptor is armed.
    Result<Event> try_next();
    /// Events that were overwritten before we read them, exactly. Known when the next one is read.
    [[nodiscard]] std::uint64_t lost() const noexcept;

    [[nodiscard]] int descriptor() const noexcept override;
    [[nodiscard]] bool arm() override;
    void disarm() override;

    struct Impl;
    /// The library's own state, for tests and the C interface.
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }
    /// For `open`, and the C interface.
    explicit Subscription(std::unique_ptr<Impl> impl) noexcept;

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyway
