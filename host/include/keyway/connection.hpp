#pragma once

// A process's connection to a router: send, receive, call, reply.
//
//     #include <keyway/connection.hpp>
//
//     auto connection = keyway::Connection::open().value();
//     auto echo = connection.lookup("echo").value();                       // policy says whether we may
//     auto answer = connection.call(echo, "hello", keyway::Deadline::in(1s));
//
// WHAT A CONNECTION IS. To the router each connection is a process with an id, a home endpoint of the same
// number, to which replies go, and its own capabilities. A program may have several; they share nothing.
//
// HALVES AND THREADS. A connection has a sending half (send, post, flush, lookups and all other requests) and
// a receiving half (receive, try_receive, descriptor). Each half belongs to one thread at a time; the two
// halves may be used by two threads at once. `call` and `call_view` use both. Nothing else is shared, there
// are no locks: threads which all want to send take a connection each, that is cheap.
//
// WHO IS TRUSTED. The router is: it wrote every byte that `receive` shows. What is in a payload comes from
// another process and deserves the distrust that anything from a socket does. `badge()` and `sender()` can't
// be forged by the sender.
//
// WAITING. A call that waits spins for `spin` first and then sleeps in the kernel. It returns at the
// deadline, and at once when the router dies (`router_gone`) or the callee does (`peer_gone`).
//
// WHEN THE ROUTER DIES. If it keeps its state and another follows it, the connection goes on with that by
// itself, with the same id, capabilities, queues and subscriptions (ConnectOptions::reattach). Nothing that
// was accepted is lost or doubled, and what was only submitted is judged by the next. Lanes, streams,
// counters and traces end with `router_gone`; open them anew.
//
// FORKING. A child must not use its parent's connection: it shares the rings with it, and two producers on
// one ring garble it. The library notices and answers `not_connected` in the child.

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keyway/api.hpp"
#include "keyway/deadline.hpp"
#include "keyway/protocol.hpp"
#include "keyway/result.hpp"
#include "keyway/waitable.hpp"

namespace keyway {

/// How to connect.
struct ConnectOptions {
    /// Path of the router's socket. Empty: $KEYWAY_SOCKET, else /run/keyway/router.sock.
    std::string socket{};
    /// Bytes of the ring for what this process sends; a power of two, 16 KiB to 16 MiB.
    std::uint32_t submission_bytes = 64 * 1024;
    /// Bytes of each of the four rings (one a priority) for what it receives; as above.
    std::uint32_t delivery_bytes = 64 * 1024;
    /// How long a waiting call spins before it sleeps. 0: sleeps at once.
    std::chrono::nanoseconds spin = std::chrono::microseconds(20);
    /// A router that keeps its state (keywayd --state) can die and be followed by another that goes on where
    /// it ended. For so long a call that finds it dead waits for that, within its own deadline, and then goes
    /// on as if nothing had happened. 0: the call ends at once with `router_gone`, and a later one goes on;
    /// whether what was sent meanwhile was delivered is open then, so don't send it again blindly.
    std::chrono::nanoseconds reattach{0};
};

/// An authority as this process holds it.
struct Capability {
    std::uint32_t id = 0;         ///< to be named in messages; no secret, useless to others
    std::uint32_t object = 0;     ///< endpoint, or whatever `kind` says
    Kind kind = Kind::kEndpoint;  ///< of `object`
    std::uint8_t rights = 0;      ///< bits of `keyway::right`
    std::uint32_t badge = 0;      ///< what receivers see in its place
};

/// What a derived capability shall allow.
struct Terms {
    std::uint8_t rights = 0;  ///< bits of `keyway::right`, no more than the parent's
    std::uint32_t badge = 0;  ///< what receivers see in its place
    /// 0: as long as the parent. Rounded up to router ticks (16.8 ms), at most 203 days.
    std::chrono::nanoseconds lifetime{0};
    /// Messages that it authorises before it ends; 0: any number. What has a use count is never copied. With
    /// more than one use, what `give` makes has GRANT too, so that its holder can move it on like a ticket.
    std::uint32_t uses = 0;
};

/// An endpoint of our own.
struct Endpoint {
    std::uint32_t id = 0;   ///< its number at the router, which messages to it name as their receiver
    Capability capability;  ///< all rights over it: derive from it to let others send
};

/// A message to be sent. `payload` is read during the call only.
struct Outgoing {
    Type type = Type::kData;               ///< kQuantum and kCapability need `carried`, kEvent a topic
    std::uint8_t priority = 1;             ///< 0 to 3
    std::uint8_t flags = 0;                ///< bits of `keyway::flag`
    std::uint32_t receiver = 0;            ///< the object of the capability
    std::uint32_t capability = 0;          ///< id of the authority
    std::uint32_t carried = 0;             ///< id of a capability that is given along, 0: none
    Grant grant{};                         ///< what becomes of `carried`
    std::span<const std::byte> payload{};  ///< 0 to 4096 bytes

