// A second routing core to compare the first with: slow, small, and written from the contract and not from
// the code.
//
// Capabilities are kept by id and know only their parent; who pays for how many, who is whose child and what
// is full is counted anew each time. A header is taken apart byte by byte. route() collects every fault that
// a message has, and answers with the one that comes first in the contract.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace keyway::naive {

using Bytes = std::array<std::uint8_t, 32>;

// From the contract's tables.
enum Right { kRead = 1, kWrite = 2, kExecute = 4, kGrant = 8, kRevoke = 16, kQuantum = 32 };
enum Flag { kExpectsReply = 1, kReply = 2, kStreamFirst = 4, kStreamLast = 8, kZeroCopy = 16, kNoWait = 32 };
enum MessageType { kControl = 1, kData = 2, kHandOff = 3, kCapability = 4, kEvent = 5 };
enum ObjectKind { kEndpointKind = 1, kTopicKind = 2, kReplyKind = 3, kRegionKind = 4 };

/// Faults in the order in which they are looked for.
enum class Fault {
    kMalformed,
    kSpoofed,
    kNoSuchCapability,
    kExpired,
    kWrongObject,
    kInsufficientRights,
    kNoSuchCarried,
    kCarriedExpired,
    kCarriedWrongObject,
    kLinearity,
    kNotGrantable,
    kAmplified,
    kFull,
    kTableFull,
};
/// The verdict's number for each of them.
inline constexpr std::array<int, 14> kVerdict{1, 2, 3, 4, 5, 6, 7, 8, 5, 9, 10, 11, 12, 13};

struct Message {
    unsigned version, type, priority, flags, length;
    std::uint32_t sender, receiver, capability, carried, sequence;
    // The grant word.
    std::uint32_t badge;
    unsigned rights, grant_flags, lifetime;

    explicit Message(const Bytes& b)
        : version(b[0] % 16U),
          type(b[0] / 16U),
          priority(b[1] % 4U),
          flags(b[1] / 4U),
          length(b[2] + 256U * b[3]),
          sender(word(b, 4)),
          receiver(word(b, 8)),
          capability(word(b, 12)),
          carried(word(b, 16)),
          sequence(word(b, 20)),
          badge(word(b, 24)),
          rights(b[28]),
          grant_flags(b[29] % 16U),
          lifetime(b[29] / 16U + 16U * b[30] + 4096U * b[31]) {}

    [[nodiscard]] bool has(Flag flag) const { return (flags & static_cast<unsigned>(flag)) != 0; }
    [[nodiscard]] bool carries() const { return carried != 0; }
    /// Moves what it carries, rather than deriving a child.
    [[nodiscard]] bool moves() const { return carries() && (type == kHandOff || grant_flags % 2 == 1); }

    static std::uint32_t word(const Bytes& b, std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = 4; i-- > 0;) {
            value = value * 256 + b[at + i];
        }
        return value;
    }
};

struct Capability {
    std::uint32_t owner = 0, payer = 0, object = 0;
    unsigned kind = 0, rights = 0;
    bool linear = false, one_shot = false, revocable = false;
    std::uint32_t badge = 0, expiry = 0;
    std::uint32_t uses = 1;      ///< of a one-shot: how often it can still be used
    std::uint32_t parent = 0;    ///< id; 0: a root
    std::uint64_t born = 0;      ///< when it was made
    std::uint64_t acquired = 0;  ///< when its owner got it
};

struct Account {
    std::uint32_t limit = 0;
    int user = 0;
};

struct Object {
    bool topic = false;
    std::uint32_t owner = 0;
    std::uint32_t root = 0;  ///< id
};

class Model {
  public:
    struct Answer {
        int verdict = 0;
        unsigned destinations = 0;
        std::uint32_t created = 0;
        Bytes delivered{};
    };

    Model(std::uint32_t slots, std::uint32_t ids, std::size_t depth, std::uint32_t user_limit)
        : depth_(depth), ids_(ids), user_limit_(user_limit) {
        for (std::uint32_t slot = 1; slot < slots; ++slot) {
            free_slots.push_back(slot);
            generation[slot] = 1;
        }
        for (std::uint32_t id = 1; id < ids; ++id) {
            free_ids.push_back(id);
        }
    }

    // ---- The state, open to the comparison.
    std::map<std::uint32_t, Capability> capabilities;   ///< by id
    std::map<std::uint32_t, std::uint32_t> generation;  ///< that a slot has, or will have next
    std::deque<std::uint32_t> free_slots, free_ids;     ///< oldest first
    std::map<std::uint32_t, Account> accounts;          ///< by process
    std::map<std::uint32_t, Object> objects;
    std::set<std::pair<std::uint32_t, std::uint32_t>> subscriptions;         ///< topic, endpoint
    std::map<std::pair<std::uint32_t, unsigned>, std::deque<Bytes>> queues;  ///< by destination and priority
    std::uint32_t tick = 0;
    std::uint64_t ns = 0;
    std::uint64_t wraps = 0;  ///< how often a slot's generations began anew

