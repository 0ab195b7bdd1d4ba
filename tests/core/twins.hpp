// The core and the naive model side by side: each step is done to both, and whatever differs is thrown.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "naive_model.hpp"
#include "world.hpp"

namespace keyway::core {

/// xorshift64*: the same numbers on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U | 1) {
        next();  // a small seed shows in the first number
        next();
    }
    std::uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1DU;
    }
    std::uint32_t below(std::size_t bound) {
        return static_cast<std::uint32_t>((next() >> 32) * bound >> 32);
    }
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    template <typename T>
    const T& of(const std::vector<T>& all) {
        return all[below(all.size())];
    }

  private:
    std::uint64_t state_;
};

/// How often what happened.
struct Tally {
    std::array<std::uint64_t, 32> verdicts{};
    std::uint64_t messages = 0, calls = 0, replies = 0, derived = 0, moved = 0, events = 0, one_shots = 0,
                  generation_wraps = 0, deaths = 0, uses = 0;
};

class Twins {
  public:
    static constexpr std::uint32_t kStepKinds = 64;

    Twins(const Geometry& geometry, Tally& tally)
        : tally_(tally),
          real_(geometry),
          model_(geometry.slots, geometry.ids, geometry.depth, geometry.user_limit) {
        advance(1'000'000, 100);
        // Few enough to leave slots for capabilities in a small world.
        for (std::uint32_t process = 0; process < std::min(4U, geometry.ids / 3); ++process) {
            open_process(process % 2 == 0 ? 0 : 1);
        }
        Random random(geometry.slots);
        for (std::uint32_t object = 0; object < std::min(4U, geometry.slots / 8); ++object) {
            open_object(object % 2 == 0, random);
        }
    }

    ~Twins() { tally_.generation_wraps += model_.wraps; }
    Twins(const Twins&) = delete;
    Twins& operator=(const Twins&) = delete;

    /// One random step: `what` below kStepKinds says of which kind, `dice` decides on the rest.
    void step(std::uint32_t what, std::uint64_t dice) {
        Random random(dice);
        if (what < 44) {
            send(random);
        } else if (what < 53) {
            pop(some_destination(random));
        } else if (what < 54) {
            // Now and then almost to the end of all ticks.
            const std::uint32_t left = UINT32_MAX - real_.now.tick;
            const std::uint32_t ticks = random.one_in(2048) && left > 64 ? left - 64 : random.below(4);
            advance(random.below(1U << 30), ticks);
        } else if (what < 56) {
            make(random);
        } else if (what < 59) {
            derive(random);
        } else if (what < 60) {
            move(random);
        } else if (what < 62) {
            revoke(random);
        } else if (what < 63) {
            open(random);
        } else {
            close(random);
        }
        compare();
    }

    /// Any header at all, as the message of one of the processes.
    void judge_any(std::uint32_t chooses_sender, const Header& header) {
        const auto all = processes();
        if (!all.empty()) {
            judge(all[chooses_sender % all.size()], header);
            compare();
        }
    }

    /// Uses every free slot `generations` times, so that ids come round again soon.
    void age(std::uint32_t generations) {
        const auto process = static_cast<ProcessId>(processes().front());
        for (std::size_t i = 0; i < generations * model_.free_slots.size(); ++i) {
            const CapabilityId id = make_both(0, {.owner = process, .kind = Kind::kDevice, .payer = process});
            expect(real_.table.revoke(slot_of(id), true) == model_.revoke(id, true), "number revoked", id);
        }
    }

    /// Everything that is too slow for each step: contents of queues, the directory, the table's own audit.
    void compare_deeply() const {
        const std::string broken = real_.table.audit();
        expect(broken.empty(), broken);
        naive::Model model = model_;
        HeaderQueues queues = real_.queues;
        for (std::uint32_t id = 0; id < real_.geometry.ids; ++id) {
            const auto object = static_cast<ObjectId>(id);
            for (const Header& header : drain(queues, object)) {
                const auto expected = model.pop(id);
                expect(expected && *expected == bytes(header), "content of queue", id);
            }
            expect(!model.pop(id), "length of queue", id);
            const auto found = model_.objects.find(id);
            if (found == model_.objects.end()) {
                expect(real_.directory.what(object) == Directory::What::kFree, "an object that is closed",
                       id);
                continue;
            }
            const bool topic = real_.directory.what(object) == Directory::What::kTopic;
            expect(topic == found->second.topic && real_.directory.owner(object) == found->second.owner &&
                       real_.directory.root(object) == slot_of(found->second.root),
                   "object", id);
            std::size_t count = 0;
            for (const auto& [of, endpoint] : model_.subscriptions) {
                count += of == id ? 1 : 0;
            }
            const auto subscribers = real_.directory.subscribers(object);
            for (const ObjectId endpoint : subscribers) {
                expect(model_.subscriptions.contains({id, endpoint}), "subscriber of", id);
            }
            expect(subscribers.size() == count, "subscribers of", id);
        }
        expect(real_.directory.in_use() == model_.objects.size(), "number of objects");
    }

