// The software core as scoreboard for the router, and the host that keeps the router's table filled.
//
// The core decides on every message that the router decided on, at the same place of the order, and the two
// must agree: verdict, delivered header, what is in which queue, in which order it leaves. What the router
// calls a miss must have a reason, and then the host does what a driver does: it takes the rows out of the
// device, lets the core decide, and fills them in again.
//
// Rows of the device have slots of their own, so that ids differ between the two; `to_core` translates. A
// capability is known to both by its core slot.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include "bench.hpp"
#include "core/route.hpp"

namespace keyway::rtl {

template <typename Shape>
class World {
  public:
    using core_id = core::CapabilityId;
    static constexpr unsigned kDests = 1U << Shape::kDestBits, kRows = 1U << Shape::kIndexBits;
    static constexpr unsigned kIds = kDests + 3, kDeviceSlots = kRows * 4, kCoreSlots = 1U << 14;
    static constexpr unsigned kWindow = 8;  // clocks for which a changed row may still be a miss

    struct Tally {
        std::uint64_t messages = 0, calls = 0, derived = 0, moved = 0, consumed = 0, copies = 0, served = 0,
                      recalls = 0, fills = 0, hazard_misses = 0, hazard_refusals = 0;
        std::array<std::uint64_t, 32> verdicts{};
    } tally;

    World(Bench<Shape>& bench, std::uint64_t seed)
        : bench_(bench),
          random_(seed),
          table_(kCoreSlots, kIds),
          directory_(kIds),
          queues_(kDests, 2 * Shape::kDepth) {
        user_.limit = 1U << 20;
        for (unsigned slot = kDeviceSlots - 1; slot > 0; --slot) {
            generation_[slot] =
                static_cast<std::uint16_t>(random_.one_in(4) ? 4095 : 1 + random_.below(4095));
            free_slots_.push_back(slot);
        }
        build();
    }

    /// One clock with a bit of everything.
    void step() {
        for (unsigned port = 0; port < Shape::kPorts; ++port) {
            // A host that lags far behind would only ever make more misses.
            if (bench_.waiting(port) < 2 && misses_.size() < 4 && random_.percent(traffic_share)) {
                send(port);
            }
        }
        host();
        bench_.tick();
        check_outputs();
    }
    unsigned traffic_share = 60;

    /// Lets everything leave, and compares what is left: counters and the table, row by row.
    void finish() {
        bench_.ready_share = bench_.valid_share = bench_.audit_ready_share = 100;
        quiet_ = true;
        for (int i = 0; i < 20000 && (busy() || i < 400); ++i) {
            host();
            bench_.tick();
            check_outputs();
        }
        expect(!busy(), "something never came out");
        for (unsigned d = 0; d < kDests; ++d) {
            for (unsigned p = 0; p < 4; ++p) {
                expect(places_.taken[d][p] == 0 && queues_.count(static_cast<core::ObjectId>(d), p) == 0,
                       "a queue is not empty", d);
            }
        }
        expect(bench_.stalled_stable, "AXI4-Stream: what was offered changed before it was taken");
        expect(bench_.read(B::kAccepted) == tally.verdicts[0], "count_accepted");
        expect(bench_.read(B::kMissed) == tally.verdicts[14], "count_missed");
        std::uint64_t all = 0;
        for (unsigned v = 0; v < 16; ++v) {
            expect(bench_.read(B::kVerdicts + 4 * v) == (Shape::kVerdictCounters ? tally.verdicts[v] : 0),
                   "count_verdict", v);
            all += tally.verdicts[v];
        }
        expect(bench_.read(B::kRefused) == all - tally.verdicts[0] - tally.verdicts[14], "count_refused");
        expect(bench_.read(B::kDropped) + audited_ == all, "audit events and dropped ones add up");
        bench_.on_clock = [](const Inside&) {};
        for (unsigned row = 0; row < kRows; ++row) {
            bench_.command(row, 3);
            const std::uint32_t live = bench_.read(B::kTableLive);
            const auto cached = cached_.find(row);
            expect((live & 1) == (cached == cached_.end() ? 0U : 1U), "live bit of row", row);
            if (cached == cached_.end()) {
                continue;
            }
            Entry entry;
            for (unsigned i = 0; i < 4; ++i) {
                entry.words[i / 2] |= std::uint64_t{bench_.read(B::kTableData0 + 4 * i)} << (i % 2 * 32);
            }
            const Row& device = rows_.at(cached->second);
            Entry wanted = table_.entry(device.core);
            wanted.set_generation(generation_[cached->second]);
            wanted.set_spare(static_cast<std::uint8_t>((device.parent ? 1 : 0) | (device.root ? 2 : 0)));
            expect((live >> 1) == cached->second >> Shape::kIndexBits, "tag of row", row);
            expect(entry.words == wanted.words, "content of row", row);
        }
        const std::string broken = table_.audit();
        expect(broken.empty(), broken);
    }

