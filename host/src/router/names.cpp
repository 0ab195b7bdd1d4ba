// Names, and who may use them: what the policy decides.

#include <algorithm>

#include "base/ticks.hpp"
#include "router/router_impl.hpp"

namespace keyway {

using core::CapabilityId;
using core::ObjectId;
using core::SlotId;
using link::ControlMessage;
using router::Answer;
using router::Link;

namespace {

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

}  // namespace

bool Router::Impl::administers(const Link& link) const {
    return std::ranges::any_of(policy_.rules,
                               [&](const Rule& r) { return r.administer && matches(r.who, link); });
}

bool Router::Impl::observes(const Link& link) const {
    return std::ranges::any_of(policy_.rules,
                               [&](const Rule& r) { return r.observe && matches(r.who, link); });
}

bool Router::Impl::sees_payloads(const Link& link) const {
    return std::ranges::any_of(policy_.rules,
                               [&](const Rule& r) { return r.payloads && matches(r.who, link); });
}

bool Router::Impl::may_prepare_qubits(const Link& link) const {
    return std::ranges::any_of(policy_.rules,
                               [&](const Rule& r) { return r.qubits && matches(r.who, link); });
}

Result<void> Router::Impl::register_endpoint(Link& link, const ControlMessage& request, Answer& reply) {
    auto endpoint = make_named(link, request.get_name(), core::Directory::What::kEndpoint);
    if (!endpoint) {
        return endpoint.error();
    }
    reply.describe(table_.entry(directory_.root(*endpoint)), table_.id(directory_.root(*endpoint)));
    return {};
}

// An endpoint or topic of `link`, under a name that the policy lets it register.
Result<ObjectId> Router::Impl::make_named(Link& link, std::string_view name, core::Directory::What what) {
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
    const ObjectId object = directory_.open(what, link.id);
    if (object == 0) {
        return Status::kLimit;
    }
    const bool topic = what == core::Directory::What::kTopic;
    const CapabilityId root =
        table_.make_root({.owner = link.id,
                          .kind = topic ? Kind::kTopic : Kind::kEndpoint,
                          .object = object,
                          .rights = topic ? router::kTopicRights : router::kEndpointRights,
                          .flags = 0,
                          .payer = link.id});
    directory_.set_root(object, core::slot_of(root));
    forget_figures(object);
    names_.emplace(name, object);
    name_of_.emplace(object, name);
    link.endpoints.push_back(object);
    ++link.user->endpoints;
    return object;
}

Result<void> Router::Impl::lookup(Link& link, const ControlMessage& request, Answer& reply) {
    const std::string_view name = request.get_name();
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    const LookupRule* rule = nullptr;
    for (const Rule& candidate : policy_.rules) {
        if (rule == nullptr && matches(candidate.who, link)) {
            const auto match = std::ranges::find_if(
                candidate.lookup, [&](const LookupRule& r) { return matches(r.name, name); });
            rule = match == candidate.lookup.end() ? nullptr : &*match;
        }
    }
    const auto found = names_.find(name);
    if (rule == nullptr || found == names_.end()) {
        return Status::kNoSuchName;  // one answer for both: a look-up reveals nothing
    }
    const SlotId root = directory_.root(found->second);
    const CapabilityId id =
        table_.derive(root, {.owner = link.id,
                             .kind = Kind{table_.entry(root).kind()},
                             .object = found->second,
                             .rights = static_cast<std::uint8_t>(rule->rights & table_.entry(root).rights()),
                             .flags = entry_flag::kRevocable,
                             .badge = rule->badge != 0 ? rule->badge : link.id,
                             .expiry = core::derived_expiry(0, ticks_of(rule->lifetime), now()),
                             .payer = link.id});
    if (id == 0) {
        return Verdict::kTableFull;
    }
    reply.describe(table_.entry(core::slot_of(id)), id);
    return {};
}

Result<void> Router::Impl::close_named(Link& link, const ControlMessage& request) {
    const auto mine = request.object <= UINT16_MAX
                          ? std::ranges::find(link.endpoints, static_cast<ObjectId>(request.object))
                          : link.endpoints.end();
    if (mine == link.endpoints.end()) {
        return Status::kBadArgument;
    }
    const ObjectId object = *mine;
    end_topic_ring(object);
    end_tree(directory_.root(object), true, link.id);
    forget_named(object);
    link.endpoints.erase(mine);
    --link.user->endpoints;
    return {};
}

// The last of an endpoint or topic: its name and its id. Its capabilities are gone already.
void Router::Impl::forget_named(ObjectId object) {
    if (const auto name = name_of_.find(object); name != name_of_.end()) {
        names_.erase(name->second);
        name_of_.erase(name);
    }
    drop_kept_object(object);
    directory_.close(object);
}

}  // namespace keyway