    // ---- Counting

    [[nodiscard]] std::uint32_t paid_by(std::uint32_t process) const {
        return static_cast<std::uint32_t>(
            std::count_if(capabilities.begin(), capabilities.end(),
                          [&](const auto& c) { return c.second.payer == process; }));
    }
    [[nodiscard]] std::uint32_t paid_by_user(int user) const {
        return static_cast<std::uint32_t>(
            std::count_if(capabilities.begin(), capabilities.end(),
                          [&](const auto& c) { return accounts.at(c.second.payer).user == user; }));
    }
    [[nodiscard]] bool may_pay_one_more(std::uint32_t process) const {
        const auto account = accounts.find(process);
        return account != accounts.end() && paid_by(process) < account->second.limit &&
               paid_by_user(account->second.user) < user_limit_;
    }
    [[nodiscard]] bool may_make_one_more(std::uint32_t payer) const {
        return !free_slots.empty() && may_pay_one_more(payer);
    }
    [[nodiscard]] std::set<std::uint32_t> children(std::uint32_t parent) const {
        std::set<std::uint32_t> found;
        for (const auto& [id, capability] : capabilities) {
            if (capability.parent == parent) {
                found.insert(id);
            }
        }
        return found;
    }
    [[nodiscard]] bool descends(std::uint32_t id, std::uint32_t from) const {
        return id != 0 && (id == from || descends(capabilities.at(id).parent, from));
    }

    // ---- Changes

    /// A new capability in the oldest free slot; 0 when the payer or the table has no room.
    std::uint32_t make(Capability what) {
        if (!may_make_one_more(what.payer)) {
            return 0;
        }
        const std::uint32_t slot = free_slots.front();
        free_slots.pop_front();
        what.born = what.acquired = ++events_;
        const std::uint32_t id = id_of(slot);
        capabilities[id] = what;
        return id;
    }
    std::uint32_t move(std::uint32_t id, std::uint32_t to) {
        Capability moved = capabilities.at(id);
        capabilities.erase(id);
        moved.owner = moved.payer = to;
        moved.acquired = ++events_;
        const std::uint32_t slot = slot_of(id);
        age(slot);
        capabilities[id_of(slot)] = moved;
        return id_of(slot);
    }
    /// The youngest child first, and everything below a capability before it.
    unsigned revoke(std::uint32_t id, bool self) {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> below;
        for (const std::uint32_t child : children(id)) {
            below.emplace_back(capabilities.at(child).born, child);
        }
        std::sort(below.rbegin(), below.rend());
        unsigned ended = 0;
        for (const auto& [born, child] : below) {
            ended += revoke(child, true);
        }
        if (self) {
            capabilities.erase(id);
            age(slot_of(id));
            free_slots.push_back(slot_of(id));
            ++ended;
        }
        return ended;
    }
    /// What was got last goes first.
    unsigned revoke_owned(std::uint32_t process) {
        unsigned ended = 0;
        while (true) {
            std::uint32_t latest = 0;
            for (const auto& [id, capability] : capabilities) {
                if (capability.owner == process &&
                    (latest == 0 || capability.acquired > capabilities.at(latest).acquired)) {
                    latest = id;
                }
            }
            if (latest == 0) {
                return ended;
            }
            ended += revoke(latest, true);
        }
    }
    std::uint32_t open(bool topic, std::uint32_t owner) {
        if (free_ids.empty()) {
            return 0;
        }
        const std::uint32_t id = free_ids.front();
        free_ids.pop_front();
        objects[id] = {.topic = topic, .owner = owner == 0 ? id : owner, .root = 0};
        return id;
    }
    void close(std::uint32_t object) {
        objects.erase(object);
        free_ids.push_back(object);
        std::erase_if(subscriptions,
                      [&](const auto& pair) { return pair.first == object || pair.second == object; });
    }

    std::optional<Bytes> pop(std::uint32_t destination) {
        std::array<unsigned, 4>& spent = spent_[destination];
        const auto waiting = [&](unsigned level) { return !queues[{destination, level}].empty(); };
        for (int round = 0; round < 2; ++round) {
            for (unsigned level = 4; level-- > 0;) {
                if (waiting(level) && spent[level] < 1U << level) {
                    ++spent[level];
                    std::deque<Bytes>& queue = queues[{destination, level}];
                    const Bytes first = queue.front();
                    queue.pop_front();
                    return first;
                }
            }
            if (!waiting(0) && !waiting(1) && !waiting(2) && !waiting(3)) {
                return std::nullopt;
            }
            spent = {};  // a new round
        }
        return std::nullopt;
    }