  private:
    using B = Bench<Shape>;
    struct Row {  // a capability that has a device slot
        core::SlotId core = 0;
        bool parent = false, root = false;
    };
    struct Sent {
        Header header;
        bool bad = false;
        std::uint16_t bound = 0;
    };

    void expect(bool good, const std::string& what, std::uint64_t where = 0) const {
        if (!good) {
            std::ostringstream text;
            text << "cycle " << bench_.cycle() << ", message " << tally.messages << ": " << what << " ("
                 << where << ")";
            throw std::runtime_error(text.str());
        }
    }

    // ---- Set-up

    void build() {
        // Any time there is, but for the last: it would stand still. Often close to that, where lifetimes
        // overflow.
        now_tick_ = 1000 + random_.below(0xFFFF0000U);
        if (random_.one_in(2)) {
            now_tick_ |= 0xFFFC0000U;
        }
        now_tick_ = std::min(now_tick_, 0xFFFFFFFFU - 0x8000U);
        for (unsigned port = 0; port < Shape::kPorts; ++port) {
            bound_[port] = static_cast<std::uint16_t>(port == Shape::kPorts - 1 ? 0 : port + 1);
        }
        for (unsigned id = 1; id < kIds; ++id) {
            const bool process = id <= processes();
            const bool topic = !process && id % 2 == 0;
            const auto owner = static_cast<core::ProcessId>(process ? 0 : 1 + random_.below(processes()));
            const core::ObjectId object = directory_.open(
                topic ? core::Directory::What::kTopic : core::Directory::What::kEndpoint, owner);
            expect(object == id, "ids come in order");
            if (process) {
                table_.open_account(object, 1U << 20, user_);
            }
            make(process ? object : owner, topic ? Kind::kTopic : Kind::kEndpoint, object, right::kAll, 0,
                 true);
        }
        for (unsigned id = processes() + 1; id < kIds; ++id) {
            if (directory_.what(static_cast<core::ObjectId>(id)) != core::Directory::What::kTopic) {
                continue;
            }
            for (unsigned d = 1; d < kDests; ++d) {
                if (random_.one_in(2) &&
                    directory_.what(static_cast<core::ObjectId>(d)) != core::Directory::What::kTopic) {
                    (void)directory_.subscribe(static_cast<core::ObjectId>(id),
                                               static_cast<core::ObjectId>(d));
                }
            }
        }
        for (unsigned port = 0; port < Shape::kPorts; ++port) {
            bench_.open_port(port, bound_[port]);
        }
        bench_.write(B::kTick, now_tick_);
        for (unsigned object = 1; object < kDests; ++object) {
            std::uint64_t mask = 0;
            for (const core::ObjectId d : directory_.subscribers(static_cast<core::ObjectId>(object))) {
                mask |= 1ULL << d;
            }
            // Bit 0 is the host's own and must not matter.
            bench_.route(object, directory_.owner(static_cast<core::ObjectId>(object)), mask | 1);
        }
        bench_.start();
        bench_.on_clock = [this](const Inside& inside) { on_clock(inside); };
        for (unsigned i = 0; i < kRows; ++i) {
            invent();
            fill_some();
            bench_.run(60);
        }
    }
    [[nodiscard]] static unsigned processes() { return kDests <= 4 ? 2 : kDests / 2; }