    ///@{
    /// A data message to the capability's object, with the capability as its authority.
    [[nodiscard]] static Outgoing to(const Capability& capability, std::span<const std::byte> payload) {
        Outgoing message;
        message.receiver = capability.object;
        message.capability = capability.id;
        message.payload = payload;
        return message;
    }
    [[nodiscard]] static Outgoing to(const Capability& capability, std::string_view text) {
        return to(capability, std::as_bytes(std::span(text.data(), text.size())));
    }
    ///@}
};

/// A message that came in. A payload over 64 bytes lies in the delivery ring, where the router put it, until
/// this object goes, or `release()` or `detach()` is called. The ring is given back in order, so who keeps
/// one such message keeps the room of all that came after it: `detach()` what is to be kept. Smaller
/// payloads, what comes while another of its priority lies there, and replies to our own calls are copied
/// out. Must not outlive its connection unless detached.
class KEYWAY_API Received {
  public:
    Received() noexcept {}  // NOLINT(modernize-use-equals-default): that would clear all of it first
    Received(Received&& other) noexcept;
    Received& operator=(Received&& other) noexcept;
    Received(const Received&) = delete;
    Received& operator=(const Received&) = delete;
    ~Received() { release(); }

    /// As the router delivered it; what the fields mean here stands at the functions below.
    [[nodiscard]] const Header& header() const noexcept { return header_; }
    /// What kind of message it is; the router has checked it.
    [[nodiscard]] Type type() const noexcept { return Type{header_.type()}; }
    /// Process id of the sender, stamped by the router; 0: the router itself.
    [[nodiscard]] std::uint32_t sender() const noexcept { return header_.sender(); }
    /// Which of our endpoints it was sent to.
    [[nodiscard]] std::uint32_t receiver() const noexcept { return header_.receiver(); }
    /// The badge of the capability that it was sent with: who the grantor says the sender is.
    [[nodiscard]] std::uint32_t badge() const noexcept { return header_.capability(); }
    /// Id of the capability that came along and is now ours: for a call the reply capability. 0: none.
    [[nodiscard]] std::uint32_t carried() const noexcept { return header_.carried(); }
    /// The sender waits for an answer: `Connection::reply`.
    [[nodiscard]] bool is_call() const noexcept { return (header_.flags() & flag::kExpectsReply) != 0; }
    /// It answers a call; from `receive` only if the call was given up before.
    [[nodiscard]] bool is_reply() const noexcept { return (header_.flags() & flag::kReply) != 0; }
    /// ns of the router's CLOCK_MONOTONIC at acceptance.
    [[nodiscard]] std::uint64_t timestamp() const noexcept { return header_.timestamp(); }
    /// What it says, 0 to 4096 bytes: the sender's word. Good until `release()`, or the end or move of this
    /// object.
    [[nodiscard]] std::span<const std::byte> payload() const noexcept { return payload_; }
    /// The payload as characters; not checked to be any text.
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(payload_.data()), payload_.size()};
    }
    /// Gives the room back. The payload is gone after that, the header stays.
    void release() noexcept;
    /// Copies the payload out of the ring, if it is there, and gives the room back.
    void detach();

  private:
    friend class Connection;
    friend class ReceivingHalf;
    static constexpr std::size_t kInlineBytes = 64;

    void take_from(Received& other) noexcept;

    Header header_{};
    std::span<const std::byte> payload_;
    std::array<std::byte, kInlineBytes> small_;  // holds a small payload; not cleared, it is hot
    std::unique_ptr<std::byte[]> copy_;          // holds one that was detached
    class ReceivingHalf* in_ = nullptr;          // whose ring it lies in otherwise
    std::uint8_t level_ = 0;
};

