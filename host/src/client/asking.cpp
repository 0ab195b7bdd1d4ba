// What a connection asks of the router itself: names, authority, a look at the state.

#include <unistd.h>

#include "base/ticks.hpp"
#include "client/connection_impl.hpp"
#include "keyway/connection.hpp"

namespace keyway {

using link::ControlMessage;

namespace {

// Longest lifetime that the grant word of a message can say.
constexpr std::uint32_t kMostGrantTicks = (1U << 20) - 1;

bool valid(const Terms& terms) {
    return terms.lifetime.count() >= 0 && ticks_of(terms.lifetime) <= kMostGrantTicks;
}

}  // namespace

Capability capability_of(const ControlMessage& reply) {
    return {.id = reply.capability,
            .object = reply.object,
            .kind = Kind{reply.kind},
            .rights = reply.rights,
            .badge = reply.badge};
}

// --- names ---

Result<Endpoint> Connection::register_endpoint(std::string_view name) {
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kRegister);
    message.set_name(name);
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return Endpoint{.id = reply->message.object, .capability = capability_of(reply->message)};
}

Result<Capability> Connection::lookup(std::string_view name) {
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kLookup);
    message.set_name(name);
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return capability_of(reply->message);
}

Result<void> Connection::close_endpoint(std::uint32_t endpoint) {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kClose);
    message.object = endpoint;
    auto reply = impl_->request(message);
    return reply ? Result<void>() : Result<void>(reply.error());
}

// --- authority ---

Result<std::uint32_t> Connection::give(const Capability& from, const Capability& to, std::uint8_t rights,
                                       std::uint32_t badge, std::chrono::nanoseconds lifetime,
                                       std::span<const std::byte> payload, Deadline deadline) {
    return give(from, to, Terms{.rights = rights, .badge = badge, .lifetime = lifetime}, payload, deadline);
}

Result<std::uint32_t> Connection::give(const Capability& from, const Capability& to, const Terms& terms,
                                       std::span<const std::byte> payload, Deadline deadline) {
    if (!valid(terms)) {
        return Status::kBadArgument;
    }
    if (terms.uses > 1) {
        // To be moved it must have GRANT; what has a use count can't be derived from, so no more comes of
        // that.
        Terms movable = terms;
        movable.rights |= right::kGrant;
        auto counted = derive(from, movable);
        if (!counted) {
            return counted.error();
        }
        auto given = move(*counted, to, payload, deadline);
        if (!given) {
            [[maybe_unused]] const auto undone = release(counted->id);
        }
        return given;
    }
    Grant grant;
    grant.set_rights(terms.rights);
    grant.set_badge(terms.badge);
    grant.set_lifetime(ticks_of(terms.lifetime));
    grant.set_flags(terms.uses == 1 ? grant_flag::kOneShot : std::uint8_t{0});
    return impl_->hand_over(Type::kCapability, from, grant, to, payload, deadline);
}

Result<std::uint32_t> Connection::move(const Capability& capability, const Capability& to,
                                       std::span<const std::byte> payload, Deadline deadline) {
    Grant grant;
    grant.set_flags(grant_flag::kMove);
    return impl_->hand_over(Type::kCapability, capability, grant, to, payload, deadline);
}

Result<Capability> Connection::derive(const Capability& from, const Terms& terms) {
    if (!valid(terms)) {
        return Status::kBadArgument;
    }
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kDerive);
    message.capability = from.id;
    message.rights = terms.rights;
    message.badge = terms.badge;
    message.lifetime = ticks_of(terms.lifetime);
    message.value = terms.uses;
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return capability_of(reply->message);
}

Result<std::uint32_t> Connection::revoke(const Capability& authority, std::uint32_t descendant) {
    if (authority.id == 0) {
        return Verdict::kNoSuchCapability;
    }
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kRevoke);
    message.capability = authority.id;
    message.target = descendant;
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return static_cast<std::uint32_t>(reply->message.value);
}

Result<std::uint32_t> Connection::revoke_any(std::uint32_t capability) {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kRevoke);
    message.target = capability;
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return static_cast<std::uint32_t>(reply->message.value);
}

Result<std::uint32_t> Connection::grant(std::string_view endpoint, std::uint32_t process, std::uint8_t rights,
                                        std::uint32_t badge, std::chrono::nanoseconds lifetime) {
    if (!link::valid_name(endpoint)) {
        return Status::kBadName;
    }
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kGrant);
    message.set_name(endpoint);
    message.object = process;
    message.rights = rights;
    message.badge = badge;
    message.lifetime = ticks_of(lifetime);
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return reply->message.capability;
}

Result<void> Connection::release(std::uint32_t capability) {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kRelease);
    message.capability = capability;
    auto reply = impl_->request(message);
    return reply ? Result<void>() : Result<void>(reply.error());
}

Result<Capability> Connection::inspect(std::uint32_t capability) {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kInspect);
    message.capability = capability;
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    return capability_of(reply->message);
}

Result<std::string> Connection::list() {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kList);
    auto reply = impl_->request(message);
    if (!reply) {
        return reply.error();
    }
    if (reply->fd_count != 1) {
        return Status::kCorrupt;
    }
    std::string text(reply->message.value, '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const ssize_t size =
            ::pread(reply->fds[0].get(), text.data() + have, text.size() - have, static_cast<off_t>(have));
        if (size <= 0) {
            return Status::kCorrupt;
        }
        have += static_cast<std::size_t>(size);
    }
    return text;
}

}  // namespace keyway
