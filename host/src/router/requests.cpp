// What processes ask of the router itself: on their control sockets, or in a record of the submission ring,
// which a router that is awake sees at once (link/control.hpp has the rule). Either way the answer goes out
// on the socket, and is complete when it is sent: a revocation that was answered is in force.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crash_point.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using link::ControlMessage;
using router::Answer;
using router::Link;

namespace {

constexpr int kRequestsPerTurn = 16;

// A pipe whose writing end never blocks us and belongs to nobody else.
Result<void> make_wake_pipe(UniqueFd& mine, UniqueFd& theirs) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return Error::system();
    }
    theirs.reset(ends[0]);
    mine.reset(ends[1]);
    return {};
}

// What takes authority away, or only looks, is done also when it can't be written down at once.
bool gives_authority(Request what) {
    switch (what) {
        case Request::kClose:
        case Request::kRevoke:
        case Request::kRelease:
        case Request::kList:
        case Request::kCancel:
        case Request::kInspect:
        case Request::kPending:
        case Request::kRegionUnmap:
        case Request::kRegionCut:
        case Request::kUnsubscribe:
            return false;
        default:
            return true;
    }
}

}  // namespace

void Router::Impl::serve(Link& link) {
    const std::uint32_t serial = link.serial;
    const core::ProcessId id = link.id;
    for (int i = 0; i < kRequestsPerTurn && (i == 0 || !control_share_used()); ++i) {
        if (requests_wait()) {
            return;  // the socket is reported again, until the log's writer has caught up
        }
        ControlMessage request;
        iovec part{&request, sizeof request};
        msghdr packet{};
        packet.msg_iov = &part;
        packet.msg_iovlen = 1;
        // No room for descriptors is given, so the kernel closes any that come along and says so.
        const ssize_t size = ::recvmsg(link.socket.get(), &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size <= 0) {
            return;  // nothing more, or a hang-up, which epoll reports too
        }
        Answer reply(request);
        if ((packet.msg_flags & MSG_CTRUNC) != 0) {
            reply.fail(Status::kUnwantedDescriptors);
        } else if (static_cast<std::size_t>(size) != sizeof request || (packet.msg_flags & MSG_TRUNC) != 0 ||
                   request.magic != kMagic) {
            reply.fail(Status::kBadRequest);
        } else if (static_cast<Request>(request.request) == Request::kHello && request.object != 0 &&
                   link.state == Link::State::kGreeting) {
            begin_return(link, request);
            return;
        } else {
            answer(link, request, reply);
            settle_request(link, 0);
        }
        if (!link::send_control(link.socket.get(), reply.message, reply.fds())) {
            // It asks and doesn't listen. Nothing of ours waits for it.
            close_link(link, Status::kBadRequest);
            return;
        }
        if (link.state == Link::State::kAway) {
            stay_away(link);
            return;
        }
        if (link.state == Link::State::kGreeting && reply.message.status != 0) {
            close_link(link, Error::from_code(reply.message.status));
            return;
        }
        if (link_of(id) == nullptr || link_of(id)->serial != serial) {
            return;
        }
    }
}

// Answers a request that came as a record. Never closes the link: a pass over the links may be under way.
void Router::Impl::serve_record(Link& link, const ControlMessage& request, std::uint64_t ticket) {
    if (link.closing) {
        settle_request(link, ticket);
        return;  // nobody is left to be answered
    }
    Answer reply(request);
    if (request.magic != kMagic) {
        reply.fail(Status::kBadRequest);
    } else {
        answer(link, request, reply);
    }
    settle_request(link, ticket);
    KEYWAY_CRASH_POINT("answer.done");
    if (!link::send_control(link.socket.get(), reply.message, reply.fds())) {
        doom(link, Status::kBadRequest);
    }
}

void Router::Impl::answer(Link& link, const ControlMessage& request, Answer& reply) {
    const auto what = static_cast<Request>(request.request);
    const bool greeting = what == Request::kHello || what == Request::kMapped;
    if (!greeting && answer_again(link, what, request, reply)) {
        return;
    }
    Result<void> done = Status::kBadRequest;
    if (greeting || link.state == Link::State::kLive) {
        serving_ = request.request;
        done = gives_authority(what) && log_fails() ? Status::kAuditUnavailable
                                                    : dispatch(link, what, request, reply);
        serving_ = 0;
    }
    if (!done) {
        reply.fail(done.error());
    }
    if (audit_ != nullptr && !greeting) {
        note_request(link, request, reply);
    }
    if (keeping_ != nullptr && !greeting && link.state == Link::State::kLive) {
        keep_request(link, what, request, reply);
    }
}