/// A posted message that was not delivered.
struct Refusal {
    std::uint64_t ticket = 0;           ///< what `post` returned for it
    Error reason{Verdict::kMalformed};  ///< the router's verdict
};

/// A process at the router. See the top of this header for its halves, threads and trust.
class KEYWAY_API Connection : public Waitable {
  public:
    /// Connects to a router's socket. Errors: `not_connected` (nobody listens), `not_allowed`, `limit`,
    /// `version_mismatch`, `bad_argument` (ring sizes), `system`.
    static Result<Connection> open(const ConnectOptions& options = {});
    /// The same over a socket that is connected already, e.g. from `Router::connect`. Takes the descriptor.
    static Result<Connection> over(int socket, const ConnectOptions& options = {});

    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection() override;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Our process id at the router, which is the id of our home endpoint too.
    [[nodiscard]] std::uint32_t id() const noexcept;
    /// All rights over the home endpoint.
    [[nodiscard]] const Capability& self() const noexcept;

    // --- names (sending half) ---

    /// Makes an endpoint that others can look up. Errors: `bad_name`, `name_taken`, `not_allowed`, `limit`.
    Result<Endpoint> register_endpoint(std::string_view name);
    /// A capability for a named endpoint, with the rights and badge that the policy gives us. Errors:
    /// `no_such_name`, also when the policy doesn't let us see it; `bad_name`; `table_full`.
    Result<Capability> lookup(std::string_view name);
    /// Closes an endpoint of ours: all capabilities for it end. `bad_argument` when it is not ours.
    Result<void> close_endpoint(std::uint32_t endpoint);

    // --- sending (sending half) ---

    /// Sends and waits for the router's verdict; with room at the receiver that is one hop. If the receiver's
    /// queue is full, waits for room until the deadline (`timed_out`), unless `flags` has kNoWait (`full`).
    Result<void> send(const Outgoing& message, Deadline deadline = Deadline::never());
    /// `send` that never waits for room.
    Result<void> try_send(Outgoing message);
    /// Hands the message to the router and doesn't wait for the verdict. Returns a ticket. Waits only for
    /// room in our own submission ring, until `deadline` (`would_block`). The router takes messages in order;
    /// one without kNoWait that waits for room holds up those behind it, until `message_deadline`.
    Result<std::uint64_t> post(const Outgoing& message, Deadline deadline = Deadline::never(),
                               Deadline message_deadline = Deadline::never());
    /// Posts several and rings the router's bell at most once. Returns how many found room; fewer than asked
    /// for only when the deadline passed.
    Result<std::size_t> post_batch(std::span<const Outgoing> messages, Deadline deadline = Deadline::never());
    /// Waits until the router has judged everything that was posted.
    Result<void> flush(Deadline deadline = Deadline::never());
    /// The next posted message that is known not to have been delivered, oldest first. `call` and `send`
    /// report their own. Posts that are not here after `flush` were delivered.
    std::optional<Refusal> next_refusal();

    /// Calls and waits for the reply. Messages that come in meanwhile are set aside for `receive`. Errors:
    /// every verdict, `peer_gone` (the callee died or gave the call up), `timeout`, `router_gone`.
    Result<Received> call(const Outgoing& message, Deadline deadline = Deadline::never());
    /// The same with a data message of this text.
    Result<Received> call(const Capability& capability, std::string_view text,
                          Deadline deadline = Deadline::never()) {
        return call(Outgoing::to(capability, text), deadline);
    }
    /// Answers a call. Each call can be answered once. Never waits for room: a caller that doesn't drain its
    /// ring gets `full`, and the answer may be tried again.
    Result<void> reply(const Received& call, std::span<const std::byte> payload, Type type = Type::kData);
    /// The same with a data message of this text.
    Result<void> reply(const Received& call, std::string_view text) {
        return reply(call, std::as_bytes(std::span(text.data(), text.size())));
    }

