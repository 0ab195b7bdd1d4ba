#pragma once

// A service in a few lines: a name, methods by number, limits, and an end at which nothing is left
// unanswered.
//
//     auto connection = keyway::Connection::open().value();
//     auto service = keyway::Service::open(connection, "echo").value();
//     service.on(1, [](const keyway::Call& call) { return std::string(call.text()); });
//     service.run().value();
//
// and on the other side
//
//     keyway::ServiceClient echo(connection, connection.lookup("echo").value());
//     auto answer = echo.call(1, "hello", keyway::Deadline::in(1s));    // Result<std::string>
//
// WIRE FORMAT. A request is the method's number, 4 bytes little-endian, then the argument. A reply is one
// byte, 0 for success and otherwise the number of a verdict or status of the contract, then the result, which
// is empty after a failure. So a refusal reaches the caller as a named error and can't be taken for a result.
// The service says `malformed` (shorter than 4 bytes, or a reply of no sense), `no_such_method`,
// `bad_argument` (argument over the limit), `limit` (the sender calls too often), `service_failed` (the
// handler threw, or its result is too long), and whatever error a handler returns.
//
// WHOM IT TRUSTS. Not its callers: each is known by its badge, has a queue of its own and gets no more than
// its share, however much it sends. A caller that doesn't drain its ring loses its answer (`unanswered`).
//
// THREADS. A service belongs to one thread and uses both halves of its connection, which should serve nothing
// else: it takes all messages that come in. Only `stop()` may be called from elsewhere. The connection must
// stay where it is, and outlive the service.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "keyway/api.hpp"
#include "keyway/connection.hpp"
#include "keyway/wait_set.hpp"

namespace keyway {

/// What a service takes from its callers.
struct ServiceOptions {
    /// Calls of one sender that are handled in a row while others wait; at least 1.
    std::uint32_t burst = 16;
    /// Bytes of an argument, 0 to 4092.
    std::uint32_t argument_bytes = limit::kPayloadBytes - 4;
    /// Requests that are taken in and wait to be handled; at least 1. More stay in the connection's ring, and
    /// when that is full, with their senders.
    std::uint32_t pending = 1024;
    /// Calls a second that each sender may make on average; 0: no limit. More get `limit`.
    std::uint32_t calls_per_second = 0;
    /// Calls that a sender may make at once after a pause, when there is a limit; at least 1.
    std::uint32_t calls_at_once = 64;
};

/// A request as its handler sees it. Valid during the handler only.
struct Call {
    std::uint32_t method = 0;               ///< what is called
    std::span<const std::byte> argument{};  ///< the sender's word, at most `ServiceOptions::argument_bytes`
    std::uint32_t sender = 0;               ///< process id, stamped by the router
    std::uint32_t badge = 0;                ///< who the grantor of its capability says it is
    bool wants_reply = true;                ///< false: a one-way message; the result is dropped

    /// The argument as characters; not checked to be any text.
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(argument.data()), argument.size()};
    }
};

/// What a service has done since it was opened.
struct ServiceCounters {
    std::uint64_t handled = 0;     ///< handlers that returned a result
    std::uint64_t failed = 0;      ///< handlers that returned an error or threw
    std::uint64_t refused = 0;     ///< requests that no handler saw
    std::uint64_t unanswered = 0;  ///< answers that could not be delivered
};

/// A service with methods: see the top of this header.
class KEYWAY_API Service : public Waitable {
  public:
    /// Result of up to 4095 bytes, or an error, which reaches the caller as it is.
    using Handler = std::function<Result<std::string>(const Call&)>;

    /// Registers `name`. Errors: those of `Connection::register_endpoint`; `bad_argument` (options);
    /// `system`.
    static Result<Service> open(Connection& connection, std::string_view name,
                                const ServiceOptions& options = {});
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) noexcept;
    Service& operator=(Service&&) noexcept;
    /// Closes the endpoint. Who still waits for an answer gets `peer_gone`.
    ~Service() override;

    /// What is to be done for a method; replaces an older handler. Not to be called by a handler.
    void on(std::uint32_t method, Handler handler);

    /// Serves until `stop()`. Then answers everything that was delivered before, and closes the endpoint.
    /// Errors: `router_gone`, `corrupt`, `system`.
    Result<void> run();
    /// For loops of one's own: waits for requests until the deadline, handles at most `pending` of them, and
    /// returns how many; 0 after the deadline, or after `stop()`. Errors as `run`.
    Result<std::size_t> step(Deadline deadline = Deadline::now());
    /// Answers what was delivered and closes the endpoint: what `run` does at its end. Once closed, nothing
    /// more comes.
    Result<void> close();
    /// Ends `run`. From any thread, from handlers and from signal handlers; the service must be alive and
    /// not be moved meanwhile.
    void stop() noexcept;

    /// The endpoint that callers look up; as it was, also after `close()`.
    [[nodiscard]] const Endpoint& endpoint() const noexcept;
    /// Kept up to date by `run` and `step`; for the same thread.
    [[nodiscard]] const ServiceCounters& counters() const noexcept;

    /// For a WaitSet: ready when `step()` has something to do.
    [[nodiscard]] int descriptor() const noexcept override;
    [[nodiscard]] bool arm() override;
    void disarm() override;
    [[nodiscard]] bool still_armed() const override;

  private:
    struct Impl;
    explicit Service(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

/// Calls the methods of a Service. Cheap; must not outlive its connection.
class KEYWAY_API ServiceClient {
  public:
    /// `capability` is for the service's endpoint, with EXECUTE to call and WRITE to send.
    ServiceClient(Connection& connection, const Capability& capability)
        : connection_(&connection), capability_(capability) {}

    /// Errors: those of `Connection::call`, those in "wire format" above, and the handler's own.
    /// `bad_argument` when the argument is over 4092 bytes.
    [[nodiscard]] Result<std::string> call(std::uint32_t method, std::span<const std::byte> argument,
                                           Deadline deadline = Deadline::never());
    /// The same with a text as argument.
    [[nodiscard]] Result<std::string> call(std::uint32_t method, std::string_view text = {},
                                           Deadline deadline = Deadline::never()) {
        return call(method, std::as_bytes(std::span(text.data(), text.size())), deadline);
    }
    /// One-way: no reply, no word of what the handler made of it. Errors as `Connection::send`.
    Result<void> send(std::uint32_t method, std::string_view text = {},
                      Deadline deadline = Deadline::never());

  private:
    Connection* connection_;
    Capability capability_;
};

}  // namespace keyway
