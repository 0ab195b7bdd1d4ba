#pragma once

// A lane: messages between two processes without the router in between.
//
//     keyway::Lane lane = keyway::open_lane(connection, service, {}, Deadline::in(1s)).value();   // one side
//     lane.sender().send(bytes);
//
//     auto offer = connection.receive().value();                                            // the other
//     keyway::Lane lane = keyway::accept_lane(connection, offer).value();
//     keyway::LaneMessage message;
//     lane.receiver().receive(message);
//
// The routed path takes two hops, and the router enforces everything on it. A lane takes one hop, for those
// who hold the right DEVICE on an endpoint's capability. It has a ring each way; both ends may send and
// receive.
//
// WHAT A LANE ENFORCES. Only a holder of DEVICE gets one, and only with the acceptor's consent. The
// receiver's library checks for each message, before it takes it, that the authority is in force (a page that
// only the router can write), that the message is well-formed and the next in sequence, and stamps sender,
// badge and receiver itself from what the router said: a sender can't claim to be somebody else. Revocation,
// expiry and either side's death are in force at once for whatever is taken after that. A sender that writes
// garbage gets `corrupt` at the receiver, and harms nobody else.
//
// WHAT A LANE DOES NOT ENFORCE. The router sees none of the messages. So
//   - A sender and a receiver who conspire are not held to anything. The checks run in the receiver's own
//     process: a receiver that doesn't want them can go on reading the shared memory after a revocation, for
//     as long as the sender goes on writing to it, and both can keep it mapped for ever. Who needs revocation
//     to bind both sides uses the routed path.
//   - Nothing can be carried: no capability is given or handed off on a lane, there are no calls (EXECUTE),
//   no
//     topics, no priorities, and no verdict of the router.
//   - The audit log has runs, not messages: each end counts what it puts in and takes out, the router reads
//     both counts, notes them as runs, and says so when they differ at the end. An end counts what it likes;
//     two who conspire count nothing.
//   - `timestamp` is not stamped (0), and the payload is the sender's, as ever.
//
// THREADS. The sending and the receiving half belong to one thread at a time each; they may be two. Opening
// and accepting are requests: for the thread of the connection's sending half. The lane must not outlive its
// connection. A forked child must not touch it: the memory is not mapped there.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "keyway/api.hpp"
#include "keyway/channel.hpp"
#include "keyway/waitable.hpp"

namespace keyway {

/// How to open or accept a lane.
struct LaneOptions {
    /// Bytes of each of the two rings; a power of two, 16 KiB to 16 MiB. The opener's word counts. It is
    /// charged to the opener's queue bytes, with 8 descriptors.
    std::uint32_t bytes = 64 * 1024;
    /// How long a waiting call spins before it sleeps. 0: sleeps at once.
    std::chrono::nanoseconds spin = std::chrono::microseconds(20);
};

/// A message taken from a lane, copied out: nobody can change it any more. Large; keep one and use it again.
class KEYWAY_API LaneMessage {
  public:
    LaneMessage() = default;
    /// Sender, receiver and badge are the router's word; sequence was checked; timestamp is 0.
    [[nodiscard]] const Header& header() const noexcept { return header_; }
    /// kData or kControl.
    [[nodiscard]] Type type() const noexcept { return Type{header_.type()}; }
    /// Process id of the other end.
    [[nodiscard]] std::uint32_t sender() const noexcept { return header_.sender(); }
    /// Of the capability that the lane was opened with.
    [[nodiscard]] std::uint32_t badge() const noexcept { return header_.capability(); }
    /// What it says, 0 to 4096 bytes: the other process's word. Good until the object is used again or ends.
    [[nodiscard]] std::span<const std::byte> payload() const noexcept {
        return std::span(bytes_).subspan(kLead + limit::kHeaderBytes, header_.length());
    }
    /// The payload as characters; not checked to be any text.
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(payload().data()), payload().size()};
    }

  private:
    friend class LaneReceiver;
    static constexpr std::size_t kLead = 8;  // in the ring 8 bytes lie in front too: the copy runs in step
    Header header_{};
    alignas(
        64) std::byte bytes_[kLead + limit::kHeaderBytes + limit::kPayloadBytes];  // not cleared: it is hot
};

/// The sending half of a lane. As Waitable it waits for room.
class KEYWAY_API LaneSender : public Waitable {
  public:
    struct State;
    /// The lane makes it.
    explicit LaneSender(State& state) noexcept : state_(&state) {}
    LaneSender(const LaneSender&) = delete;
    LaneSender& operator=(const LaneSender&) = delete;
    ~LaneSender() override = default;

