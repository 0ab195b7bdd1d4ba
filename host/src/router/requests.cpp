// What processes ask on their control sockets. Seldom, so clarity goes before speed; but each answer is
// complete when it is sent: a revocation that was answered is in force.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/ticks.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::CapabilityId;
using core::ObjectId;
using core::SlotId;
using link::ControlMessage;
using router::Link;

namespace {

constexpr int kRequestsPerTurn = 16;

bool matches(std::string_view pattern, std::string_view name) {
    if (pattern.ends_with('*')) {
        return name.starts_with(pattern.substr(0, pattern.size() - 1));
    }
    return pattern == name;
}

bool matches(const Subject& who, const Link& link) {
    if (who.everyone || std::ranges::find(who.users, link.uid) != who.users.end()) {
        return true;
    }
    return std::ranges::any_of(who.groups, [&](std::uint32_t group) {
        return group == link.gid || std::ranges::find(link.groups, group) != link.groups.end();
    });
}

void describe(const Entry& entry, CapabilityId id, ControlMessage& reply) {
    reply.capability = id;
    reply.object = entry.object();
    reply.kind = entry.kind();
    reply.rights = entry.rights();
    reply.badge = entry.badge();
}

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

}  // namespace

bool Router::Impl::administers(const Link& link) const {
    return std::ranges::any_of(policy_.rules,
                               [&](const Rule& r) { return r.administer && matches(r.who, link); });
}

bool Router::Impl::observes(const Link& link) const {
    return std::ranges::any_of(policy_.rules,
                               [&](const Rule& r) { return r.observe && matches(r.who, link); });
}

void Router::Impl::serve(Link& link) {
    const std::uint32_t serial = link.serial;
    const core::ProcessId id = link.id;
    for (int i = 0; i < kRequestsPerTurn; ++i) {
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
        ControlMessage reply;
        if ((packet.msg_flags & MSG_CTRUNC) != 0) {
            reply.status = static_cast<std::uint8_t>(Status::kUnwantedDescriptors);
        } else if (static_cast<std::size_t>(size) != sizeof request || (packet.msg_flags & MSG_TRUNC) != 0 ||
                   request.magic != kMagic) {
            reply.status = static_cast<std::uint8_t>(Status::kBadRequest);
        } else {
            reply = answer(link, request);
            if (reply.request == static_cast<std::uint8_t>(Request::kHello) && reply.status == 0) {
                continue;  // say_hello has sent it, with descriptors
            }
            if (reply.request == static_cast<std::uint8_t>(Request::kList) && reply.status == 0) {
                continue;  // likewise
            }
        }
        if (auto sent = link::send_control(link.socket.get(), reply); !sent) {
            // It asks and doesn't listen. Nothing of ours waits for it.
            close_link(link, Status::kBadRequest);
            return;
        }
        if (link.state == Link::State::kGreeting && reply.status != 0) {
            close_link(link, Error::from_code(reply.status));
            return;
        }
        if (link_of(id) == nullptr || link_of(id)->serial != serial) {
            return;
        }
    }
}

ControlMessage Router::Impl::answer(Link& link, const ControlMessage& request) {
    ControlMessage reply;
    reply.request = request.request;
    reply.tag = request.tag;
    const auto what = static_cast<Request>(request.request);
    Result<void> done = Status::kBadRequest;
    const bool greeting = what == Request::kHello || what == Request::kMapped;
    if (greeting || link.state == Link::State::kLive) {
        switch (what) {
            case Request::kHello:
                done = say_hello(link, request);
                break;
            case Request::kMapped:
                done = seal(link);
                break;
            case Request::kRegister:
                done = register_endpoint(link, request.get_name(), reply);
                break;
            case Request::kLookup:
                done = lookup(link, request.get_name(), reply);
                break;
            case Request::kClose:
                done = request.object <= UINT16_MAX
                           ? close_endpoint(link, static_cast<ObjectId>(request.object))
                           : Result<void>(Status::kBadArgument);
                break;
            case Request::kGrant:
                done = grant(link, request, reply);
                break;
            case Request::kRevoke:
                done = revoke(link, request, reply);
                break;
            case Request::kRelease:
                done = release(link, request.capability);
                break;
            case Request::kInspect:
                done = inspect(link, request.capability, reply);
                break;
            case Request::kCancel:
                cancel(link, request);
                done = {};
                break;
            case Request::kList: {
                const std::string text = listing(link);
                const UniqueFd file(::memfd_create("keyway-list", MFD_CLOEXEC | MFD_ALLOW_SEALING));
                if (!file ||
                    ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
                    done = Error::system();
                    break;
                }
                reply.value = text.size();
                const int fd = file.get();
                done = link::send_control(link.socket.get(), reply, std::span(&fd, 1));
                break;
            }
        }
    }
    if (!done) {
        reply.status = done.error().code();
        reply.system_error = done.error().system_error();
    }
    return reply;
}