    /// A capability without a parent, with a device slot.
    void make(core::ProcessId owner, Kind kind, core::ObjectId object, std::uint8_t rights,
              std::uint8_t flags, bool root = false) {
        const core_id id =
            table_.make_root({.owner = owner,
                              .kind = kind,
                              .object = object,
                              .rights = rights,
                              .flags = flags,
                              .badge = static_cast<std::uint32_t>(random_.next()),
                              .expiry = random_.one_in(4) ? now_tick_ - 10 + random_.below(50) : 0,
                              .payer = owner});
        if (id == 0) {
            return;
        }
        if (root) {
            directory_.set_root(object, core::slot_of(id));
        }
        adopt(core::slot_of(id));
    }

    // ---- Names

    [[nodiscard]] std::uint32_t device_id(unsigned slot) const {
        return core::make_capability_id(generation_[slot], slot);
    }
    /// Gives a core capability a device slot; 0 when there is none left.
    unsigned adopt(core::SlotId core_slot) {
        if (free_slots_.empty()) {
            return 0;
        }
        const unsigned slot = free_slots_.front();
        free_slots_.pop_front();
        bind(slot, core_slot);
        return slot;
    }
    void bind(unsigned slot, core::SlotId core_slot) {
        const bool object_root =
            table_.parent(core_slot) == 0 && (Kind{table_.entry(core_slot).kind()} == Kind::kEndpoint ||
                                              Kind{table_.entry(core_slot).kind()} == Kind::kTopic);
        rows_[slot] = {.core = core_slot, .parent = false, .root = object_root};
        device_of_[core_slot] = slot;
    }
    /// The capability ended: its device slot is free for the next generation.
    void unbind(core::SlotId core_slot) {
        const auto found = device_of_.find(core_slot);
        if (found == device_of_.end()) {
            return;
        }
        const unsigned slot = found->second;
        uncache(slot);
        rows_.erase(slot);
        device_of_.erase(found);
        generation_[slot] = core::next_generation(generation_[slot]);
        free_slots_.push_back(slot);
    }
    void uncache(unsigned slot) {
        const auto found = cached_.find(slot % kRows);
        if (found != cached_.end() && found->second == slot) {
            cached_.erase(found);
        }
        changed_[slot % kRows] = bench_.cycle();
    }
    /// The core's id of a device id; one that the core refuses when there is none.
    [[nodiscard]] core_id to_core(std::uint32_t id) const {
        if (id == 0) {
            return 0;
        }
        const unsigned slot = core::slot_of(id);
        const auto found = rows_.find(slot);
        if (found == rows_.end() || core::generation_of(id) != generation_[slot]) {
            return ~core_id{0};
        }
        return table_.id(found->second.core);
    }
    [[nodiscard]] bool is_cached(std::uint32_t id) const {
        const auto found = cached_.find(core::slot_of(id) % kRows);
        return found != cached_.end() && found->second == core::slot_of(id);
    }
    [[nodiscard]] bool just_changed(std::uint32_t id) const {
        const auto found = changed_.find(core::slot_of(id) % kRows);
        return found != changed_.end() && bench_.cycle() - found->second < kWindow;
    }

    // ---- Traffic

    [[nodiscard]] std::uint32_t some_id(core::ProcessId owner, bool own, bool cached, Kind kind,
                                        bool any_kind) {
        for (int tries = 0; tries < 48; ++tries) {
            auto found = rows_.lower_bound(random_.below(kDeviceSlots));
            if (cached && tries < 32 && !cached_.empty()) {
                auto row = cached_.lower_bound(random_.below(kRows));
                found = rows_.find((row == cached_.end() ? cached_.begin() : row)->second);
            }
            if (found == rows_.end()) {
                continue;
            }
            const Entry& entry = table_.entry(found->second.core);
            if ((!own || entry.owner() == owner) && (any_kind || Kind{entry.kind()} == kind)) {
                return device_id(found->first);
            }
        }
        return core::make_capability_id(static_cast<std::uint16_t>(1 + random_.below(4095)),
                                        random_.below(kDeviceSlots));
    }

