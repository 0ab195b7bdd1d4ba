#include "keyway/connection.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "base/crash_point.hpp"
#include "base/ticks.hpp"
#include "client/connection_impl.hpp"
#include "client/raw.hpp"

namespace keyway {

using link::ControlMessage;

namespace {

constexpr auto kDefaultSocket = "/run/keyway/router.sock";
constexpr auto kHandshakePatience = std::chrono::seconds(10);

// Counted up in every child, so that a connection knows that it was inherited. Asking for the pid would be a
// system call for each message.
std::atomic<std::uint32_t> fork_count{0};

std::uint32_t fork_generation() {
    static const int kRegistered = [] {
        return ::pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });
    }();
    static_cast<void>(kRegistered);
    return fork_count.load(std::memory_order_relaxed);
}

}  // namespace

Result<UniqueFd> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Status::kBadArgument;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) {
        return Error::system();
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == EACCES) {
            return Error{Status::kNotConnected, errno};
        }
        return Error::system();
    }
    return socket;
}

Connection::Impl::Impl(UniqueFd control, UniqueFd bell_fd, UniqueFd sender_pipe, UniqueFd receiver_pipe,
                       link::LinkMemory mapped, const ConnectOptions& options)
    : socket(std::move(control)),
      bell(std::move(bell_fd)),
      sender_wake(std::move(sender_pipe)),
      receiver_wake(std::move(receiver_pipe)),
      memory(std::move(mapped)),
      sending(memory, sender_wake.get(), bell.get()),
      receiving(memory, receiver_wake.get(), bell.get()),
      spin(options.spin),
      fork_generation(keyway::fork_generation()) {
    receiving.of = this;
}

Connection::Impl::~Impl() = default;

bool Connection::Impl::usable() const {
    return fork_generation == fork_count.load(std::memory_order_relaxed);
}

Error Connection::Impl::why_gone() const {
    const auto closed = sending.closed();
    return closed && *closed == Error{Status::kCorrupt} ? *closed : Error{Status::kRouterGone};
}

Result<void> Connection::Impl::check(const Outgoing& message) {
    const bool good = message.payload.size() <= limit::kPayloadBytes &&
                      message.priority < limit::kPriorities && (message.flags & ~flag::kAll) == 0 &&
                      name_of(message.type) != "unknown";
    if (!good) {
        return Status::kBadArgument;
    }
    return {};
}

Header Connection::Impl::header_for(const Outgoing& message, Deadline deadline) {
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(message.type));
    header.set_priority(message.priority);
    header.set_flags(message.flags);
    header.set_length(static_cast<std::uint16_t>(message.payload.size()));
    header.set_receiver(message.receiver);
    header.set_capability(message.capability);
    header.set_carried(message.carried);
    header.set_sequence(sending.next_sequence());
    if (message.carried != 0) {
        header.set_timestamp(message.grant.words[0]);
    } else if (!deadline.is_never()) {
        header.set_timestamp(deadline.ns() == 0 ? 1 : deadline.ns());
    }
    return header;
}

Result<std::uint64_t> Connection::Impl::submit(const Header& header, std::span<const std::byte> payload,
                                               Deadline deadline) {
    if (!usable()) {
        return Status::kNotConnected;
    }
    go_on_later(kSending, sender_gone);
    if (sending.notices_pending()) {
        sending.read_notices();
    }
    auto ticket = sending.put(header, payload);
    while (!ticket) {
        client::Sleeper* const sleepers[] = {&sending.sleeper()};
        const auto room = [&] {
            sending.read_notices();
            return sending.has_room(static_cast<std::uint32_t>(payload.size())) || sending.corrupt();
        };
        const bool found = wait_until(sleepers, socket.get(), spin, deadline, sender_gone, room);
        if (sending.corrupt()) {
            return Status::kCorrupt;
        }
        if (!found) {
            if (sender_gone && go_on(kSending, sender_gone, deadline)) {
                continue;
            }
            return sender_gone ? why_gone() : Error{Status::kWouldBlock};
        }
        ticket = sending.put(header, payload);
    }
    return *ticket;
}

// Waits until the router has judged everything up to `ticket`.
Result<void> Connection::Impl::await_judged(std::uint64_t ticket, Deadline deadline) {
    client::Sleeper* const sleepers[] = {&sending.sleeper()};
    const auto judged = [&] {
        // The router doesn't judge when it can't tell of a refusal, so what it tells must be read meanwhile.
        if (sending.notices_pending()) {
            sending.read_notices();
        }
        return sending.judged(ticket) || sending.corrupt();
    };
    while (!wait_until(sleepers, socket.get(), spin, deadline, sender_gone, judged)) {
        if (!sender_gone) {
            return Status::kTimeout;
        }
        if (!go_on(kSending, sender_gone, deadline)) {
            return why_gone();
        }
    }
    if (sending.corrupt()) {
        return Status::kCorrupt;
    }
    sending.read_notices();  // a refusal is told before the submission is given back
    return {};
}