Result<void> Router::Impl::say_hello(Link& link, const ControlMessage& request) {
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
    link.home = table_.make_root(
        {.owner = link.id,
         .kind = Kind::kEndpoint,
         .object = link.id,
         .rights = right::kRead | right::kWrite | right::kExecute | right::kGrant | right::kRevoke,
         .flags = 0,
         .payer = link.id});
    if (link.home == 0) {
        return Verdict::kTableFull;
    }
    directory_.set_root(link.id, core::slot_of(link.home));
    link.memory = std::move(*memory);
    ControlMessage reply;
    reply.request = request.request;
    reply.tag = request.tag;
    reply.submission_bytes = geometry.submission_bytes;
    reply.delivery_bytes = geometry.delivery_bytes;
    describe(table_.entry(core::slot_of(link.home)), link.home, reply);
    const int fds[link::kHelloFds] = {link.memory_fd.get(), link.bell.get(), sender_end.get(),
                                      receiver_end.get()};
    if (auto sent = link::send_control(link.socket.get(), reply, fds); !sent) {
        return sent;
    }
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
    link.memory_fd.reset();
    link.open_rings();
    link.state = Link::State::kLive;
    // Edge-triggered, and never read: each write of the process is an edge, and nothing that it does to the
    // shared open file can make us block.
    watch(link.bell.get(), EPOLLIN | EPOLLET, router::tag_of(router::Watch::kBell, link.id, link.serial));
    activate(link);
    return {};
}

Result<void> Router::Impl::register_endpoint(Link& link, std::string_view name, ControlMessage& reply) {
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    const bool allowed = std::ranges::any_of(policy_.rules, [&](const Rule& rule) {
        return matches(rule.who, link) &&
               std::ranges::any_of(rule.names, [&](const std::string& p) { return matches(p, name); });
    });
    if (!allowed) {
        return Status::kNotAllowed;
    }
    if (names_.contains(name)) {
        return Status::kNameTaken;
    }
    if (link.endpoints.size() >= policy_.process.endpoints ||
        link.user->endpoints >= policy_.user.endpoints) {
        return Status::kLimit;
    }
    if (!table_.can_allocate(link.id)) {
        return Verdict::kTableFull;
    }
    const ObjectId endpoint = directory_.open(core::Directory::What::kEndpoint, link.id);
    if (endpoint == 0) {
        return Status::kLimit;
    }
    const CapabilityId root = table_.make_root(
        {.owner = link.id,
         .kind = Kind::kEndpoint,
         .object = endpoint,
         .rights = right::kRead | right::kWrite | right::kExecute | right::kGrant | right::kRevoke,
         .flags = 0,
         .payer = link.id});
    directory_.set_root(endpoint, core::slot_of(root));
    names_.emplace(name, endpoint);
    name_of_.emplace(endpoint, name);
    link.endpoints.push_back(endpoint);
    ++link.user->endpoints;
    describe(table_.entry(core::slot_of(root)), root, reply);
    return {};
}

