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
        expect(bench_.read(B::kTableErrors) == 0, "no row was damaged");
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
                                        bool any_kind);

    void send(unsigned port);

    [[nodiscard]] core::ProcessId table_owner(std::uint32_t id, core::ProcessId otherwise) const {
        const auto found = rows_.find(core::slot_of(id));
        return found == rows_.end() ? otherwise : table_.entry(found->second.core).owner();
    }

    Header fresh(core::ProcessId link, unsigned port);

    /// Sometimes one field is not what it should be.
    void spoil(Header& header);

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

    void on_clock(const Inside& inside);

    void judge(const Inside& inside);

    /// Whether the router may leave this to the host.
    bool may_miss(const Header& header, core::ProcessId link, const core::Now& now);
    /// The last id may not have arrived yet.
    [[nodiscard]] bool short_of_ids() const {
        return stock_.size() <= (bench_.cycle() < stock_seen_ ? 1U : 0U);
    }

    void check_outputs();

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

    void host();
    void clear_all() {
        for (unsigned row = 0; row < kRows; ++row) {
            changed_[row] = bench_.cycle();
        }
    }
    void invent();

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
    void fill(unsigned slot);
    /// Takes rows out of the device, one after another, then calls `after`.
    void invalidate(std::vector<std::uint32_t> slots, std::function<void()> after);

    /// A miss: the rows that it may change leave the device, then the core decides.
    void serve();

    /// Recall: what descends from a capability, itself included unless it is an object's root, ends.
    void recall() {
        auto found = rows_.lower_bound(random_.below(kDeviceSlots));
        if (found == rows_.end()) {
            return;
        }
        ++tally.recalls;
        recall_from({found->second.core}, {}, found->second.core);
    }
    void recall_from(std::vector<core::SlotId> todo, std::set<core::SlotId> done, core::SlotId top);

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

// The longer members, each part in a file of its own.
#include "world_host.hpp"
#include "world_judge.hpp"
#include "world_traffic.hpp"
