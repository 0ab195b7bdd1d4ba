#include "keyway/sim/engine.hpp"

#include <stdexcept>
#include <utility>

namespace keyway::sim {

namespace {

/// Clocks within which a verdict must come: some times what it takes with all queues empty.
constexpr std::uint64_t kPatience = 1000;

/// An entry whose every use leaves the table as it is.
bool is_plain(const Entry& entry) {
    const std::uint8_t special = entry_flag::kLinear | entry_flag::kOneShot;
    return (entry.flags() & special) == 0 && entry.expiry() == 0 && Kind{entry.kind()} == Kind::kEndpoint;
}

}  // namespace

SimulatedEngine::SimulatedEngine(std::unique_ptr<Router> router)
    : router_(std::move(router)), rows_(router_->geometry().rows) {
    router_->start();
}

std::optional<Verdict> SimulatedEngine::judge(const Question& question) {
    const Header& header = *question.header;
    const bool fits = header.receiver() != 0 && header.receiver() < router_->geometry().destinations;
    if (failed_ || header.carried() != 0 || !fits || (header.flags() & flag::kReply) != 0) {
        return std::nullopt;
    }
    try {
        const auto verdict = ask(question);
        if (verdict || question.authority == nullptr || !is_plain(*question.authority) ||
            cached(header.capability()) == header.capability()) {
            return verdict;
        }
        show(question);
        return ask(question);
    } catch (const std::runtime_error&) {
        failed_ = true;
        return std::nullopt;
    }
}

// Pushes the header, and takes out whatever it leads to.
std::optional<Verdict> SimulatedEngine::ask(const Question& question) {
    Router& router = *router_;
    if (bound_ != question.sender) {
        router.bind(kPort, static_cast<std::uint16_t>(question.sender));
        bound_ = question.sender;
    }
    router.push(kPort, *question.header);
    std::optional<Event> event;
    if (!router.run_until([&] { return (event = router.pop_event()).has_value(); }, kPatience)) {
        throw std::runtime_error("no verdict");
    }
    // What it passed on leaves, a miss to the host, and the queues are empty for the next.
    if (event->verdict == Verdict::kDelivered || event->verdict == Verdict::kMiss) {
        const auto left = [&] {
            for (unsigned port = 0; port < router.geometry().ports; ++port) {
                if (router.pop(port)) {
                    return true;
                }
            }
            return false;
        };
        if (!router.run_until(left, kPatience)) {
            throw std::runtime_error("no delivery");
        }
    }
    return event->verdict == Verdict::kMiss ? std::nullopt : std::optional(event->verdict);
}

void SimulatedEngine::show(const Question& question) {
    const std::uint32_t capability = question.header->capability();
    Entry entry = *question.authority;
    entry.set_spare(0);
    router_->route(static_cast<std::uint16_t>(entry.object()),
                   static_cast<std::uint16_t>(question.receiver_owner));
    router_->fill(capability % limit::kSlots, entry);
    cached(capability) = capability;
}

void SimulatedEngine::forget(std::uint32_t capability) {
    if (failed_ || cached(capability) != capability) {
        return;
    }
    try {
        router_->invalidate(capability % limit::kSlots);
        cached(capability) = 0;
    } catch (const std::runtime_error&) {
        failed_ = true;
    }
}

}  // namespace keyway::sim
