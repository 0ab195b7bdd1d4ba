// The engine beside the core: what it is asked, and what becomes of what it says.

#include "keyway/engine.hpp"

#include <cstdio>

#include "router/router_impl.hpp"

namespace keyway {

using core::SlotId;
using router::Link;

namespace {

/// Queues without room: route() gets no further than its checks, and `full` means that it would have
/// delivered.
struct NoRoom {
    static bool has_room(core::ObjectId /*destination*/, unsigned /*priority*/, std::uint32_t /*length*/) {
        return false;
    }
    static void push(core::ObjectId /*destination*/, unsigned /*priority*/, const Header& /*header*/) {}
};

/// The core had no objection that an engine can't know of.
bool agrees_with_delivered(Verdict verdict) {
    switch (verdict) {
        case Verdict::kDelivered:
        case Verdict::kFull:
        case Verdict::kTableFull:
        case Verdict::kDecohered:
            return true;
        default:
            return false;
    }
}

}  // namespace

core::Outcome Router::Impl::beside_engine(const Link& link, const Header& header,
                                          const std::function<core::Outcome()>& by_core) {
    const auto verdict = ask_engine(link, header);
    if (verdict && *verdict != Verdict::kDelivered) {
        return refused_by_engine(link, header, *verdict);
    }
    core::Outcome outcome = by_core();
    if (verdict && !agrees_with_delivered(outcome.verdict)) {
        alarm(link, header, *verdict, outcome.verdict);
    }
    return outcome;
}

// Nothing when the core has to decide alone.
std::optional<Verdict> Router::Impl::ask_engine(const Link& link, const Header& header) {
    Engine& engine = *options_.engine;
    const SlotId slot = table_.find(header.capability(), link.id);
    Engine::Question question{.header = &header, .sender = link.id};
    if (slot != 0) {
        question.authority = &table_.entry(slot);
        question.receiver_owner = directory_.owner(question.authority->object());
    }
    const auto verdict = engine.judge(question);
    if (engine.failed()) {
        log("the engine doesn't answer any more; the software goes on alone");
        options_.engine.reset();
        return std::nullopt;
    }
    bump(verdict ? counters_.engine_judged : counters_.engine_missed);
    return verdict;
}

// What the engine has refused: the core looks as well, if it was asked to, and its verdict stands when it
// refuses too.
core::Outcome Router::Impl::refused_by_engine(const Link& link, const Header& header, Verdict verdict) {
    core::Outcome outcome{.verdict = verdict, .delivered = {}};
    if (!options_.cross_check) {
        return outcome;
    }
    NoRoom nowhere;
    const core::Outcome own = core::route(table_, directory_, nowhere, header, link.id, now());
    if (own.verdict != verdict) {
        alarm(link, header, verdict, own.verdict);
        if (own.verdict != Verdict::kFull) {
            outcome.verdict = own.verdict;
        }
    }
    return outcome;
}

void Router::Impl::alarm(const Link& link, const Header& header, Verdict engine, Verdict core) {
    bump(counters_.engine_differences);
    std::string line = "ALARM: the " + std::string(name_of(options_.engine->kind())) + " engine says " +
                       std::string(name_of(engine)) + ", the software says " + std::string(name_of(core)) +
                       "; the stricter stands. Process " + std::to_string(link.id) + ", header";
    for (const std::uint64_t word : header.words) {
        char text[18];
        std::snprintf(text, sizeof text, " %016llx", static_cast<unsigned long long>(word));
        line += text;
    }
    log(line);
}

}  // namespace keyway
