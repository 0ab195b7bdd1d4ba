// What the router did, clock by clock, beside what the core does with the same message.
// Included by world.hpp, which has the class.
#pragma once

#include "world.hpp"

namespace keyway::rtl {

template <typename Shape>
void World<Shape>::on_clock(const Inside& inside) {
    // A verdict knows of the places that became free up to three clocks ago; a narrow router says a clock
    // earlier what departs.
    while (!freed_.empty() && freed_.front().cycle + (Shape::kNarrow ? 4 : 3) <= bench_.cycle()) {
        --places_.taken[freed_.front().destination][freed_.front().level];
        freed_.pop_front();
    }
    if (inside.verdict_valid) {
        judge(inside);
    } else {
        expect(!inside.push, "a push without a verdict");
    }
    if (inside.depart) {
        const unsigned d = inside.destination;
        Header header;
        expect(queues_.pop(static_cast<core::ObjectId>(d), header), "left an empty queue", d);
        expect(header.priority() == inside.level, "which priority goes next", d);
        expected_[d % Shape::kPorts].push_back({header, d, 0});
        freed_.push_back({bench_.cycle(), d, inside.level});
    }
    if (inside.arrive) {
        auto& coming = places_.coming[inside.arrive_destination][inside.arrive_level];
        expect(!coming.empty(), "a copy that nobody sent", inside.arrive_destination);
        queues_.push(static_cast<core::ObjectId>(inside.arrive_destination), inside.arrive_level,
                     coming.front());
        coming.pop_front();
    }
    if (inside.command_done) {
        command_done();
    }
}

template <typename Shape>
void World<Shape>::judge(const Inside& inside) {
    ++tally.messages;
    ++tally.verdicts[static_cast<unsigned>(inside.verdict)];
    expect(!sent_[inside.port].empty(), "a verdict on nothing");
    const Sent sent = sent_[inside.port].front();
    sent_[inside.port].pop_front();
    // A torn header's sequence is whatever was gathered.
    audit_expected_.push_back(
        {inside.verdict, sent.bad ? inside.original.sequence() : sent.header.sequence()});
    if (sent.bad) {
        expect(inside.verdict == Verdict::kMalformed && !inside.push, "a bad frame is malformed");
        return;
    }
    const auto link = static_cast<core::ProcessId>(sent.bound != 0 ? sent.bound : sent.header.sender());
    Header original = sent.header;
    original.set_sender(link);
    expect(inside.original.words == original.words, "the header arrived as it was sent");

    Header for_core = sent.header;
    for_core.set_capability(to_core(sent.header.capability()));
    for_core.set_carried(to_core(sent.header.carried()));
    const core::Now now{.ns = inside.pushed.timestamp(), .tick = inside.tick};
    const bool host_full = inside.verdict == Verdict::kFull &&
                           !Mirror{places_, false, {}}.has_room(0, sent.header.priority(), 0);

    if (inside.verdict == Verdict::kMiss || (host_full && may_miss(sent.header, link, now))) {
        expect(core::well_formed(sent.header), "malformed is no miss");
        expect(may_miss(sent.header, link, now), "a miss without a reason");
        if (inside.verdict == Verdict::kMiss) {
            expect(inside.push && inside.pushed.words == original.words,
                   "a miss goes to the host as it came");
            expect(places_.taken[0][sent.header.priority()] < Shape::kDepth, "a miss without room");
            put(0, sent.header.priority(), original);
            misses_.push_back({sent.header, link});
        }
        return;
    }
    Mirror mirror{places_, false, {}};
    if (link == 0 || link >= kIds) {  // a process that the core has no account of
        expect(inside.verdict == Verdict::kNoSuchCapability || inside.verdict == Verdict::kMalformed ||
                   inside.verdict == Verdict::kSpoofed,
               "nobody has capabilities");
        return;
    }
    const core::SlotId authority = table_.find(for_core.capability(), link);
    const bool one_shot = authority != 0 && (table_.entry(authority).flags() & entry_flag::kOneShot) != 0;
    const core::SlotId carried = for_core.carried() == 0 ? 0 : table_.find(for_core.carried(), link);
    core::Outcome outcome = core::route(table_, directory_, mirror, for_core, link, now);
    if (inside.verdict != outcome.verdict) {
        std::ostringstream text;
        text << "router says " << name_of(inside.verdict) << ", core says " << name_of(outcome.verdict)
             << std::hex;
        for (const std::uint64_t word : sent.header.words) {
            text << ' ' << word;
        }
        expect(false, text.str(), link);
    }
    if (just_changed(sent.header.capability()) && inside.verdict == Verdict::kNoSuchCapability) {
        ++tally.hazard_refusals;
    }
    expect(inside.push == (outcome.verdict == Verdict::kDelivered), "delivered is pushed, refused is not");
    if (outcome.verdict != Verdict::kDelivered) {
        return;
    }
    if (one_shot) {
        ++tally.consumed;
        unbind(authority);
    }
    if (outcome.created != 0) {
        const core::SlotId made = core::slot_of(outcome.created);
        const std::uint32_t id = inside.pushed.carried();
        const unsigned slot = core::slot_of(id);
        if (made == carried) {
            ++tally.moved;
            expect(device_of_.at(made) == slot, "a move stays in its row");
            generation_[slot] = core::next_generation(generation_[slot]);
        } else {
            ++(for_core.carried() != 0 ? tally.derived : tally.calls);
            expect(!stock_.empty() && stock_.front() == id, "a new capability has the next free id", id);
            stock_.pop_front();
            cached_.erase(slot % kRows);
            bind(slot, made);
            cached_[slot % kRows] = slot;
        }
        changed_[slot % kRows] = bench_.cycle();
        expect(core::generation_of(id) == generation_[slot], "generation of a new capability");
        outcome.delivered.set_carried(id);
    }
    expect(inside.pushed.words == outcome.delivered.words, "delivered header");
    for (const core::ObjectId d : mirror.to) {
        ++tally.copies;
        put(d, sent.header.priority(), outcome.delivered);
    }
}

template <typename Shape>
bool World<Shape>::may_miss(const Header& header, core::ProcessId link, const core::Now& now) {
    if (just_changed(header.capability()) || (header.carried() != 0 && just_changed(header.carried()))) {
        ++tally.hazard_misses;
        return true;
    }
    if (!is_cached(header.capability())) {
        return true;
    }
    const core::SlotId authority = table_.find(to_core(header.capability()), link);
    if (authority == 0 || core::is_expired(table_.entry(authority), now)) {
        return false;
    }
    if (table_.entry(authority).object() >= kDests) {
        return true;
    }
    const bool call = (header.flags() & flag::kExpectsReply) != 0;
    if (header.carried() == 0) {
        return call && short_of_ids();
    }
    if (!is_cached(header.carried())) {
        return true;
    }
    const Grant grant{{header.timestamp()}};
    const bool moves = Type{header.type()} == Type::kQuantum || (grant.flags() & grant_flag::kMove) != 0;
    const Row& row = rows_.at(core::slot_of(header.carried()));
    return moves == row.parent || (!moves && short_of_ids());
}

template <typename Shape>
void World<Shape>::check_outputs() {
    for (unsigned port = 0; port < Shape::kPorts; ++port) {
        while (!bench_.received[port].empty()) {
            const Received got = bench_.received[port].front();
            bench_.received[port].pop_front();
            expect(!expected_[port].empty(), "something came out that was never put in", port);
            const Received& want = expected_[port].front();
            if (got.destination != want.destination || got.header.words != want.header.words) {
                std::ostringstream text;
                text << "order and content: got " << got.destination << std::hex;
                for (const std::uint64_t word : got.header.words) {
                    text << ' ' << word;
                }
                text << ", wanted " << want.destination;
                for (const std::uint64_t word : want.header.words) {
                    text << ' ' << word;
                }
                expect(false, text.str(), port);
            }
            expected_[port].pop_front();
        }
    }
    while (!bench_.audit.empty()) {
        const auto event = bench_.audit.front();
        bench_.audit.pop_front();
        ++audited_;
        // Events may have been dropped, never reordered.
        while (!audit_expected_.empty() &&
               (static_cast<unsigned>(audit_expected_.front().first) != (event[0] & 0xFF) ||
                audit_expected_.front().second != event[4])) {
            audit_expected_.pop_front();
        }
        expect(!audit_expected_.empty(), "an audit event of no message");
        audit_expected_.pop_front();
    }
}

}  // namespace keyway::rtl