    // ---- The decision

    Answer route(const Bytes& bytes, std::uint32_t link) {
        const Message m(bytes);
        const std::set<Fault> faults = faults_of(m, link);
        if (!faults.empty()) {
            return {.verdict = kVerdict.at(static_cast<std::size_t>(*faults.begin()))};
        }
        const Capability used = capabilities.at(m.capability);
        const std::set<std::uint32_t> to = destinations(m);
        const std::uint32_t receiver = objects.at(m.receiver).owner;
        std::uint32_t created = 0;
        if (m.moves()) {
            created = move(m.carried, receiver);
        } else if (m.carries()) {
            Capability child = capabilities.at(m.carried);
            child.owner = receiver;
            child.payer = link;
            child.parent = m.carried;
            child.rights = m.rights;
            child.badge = m.badge;
            child.revocable = true;
            child.one_shot = m.grant_flags / 2 % 2 == 1;
            child.uses = 1;
            child.expiry = earlier(child.expiry, m.lifetime == 0 ? 0 : after(m.lifetime));
            created = make(child);
        } else if (m.has(kExpectsReply)) {
            created = make({.owner = receiver,
                            .payer = link,
                            .object = link,
                            .kind = kReplyKind,
                            .rights = kWrite,
                            .one_shot = true,
                            .badge = m.sequence,
                            .parent = objects.at(link).root});
        }
        if (used.one_shot && used.uses > 1) {
            --capabilities.at(m.capability).uses;
        } else if (used.one_shot) {
            revoke(m.capability, true);
        }
        Answer answer{.verdict = 0,
                      .destinations = static_cast<unsigned>(to.size()),
                      .created = created,
                      .delivered = bytes};
        stamp(answer.delivered, 4, 4, link);
        stamp(answer.delivered, 12, 4, used.badge);
        stamp(answer.delivered, 16, 4, created);
        stamp(answer.delivered, 24, 8, ns);
        for (const std::uint32_t destination : to) {
            queues[{destination, m.priority}].push_back(answer.delivered);
        }
        return answer;
    }

  private:
    /// Everything that is wrong with the message, as far as it can be told.
    [[nodiscard]] std::set<Fault> faults_of(const Message& m, std::uint32_t link) const {
        std::set<Fault> faults;
        if (!understood(m)) {
            return {Fault::kMalformed};
        }
        if (m.sender != 0 && m.sender != link) {
            faults.insert(Fault::kSpoofed);
        }
        const Capability* carried = nullptr;
        if (m.carries()) {
            carried = held(m.carried, link);
            if (carried == nullptr) {
                faults.insert(Fault::kNoSuchCarried);
            } else {
                look_at_carried(m, *carried, faults);
            }
        }
        const Capability* used = held(m.capability, link);
        if (used == nullptr) {
            faults.insert(Fault::kNoSuchCapability);
            return faults;
        }
        if (over(*used)) {
            faults.insert(Fault::kExpired);
        }
        const bool reply = m.has(kReply);
        const unsigned kind = m.type == kEvent ? kTopicKind : reply ? kReplyKind : kEndpointKind;
        if (used->kind != kind || used->object != m.receiver) {
            faults.insert(Fault::kWrongObject);
            return faults;
        }
        const unsigned right = m.has(kExpectsReply) ? kExecute : kWrite;
        if ((used->rights & right) == 0) {
            faults.insert(Fault::kInsufficientRights);
        }
        for (const std::uint32_t destination : destinations(m)) {
            const auto queue = queues.find({destination, m.priority});
            if (destination >= ids_ || depth_ == 0 ||
                (queue != queues.end() && queue->second.size() >= depth_)) {
                faults.insert(Fault::kFull);
            }
        }
        const bool makes_one = m.has(kExpectsReply) || (m.carries() && !m.moves());
        if (makes_one && !may_make_one_more(link)) {
            faults.insert(Fault::kTableFull);
        }
        if (m.moves() && carried != nullptr) {
            const std::uint32_t receiver = objects.at(m.receiver).owner;
            if (carried->payer != receiver && !may_pay_one_more(receiver)) {
                faults.insert(Fault::kTableFull);
            }
        }
        return faults;
    }