Result<void> Router::Impl::lookup(Link& link, std::string_view name, ControlMessage& reply) {
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    const LookupRule* rule = nullptr;
    for (const Rule& candidate : policy_.rules) {
        if (rule == nullptr && matches(candidate.who, link)) {
            const auto found = std::ranges::find_if(
                candidate.lookup, [&](const LookupRule& r) { return matches(r.name, name); });
            rule = found == candidate.lookup.end() ? nullptr : &*found;
        }
    }
    const auto endpoint = names_.find(name);
    if (rule == nullptr || endpoint == names_.end()) {
        return Status::kNoSuchName;  // one answer for both: a look-up reveals nothing
    }
    const SlotId root = directory_.root(endpoint->second);
    const CapabilityId id =
        table_.derive(root, {.owner = link.id,
                             .kind = Kind::kEndpoint,
                             .object = endpoint->second,
                             .rights = static_cast<std::uint8_t>(rule->rights & table_.entry(root).rights()),
                             .flags = entry_flag::kRevocable,
                             .badge = rule->badge != 0 ? rule->badge : link.id,
                             .expiry = core::derived_expiry(0, ticks_of(rule->lifetime), now()),
                             .payer = link.id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    describe(table_.entry(core::slot_of(id)), id, reply);
    return {};
}

Result<void> Router::Impl::close_endpoint(Link& link, ObjectId endpoint) {
    const auto mine = std::ranges::find(link.endpoints, endpoint);
    if (mine == link.endpoints.end()) {
        return Status::kBadArgument;
    }
    table_.revoke(directory_.root(endpoint), true, [&](SlotId slot, const Entry& entry) {
        tell_ended(entry, core::make_capability_id(entry.generation(), slot), link.id);
    });
    if (const auto name = name_of_.find(endpoint); name != name_of_.end()) {
        names_.erase(name->second);
        name_of_.erase(name);
    }
    directory_.close(endpoint);
    link.endpoints.erase(mine);
    --link.user->endpoints;
    return {};
}

Result<void> Router::Impl::grant(Link& link, const ControlMessage& request, ControlMessage& reply) {
    if (!administers(link)) {
        return Status::kNotAllowed;
    }
    const std::string_view name = request.get_name();
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    const auto endpoint = names_.find(name);
    if (endpoint == names_.end()) {
        return Status::kNoSuchName;
    }
    Link* target =
        request.object <= UINT16_MAX ? link_of(static_cast<core::ProcessId>(request.object)) : nullptr;
    if (target == nullptr || target->state != Link::State::kLive) {
        return Status::kNoSuchProcess;
    }
    const SlotId root = directory_.root(endpoint->second);
    if (request.rights == 0) {
        return Status::kBadArgument;
    }
    if ((request.rights & ~table_.entry(root).rights()) != 0) {
        return Verdict::kAmplified;
    }
    constexpr unsigned kPriority = 1;
    if (!target->delivery[kPriority]->has_room(limit::kHeaderBytes)) {
        return Verdict::kFull;
    }
    const CapabilityId id = table_.derive(root, {.owner = target->id,
                                                 .kind = Kind::kEndpoint,
                                                 .object = endpoint->second,
                                                 .rights = request.rights,
                                                 .flags = entry_flag::kRevocable,
                                                 .badge = request.badge != 0 ? request.badge : target->id,
                                                 .expiry = core::derived_expiry(0, request.lifetime, now()),
                                                 .payer = target->id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kCapability));
    header.set_priority(kPriority);
    header.set_receiver(target->id);
    header.set_carried(id);
    header.set_timestamp(now_ns_);
    deliver_from_router(*target, header);
    reply.capability = id;
    return {};
}

Result<void> Router::Impl::revoke(Link& link, const ControlMessage& request, ControlMessage& reply) {
    const auto tell = [&](SlotId slot, const Entry& entry) {
        tell_ended(entry, core::make_capability_id(entry.generation(), slot), link.id);
    };
    const SlotId target = core::slot_of(request.target);
    const bool target_valid = request.target != 0 && target < table_.slot_count() &&
                              (table_.entry(target).flags() & entry_flag::kValid) != 0 &&
                              table_.id(target) == request.target;
    if (request.capability == 0) {
        if (!administers(link)) {
            return Status::kNotAllowed;
        }
        // An endpoint's root is its existence; that ends with the endpoint.
        if (!target_valid || table_.parent(target) == 0) {
            return Verdict::kNoSuchCapability;
        }
        reply.value = table_.revoke(target, true, tell);
        return {};
    }
    const SlotId authority = table_.find(request.capability, link.id);
    if (authority == 0) {
        return Verdict::kNoSuchCapability;
    }
    if ((table_.entry(authority).rights() & right::kRevoke) == 0) {
        return Verdict::kInsufficientRights;
    }
    if (request.target == 0) {
        reply.value = table_.revoke(authority, false, tell);
        return {};
    }
    if (!target_valid || target == authority || !table_.descends_from(target, authority)) {
        return Verdict::kNoSuchCapability;
    }
    reply.value = table_.revoke(target, true, tell);
    return {};
}

Result<void> Router::Impl::release(Link& link, CapabilityId capability) {
    const SlotId slot = table_.find(capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    if (directory_.root(table_.entry(slot).object()) == slot) {
        return Status::kBadArgument;  // that is what closing the endpoint is for
    }
    table_.revoke(slot, true, [&](SlotId ended, const Entry& entry) {
        tell_ended(entry, core::make_capability_id(entry.generation(), ended), link.id);
    });
    return {};
}

Result<void> Router::Impl::inspect(Link& link, CapabilityId capability, ControlMessage& reply) {
    const SlotId slot = table_.find(capability, link.id);
    if (slot == 0) {
        return Verdict::kNoSuchCapability;
    }
    describe(table_.entry(slot), capability, reply);
    return {};
}

// Gives up a call (by its sequence, in `badge`) or a submission that waits for room (by its ticket, in
// `value`).
void Router::Impl::cancel(Link& link, const ControlMessage& request) {
    if (link.held && request.value != 0 && link.held_ticket == request.value) {
        give_up_held(link, Verdict::kTimedOut);
        std::erase(held_, &link);
    }
    if (request.badge == 0) {
        return;
    }
    SlotId child = table_.first_child(core::slot_of(link.home));
    while (child != 0) {
        const SlotId next = table_.next_sibling(child);
        const Entry& entry = table_.entry(child);
        if (Kind{entry.kind()} == Kind::kReply && entry.badge() == request.badge) {
            table_.consume(child);
        }
        child = next;
    }
}

}  // namespace keyway