    // --- receiving (receiving half) ---

    /// The next message, by priority. Errors: `timeout`, `router_gone`, `corrupt`.
    Result<Received> receive(Deadline deadline = Deadline::never());
    /// The next message or `would_block`. After `would_block` the descriptor is armed.
    Result<Received> try_receive();
    /// Up to `most` messages; waits for the first only.
    Result<std::vector<Received>> receive_batch(std::size_t most, Deadline deadline = Deadline::never());
    /// Readable (epoll, poll, select) once a message has come after `try_receive` said `would_block`; don't
    /// read from it. Drain with `try_receive` until `would_block`, then wait again.
    [[nodiscard]] int descriptor() const noexcept override;
    /// Waits for messages as any Waitable; `try_receive` does the same on the way. True also when the router
    /// has gone: the next receive says so.
    [[nodiscard]] bool arm() override;
    void disarm() override;
    [[nodiscard]] bool still_armed() const override;

    // --- authority (sending half) ---

    /// Derives a capability with fewer or equal rights and gives it to the owner of the endpoint `to`, which
    /// gets a capability message with `payload`. Needs GRANT on `from` and WRITE on `to`. Returns the new id,
    /// for `revoke`. `lifetime` 0: as long as `from`; rounded up to router ticks (16.8 ms).
    Result<std::uint32_t> give(const Capability& from, const Capability& to, std::uint8_t rights,
                               std::uint32_t badge, std::chrono::nanoseconds lifetime = {},
                               std::span<const std::byte> payload = {},
                               Deadline deadline = Deadline::never());
    /// The same, with a use count. With one other than 0 and 1 that is two steps, `derive` and `move`; when
    /// the second fails the first is undone.
    Result<std::uint32_t> give(const Capability& from, const Capability& to, const Terms& terms,
                               std::span<const std::byte> payload = {},
                               Deadline deadline = Deadline::never());
    /// Derives a capability for ourselves, to be used, or moved to somebody. Needs GRANT. Errors:
    /// `no_such_carried`, `carried_expired`, `linearity` (one with a use count has no children),
    /// `not_grantable`, `amplified`, `table_full`; `bad_argument` for a lifetime below 0 or over 203 days.
    Result<Capability> derive(const Capability& from, const Terms& terms);
    /// Gives `capability` itself to the owner of the endpoint `to`, in a capability message with `payload`:
    /// it is theirs, under a new id, which is returned, and no longer ours. Needs GRANT on it, or QUANTUM if
    /// it is linear, and WRITE on `to`. What we derived from it must have been revoked: `not_grantable`.
    Result<std::uint32_t> move(const Capability& capability, const Capability& to,
                               std::span<const std::byte> payload = {},
                               Deadline deadline = Deadline::never());
    /// Ends `descendant`, which was derived from `authority`, or, with 0, all that was. Needs REVOKE on
    /// `authority`. Complete on return: nothing authorised by it is delivered later. Returns how many ended.
    Result<std::uint32_t> revoke(const Capability& authority, std::uint32_t descendant = 0);
    /// Administrators only: ends any capability, by id.
    Result<std::uint32_t> revoke_any(std::uint32_t capability);
    /// Administrators only: derives a capability for a named endpoint, for `process`.
    Result<std::uint32_t> grant(std::string_view endpoint, std::uint32_t process, std::uint8_t rights,
                                std::uint32_t badge, std::chrono::nanoseconds lifetime = {});
    /// Gives up a capability of ours, and what was derived from it.
    Result<void> release(std::uint32_t capability);
    /// What one of our capabilities is; `no_such_capability` when it is not ours (any more).
    Result<Capability> inspect(std::uint32_t capability);
    /// What we may see of the router's state, as JSON (docs/tool.md describes it).
    Result<std::string> list();

    struct Impl;
    /// The library's own state, for `keyway::raw` and for tests.
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }

  private:
    explicit Connection(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyway
