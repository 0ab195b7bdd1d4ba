// What is sent: mostly what a process may send, often the same as just before, sometimes with one field that
// is not as it should be. Included by world.hpp, which has the class.
#pragma once

#include "world.hpp"

namespace keyway::rtl {

template <typename Shape>
std::uint32_t World<Shape>::some_id(core::ProcessId owner, bool own, bool cached, Kind kind, bool any_kind) {
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

template <typename Shape>
void World<Shape>::send(unsigned port) {
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

template <typename Shape>
Header World<Shape>::fresh(core::ProcessId link, unsigned port) {
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
            header.set_type(
                static_cast<std::uint8_t>(linear && !random_.one_in(8) ? Type::kQuantum : Type::kCapability));
        } else if (header.flags() == 0 && random_.one_in(4)) {
            header.set_flags(flag::kZeroCopy);
        }
    }
    return header;
}

template <typename Shape>
void World<Shape>::spoil(Header& header) {
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

}  // namespace keyway::rtl
