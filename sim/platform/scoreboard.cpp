#include "scoreboard.hpp"

#include <sstream>

#include "keyway/sim/control.hpp"

namespace keyway::sim {

namespace {

constexpr std::uint32_t kCoreSlots = 1024, kIds = kPlatformDestinations;
constexpr std::size_t kStock = 8, kMostDifferences = 100;

std::string words_of(const Header& header) {
    std::ostringstream text;
    text << std::hex;
    for (const std::uint64_t word : header.words) {
        text << ' ' << word;
    }
    return text.str();
}

}  // namespace

// Room as the verdict needs it: where the pins don't say whether there was, the router's word is taken.
class Scoreboard::Mirror {
  public:
    Mirror(const Scoreboard& board, const Event& event) : board_(board), event_(event) {}
    [[nodiscard]] bool has_room(core::ObjectId destination, unsigned priority, std::uint32_t) const {
        if (destination >= kPlatformDestinations) {
            return true;
        }
        if (event_.verdict == Verdict::kFull) {
            return !board_.may_be_full(destination, priority, event_.cycle);
        }
        return board_.queues_[destination][priority].waiting.size() < board_.depth_ + kOnTheWayOut;
    }
    void push(core::ObjectId destination, unsigned, const Header&) { to.push_back(destination); }
    std::vector<core::ObjectId> to;

