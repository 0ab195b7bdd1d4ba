// Calls: a message that is answered, and waiting for the answer.

#include "client/connection_impl.hpp"

namespace keyway {

using link::ControlMessage;

Result<Received> Connection::Impl::await_reply(std::uint32_t sequence, std::uint64_t ticket,
                                               Deadline deadline) {
    Result<Received> reply(std::in_place);
    bool replied = false;
    std::optional<Error> failure;
    const auto look = [&] {
        while (receiving.take_from_rings(*reply)) {
            if (reply->is_reply() && reply->badge() == sequence) {
                reply->detach();
                replied = true;
                return true;
            }
            receiving.set_aside(std::move(*reply));
        }
        if (sending.notices_pending()) {
            sending.read_notices();
            failure = sending.take_refusal(ticket);
            if (failure) {
                return true;
            }
            if (sending.take_peer_gone(sequence)) {
                failure = Status::kPeerGone;
                return true;
            }
        }
        if (sending.corrupt() || receiving.corrupt()) {
            failure = Status::kCorrupt;
            return true;
        }
        return false;
    };
    client::Sleeper* const sleepers[] = {&sending.sleeper(), &receiving.sleeper()};
    bool gone = false;
    bool found = false;
    const auto wait = [&] {
        found = wait_until(sleepers, socket.get(), spin, deadline, gone, [&] {
            if (look()) {
                return true;
            }
            receiving.release_all();
            return false;
        });
    };
    wait();
    while (!found && gone && go_on(kSending | kReceiving, gone, deadline)) {
        // That the callee is gone may have been told to nobody. A call that was not judged yet is judged now.
        if (sending.judged(ticket)) {
            const Error why = call_gone_wrong(sequence);
            found = look();
            if (!found && why != Error{Status::kTimeout}) {
                reply = why;
                return reply;
            }
        }
        if (!found) {
            wait();
        }
    }
    if (found) {
        if (!replied) {
            reply = *failure;
        }
        return reply;
    }
    if (gone) {
        sender_gone = receiver_gone = true;
        reply = why_gone();
        return reply;
    }
    // The router forgets the call, so that the callee's answer is refused; what came before that still
    // counts.
    cancel(sequence, ticket);
    if (!look() || !replied) {
        sending.give_up(ticket);
        reply = Status::kTimeout;
    }
    return reply;
}

Error Connection::Impl::call_gone_wrong(std::uint32_t sequence) {
    ControlMessage question;
    question.request = static_cast<std::uint8_t>(Request::kPending);
    question.badge = sequence;
    auto answer = request(question);
    return answer ? Error{Status::kTimeout} : answer.error();
}

Result<Received> Connection::call(const Outgoing& message, Deadline deadline) {
    const Impl::Use use(*impl_, Impl::kSending | Impl::kReceiving);
    if (auto good = Impl::check(message); !good) {
        return good.error();
    }
    Outgoing request = message;
    request.flags |= flag::kExpectsReply;
    const Header header = impl_->header_for(request, deadline);
    auto ticket = impl_->submit(header, request.payload, deadline);
    if (!ticket) {
        return ticket.error() == Error{Status::kWouldBlock} ? Error{Status::kTimeout} : ticket.error();
    }
    impl_->sending.ring_bell();
    return impl_->await_reply(header.sequence(), *ticket, deadline);
}

Result<void> Connection::reply(const Received& call, std::span<const std::byte> payload, Type type) {
    if (!call.is_call()) {
        return Status::kBadArgument;
    }
    Outgoing message;
    message.type = type;
    message.priority = call.header().priority();
    message.flags = flag::kReply | flag::kNoWait;
    message.receiver = call.sender();
    message.capability = call.carried();
    message.payload = payload;
    return send(message);
}

}  // namespace keyway