  private:
    static naive::Bytes bytes(const Header& header) {
        naive::Bytes all;
        std::memcpy(all.data(), &header, sizeof header);
        return all;
    }

    static void expect(bool same, const std::string& what, std::uint64_t where = 0) {
        if (!same) {
            throw std::runtime_error("core and model differ: " + what + " (" + std::to_string(where) + ")");
        }
    }
    static void expect(bool same, const char* what, std::uint64_t where = 0) {
        if (!same) [[unlikely]] {
            expect(false, std::string(what), where);
        }
    }

    // ---- Choosing

    [[nodiscard]] std::vector<std::uint32_t> processes() const {
        std::vector<std::uint32_t> all;
        all.reserve(model_.accounts.size());
        for (const auto& [process, account] : model_.accounts) {
            all.push_back(process);
        }
        return all;
    }
    /// Ids of the capabilities that `good` says yes to.
    template <typename Good>
    [[nodiscard]] std::vector<CapabilityId> capabilities(const Good& good) const {
        std::vector<CapabilityId> all;
        for (const auto& [id, capability] : model_.capabilities) {
            if (good(id, capability)) {
                all.push_back(id);
            }
        }
        return all;
    }
    [[nodiscard]] std::vector<CapabilityId> held_by(std::uint32_t process) const {
        return capabilities([&](CapabilityId, const naive::Capability& c) { return c.owner == process; });
    }
    [[nodiscard]] bool is_object_root(CapabilityId id) const {
        const auto object = model_.objects.find(model_.capabilities.at(id).object);
        return object != model_.objects.end() && object->second.root == id;
    }

    // ---- Messages

    [[nodiscard]] CapabilityId carried_by(std::uint32_t process, bool linear, Random& random) const {
        std::vector<CapabilityId> good = capabilities([&](CapabilityId, const naive::Capability& c) {
            return c.owner == process && (!linear || c.linear);
        });
        if (good.empty()) {
            good = held_by(process);
        }
        return good.empty() ? 1 : random.of(good);
    }

    /// A message that `link` might well be allowed to send.
    [[nodiscard]] Header plausible(std::uint32_t link, Random& random) const {
        const auto usable = capabilities([&](CapabilityId, const naive::Capability& c) {
            return c.owner == link && c.kind <= naive::kReplyKind;
        });
        const CapabilityId authority =
            usable.empty() || random.one_in(32) ? carried_by(link, false, random) : random.of(usable);
        const auto found = model_.capabilities.find(authority);
        const naive::Capability with =
            found == model_.capabilities.end() ? naive::Capability{} : found->second;
        Header header = message(random.one_in(2) ? Type::kData : Type::kControl,
                                static_cast<ObjectId>(with.object), authority);
        header.set_sender(random.one_in(2) ? 0 : link);
        header.set_priority(static_cast<std::uint8_t>(random.below(4)));
        header.set_length(static_cast<std::uint16_t>(random.one_in(4) ? 4096 : random.below(4097)));
        header.set_sequence(static_cast<std::uint32_t>(random.next()));
        header.set_timestamp(random.next());
        bool carries = random.one_in(4);
        std::uint8_t flags = 0;
        if (with.kind == naive::kTopicKind) {
            header.set_type(static_cast<std::uint8_t>(Type::kEvent));
            carries = false;
        } else if (with.kind == naive::kReplyKind) {
            flags = flag::kReply;
        } else if (random.one_in(3)) {
            flags = flag::kExpectsReply;
            carries = false;
        } else if (random.one_in(2)) {
            header.set_type(static_cast<std::uint8_t>(random.one_in(3) ? Type::kQuantum : Type::kCapability));
            carries = true;
        }
        const bool conversation = Type{header.type()} == Type::kData || Type{header.type()} == Type::kControl;
        if (Type{header.type()} == Type::kData && random.one_in(4)) {
            flags |= random.one_in(2) ? flag::kStreamFirst : flag::kStreamLast;
        }
        if (conversation && carries && random.one_in(3)) {
            flags |= flag::kZeroCopy;
        }
        if (random.one_in(4)) {
            flags |= flag::kNoWait;
        }
        header.set_flags(flags);
        if (carries) {
            const bool hand_off = Type{header.type()} == Type::kQuantum;
            const CapabilityId carried = random.one_in(16) ? authority : carried_by(link, hand_off, random);
            const auto given = model_.capabilities.find(carried);
            const unsigned has = given == model_.capabilities.end() ? 0 : given->second.rights;
            const unsigned rights = random.one_in(8) ? random.below(256) : has & (random.below(256) | 6);
            const std::uint32_t lifetime =
                random.one_in(64) ? random.below(1U << 20) : random.below(2) * random.below(12);
            header = carrying(header, carried, static_cast<std::uint8_t>(rights),
                              random.one_in(3) ? static_cast<std::uint8_t>(random.below(4)) : std::uint8_t{0},
                              lifetime, static_cast<std::uint32_t>(random.next()));
        }
        return header;
    }

