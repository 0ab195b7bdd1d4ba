// The host: one job at a time, a job being a chain of table commands.
// Included by world.hpp, which has the class.
#pragma once

#include "world.hpp"

namespace keyway::rtl {

template <typename Shape>
void World<Shape>::host() {
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

template <typename Shape>
void World<Shape>::invent() {
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
    const core_id id = table_.derive(root, {.owner = owner,
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

template <typename Shape>
void World<Shape>::fill(unsigned slot) {
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

template <typename Shape>
void World<Shape>::invalidate(std::vector<std::uint32_t> slots, std::function<void()> after) {
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

template <typename Shape>
void World<Shape>::serve() {
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
        const bool one_shot = authority != 0 && (table_.entry(authority).flags() & entry_flag::kOneShot) != 0;
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

template <typename Shape>
void World<Shape>::recall_from(std::vector<core::SlotId> todo, std::set<core::SlotId> done,
                               core::SlotId top) {
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
        for (core::SlotId child = table_.first_child(slot); child != 0; child = table_.next_sibling(child)) {
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

}  // namespace keyway::rtl