    void look_at_carried(const Message& m, const Capability& carried, std::set<Fault>& faults) const {
        if (over(carried)) {
            faults.insert(Fault::kCarriedExpired);
        }
        if (m.has(kZeroCopy) && carried.kind != kRegionKind) {
            faults.insert(Fault::kCarriedWrongObject);
        }
        const bool copied = !m.moves();
        if (m.type == kHandOff && !carried.linear) {
            faults.insert(Fault::kLinearity);
        }
        if (copied && (carried.linear || carried.one_shot)) {
            faults.insert(Fault::kLinearity);
        }
        if (m.carried == m.capability && carried.one_shot) {
            faults.insert(Fault::kLinearity);  // used up and passed on at once
        }
        if ((carried.rights & (carried.linear ? kQuantum : kGrant)) == 0) {
            faults.insert(Fault::kNotGrantable);
        }
        if (m.moves() && !children(m.carried).empty()) {
            faults.insert(Fault::kNotGrantable);
        }
        // All authority over an object stays below its owner's.
        if (m.moves() && carried.parent == 0 &&
            (carried.kind == kEndpointKind || carried.kind == kTopicKind)) {
            faults.insert(Fault::kNotGrantable);
        }
        if (copied && (m.rights | carried.rights) != carried.rights) {
            faults.insert(Fault::kAmplified);
        }
    }

    static bool understood(const Message& m) {
        struct Form {
            unsigned flags;   // that may be set
            int least, most;  // capabilities carried
        };
        static const std::map<unsigned, Form> kForms{
            {kControl, {kExpectsReply | kReply | kZeroCopy | kNoWait, 0, 1}},
            {kData, {kExpectsReply | kReply | kStreamFirst | kStreamLast | kZeroCopy | kNoWait, 0, 1}},
            {kHandOff, {kNoWait, 1, 1}},
            {kCapability, {kNoWait, 1, 1}},
            {kEvent, {kNoWait, 0, 0}},
        };
        const auto form = kForms.find(m.type);
        if (m.version != 1 || m.length > 4096 || form == kForms.end()) {
            return false;
        }
        const int count = m.carries() ? 1 : 0;
        if ((m.flags | form->second.flags) != form->second.flags || count < form->second.least ||
            count > form->second.most) {
            return false;
        }
        // A reply capability and a carried one can't both be in the one field.
        const int claims = (m.has(kExpectsReply) ? 1 : 0) + count;
        const bool both_ways = m.has(kExpectsReply) && m.has(kReply);
        const bool copy_of_nothing = m.has(kZeroCopy) && !m.carries();
        const bool reserved = m.carries() && m.grant_flags > 3;
        return claims < 2 && !both_ways && !copy_of_nothing && !reserved;
    }

    [[nodiscard]] std::set<std::uint32_t> destinations(const Message& m) const {
        if (m.type != kEvent) {
            return {m.receiver};
        }
        std::set<std::uint32_t> all;
        for (const auto& [topic, endpoint] : subscriptions) {
            if (topic == m.receiver) {
                all.insert(endpoint);
            }
        }
        return all;
    }
    [[nodiscard]] const Capability* held(std::uint32_t id, std::uint32_t by) const {
        const auto found = capabilities.find(id);
        return found != capabilities.end() && found->second.owner == by ? &found->second : nullptr;
    }
    [[nodiscard]] bool over(const Capability& capability) const {
        return capability.expiry != 0 && tick >= capability.expiry;
    }
    [[nodiscard]] std::uint32_t after(unsigned lifetime) const {
        return tick > UINT32_MAX - lifetime ? UINT32_MAX : tick + lifetime;
    }
    /// Of two expiries, of which 0 is the latest.
    static std::uint32_t earlier(std::uint32_t a, std::uint32_t b) { return std::min(a - 1, b - 1) + 1; }

    static std::uint32_t slot_of(std::uint32_t id) { return id % (1U << 20); }
    [[nodiscard]] std::uint32_t id_of(std::uint32_t slot) const {
        return generation.at(slot) * (1U << 20) + slot;
    }
    void age(std::uint32_t slot) {
        generation[slot] = generation[slot] % 4095 + 1;
        wraps += generation[slot] == 1 ? 1U : 0U;
    }

    static void stamp(Bytes& bytes, std::size_t at, std::size_t count, std::uint64_t value) {
        for (std::size_t i = 0; i < count; ++i, value /= 256) {
            bytes[at + i] = static_cast<std::uint8_t>(value % 256);
        }
    }

    std::size_t depth_;
    std::uint32_t ids_, user_limit_;
    std::uint64_t events_ = 0;
    std::map<std::uint32_t, std::array<unsigned, 4>> spent_;  ///< turns in this round, by destination
};

}  // namespace keyway::naive