    [[nodiscard]] CapabilityId other_id(CapabilityId id, Random& random) const {
        switch (random.below(5)) {
            case 0:
                return make_capability_id(static_cast<std::uint16_t>(random.below(4096)), slot_of(id));
            case 1:
                return make_capability_id(generation_of(id), random.below(real_.geometry.slots + 2));
            case 2:
                return static_cast<CapabilityId>(random.next());
            case 3:
                return id - (1U << limit::kSlotBits);  // the generation before
            default: {
                const auto all = capabilities([](CapabilityId, const naive::Capability&) { return true; });
                return all.empty() ? 0 : random.of(all);
            }
        }
    }

    void damage(Header& header, Random& random) const {
        switch (random.below(12)) {
            case 0:
                header.set_version(static_cast<std::uint8_t>(random.below(16)));
                break;
            case 1:
                header.set_type(static_cast<std::uint8_t>(random.below(16)));
                break;
            case 2:
            case 3:
                header.set_flags(static_cast<std::uint8_t>(random.below(64)));
                break;
            case 4:
                header.set_length(static_cast<std::uint16_t>(random.below(65536)));
                break;
            case 5:
                header.set_sender(random.below(real_.geometry.ids));
                break;
            case 6:
                header.set_receiver(random.one_in(4) ? header.receiver() + 65536
                                                     : random.below(real_.geometry.ids));
                break;
            case 7:
            case 8:
                header.set_capability(other_id(header.capability(), random));
                break;
            case 9:
            case 10:
                header.set_carried(other_id(header.carried(), random));
                break;
            default:
                header.words[random.below(4)] ^= std::uint64_t{1} << random.below(64);
        }
    }

    void send(Random& random) {
        const auto all = processes();
        if (all.empty()) {
            open_process(0);
            return;
        }
        const std::uint32_t link = random.of(all);
        Header header = plausible(link, random);
        while (random.one_in(5)) {
            damage(header, random);
        }
        judge(link, header);
    }

    void judge(std::uint32_t link, const Header& header) {
        ++tally_.messages;

        const Outcome got = real_.send(static_cast<ProcessId>(link), header);
        const naive::Model::Answer expected = model_.route(bytes(header), link);

        if (static_cast<int>(got.verdict) != expected.verdict) {
            std::ostringstream what;
            what << "verdict " << name_of(got.verdict) << ", the model says "
                 << name_of(Verdict{static_cast<std::uint8_t>(expected.verdict)}) << ", of header "
                 << std::hex;
            for (const std::uint64_t word : header.words) {
                what << ' ' << word;
            }
            throw std::runtime_error("core and model differ: " + what.str());
        }
        expect(got.created == expected.created, "id that was made", got.created);
        expect(got.destinations == expected.destinations, "number of destinations", got.destinations);
        expect(bytes(got.delivered) == expected.delivered, "delivered header");
        count(header, got);
    }

    void count(const Header& header, const Outcome& outcome) {
        ++tally_.verdicts[static_cast<std::size_t>(outcome.verdict)];
        if (outcome.verdict != Verdict::kDelivered) {
            return;
        }
        const bool call = (header.flags() & flag::kExpectsReply) != 0;
        const bool moved = header.carried() != 0 && slot_of(header.carried()) == slot_of(outcome.created);
        tally_.calls += call ? 1U : 0U;
        tally_.replies += (header.flags() & flag::kReply) != 0 ? 1U : 0U;
        tally_.moved += moved ? 1U : 0U;
        tally_.derived += header.carried() != 0 && !moved ? 1U : 0U;
        tally_.events += Type{header.type()} == Type::kEvent && outcome.destinations > 1 ? 1U : 0U;
        const auto authority = model_.capabilities.find(header.capability());
        tally_.uses += authority != model_.capabilities.end() && authority->second.one_shot ? 1U : 0U;
        tally_.one_shots += model_.capabilities.contains(header.capability()) || moved ? 0U : 1U;
    }

    /// Mostly one that has something.
    [[nodiscard]] std::uint32_t some_destination(Random& random) const {
        std::vector<std::uint32_t> waiting;
        for (const auto& [where, queue] : model_.queues) {
            if (!queue.empty()) {
                waiting.push_back(where.first);
            }
        }
        return waiting.empty() || random.one_in(16) ? random.below(real_.geometry.ids) : random.of(waiting);
    }

    void pop(std::uint32_t destination) {
        Header got;
        const bool any = real_.queues.pop(static_cast<ObjectId>(destination), got);
        const auto expected = model_.pop(destination);
        expect(any == expected.has_value(), "something in queue", destination);
        expect(!any || bytes(got) == *expected, "head of queue", destination);
    }

    void advance(std::uint64_t ns, std::uint32_t ticks) {
        Now& now = real_.now;
        now.ns += ns;
        now.tick = now.tick > UINT32_MAX - ticks ? UINT32_MAX : now.tick + ticks;
        model_.ns = now.ns;
        model_.tick = now.tick;
    }

    // ---- What the router does beside messages

    /// The same capability made in both; 0 when there is no room.
    CapabilityId make_both(CapabilityId parent, const CapabilitySpec& spec) {
        const CapabilityId got =
            parent == 0 ? real_.table.make_root(spec) : real_.table.derive(slot_of(parent), spec);
        const std::uint32_t expected = model_.make({.owner = spec.owner,
                                                    .payer = spec.payer,
                                                    .object = spec.object,
                                                    .kind = static_cast<unsigned>(spec.kind),
                                                    .rights = spec.rights,
                                                    .linear = (spec.flags & entry_flag::kLinear) != 0,
                                                    .one_shot = (spec.flags & entry_flag::kOneShot) != 0,
                                                    .revocable = (spec.flags & entry_flag::kRevocable) != 0,
                                                    .badge = spec.badge,
                                                    .expiry = spec.expiry,
                                                    .uses = spec.uses,
                                                    .parent = parent});
        expect(got == expected, "id of a new capability", got);
        return got;
    }

    std::uint32_t some_expiry(Random& random) const {
        return random.one_in(2) ? 0 : std::max(1U, real_.now.tick + random.below(8));
    }

    void make(Random& random) {
        const auto all = processes();
        if (all.empty()) {
            return;
        }
        const auto owner = static_cast<ProcessId>(random.of(all));
        const Kind kind{static_cast<std::uint8_t>(4 + random.below(5))};
        std::uint8_t flags = random.one_in(2) ? entry_flag::kRevocable : std::uint8_t{0};
        if (kind == Kind::kQubit) {
            flags |= entry_flag::kLinear;
        }
        if (random.one_in(6)) {
            flags |= entry_flag::kOneShot;
        }
        make_both(0, {.owner = owner,
                      .kind = kind,
                      .object = static_cast<ObjectId>(random.below(65536)),
                      .rights = some_rights(random),
                      .flags = flags,
                      .badge = static_cast<std::uint32_t>(random.next()),
                      .expiry = some_expiry(random),
                      .payer = owner});
    }

    static std::uint8_t some_rights(Random& random) {
        return static_cast<std::uint8_t>(random.below(256) | (random.one_in(4) ? 0U : 0x2EU));
    }