Result<void> Connection::Impl::await_verdict(std::uint64_t ticket, Deadline deadline) {
    auto judged = await_judged(ticket, deadline);
    if (!judged && judged.error() == Error{Status::kTimeout}) {
        // Whether it was delivered must be certain, so the router is asked to give it up and has the last
        // word.
        cancel(0, ticket);
        judged = await_judged(ticket, Deadline::never());
    }
    if (!judged) {
        return judged;
    }
    KEYWAY_CRASH_POINT("verdict.known");
    if (const auto refusal = sending.take_refusal(ticket)) {
        return *refusal;
    }
    return {};
}

Result<void> Connection::Impl::submit_raw(const Header& header, std::span<const std::byte> payload) {
    const Use use(*this, kSending);
    auto ticket = submit(header, payload, Deadline::never());
    if (!ticket) {
        return ticket.error();
    }
    sending.ring_bell();
    return await_verdict(*ticket, Deadline::never());
}

// Sends a message that carries `what`; returns the id under which the receiver has it.
Result<std::uint32_t> Connection::Impl::hand_over(Type type, const Capability& what, const Grant& grant,
                                                  const Capability& to, std::span<const std::byte> payload,
                                                  Deadline deadline) {
    const Use use(*this, kSending);
    Outgoing message = Outgoing::to(to, payload);
    message.type = type;
    message.carried = what.id;
    message.grant = grant;
    if (auto good = check(message); !good) {
        return good.error();
    }
    if (what.id == 0) {
        return Verdict::kNoSuchCarried;
    }
    auto ticket = submit(header_for(message, deadline), payload, deadline);
    if (!ticket) {
        return ticket.error();
    }
    if (type == Type::kQuantum) {
        KEYWAY_CRASH_POINT("sender.submitted");
    }
    sending.ring_bell();
    if (auto verdict = await_verdict(*ticket, deadline); !verdict) {
        return verdict.error();
    }
    const std::uint32_t given = sending.take_granted(*ticket);
    return given != 0 ? Result<std::uint32_t>(given) : Result<std::uint32_t>(Status::kCorrupt);
}

void Connection::Impl::cancel(std::uint32_t sequence, std::uint64_t ticket) {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kCancel);
    message.badge = sequence;
    message.value = ticket;
    [[maybe_unused]] auto done = request(message);
}

// In the submission ring a request is seen at once, on the socket when the router next looks at its sockets.
// But in the ring it would stand behind what was posted before, which may be waiting for room; and a
// cancellation is there to end such waiting.
Result<void> Connection::Impl::ask(const ControlMessage& message) {
    const bool by_ring = message.request != static_cast<std::uint8_t>(Request::kCancel) &&
                         sending.judged(sending.last_ticket());
    if (!by_ring) {
        return link::send_control(socket.get(), message);
    }
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kControl));
    header.set_length(sizeof message);
    auto ticket = submit(header, std::as_bytes(std::span(&message, 1)), Deadline::never());
    if (!ticket) {
        return ticket.error();
    }
    sending.ring_bell();
    auto judged = await_judged(*ticket, Deadline::never());
    // A router that ends may have answered before.
    return judged || judged.error() != Error{Status::kRouterGone} ? judged : Result<void>();
}

