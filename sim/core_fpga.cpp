#include "sim/core_fpga.hpp"

#include <cstring>

#include "core/route.hpp"

namespace keyway::sim {

CoreFpga::CoreFpga(Shape shape) : shape_(shape), rows_(std::size_t{1} << shape.row_bits) {}

void CoreFpga::serve(const device::FrameDecoder::View& view) {
    Header header;
    if (FrameKind{view.head.kind()} == FrameKind::kMessage && view.body.size() == sizeof header) {
        std::memcpy(header.words.data(), view.body.data(), sizeof header);
        judge(header);
    } else {
        access(view);
    }
}

// The router is fresh from its reset.
void CoreFpga::begin() {
    if (!faults.keeps_rows) {
        rows_.assign(rows_.size(), {});
    }
    enabled_ = port_enabled_ = false;
    sender_ = 0;
}

void CoreFpga::access(const device::FrameDecoder::View& view) {
    LinkAcknowledge done;
    done.set_sequence(view.head.sequence());
    LinkAccess wanted;
    Entry entry;
    const FrameKind kind{view.head.kind()};
    const bool fills = kind == FrameKind::kFill;
    if (view.body.size() != sizeof wanted + (fills ? sizeof entry : 0)) {
        done.set_outcome(1);
        send(FrameKind::kAcknowledge, std::as_bytes(std::span(done.words)));
        return;
    }
    std::memcpy(wanted.words.data(), view.body.data(), sizeof wanted);
    const std::uint32_t value = wanted.value();
    switch (kind) {
        case FrameKind::kFill:
            std::memcpy(entry.words.data(), view.body.data() + sizeof wanted, sizeof entry);
            row(value) = {.live = true, .slot = value, .entry = entry};
            break;
        case FrameKind::kInvalidate:
            if (row(value).slot == value && !faults.forgets_late) {
                row(value).live = false;
            }
            break;
        case FrameKind::kWrite:
            enabled_ = wanted.offset() == reg::kControl ? (value & 1U) != 0 : enabled_;
            sender_ = wanted.offset() == reg::kPortSender ? static_cast<std::uint16_t>(value) : sender_;
            port_enabled_ = wanted.offset() == reg::kPortControl ? (value & 1U) != 0 : port_enabled_;
            break;
        case FrameKind::kRead:
            if (wanted.offset() == reg::kGeometry) {
                done.set_value(1U | shape_.row_bits << 8U | 1U << 16U | shape_.destination_bits << 24U);
            }
            break;
        default:
            done.set_outcome(1);
    }
    send(FrameKind::kAcknowledge, std::as_bytes(std::span(done.words)));
}

// The steps of core::route(), as far as the table is all that they need.
Verdict CoreFpga::verdict_on(const Header& header) const {
    if (faults.says_yes) {
        return Verdict::kDelivered;
    }
    if (!core::well_formed(header)) {
        return Verdict::kMalformed;
    }
    if (header.sender() != 0 && header.sender() != sender_) {
        return Verdict::kSpoofed;
    }
    const core::SlotId slot = core::slot_of(header.capability());
    const Row& known = rows_[slot % rows_.size()];
    if (!known.live || known.slot != slot) {
        return Verdict::kMiss;
    }
    const Entry& entry = known.entry;
    if ((entry.flags() & entry_flag::kValid) == 0 ||
        entry.generation() != core::generation_of(header.capability()) || entry.owner() != sender_) {
        return Verdict::kNoSuchCapability;
    }
    const core::Need need = core::need_of(header);
    if (Kind{entry.kind()} != need.kind || header.receiver() != entry.object()) {
        return Verdict::kWrongObject;
    }
    if ((entry.rights() & need.rights) != need.rights) {
        return Verdict::kInsufficientRights;
    }
    // A reply's capability has to be made by somebody who has free ids.
    return (header.flags() & flag::kExpectsReply) != 0 ? Verdict::kMiss : Verdict::kDelivered;
}

void CoreFpga::judge(const Header& header) {
    if (!enabled_ || !port_enabled_) {
        return;
    }
    ++judged_;
    const Verdict verdict = verdict_on(header);
    LinkEvent event;
    event.set_verdict(static_cast<std::uint8_t>(verdict));
    event.set_sender(sender_);
    event.set_receiver(static_cast<std::uint16_t>(header.receiver()));
    event.set_capability(header.capability());
    event.set_sequence(header.sequence());
    send(FrameKind::kEvent, std::as_bytes(std::span(event.words)));
    if (faults.answers_twice) {
        send(FrameKind::kEvent, std::as_bytes(std::span(event.words)));
    }
    if (verdict == Verdict::kDelivered) {
        LinkDelivery delivery;
        delivery.set_destination(static_cast<std::uint8_t>(header.receiver() & 0xFFU));
        std::vector<std::byte> body(sizeof delivery + sizeof header);
        std::memcpy(body.data(), delivery.words.data(), sizeof delivery);
        std::memcpy(body.data() + sizeof delivery, header.words.data(), sizeof header);
        send(FrameKind::kDelivery, body);
    }
}

}  // namespace keyway::sim