    void derive(Random& random) {
        const auto parents =
            capabilities([](CapabilityId, const naive::Capability& c) { return !c.linear && !c.one_shot; });
        if (parents.empty()) {
            return;
        }
        const CapabilityId parent = random.of(parents);
        const naive::Capability& from = model_.capabilities.at(parent);
        const auto owner = static_cast<ProcessId>(random.of(processes()));
        std::uint8_t flags = random.one_in(2) ? entry_flag::kRevocable : std::uint8_t{0};
        if (random.one_in(4)) {
            flags |= static_cast<std::uint8_t>(random.below(4) * entry_flag::kLinear);
        }
        make_both(parent, {.owner = owner,
                           .kind = Kind{static_cast<std::uint8_t>(from.kind)},
                           .object = static_cast<ObjectId>(from.object),
                           .rights = static_cast<std::uint8_t>(some_rights(random) & from.rights),
                           .flags = flags,
                           .badge = static_cast<std::uint32_t>(random.next()),
                           .expiry = some_expiry(random),
                           .uses = random.one_in(2) ? 1 : 1 + random.below(4),
                           .payer = random.one_in(2) ? owner : static_cast<ProcessId>(from.owner)});
    }

    void move(Random& random) {
        const auto movable = capabilities([&](CapabilityId id, const naive::Capability&) {
            return model_.children(id).empty() && !is_object_root(id);
        });
        if (movable.empty()) {
            return;
        }
        const CapabilityId id = random.of(movable);
        const auto to = static_cast<ProcessId>(random.of(processes()));
        expect(real_.table.can_pay(to) == model_.may_pay_one_more(to), "share of", to);
        if (model_.may_pay_one_more(to)) {
            const CapabilityId got = real_.table.move(slot_of(id), to);
            expect(got == model_.move(id, to), "id of a moved capability", got);
        }
    }

    void revoke(Random& random) {
        const bool self = !random.one_in(3);
        const auto any = capabilities(
            [&](CapabilityId id, const naive::Capability&) { return !self || !is_object_root(id); });
        if (any.empty()) {
            return;
        }
        const CapabilityId id = random.of(any);
        const CapabilityId above = random.of(any);
        expect(real_.table.descends_from(slot_of(id), slot_of(above)) == model_.descends(id, above),
               "descent of", id);
        expect(real_.table.revoke(slot_of(id), self) == model_.revoke(id, self), "number revoked below", id);
    }

    void open_process(int user) {
        const ProcessId process = real_.directory.open(Directory::What::kEndpoint, 0);
        expect(process == model_.open(false, 0), "id of a new process", process);
        if (process == 0) {
            return;
        }
        const std::uint32_t limit = real_.geometry.process_limit;
        real_.table.open_account(process, limit, real_.users[static_cast<std::size_t>(user)]);
        model_.accounts[process] = {.limit = limit, .user = user};
        if (!root_of(process, process, Kind::kEndpoint)) {
            real_.table.close_account(process);
            model_.accounts.erase(process);
        }
    }

    void open_object(bool topic, Random& random) {
        const auto all = processes();
        if (all.empty()) {
            return;
        }
        const auto owner = static_cast<ProcessId>(random.of(all));
        const ObjectId object =
            real_.directory.open(topic ? Directory::What::kTopic : Directory::What::kEndpoint, owner);
        expect(object == model_.open(topic, owner), "id of a new object", object);
        if (object != 0) {
            root_of(object, owner, topic ? Kind::kTopic : Kind::kEndpoint);
        }
    }

    bool root_of(ObjectId object, ProcessId owner, Kind kind) {
        const CapabilityId root = make_both(
            0, {.owner = owner, .kind = kind, .object = object, .rights = right::kAll, .payer = owner});
        if (root == 0) {
            real_.directory.close(object);
            model_.close(object);
            return false;
        }
        real_.directory.set_root(object, slot_of(root));
        model_.objects[object].root = root;
        return true;
    }

    [[nodiscard]] std::vector<ObjectId> objects(bool topic) const {
        std::vector<ObjectId> all;
        for (const auto& [id, object] : model_.objects) {
            if (object.topic == topic) {
                all.push_back(static_cast<ObjectId>(id));
            }
        }
        return all;
    }

    void open(Random& random) {
        const std::uint32_t what = random.below(8);
        if (what == 0) {
            open_process(static_cast<int>(random.below(2)));
        } else if (what < 3) {
            open_object(what == 1, random);
        } else {
            const auto topics = objects(true);
            const auto endpoints = objects(false);
            if (topics.empty() || endpoints.empty()) {
                return;
            }
            const std::pair pair{random.of(topics), random.of(endpoints)};
            if (what < 7) {
                expect(real_.directory.subscribe(pair.first, pair.second) ==
                           model_.subscriptions.insert(pair).second,
                       "a subscription");
            } else {
                expect(real_.directory.unsubscribe(pair.first, pair.second) ==
                           (model_.subscriptions.erase(pair) != 0),
                       "the end of a subscription");
            }
        }
    }