    void send(unsigned port) {
        const auto link =
            bound_[port] != 0 ? bound_[port] : static_cast<core::ProcessId>(1 + random_.below(processes()));
        Header header;
        // Often the same as just before: that is where hazards are.
        if (have_last_ && random_.one_in(3)) {
            header = last_;
            if (!random_.one_in(16)) {
                header.set_sender(bound_[port] == 0 ? table_owner(header.capability(), link) : 0);
            }
        } else {
            header = fresh(link, port);
        }
        header.set_sequence(static_cast<std::uint32_t>(random_.next()));
        spoil(header);
        last_ = header;
        have_last_ = true;
        unsigned beats = B::kBeats;
        bool bad = false;
        if (random_.one_in(60)) {
            beats = 1 + random_.below(B::kBeats * 2);
            bad = beats != B::kBeats;
        }
        sent_[port].push_back({header, bad, bound_[port]});
        bench_.send(port, header, beats);
    }

    [[nodiscard]] core::ProcessId table_owner(std::uint32_t id, core::ProcessId otherwise) const {
        const auto found = rows_.find(core::slot_of(id));
        return found == rows_.end() ? otherwise : table_.entry(found->second.core).owner();
    }

    Header fresh(core::ProcessId link, unsigned port) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_priority(static_cast<std::uint8_t>(random_.below(4)));
        header.set_length(static_cast<std::uint16_t>(random_.below(4097)));
        header.set_sender(bound_[port] == 0 || random_.one_in(2) ? link : 0);
        header.set_timestamp(random_.next());
        const unsigned what = random_.below(10);
        const Kind kind = what < 5 ? Kind::kEndpoint : what < 7 ? Kind::kTopic : Kind::kReply;
        const std::uint32_t authority =
            some_id(link, !random_.one_in(16), !random_.one_in(10), kind, random_.one_in(16));
        header.set_capability(authority);
        const auto found = rows_.find(core::slot_of(authority));
        const Entry entry = found == rows_.end() ? Entry{} : table_.entry(found->second.core);
        header.set_receiver(entry.object());
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        if (Kind{entry.kind()} == Kind::kTopic) {
            header.set_type(static_cast<std::uint8_t>(Type::kEvent));
            return header;
        }
        if (Kind{entry.kind()} == Kind::kReply) {
            header.set_flags(flag::kReply);
        }
        const unsigned how = random_.below(8);
        if (how < 2 && Kind{entry.kind()} == Kind::kEndpoint) {
            header.set_flags(flag::kExpectsReply);
        } else if (how < 5) {
            const std::uint32_t carried =
                some_id(link, !random_.one_in(16), !random_.one_in(10), Kind::kRegion, true);
            header.set_carried(carried);
            const auto row = rows_.find(core::slot_of(carried));
            const Entry given = row == rows_.end() ? Entry{} : table_.entry(row->second.core);
            const bool linear = (given.flags() & entry_flag::kLinear) != 0;
            Grant grant;
            grant.set_badge(static_cast<std::uint32_t>(random_.next()));
            const std::uint64_t some = random_.one_in(2) ? 0xFFU : random_.next();
            grant.set_rights(static_cast<std::uint8_t>(random_.one_in(8) ? some : given.rights() & some));
            grant.set_flags(static_cast<std::uint8_t>(random_.below(4)));
            grant.set_lifetime(random_.one_in(2)   ? 0
                               : random_.one_in(4) ? random_.below(1U << 20)
                                                   : random_.below(60));
            header.set_timestamp(grant.words[0]);
            if (header.flags() == 0 && (linear || random_.one_in(8))) {
                header.set_type(static_cast<std::uint8_t>(linear && !random_.one_in(8) ? Type::kQuantum
                                                                                       : Type::kCapability));
            } else if (header.flags() == 0 && random_.one_in(4)) {
                header.set_flags(flag::kZeroCopy);
            }
        }
        return header;
    }

