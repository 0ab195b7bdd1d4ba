#include "sim/fx2.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "firmware/firmware.h"

namespace {

keyway::sim::Fx2* g_chip = nullptr;

}  // namespace

extern "C" {
std::uint8_t fx2_rd(std::uint16_t address) {
    return g_chip->read(address);
}
void fx2_wr(std::uint16_t address, std::uint8_t value) {
    g_chip->write(address, value);
}
std::uint8_t fx2_sfr_rd(std::uint8_t address) {
    return g_chip->read_special(address);
}
void fx2_sfr_wr(std::uint8_t address, std::uint8_t value) {
    g_chip->write_special(address, value);
}
}

namespace keyway::sim {

namespace {

constexpr std::size_t kPacket = 64;
constexpr std::uint8_t kReset = 0x02, kDone = 0x08;                  // port A
constexpr std::uint8_t kData = 0x04, kSelect = 0x08, kClock = 0x10;  // port B
constexpr std::array kPreamble{std::byte{0x7E}, std::byte{0xAA}, std::byte{0x99}, std::byte{0x7E}};

}  // namespace

Fx2::Fx2(Recorder recorder) : recorder_(std::move(recorder)), memory_(0x10000) {
    KEYWAY_CHECK(g_chip == nullptr);
    g_chip = this;
    memory_[USBCS] = USBCS_HSM;
    firmware_init();
}

Fx2::~Fx2() {
    g_chip = nullptr;
}

std::optional<std::vector<std::byte>> Fx2::control(const Setup& setup, std::span<const std::byte> out) {
    std::ranges::copy(setup, memory_.begin() + SETUPDAT);
    active_ = true;
    ended_ = stalled_ = false;
    to_host_ = (setup[0] & 0x80U) != 0;
    out_ = out;
    in_.clear();
    memory_[EP0CS] = EPCS_HSNAK;
    memory_[USBIRQ] |= IRQ_SUDAV;
    firmware_poll();
    active_ = false;
    hangs_ += ended_ ? 0 : 1;
    if (!ended_ || stalled_) {
        return std::nullopt;
    }
    return in_;
}

void Fx2::bus_reset() {
    memory_[USBIRQ] |= IRQ_URES | IRQ_HSGRANT;
    firmware_poll();
}

void Fx2::suspend() {
    memory_[USBIRQ] |= IRQ_SUSP;
    firmware_poll();
}

void Fx2::idle() {
    firmware_poll();
}

bool Fx2::fifos_run() const {
    return (memory_[IFCONFIG] & 0x03U) == 0x03U && fpga_done();
}

bool Fx2::halted(std::uint8_t endpoint) const {
    return (memory_[endpoint == 0x02 ? EP2CS : EP6CS] & EPCS_STALL) != 0;
}

std::uint8_t Fx2::read(std::uint16_t address) {
    return memory_[address];
}

void Fx2::write(std::uint16_t address, std::uint8_t value) {
    if (recorder_) {
        recorder_(false, address, value);
    }
    switch (address) {
        case USBIRQ:
            memory_[USBIRQ] = static_cast<std::uint8_t>(memory_[USBIRQ] & ~value);
            return;
        case EP0BCL:
            memory_[EP0BCL] = value;
            if (!active_) {
                return;
            }
            if (to_host_) {
                const auto* const from = memory_.data() + EP0BUF;
                std::transform(from, from + std::min<std::size_t>(value, kPacket), std::back_inserter(in_),
                               [](std::uint8_t byte) { return std::byte{byte}; });
            } else {
                next_packet_out();
            }
            return;
        case EP0CS:
            // HSNAK is cleared by writing it, and the host ends the transfer at once.
            memory_[EP0CS] = static_cast<std::uint8_t>(value & EPCS_STALL);
            if ((value & EPCS_HSNAK) != 0) {
                ended_ = true;
                stalled_ = (value & EPCS_STALL) != 0;
            }
            return;
        case USBCS:
            memory_[USBCS] = static_cast<std::uint8_t>((value & ~USBCS_HSM) | (memory_[USBCS] & USBCS_HSM));
            return;
        case FIFORESET:
            fifo_resets_ += value == 0x00 && memory_[FIFORESET] != 0 ? 1U : 0U;
            break;
        default:
            break;
    }
    memory_[address] = value;
}

void Fx2::next_packet_out() {
    const auto packet = out_.first(std::min(out_.size(), kPacket));
    out_ = out_.subspan(packet.size());
    std::ranges::transform(packet, memory_.begin() + EP0BUF, std::to_integer<std::uint8_t>);
    memory_[EP0BCL] = static_cast<std::uint8_t>(packet.size());
}

std::uint8_t Fx2::read_special(std::uint8_t address) const {
    if (address == IOA) {
        return static_cast<std::uint8_t>((special_[IOA] & ~kDone) | (fpga_done() ? kDone : 0));
    }
    return special_[address];
}

void Fx2::write_special(std::uint8_t address, std::uint8_t value) {
    if (recorder_) {
        recorder_(true, address, value);
    }
    const std::uint8_t before = special_[IOB];
    special_[address] = value;
    if (address == IOB) {
        pins_changed(before, value);
    } else if ((address == IOA || address == OEA) && (special_[IOA] & kReset) == 0) {
        bitstream_.clear();
        bits_ = 0;
    } else if (address == PCON) {
        special_[PCON] = static_cast<std::uint8_t>(value & ~1U);  // it has slept and was woken
    }
}

void Fx2::pins_changed(std::uint8_t before, std::uint8_t now) {
    const bool rises = (before & kClock) == 0 && (now & kClock) != 0;
    const bool driven = (special_[OEB] & (kData | kSelect | kClock)) == (kData | kSelect | kClock);
    if (!rises || !driven || (now & kSelect) != 0 || (special_[IOA] & kReset) == 0) {
        return;
    }
    shift_ = (shift_ << 1) | ((now & kData) != 0 ? 1U : 0U);
    if (++bits_ == 8) {
        bitstream_.push_back(static_cast<std::byte>(shift_ & 0xFFU));
        bits_ = 0;
    }
}

bool Fx2::fpga_done() const {
    return accept_ && (special_[IOA] & kReset) != 0 && !std::ranges::search(bitstream_, kPreamble).empty();
}

}  // namespace keyway::sim