    void close(Random& random) {
        if (random.one_in(16)) {
            const auto all = processes();
            if (!all.empty()) {
                die(static_cast<ProcessId>(random.of(all)));
            }
        } else if (random.one_in(6)) {
            std::vector<ObjectId> named;
            for (const auto& [id, object] : model_.objects) {
                if (object.owner != id) {
                    named.push_back(static_cast<ObjectId>(id));
                }
            }
            if (named.empty()) {
                return;
            }
            const ObjectId object = random.of(named);
            expect(real_.table.revoke(real_.directory.root(object), true) ==
                       model_.revoke(model_.objects.at(object).root, true),
                   "number revoked with object", object);
            real_.directory.close(object);
            model_.close(object);
        }
    }

    void die(ProcessId process) {
        ++tally_.deaths;
        expect(real_.table.revoke_owned(process) == model_.revoke_owned(process), "number owned by", process);
        std::vector<ObjectId> gone;
        for (const auto& [id, object] : model_.objects) {
            if (object.owner == process) {
                gone.push_back(static_cast<ObjectId>(id));
            }
        }
        for (const ObjectId object : gone) {
            real_.directory.close(object);
            model_.close(object);
        }
        real_.table.close_account(process);
        model_.accounts.erase(process);
    }

    // ---- Comparing

    void compare() const {
        const CapabilityTable& table = real_.table;
        std::array<std::uint32_t, 256> used{};
        for (const auto& [id, c] : model_.capabilities) {
            const SlotId slot = slot_of(id);
            const Entry& entry = table.entry(slot);
            const unsigned flags =
                1U + (c.linear ? 2U : 0U) + (c.one_shot ? 4U : 0U) + (c.revocable ? 8U : 0U);
            const bool same = entry.generation() == generation_of(id) && entry.flags() == flags &&
                              entry.rights() == c.rights && entry.kind() == c.kind && entry.spare() == 0 &&
                              entry.owner() == c.owner && entry.object() == c.object &&
                              entry.badge() == c.badge && entry.expiry() == c.expiry &&
                              table.parent(slot) == slot_of(c.parent) && table.payer(slot) == c.payer &&
                              (!c.one_shot || table.uses(slot) == c.uses);
            expect(same, "slot", slot);
            ++used[c.payer];
        }
        expect(table.in_use() == model_.capabilities.size(), "number of capabilities in use", table.in_use());
        std::array<std::uint32_t, 2> by_user{};
        for (const auto& [process, account] : model_.accounts) {
            expect(table.share(static_cast<ProcessId>(process)).used == used[process], "share of process",
                   process);
            by_user[static_cast<std::size_t>(account.user)] += used[process];
        }
        expect(by_user[0] == real_.users[0].used && by_user[1] == real_.users[1].used, "share of a user");
        // The head of the free list shows when it is taken; here the order of the rest.
        for (std::size_t i = 0; i < model_.free_slots.size(); ++i) {
            const SlotId slot = model_.free_slots[i];
            const SlotId next = i + 1 < model_.free_slots.size() ? model_.free_slots[i + 1] : 0;
            Entry empty;
            empty.set_generation(static_cast<std::uint16_t>(model_.generation.at(slot)));
            expect(table.entry(slot) == empty && table.next_sibling(slot) == next, "free slot", slot);
        }
        std::size_t queued = 0;
        for (const auto& [where, queue] : model_.queues) {
            const auto destination = static_cast<ObjectId>(where.first);
            expect(real_.queues.count(destination, where.second) == queue.size(), "length of queue",
                   where.first);
            queued += queue.size();
        }
        for (std::uint32_t id = 0; id < real_.geometry.ids; ++id) {
            for (unsigned level = 0; level < limit::kPriorities; ++level) {
                queued -= real_.queues.count(static_cast<ObjectId>(id), level);
            }
        }
        expect(queued == 0, "number of headers queued");
    }

    Tally& tally_;
    World real_;
    naive::Model model_;
};

}  // namespace keyway::core