  private:
    const Scoreboard& board_;
    const Event& event_;
};

Scoreboard::Scoreboard(const Scenario& scenario, const Geometry& geometry)
    : scenario_(scenario),
      // Slots lie in queues of equal depth, four priorities a destination.
      depth_(geometry.queue_slots / geometry.destinations / limit::kPriorities),
      table_(kCoreSlots, kIds),
      directory_(kIds) {
    std::array<const Object*, kIds> objects{};
    for (const Object& object : scenario.objects) {
        objects.at(object.id) = &object;
    }
    // The directory gives ids in order; those that the scenario does not use become processes that do
    // nothing.
    for (std::uint16_t id = 1; id < kIds; ++id) {
        const Object* object = objects.at(id);
        const auto what = object != nullptr && object->topic ? core::Directory::What::kTopic
                                                             : core::Directory::What::kEndpoint;
        (void)directory_.open(what, object == nullptr ? core::ProcessId{0} : object->owner);
        if (object == nullptr) {
            table_.open_account(id, kCoreSlots, user_);
        }
    }
    for (std::uint16_t id = 1; id < kIds; ++id) {
        const Object* object = objects.at(id);
        const core::ProcessId owner = object == nullptr ? id : object->owner;
        const core::CapabilityId root =
            table_.make_root({.owner = owner,
                              .kind = object != nullptr && object->topic ? Kind::kTopic : Kind::kEndpoint,
                              .object = id,
                              .rights = right::kAll,
                              .payer = owner});
        directory_.set_root(id, core::slot_of(root));
        for (std::uint16_t to = 1; object != nullptr && to < kIds; ++to) {
            if ((object->subscribers >> to & 1) != 0) {
                (void)directory_.subscribe(id, to);
            }
        }
    }
    for (std::size_t i = 0; i < scenario.capabilities.size(); ++i) {
        const Capability& capability = scenario.capabilities[i];
        const Entry& entry = capability.entry;
        Row& row = rows_.at(capability.slot);
        row.of_scenario = i;
        row.core = table_.derive(
            directory_.root(entry.object()),
            {.owner = entry.owner(),
             .kind = Kind{entry.kind()},
             .object = entry.object(),
             .rights = entry.rights(),
             .flags = static_cast<std::uint8_t>(entry.flags() & ~std::uint8_t{entry_flag::kValid}),
             .badge = entry.badge(),
             .payer = entry.owner()});
    }
    for (std::uint32_t slot = kScenarioSlots; slot < kTableRows; ++slot) {
        free_slots_.push_back(slot);
    }
    for (const Process& process : scenario.processes) {
        if (process.port) {
            bound_.at(*process.port) = process.id;
        }
    }
}

void Scoreboard::differ(std::uint64_t cycle, const std::string& what) {
    if (differences_.size() < kMostDifferences) {
        differences_.push_back("clock " + std::to_string(cycle) + ", message " +
                               std::to_string(totals_.messages) + ": " + what);
    }
}

// ---- The host

void Scoreboard::filled(std::uint32_t slot, std::uint64_t cycle) {
    Row& row = rows_.at(slot);
    row.cached = true;
    row.changing = false;
    row.changed = cycle;
}

void Scoreboard::recalled(std::uint32_t slot, std::uint64_t cycle) {
    Row& row = rows_.at(slot);
    // A one-shot may have been used up in the meantime.
    if (row.core != 0) {
        table_.revoke(core::slot_of(row.core), true);
        row.core = 0;
    }
    row.cached = row.changing = false;
    row.changed = cycle;
}

std::optional<std::uint32_t> Scoreboard::next_id() {
    if (stock_.size() >= kStock || free_slots_.empty()) {
        return std::nullopt;
    }
    const std::uint32_t slot = free_slots_.front();
    free_slots_.pop_front();
    stock_.push_back({.id = capability_id(slot, rows_.at(slot).generation)});
    return stock_.back().id;
}

void Scoreboard::given(std::uint64_t cycle) {
    // A call may have taken it as soon as it was there.
    if (!stock_.empty() && stock_.back().sure == ~std::uint64_t{0}) {
        stock_.back().sure = cycle + kSettle;
    }
}

Verdict Scoreboard::decide(const Header& header) {
    const auto link = static_cast<core::ProcessId>(header.sender());
    if (link != 0 && link < kIds && table_.find(to_core(header.capability()), link) != 0) {
        return Verdict::kDelivered;
    }
    ++totals_.host_refused;
    return Verdict::kNoSuchCapability;
}

std::optional<Entry> Scoreboard::entry(std::uint32_t slot) const {
    const Row& row = rows_.at(slot);
    if (!row.of_scenario || row.core == 0) {
        return std::nullopt;
    }
    return scenario_.capabilities[*row.of_scenario].entry;
}

core::CapabilityId Scoreboard::to_core(std::uint32_t id) const {
    const std::uint32_t slot = core::slot_of(id);
    if (id == 0) {
        return 0;
    }
    const bool known =
        slot < kTableRows && rows_.at(slot).core != 0 && rows_.at(slot).generation == core::generation_of(id);
    return known ? rows_.at(slot).core : ~core::CapabilityId{0};
}

// ---- The pins

void Scoreboard::taken(unsigned port, std::uint64_t first, std::uint64_t last) {
    for (Sent& sent : sent_.at(port)) {
        if (!sent.last) {
            sent.first = first;
            sent.last = last;
            return;
        }
    }
    differ(last, "a frame was taken that nobody sent");
}

bool Scoreboard::may_miss(const Header& header, core::ProcessId link, std::uint64_t cycle) const {
    if (!core::well_formed(header) || (header.sender() != 0 && header.sender() != link)) {
        return false;
    }
    const std::uint32_t slot = core::slot_of(header.capability());
    if (slot >= kTableRows) {
        return true;
    }
    const Row& row = rows_.at(slot);
    if (!row.cached || row.changing || cycle < row.changed + kSettle) {
        return true;
    }
    const bool call = (header.flags() & flag::kExpectsReply) != 0;
    return call && (stock_.empty() || cycle < stock_.front().sure);
}

bool Scoreboard::may_be_full(unsigned destination, unsigned priority, std::uint64_t cycle) const {
    const Queue& queue = queues_.at(destination).at(priority);
    std::size_t places = queue.waiting.size();
    // The verdict is older than its event, and may not have known of those that have just left.
    for (const std::uint64_t left : queue.left) {
        places += left + kSettle > cycle ? 1 : 0;
    }
    return places >= depth_;
}

void Scoreboard::put(unsigned destination, const Header& header, std::uint64_t first, bool stamped) {
    queues_.at(destination).at(header.priority()).waiting.push_back({header, first, stamped});
    ++totals_.copies;
}

void Scoreboard::judged(const Event& event) {
    ++totals_.messages;
    ++totals_.verdicts[std::string(name_of(event.verdict))];
    if (event.port >= kPlatformPorts || sent_.at(event.port).empty() || !sent_.at(event.port).front().last) {
        differ(event.cycle, "a verdict on a message that was not sent");
        return;
    }
    const Sent sent = sent_.at(event.port).front();
    sent_.at(event.port).pop_front();
    ++totals_.verdict_clocks[event.cycle - *sent.last];
    if (sent.torn) {
        ++totals_.torn;
        if (event.verdict != Verdict::kMalformed) {
            differ(event.cycle, "a torn frame is " + std::string(name_of(event.verdict)));
        }
        return;
    }
    Header header = sent.header;
    const core::ProcessId link = link_of(event.port, header);
    if (event.sequence != header.sequence() || event.capability != header.capability() ||
        event.sender != link) {
        differ(event.cycle, "the audit event is of another message than" + words_of(header));
    }
    const bool may_miss = this->may_miss(header, link, event.cycle);
    if (event.verdict == Verdict::kMiss) {
        if (!may_miss) {
            differ(event.cycle, "a miss without a reason:" + words_of(header));
        }
        header.set_sender(link);
        put(0, header, *sent.first, false);
        return;
    }
    if (event.verdict == Verdict::kFull && may_miss && may_be_full(0, header.priority(), event.cycle)) {
        return;  // a miss that found no room in the host's queue
    }
    decide_and_compare(header, link, *sent.first, event);
}

void Scoreboard::decide_and_compare(const Header& header, core::ProcessId link, std::uint64_t first,
                                    const Event& event) {
    Header for_core = header;
    const std::uint32_t slot = core::slot_of(header.capability());
    for_core.set_capability(to_core(header.capability()));
    const core::SlotId authority = table_.find(for_core.capability(), link);
    const bool one_shot = authority != 0 && (table_.entry(authority).flags() & entry_flag::kOneShot) != 0;
    Mirror mirror(*this, event);
    core::Outcome outcome = core::route(table_, directory_, mirror, for_core, link, {.ns = 0, .tick = 0});
    if (outcome.verdict != event.verdict) {
        differ(event.cycle, "the router says " + std::string(name_of(event.verdict)) + ", the core says " +
                                std::string(name_of(outcome.verdict)) + " to" + words_of(header));
    }
    if (outcome.verdict != Verdict::kDelivered) {
        return;
    }
    if (one_shot) {
        Row& row = rows_.at(slot);
        row.cached = false;
        row.core = 0;
        row.changed = event.cycle;
        if (slot >= kScenarioSlots) {
            row.generation = core::next_generation(row.generation);
            free_slots_.push_back(slot);
        }
    }
    if (outcome.created != 0) {
        if (stock_.empty()) {
            differ(event.cycle, "a call was delivered without an id for its reply");
            return;
        }
        const std::uint32_t id = stock_.front().id;
        stock_.pop_front();
        Row& row = rows_.at(core::slot_of(id));
        row.core = outcome.created;
        row.cached = true;
        row.changed = event.cycle;
        outcome.delivered.set_carried(id);
    }
    for (const core::ObjectId destination : mirror.to) {
        put(destination, outcome.delivered, first, true);
    }
}

void Scoreboard::left(const Delivery& delivery) {
    Queue& queue = queues_.at(delivery.destination).at(delivery.header.priority());
    if (queue.waiting.empty()) {
        differ(delivery.last_cycle, "out came what was never put in:" + words_of(delivery.header));
        return;
    }
    Copy copy = queue.waiting.front();
    queue.waiting.pop_front();
    queue.left.push_back(delivery.last_cycle);
    while (queue.left.front() + 2 * kSettle < delivery.last_cycle) {
        queue.left.pop_front();
    }
    if (copy.stamped) {
        copy.header.set_timestamp(delivery.header.timestamp());
    }
    if (copy.header != delivery.header) {
        differ(delivery.last_cycle,
               "out came" + words_of(delivery.header) + ", due was" + words_of(copy.header));
    }
    if ((delivery.header.flags() & flag::kReply) != 0 && delivery.destination != 0) {
        ++totals_.replies;
    }
    ++totals_.through_clocks[delivery.offered_cycle - copy.first];
}

bool Scoreboard::settled() const {
    for (const auto& sent : sent_) {
        if (!sent.empty()) {
            return false;
        }
    }
    for (const auto& destination : queues_) {
        for (const Queue& queue : destination) {
            if (!queue.waiting.empty()) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace keyway::sim
