#include "keyway/sim/control.hpp"

#include <bit>

namespace keyway::sim {

namespace {

constexpr std::uint32_t kFill = 1, kInvalidate = 2, kRead = 3;
constexpr std::uint32_t kEnable = 1, kPortEnable = 1, kPortReset = 2;

}  // namespace

std::optional<Geometry> Control::identify() {
    if (read(reg::kMagic) != kMagic || read(reg::kVersion) >> 16 != kVersionMajor) {
        return std::nullopt;
    }
    const std::uint32_t value = read(reg::kGeometry);
    row_bits_ = value >> 8 & 0xFF;
    return Geometry{.ports = value & 0xFF,
                    .data_bits = read(reg::kStreamBits),
                    .rows = 1U << row_bits_,
                    .destinations = 1U << (value >> 24),
                    .queue_slots = 1U << (value >> 16 & 0xFF)};
}

void Control::bind(unsigned port, std::uint16_t sender) {
    write(reg::kPortSelect, port);
    write(reg::kPortSender, sender);
    write(reg::kPortControl, kPortEnable);
}
void Control::close(unsigned port) {
    write(reg::kPortSelect, port);
    write(reg::kPortControl, 0);
}
void Control::reset_port(unsigned port) {
    write(reg::kPortSelect, port);
    write(reg::kPortControl, (read(reg::kPortControl) & kPortEnable) | kPortReset);
}

void Control::route(std::uint16_t object, std::uint16_t owner, std::uint64_t destinations) {
    write(kRouteIndex, object);
    write(kRouteOwner, owner);
    write(kRouteMask0, static_cast<std::uint32_t>(destinations));
    write(kRouteMask1, static_cast<std::uint32_t>(destinations >> 32));
}

void Control::start() {
    write(reg::kControl, kEnable);
}
void Control::stop() {
    write(reg::kControl, 0);
}

void Control::command(std::uint32_t slot, std::uint32_t number) {
    write(reg::kTableIndex, slot);
    write(reg::kTableCommand, number);
    while (read(reg::kTableCommand) != 0) {
    }
}

void Control::fill(std::uint32_t slot, const Entry& entry) {
    for (unsigned word = 0; word < 4; ++word) {
        write(reg::kTableData0 + 4 * word,
              static_cast<std::uint32_t>(entry.words[word / 2] >> (word % 2 * 32)));
    }
    command(slot, kFill);
}

void Control::invalidate(std::uint32_t slot) {
    command(slot, kInvalidate);
}

std::optional<Entry> Control::row(std::uint32_t slot) {
    if (row_bits_ == 0 && !identify()) {
        return std::nullopt;
    }
    command(slot, kRead);
    const std::uint32_t live = read(kTableLive);
    if ((live & 1) == 0 || live >> 1 != slot >> row_bits_) {
        return std::nullopt;
    }
    Entry entry;
    for (unsigned word = 0; word < 4; ++word) {
        entry.words[word / 2] |= std::uint64_t{read(reg::kTableData0 + 4 * word)} << (word % 2 * 32);
    }
    return entry;
}

bool Control::give_id(std::uint32_t id) {
    if (read(kFreeId) == 0) {
        return false;
    }
    write(kFreeId, id);
    return true;
}

void Control::set_epoch(std::uint32_t epoch) {
    write(reg::kEpoch, epoch);
    while (read(reg::kTableCommand) != 0) {
    }
}

}  // namespace keyway::sim