    /// Sometimes one field is not what it should be.
    void spoil(Header& header) {
        if (!random_.one_in(12)) {
            return;
        }
        const std::uint64_t dice = random_.next();
        switch (random_.below(12)) {
            case 0:
                header.set_version(static_cast<std::uint8_t>(dice & 15));
                break;
            case 1:
                header.set_type(static_cast<std::uint8_t>(dice & 15));
                break;
            case 2:
                header.set_flags(static_cast<std::uint8_t>(dice & 63));
                break;
            case 3:
                header.set_length(static_cast<std::uint16_t>(dice));
                break;
            case 4:
                header.set_sender(static_cast<std::uint32_t>(dice & 0x1000F));
                break;
            case 5:
                header.set_receiver(static_cast<std::uint32_t>(dice & 0x1000F));
                break;
            case 6:
                header.set_receiver(header.receiver() ^ 1U << (dice & 31));
                break;
            case 7:
                header.set_capability(header.capability() ^ 1U << (dice & 31));
                break;
            case 8:
                header.set_carried(header.carried() ^ 1U << (dice & 31));
                break;
            case 9:
                header.set_timestamp(header.timestamp() ^ 1ULL << (dice & 63));
                break;
            case 10:
                header.set_carried(header.capability());
                break;
            default:
                header.words[dice >> 8 & 3] ^= 1ULL << (dice & 63);
                break;
        }
    }

    // ---- What the router did

    // A place in a queue is taken with the verdict and free again when the copy has left; in between the copy
    // is first on its way and then in the queue. Order is that of the core's queues, room is counted here.
    struct Places {
        std::array<std::array<unsigned, 4>, kDests> taken{};
        std::array<std::array<std::deque<Header>, 4>, kDests> coming;
    };
    struct Mirror {
        const Places& places;
        bool always = false;
        std::vector<core::ObjectId> to;
        [[nodiscard]] bool has_room(core::ObjectId d, unsigned p, std::uint32_t) const {
            return always || places.taken.at(d).at(p) < Shape::kDepth;
        }
        void push(core::ObjectId d, unsigned, const Header&) { to.push_back(d); }
    };
    void put(core::ObjectId d, unsigned priority, const Header& header) {
        ++places_.taken[d][priority];
        places_.coming[d][priority].push_back(header);
    }