    /// Puts a message in and wakes the receiver if it sleeps. Waits for room until the deadline
    /// (`timed_out`). `payload` has at most 4096 bytes, `type` is kData or kControl. Errors, also while
    /// waiting: `peer_gone`, `revoked`, `expired`, `router_gone`, `corrupt`, `bad_argument`. Success says
    /// that it is in the ring, not that it was taken.
    Result<void> send(std::span<const std::byte> payload, Deadline deadline = Deadline::never(),
                      Type type = Type::kData);
    /// The same with a data message of this text.
    Result<void> send(std::string_view text, Deadline deadline = Deadline::never()) {
        return send(std::as_bytes(std::span(text.data(), text.size())), deadline);
    }
    /// The same without waiting: `full` when there is no room.
    Result<void> try_send(std::span<const std::byte> payload, Type type = Type::kData);
    /// Puts a message in and wakes nobody: cheaper by a memory fence. A spinning receiver sees it at once, a
    /// sleeping one after `flush`. `full` when there is no room; it flushes then.
    Result<void> post(std::span<const std::byte> payload, Type type = Type::kData);
    /// Wakes the receiver if it sleeps.
    void flush();

    [[nodiscard]] int descriptor() const noexcept override;
    /// True: there is room for the largest message, or the lane is over.
    [[nodiscard]] bool arm() override;
    void disarm() override;

  private:
    State* state_;
};

/// The receiving half of a lane. As Waitable it waits for messages.
class KEYWAY_API LaneReceiver : public Waitable {
  public:
    struct State;
    /// The lane makes it.
    explicit LaneReceiver(State& state) noexcept : state_(&state) {}
    LaneReceiver(const LaneReceiver&) = delete;
    LaneReceiver& operator=(const LaneReceiver&) = delete;
    ~LaneReceiver() override = default;

    /// Takes the next message. Errors: `timeout`; `peer_gone`, once all that came before was taken;
    /// `revoked`, `expired` and `router_gone`, with which what was not taken is lost; `corrupt`, for ever,
    /// when the peer wrote something impossible. `message` holds nothing useful after an error.
    Result<void> receive(LaneMessage& message, Deadline deadline = Deadline::never());
    /// The same without waiting: `would_block`.
    Result<void> try_receive(LaneMessage& message);

    [[nodiscard]] int descriptor() const noexcept override;
    [[nodiscard]] bool arm() override;
    void disarm() override;

  private:
    State* state_;
};

/// One end of a lane. Its two halves may be used by two threads.
class KEYWAY_API Lane {
  public:
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    Lane(Lane&&) noexcept;
    Lane& operator=(Lane&&) noexcept;
    /// Ends the lane. What was sent before may still be taken by the other side.
    ~Lane();

    /// The half that sends; stays the same when the lane is moved.
    [[nodiscard]] LaneSender& sender() noexcept;
    /// The half that receives; as the sender's.
    [[nodiscard]] LaneReceiver& receiver() noexcept;
    /// Process id of the other end.
    [[nodiscard]] std::uint32_t peer() const noexcept;
    /// Badge of the capability that the lane was opened with.
    [[nodiscard]] std::uint32_t badge() const noexcept;

    struct Impl;
    /// The library's own state, for tests.
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }
    /// For `open_lane` and `accept_lane`, which make it.
    explicit Lane(std::unique_ptr<Impl> impl) noexcept;

  private:
    std::unique_ptr<Impl> impl_;
};

/// Opens a lane to the owner of the endpoint that `capability` is for, and waits until it is accepted.
/// Errors: `no_such_capability`, `expired`, `wrong_object`, `insufficient_rights` (DEVICE is missing),
/// `linearity` (the capability is good for one message only), `bad_argument` (ring size; the endpoint is our
/// own), `limit`, `full` (the owner has no room for the offer), `declined`, `peer_gone`, `timeout`,
/// `revoked`, `router_gone`.
[[nodiscard]] KEYWAY_API Result<Lane> open_lane(Connection& connection, const Capability& capability,
                                                const LaneOptions& options = {},
                                                Deadline deadline = Deadline::never());
/// Takes an offered lane. Of the options only `spin` counts. Errors: `bad_argument` (no offer of a lane),
/// `no_such_capability` (the offer is over), `expired`.
[[nodiscard]] KEYWAY_API Result<Lane> accept_lane(Connection& connection, const Received& offer,
                                                  const LaneOptions& options = {});

}  // namespace keyway