Result<link::ReceivedControl> Connection::Impl::request(ControlMessage message) {
    if (!usable()) {
        return Status::kNotConnected;
    }
    const Use use(*this, kSending);
    go_on_later(kSending, sender_gone);
    message.tag = next_tag++;
    auto asked = ask(message);
    KEYWAY_CRASH_POINT("ask.sent");
    while (true) {
        auto reply = asked ? link::receive_control(socket.get(), Deadline::never())
                           : Result<link::ReceivedControl>(asked.error());
        if (!reply) {
            if (reply.error() != Error{Status::kRouterGone}) {
                return reply.error();
            }
            sender_gone = true;
            if (!go_on(kSending, sender_gone, Deadline::never())) {
                return reply.error();
            }
            // With the same tag: if it was carried out already, the router only answers again.
            asked = link::send_control(socket.get(), message);
            continue;
        }
        KEYWAY_CRASH_POINT("ask.answered");
        if (reply->message.tag != message.tag && reply->message.tag != 0) {
            continue;  // of a question that was asked twice
        }
        if (reply->message.status != 0) {
            return Error::from_code(reply->message.status, reply->message.system_error);
        }
        if (reply->message.tag == message.tag) {
            return reply;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------

Connection::Connection(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(const ConnectOptions& options) {
    std::string path = options.socket;
    if (path.empty()) {
        const char* from_environment = std::getenv("KEYWAY_SOCKET");
        path = from_environment != nullptr ? from_environment : kDefaultSocket;
    }
    auto socket = connect_to(path);
    if (!socket) {
        return socket.error();
    }
    ConnectOptions known = options;
    known.socket = path;
    return over(socket->release(), known);
}

Result<Connection> Connection::over(int socket_fd, const ConnectOptions& options) {
    UniqueFd socket(socket_fd);
    const Deadline patience = Deadline::in(kHandshakePatience);
    const link::Geometry geometry{.submission_bytes = options.submission_bytes,
                                  .delivery_bytes = options.delivery_bytes};
    if (!geometry.valid() || options.spin.count() < 0) {
        return Status::kBadArgument;
    }
    ControlMessage hello;
    hello.request = static_cast<std::uint8_t>(Request::kHello);
    hello.submission_bytes = geometry.submission_bytes;
    hello.delivery_bytes = geometry.delivery_bytes;
    // A router that refuses the connection says why before it hangs up, so a failed send is not the answer
    // yet.
    const auto sent = link::send_control(socket.get(), hello);
    auto welcome = link::receive_control(socket.get(), patience);
    if (!welcome) {
        return sent || welcome.error() != Error{Status::kTimeout} ? welcome.error() : sent.error();
    }
    const ControlMessage& answer = welcome->message;
    if (answer.status != 0) {
        return Error::from_code(answer.status, answer.system_error);
    }
    if (answer.version_major != kVersionMajor) {
        return Status::kVersionMismatch;
    }
    if (welcome->fd_count != link::kHelloFds) {
        return Status::kCorrupt;
    }
    const auto fd = [&](link::HelloFd which) -> UniqueFd& {
        return welcome->fds[static_cast<std::size_t>(which)];
    };
    auto memory = link::LinkMemory::map(fd(link::HelloFd::kMemory).get(), geometry);
    if (!memory) {
        return memory.error();
    }
    ControlMessage mapped;
    mapped.request = static_cast<std::uint8_t>(Request::kMapped);
    if (auto told = link::send_control(socket.get(), mapped); !told) {
        return told.error();
    }
    auto sealed = link::receive_control(socket.get(), patience);
    if (!sealed) {
        return sealed.error();
    }
    if (sealed->message.status != 0) {
        return Error::from_code(sealed->message.status, sealed->message.system_error);
    }
    auto impl = std::make_unique<Impl>(
        std::move(socket), std::move(fd(link::HelloFd::kBell)), std::move(fd(link::HelloFd::kSenderWake)),
        std::move(fd(link::HelloFd::kReceiverWake)), std::move(*memory), options);
    impl->self = capability_of(answer);
    impl->again.path = options.socket;
    if (!options.socket.empty()) {
        impl->again.token = answer.get_name();
        impl->again.patience = options.reattach;
    }
    return Connection(std::move(impl));
}

std::uint32_t Connection::id() const noexcept {
    return impl_->self.object;
}
const Capability& Connection::self() const noexcept {
    return impl_->self;
}

// --- sending ---

Result<void> Connection::send(const Outgoing& message, Deadline deadline) {
    const Impl::Use use(*impl_, Impl::kSending);
    if (auto good = Impl::check(message); !good) {
        return good;
    }
    auto ticket = impl_->submit(impl_->header_for(message, deadline), message.payload, deadline);
    if (!ticket) {
        return ticket.error() == Error{Status::kWouldBlock} ? Error{Verdict::kTimedOut} : ticket.error();
    }
    impl_->sending.ring_bell();
    // The message's deadline is in its header, where the router sees to it; a message that carries something
    // has a grant word there instead.
    return impl_->await_verdict(*ticket, message.carried != 0 ? deadline : Deadline::never());
}

Result<void> Connection::try_send(Outgoing message) {
    message.flags |= flag::kNoWait;
    return send(message);
}

Result<std::uint64_t> Connection::post(const Outgoing& message, Deadline deadline,
                                       Deadline message_deadline) {
    const Impl::Use use(*impl_, Impl::kSending);
    if (auto good = Impl::check(message); !good) {
        return good.error();
    }
    auto ticket = impl_->submit(impl_->header_for(message, message_deadline), message.payload, deadline);
    if (ticket) {
        impl_->sending.ring_bell();
    }
    return ticket;
}

Result<std::size_t> Connection::post_batch(std::span<const Outgoing> messages, Deadline deadline) {
    const Impl::Use use(*impl_, Impl::kSending);
    for (const Outgoing& message : messages) {
        if (auto good = Impl::check(message); !good) {
            return good.error();
        }
    }
    std::size_t posted = 0;
    for (const Outgoing& message : messages) {
        const Header header = impl_->header_for(message, Deadline::never());
        auto ticket = impl_->submit(header, message.payload, Deadline::now());
        if (!ticket && ticket.error() == Error{Status::kWouldBlock}) {
            impl_->sending.ring_bell();  // the router makes the room that we are waiting for
            ticket = impl_->submit(header, message.payload, deadline);
        }
        if (!ticket) {
            if (ticket.error() != Error{Status::kWouldBlock}) {
                return ticket.error();
            }
            break;
        }
        ++posted;
    }
    impl_->sending.ring_bell();
    return posted;
}

Result<void> Connection::flush(Deadline deadline) {
    const Impl::Use use(*impl_, Impl::kSending);
    if (!impl_->usable()) {
        return Status::kNotConnected;
    }
    impl_->go_on_later(Impl::kSending, impl_->sender_gone);
    return impl_->await_judged(impl_->sending.last_ticket(), deadline);
}

std::optional<Refusal> Connection::next_refusal() {
    const Impl::Use use(*impl_, Impl::kSending);
    return impl_->sending.next_refusal();
}

// --- receiving ---

Result<Received> Connection::receive(Deadline deadline) {
    const Impl::Use use(*impl_, Impl::kReceiving);
    Result<Received> message(std::in_place);
    if (!impl_->usable()) {
        message = Status::kNotConnected;
        return message;
    }
    impl_->go_on_later(Impl::kReceiving, impl_->receiver_gone);
    bool taken = false;
    client::Sleeper* const sleepers[] = {&impl_->receiving.sleeper()};
    bool found = false;
    do {
        found = wait_until(sleepers, impl_->socket.get(), impl_->spin, deadline, impl_->receiver_gone, [&] {
            taken = impl_->receiving.take(*message);
            if (taken || impl_->receiving.corrupt()) {
                return true;
            }
            impl_->receiving.release_all();
            return false;
        });
    } while (!found && impl_->receiver_gone &&
             impl_->go_on(Impl::kReceiving, impl_->receiver_gone, deadline));
    if (!taken) {
        if (found) {
            message = Status::kCorrupt;
        } else {
            message = impl_->receiver_gone ? impl_->late_or_gone(deadline) : Error{Status::kTimeout};
        }
    }
    return message;
}

Result<Received> Connection::try_receive() {
    const Impl::Use use(*impl_, Impl::kReceiving);
    Result<Received> message(std::in_place);
    if (!impl_->usable()) {
        message = Status::kNotConnected;
        return message;
    }
    ReceivingHalf& half = impl_->receiving;
    if (half.take(*message)) {
        return message;
    }
    if (!arm()) {
        message = Status::kWouldBlock;
    } else if (!half.take(*message)) {  // it may have come between the look and the announcement
        message = half.corrupt()         ? Status::kCorrupt
                  : impl_->receiver_gone ? Status::kRouterGone
                                         : Status::kWouldBlock;
    }
    return message;
}

bool Connection::arm() {
    const Impl::Use use(*impl_, Impl::kReceiving);
    ReceivingHalf& half = impl_->receiving;
    impl_->go_on_later(Impl::kReceiving, impl_->receiver_gone);
    half.release_all();
    half.sleeper().quiet();
    half.sleeper().announce();
    if (half.ready() || half.corrupt()) {
        return true;
    }
    pollfd hung_up{impl_->socket.get(), POLLRDHUP, 0};
    if (::poll(&hung_up, 1, 0) == 1 && (hung_up.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        impl_->receiver_gone = true;
        if (impl_->go_on(Impl::kReceiving, impl_->receiver_gone, Deadline::never())) {
            half.sleeper().announce();
            return half.ready() || half.corrupt();
        }
    }
    return impl_->receiver_gone;
}

void Connection::disarm() {
    const Impl::Use use(*impl_, Impl::kReceiving);
    impl_->receiving.sleeper().retract();
}

// What was set aside for `receive` by a call rings no bell, so looking is part of it.
bool Connection::still_armed() const {
    const Impl::Use use(*impl_, Impl::kReceiving);
    const ReceivingHalf& half = impl_->receiving;
    return impl_->receiving.sleeper().announced() && !half.ready() && !half.corrupt() &&
           !impl_->receiver_gone;
}

Result<std::vector<Received>> Connection::receive_batch(std::size_t most, Deadline deadline) {
    std::vector<Received> messages;
    if (most == 0) {
        return messages;
    }
    auto first = receive(deadline);
    if (!first) {
        return first.error();
    }
    messages.push_back(std::move(*first));
    while (messages.size() < most) {
        if (!impl_->receiving.take(messages.emplace_back())) {
            messages.pop_back();
            break;
        }
    }
    return messages;
}

int Connection::descriptor() const noexcept {
    return impl_->receiver_wake.get();
}

Result<void> raw::submit(Connection& connection, const Header& header, std::span<const std::byte> payload) {
    return connection.impl().submit_raw(header, payload);
}

}  // namespace keyway