    void on_clock(const Inside& inside) {
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

    void judge(const Inside& inside) {
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
        expect(inside.push == (outcome.verdict == Verdict::kDelivered),
               "delivered is pushed, refused is not");
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

    /// Whether the router may leave this to the host.
    bool may_miss(const Header& header, core::ProcessId link, const core::Now& now) {
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
    /// The last id may not have arrived yet.
    [[nodiscard]] bool short_of_ids() const {
        return stock_.size() <= (bench_.cycle() < stock_seen_ ? 1U : 0U);
    }

    void check_outputs() {
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

    [[nodiscard]] bool busy() const {
        bool any = !misses_.empty() || !refill_.empty() || !bench_.bus_idle() || job_ || !freed_.empty();
        for (unsigned port = 0; port < Shape::kPorts; ++port) {
            any = any || bench_.waiting(port) != 0 || !sent_[port].empty() || !expected_[port].empty();
        }
        for (unsigned d = 0; d < kDests; ++d) {
            for (unsigned p = 0; p < 4; ++p) {
                any = any || places_.taken[d][p] != 0;
            }
        }
        return any;
    }

    // ---- The host: one job at a time, a job being a chain of table commands

    void host() {
        if (job_ || !bench_.bus_idle()) {
            return;
        }
        if (!refill_.empty()) {
            const unsigned slot = refill_.front();
            refill_.pop_front();
            if (rows_.contains(slot) && !is_cached(device_id(slot))) {
                fill(slot);
            }
            return;
        }
        if (!misses_.empty()) {
            serve();
            return;
        }
        if (quiet_) {
            return;
        }
        const unsigned what = random_.below(100);
        if (what < 30 && stock_.size() < Shape::kFreeIds && free_slots_.size() > 2) {
            const unsigned slot = free_slots_.front();
            free_slots_.pop_front();
            stock_seen_ = ~0ULL;
            bench_.queue_write(B::kFreeId, device_id(slot),
                               [this](std::uint32_t) { stock_seen_ = bench_.cycle() + 4; });
            stock_.push_back(device_id(slot));
        } else if (what < 80) {
            fill_some();
        } else if (what < 83) {
            recall();
        } else if (what < 90 && rows_.size() * 4 < kDeviceSlots * 3) {
            invent();
        } else if (what < 91) {
            bench_.queue_write(B::kTick, now_tick_ += random_.below(4));
        } else if (what < 92 && random_.one_in(20)) {
            const std::uint32_t next = epoch_ + 1;
            job_ = true;
            then_ = [this] {
                cached_.clear();
                clear_all();
            };
            bench_.queue_write(B::kEpoch, epoch_ = next);
        }
    }
    void clear_all() {
        for (unsigned row = 0; row < kRows; ++row) {
            changed_[row] = bench_.cycle();
        }
    }
    void invent() {
        const auto owner = static_cast<core::ProcessId>(1 + random_.below(processes()));
        const auto object = static_cast<core::ObjectId>(1 + random_.below(kIds - 1));
        const auto rights = static_cast<std::uint8_t>(random_.one_in(2) ? 0xFFU : random_.next() & 0xFF);
        switch (random_.below(5)) {
            case 0:
                make(owner, Kind::kQubit, object, rights, entry_flag::kLinear);
                return;
            case 1:
                make(owner, Kind::kRegion, object, rights, 0);
                return;
            case 2:
                make(owner, Kind::kEndpoint, object, rights, entry_flag::kOneShot);
                return;
            default:
                break;
        }
        // A child of an object's root, as a look-up makes one.
        const bool topic = directory_.what(object) == core::Directory::What::kTopic;
        const core::SlotId root = directory_.root(object);
        if (device_of_.contains(root) && cached_.contains(device_of_[root] % kRows) &&
            cached_[device_of_[root] % kRows] == device_of_[root] && !rows_[device_of_[root]].parent) {
            return;  // its row says that it has no children; not while it is in the device
        }
        const core_id id =
            table_.derive(root, {.owner = owner,
                                 .kind = topic ? Kind::kTopic : Kind::kEndpoint,
                                 .object = object,
                                 .rights = rights,
                                 .flags = entry_flag::kRevocable,
                                 .badge = static_cast<std::uint32_t>(random_.next()),
                                 .expiry = random_.one_in(4) ? now_tick_ + random_.below(60) : 0,
                                 .payer = owner});
        if (id != 0) {
            adopt(core::slot_of(id));
        }
    }

    void fill_some() {
        auto found = rows_.lower_bound(random_.below(kDeviceSlots));
        if (found == rows_.end() || is_cached(device_id(found->first))) {
            return;
        }
        if (cached_.contains(found->first % kRows) && !random_.one_in(4)) {
            return;
        }
        fill(found->first);
    }
    void fill(unsigned slot) {
        Row& row = rows_.at(slot);
        Entry entry = table_.entry(row.core);
        const bool single = (entry.flags() & (entry_flag::kLinear | entry_flag::kOneShot)) != 0;
        row.parent = table_.first_child(row.core) != 0 || (!single && random_.one_in(2));
        entry.set_generation(generation_[slot]);
        entry.set_spare(static_cast<std::uint8_t>((row.parent ? 1 : 0) | (row.root ? 2 : 0)));
        ++tally.fills;
        job_ = true;
        then_ = [this, slot] {
            cached_[slot % kRows] = slot;
            changed_[slot % kRows] = bench_.cycle();
        };
        bench_.queue_command(slot, 1, &entry);
    }
    /// Takes rows out of the device, one after another, then calls `after`.
    void invalidate(std::vector<std::uint32_t> slots, std::function<void()> after) {
        if (slots.empty()) {
            job_ = false;
            after();
            return;
        }
        const unsigned slot = slots.back();
        slots.pop_back();
        job_ = true;
        then_ = [this, slot, slots = std::move(slots), after = std::move(after)]() mutable {
            cached_.erase(slot % kRows);
            changed_[slot % kRows] = bench_.cycle();
            invalidate(std::move(slots), std::move(after));
        };
        bench_.queue_command(slot, 2);
    }

    /// A miss: the rows that it may change leave the device, then the core decides.
    void serve() {
        const auto [header, link] = misses_.front();
        misses_.pop_front();
        ++tally.served;
        std::vector<std::uint32_t> slots;
        for (const std::uint32_t id : {header.capability(), header.carried()}) {
            if (id != 0 && core::slot_of(id) < kDeviceSlots) {
                slots.push_back(core::slot_of(id));
            }
        }
        refill_.insert(refill_.end(), slots.begin(), slots.end());
        invalidate(std::move(slots), [this, header = header, link = link] {
            if (link == 0 || link >= kIds) {
                return;
            }
            Header for_core = header;
            for_core.set_capability(to_core(header.capability()));
            for_core.set_carried(to_core(header.carried()));
            const core::SlotId authority = table_.find(for_core.capability(), link);
            const bool one_shot =
                authority != 0 && (table_.entry(authority).flags() & entry_flag::kOneShot) != 0;
            const core::SlotId carried = for_core.carried() == 0 ? 0 : table_.find(for_core.carried(), link);
            Mirror elsewhere{places_, true, {}};
            const core::Outcome outcome =
                core::route(table_, directory_, elsewhere, for_core, link, {.ns = 0, .tick = now_tick_});
            if (outcome.verdict != Verdict::kDelivered) {
                return;
            }
            if (one_shot) {
                unbind(authority);
            }
            if (outcome.created != 0) {
                const core::SlotId made = core::slot_of(outcome.created);
                if (made == carried) {
                    const unsigned slot = device_of_.at(made);
                    generation_[slot] = core::next_generation(generation_[slot]);
                } else {
                    adopt(made);
                }
            }
        });
    }

    /// Recall: what descends from a capability, itself included unless it is an object's root, ends.
    void recall() {
        auto found = rows_.lower_bound(random_.below(kDeviceSlots));
        if (found == rows_.end()) {
            return;
        }
        ++tally.recalls;
        recall_from({found->second.core}, {}, found->second.core);
    }
    void recall_from(std::vector<core::SlotId> todo, std::set<core::SlotId> done, core::SlotId top) {
        if (todo.empty()) {
            const bool root = table_.parent(top) == 0;
            table_.revoke(top, !root, [this](core::SlotId slot, const Entry&) { unbind(slot); });
            return;
        }
        const core::SlotId slot = todo.back();
        todo.pop_back();
        done.insert(slot);
        const auto next = [this, slot, todo = std::move(todo), done = std::move(done), top]() mutable {
            // With its row gone nothing more can be derived from it.
            for (core::SlotId child = table_.first_child(slot); child != 0;
                 child = table_.next_sibling(child)) {
                if (!done.contains(child)) {
                    todo.push_back(child);
                }
            }
            recall_from(std::move(todo), std::move(done), top);
        };
        const auto device = device_of_.find(slot);
        invalidate(device == device_of_.end() ? std::vector<std::uint32_t>{}
                                              : std::vector<std::uint32_t>{device->second},
                   next);
    }

    void command_done() {
        expect(job_, "a command is done that nobody gave");
        job_ = false;
        const auto then = std::move(then_);
        then();
    }

    Bench<Shape>& bench_;
    Random random_;
    core::Share user_;
    core::CapabilityTable table_;
    core::Directory directory_;
    core::HeaderQueues queues_;
    std::map<unsigned, Row> rows_;  // by device slot
    std::map<core::SlotId, unsigned> device_of_;
    std::map<unsigned, unsigned> cached_;        // row index to device slot, as the device has it
    std::map<unsigned, std::uint64_t> changed_;  // row index to the cycle of its last change
    std::array<std::uint16_t, kDeviceSlots> generation_{};
    std::deque<unsigned> free_slots_;
    std::deque<std::uint32_t> stock_;  // ids given to the device
    std::array<std::uint16_t, Shape::kPorts> bound_{};
    std::array<std::deque<Sent>, Shape::kPorts> sent_;
    std::array<std::deque<Received>, Shape::kPorts> expected_;
    struct Freed {
        std::uint64_t cycle;
        unsigned destination, level;
    };
    std::deque<Freed> freed_;
    Places places_;
    std::deque<std::pair<Verdict, std::uint32_t>> audit_expected_;
    std::deque<std::pair<Header, core::ProcessId>> misses_;
    std::deque<unsigned> refill_;  // rows that were taken out for a miss
    std::uint64_t audited_ = 0, stock_seen_ = 0;
    std::uint32_t now_tick_ = 0, epoch_ = 0;
    Header last_;
    bool have_last_ = false, job_ = false, quiet_ = false;
    std::function<void()> then_;
};

}  // namespace keyway::rtl