Result<void> Router::Impl::dispatch(Link& link, Request what, const ControlMessage& request, Answer& reply) {
    switch (what) {
        case Request::kHello:
            return say_hello(link, request, reply);
        case Request::kMapped:
            return link.state == Link::State::kAway ? end_return(link, request) : seal(link);
        case Request::kRegister:
            return register_endpoint(link, request, reply);
        case Request::kLookup:
            return lookup(link, request, reply);
        case Request::kClose:
            return close_named(link, request);
        case Request::kGrant:
            return grant(link, request, reply);
        case Request::kRevoke:
            return revoke(link, request, reply);
        case Request::kRelease:
            return release(link, request.capability);
        case Request::kInspect:
            return inspect(link, request.capability, reply);
        case Request::kDerive:
            return derive(link, request, reply);
        case Request::kRegionCreate:
            return create_region(link, request, reply);
        case Request::kRegionMap:
            return map_region(link, request, reply);
        case Request::kRegionUnmap:
            return unmap_region(link, request);
        case Request::kRegionFresh:
            return freshen_region(link, request, reply);
        case Request::kRegionMoved:
            return move_region(link, request, reply);
        case Request::kRegionCut:
            return cut_region(link, request);
        case Request::kTopic:
            return make_topic(link, request, reply);
        case Request::kSubscribe:
            return subscribe(link, request, reply);
        case Request::kUnsubscribe:
            return unsubscribe(link, request);
        case Request::kTopicRing:
            return show_topic_ring(link, request, reply);
        case Request::kPrepare:
            return prepare_qubit(link, request, reply);
        case Request::kReclaim:
            return reclaim_qubit(link, request, reply);
        case Request::kQubit:
            return show_qubit(link, request, reply);
        case Request::kCancel:
            cancel(link, request);
            return {};
        case Request::kPending:
            return pending_call(link, request.badge);
        case Request::kList:
            return list(link, reply);
        case Request::kObserve:
            return observe(link, reply);
        case Request::kCounters:
            return open_counters(link, request, reply);
        case Request::kTrace:
            return open_trace(link, request, reply);
        case Request::kOpenChannel:
            return open_channel(link, request, reply);
        case Request::kAcceptChannel:
            return accept_channel(link, request, reply);
    }
    return Status::kBadRequest;
}

Result<void> Router::Impl::list(const Link& link, Answer& reply) const {
    const std::string text = listing(link);
    UniqueFd file(::memfd_create("keyway-list", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return Error::system();
    }
    reply.message.value = text.size();
    reply.attach(std::move(file));
    return {};
}

Result<void> Router::Impl::say_hello(Link& link, const ControlMessage& request, Answer& reply) {
    if (link.state != Link::State::kGreeting) {
        return Status::kBadRequest;
    }
    if (request.version_major != kVersionMajor) {
        return Status::kVersionMismatch;
    }
    const link::Geometry geometry{.submission_bytes = request.submission_bytes,
                                  .delivery_bytes = request.delivery_bytes};
    if (!geometry.valid()) {
        return Status::kBadArgument;
    }
    router::User& user = *link.user;
    const std::uint64_t bytes = geometry.total();
    if (bytes > policy_.process.queue_bytes || user.queue_bytes + bytes > policy_.user.queue_bytes ||
        router::kDescriptorsPerLink > policy_.process.descriptors ||
        user.descriptors + router::kDescriptorsPerLink > policy_.user.descriptors) {
        log("uid " + std::to_string(link.uid) + " has reached its limit of queue bytes or descriptors");
        return Status::kLimit;
    }
    int memory_fd = -1;
    auto memory = link::LinkMemory::create(geometry, memory_fd);
    if (!memory) {
        return memory.error();
    }
    link.memory_fd.reset(memory_fd);
    UniqueFd sender_end;
    UniqueFd receiver_end;
    link.bell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!link.bell || !make_wake_pipe(link.sender_wake, sender_end) ||
        !make_wake_pipe(link.receiver_wake, receiver_end)) {
        return Error::system(EMFILE);
    }
    link.home = table_.make_root({.owner = link.id,
                                  .kind = Kind::kEndpoint,
                                  .object = link.id,
                                  .rights = router::kEndpointRights | right::kProcess,
                                  .flags = 0,
                                  .payer = link.id});
    if (link.home == 0) {
        return Verdict::kTableFull;
    }
    directory_.set_root(link.id, core::slot_of(link.home));
    if (keeping_ != nullptr) {
        if (auto made = make_token(link); !made) {
            return made;
        }
        std::string text;
        for (const std::uint8_t byte : link.token) {
            constexpr std::string_view kDigits = "0123456789abcdef";
            text += kDigits[byte >> 4];
            text += kDigits[byte & 15];
        }
        reply.message.set_name(text);
    }
    link.memory = std::move(*memory);
    reply.message.submission_bytes = geometry.submission_bytes;
    reply.message.delivery_bytes = geometry.delivery_bytes;
    reply.describe(table_.entry(core::slot_of(link.home)), link.home);
    reply.attach(link.memory_fd.get());
    reply.attach(link.bell.get());
    reply.attach(std::move(sender_end));
    reply.attach(std::move(receiver_end));
    user.queue_bytes += bytes;
    user.descriptors += router::kDescriptorsPerLink;
    link.state = Link::State::kMapping;
    return {};
}

Result<void> Router::Impl::seal(Link& link) {
    if (link.state != Link::State::kMapping) {
        return Status::kBadRequest;
    }
    if (auto sealed = link.memory.seal(link.memory_fd.get()); !sealed) {
        return sealed;
    }
    link.open_rings();
    link.state = Link::State::kLive;
    keep_link(link);
    link.memory_fd.reset();
    watching_.live.push_back(&link);
    // Edge-triggered, and never read: each write of the process is an edge, and nothing that it does to the
    // shared open file can make us block.
    watch(link.bell.get(), EPOLLIN | EPOLLET, router::tag_of(router::Watch::kBell, link.id, link.serial));
    activate(link);
    if (audit_ != nullptr) {
        note_link(link, true, Status::kSystem);
    }
    return {};
}

}  // namespace keyway
