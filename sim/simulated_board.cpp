#include "sim/simulated_board.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "driver/firmware_image.hpp"
#include "driver/intel_hex.hpp"

namespace keyway::sim {

using device::Found;
using device::milliseconds;
using device::Transport;

class SimulatedBoard::Handle : public Transport {
  public:
    explicit Handle(SimulatedBoard& board) : board_(board), generation_(board.generation_) {}

    Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                   milliseconds /*timeout*/) override {
        return gone() ? Result<std::size_t>(Status::kDeviceGone)
                      : board_.control(0xC0, request, value, {}, data);
    }
    Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                             milliseconds /*timeout*/) override {
        if (gone()) {
            return Status::kDeviceGone;
        }
        const auto done = board_.control(0x40, request, value, data, {});
        return done ? Result<void>() : Result<void>(done.error());
    }
    Result<void> send(std::span<const std::byte> bytes, milliseconds /*timeout*/) override {
        if (gone()) {
            return Status::kDeviceGone;
        }
        board_.fpga_takes(bytes);
        return {};
    }
    Result<std::size_t> receive(std::span<std::byte> into, milliseconds /*timeout*/) override {
        if (gone()) {
            return Status::kDeviceGone;
        }
        // Somewhat more than the FPGA takes for an answer; no time passes for the caller.
        constexpr unsigned kPatience = 1500, kStep = 50;  // clocks: 50 us
        std::vector<std::byte> bytes = board_.usb_in(into.size());
        for (unsigned i = 0; bytes.empty() && i < kPatience && board_.usb_run(kStep); i += kStep) {
            bytes = board_.usb_in(into.size());
        }
        std::ranges::copy(bytes, into.begin());
        return bytes.size();
    }
    Result<void> clear_halts() override {
        return gone() ? Result<void>(Status::kDeviceGone) : Result<void>();
    }

  private:
    [[nodiscard]] bool gone() const { return !board_.plugged_ || generation_ != board_.generation_; }

    SimulatedBoard& board_;
    const unsigned generation_;
};

SimulatedBoard::SimulatedBoard(Power power, std::string serial, std::unique_ptr<Fpga> fpga)
    : serial_(std::move(serial)), ram_(0x4000), fpga_(std::move(fpga)) {
    start(power);
}

SimulatedBoard::~SimulatedBoard() = default;

void SimulatedBoard::start(Power power) {
    power_ = power;
    ++generation_;
    held_ = false;
    stale_.clear();
    opened_.clear();
    chip_.reset();
    fpga_->set_running(false);
    fpga_->clear();
    if (power == Power::kRunning) {
        chip_ = std::make_unique<Fx2>();
        fifo_resets_ = chip_->fifo_resets();
    }
}

void SimulatedBoard::unplug() {
    plugged_ = false;
    ++generation_;
}

void SimulatedBoard::plug_in(Power power) {
    plugged_ = true;
    std::ranges::fill(ram_, std::byte{0});
    start(power);
}

void SimulatedBoard::leave_stale(std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
        stale_.push_back(static_cast<std::byte>(random_()));
    }
}

Result<std::vector<Found>> SimulatedBoard::list() {
    if (!plugged_ || power_ == Power::kDead || hidden_ != 0) {
        hidden_ -= hidden_ != 0 ? 1 : 0;
        return std::vector<Found>{};
    }
    const bool blank = power_ == Power::kBlank;
    return std::vector{Found{.vendor = blank ? usb::kBlankVendor : usb::kBoardVendor,
                             .product = blank ? usb::kBlankProduct : usb::kBoardProduct,
                             .release = 0x4B01,
                             .place = "1-2",
                             .serial = blank ? std::string() : serial_,
                             .permitted = faults.permitted}};
}

Result<std::unique_ptr<Transport>> SimulatedBoard::open(const Found& found) {
    if (!plugged_ || found.is_blank() != (power_ == Power::kBlank)) {
        return Status::kDeviceGone;
    }
    if (!faults.permitted) {
        return Status::kDevicePermission;
    }
    if (faults.busy) {
        return Status::kDeviceBusy;
    }
    return Result<std::unique_ptr<Transport>>(std::make_unique<Handle>(*this));
}

void SimulatedBoard::wait_for_change(milliseconds /*timeout*/) {}

std::optional<std::vector<std::byte>> SimulatedBoard::usb_control(const Fx2::Setup& setup,
                                                                  std::span<const std::byte> out) {
    const bool to_host = (setup[0] & 0x80U) != 0;
    if ((setup[0] & 0x60U) != 0x40U) {
        if (!chip_ || held_) {
            return plugged() ? bare_chip(setup) : std::nullopt;
        }
        auto answer = chip_->control(setup, out);
        follow_chip();
        // The native build has no memory that a loader could have written the board's number into.
        const bool number = setup[0] == 0x80 && setup[1] == 6 && setup[2] == 3 && setup[3] == 3;
        if (answer && number && !serial_.empty()) {
            std::vector<std::byte> text{static_cast<std::byte>(2 + 2 * serial_.size()), std::byte{3}};
            for (const char c : serial_) {
                text.insert(text.end(), {static_cast<std::byte>(c), std::byte{0}});
            }
            text.resize(std::min(text.size(), setup[6] | std::size_t{setup[7]} << 8U));
            return text;
        }
        return answer;
    }
    std::vector<std::byte> in(to_host ? setup[6] | std::size_t{setup[7]} << 8U : 0U);
    const auto done = control(setup[0], UsbRequest{setup[1]},
                              static_cast<std::uint16_t>(setup[2] | setup[3] << 8U), out, in);
    if (!done) {
        return std::nullopt;
    }
    in.resize(to_host ? *done : 0);
    return in;
}

// What the chip's own logic answers without firmware, and what stands for somebody else's program.
std::optional<std::vector<std::byte>> SimulatedBoard::bare_chip(const Fx2::Setup& setup) const {
    enum : std::uint8_t { kGetStatus = 0, kGetDescriptor = 6, kSetConfiguration = 9, kSetInterface = 11 };
    const bool blank = power_ == Power::kBlank;
    const std::uint16_t vendor = blank ? usb::kBlankVendor : usb::kBoardVendor;
    const std::uint16_t product = blank ? usb::kBlankProduct : usb::kBoardProduct;
    const auto low = [](std::uint16_t word) { return static_cast<std::uint8_t>(word & 0xFFU); };
    const auto high = [](std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8U); };
    const std::array<std::uint8_t, 18> device{
        18, 1, 0, 2, 0xFF, 0xFF, 0xFF, 64, low(vendor), high(vendor), low(product), high(product),
        0,  0, 0, 0, 0,    1};
    constexpr std::array<std::uint8_t, 18> kConfiguration{9, 2, 18, 0, 1, 1,    0,    0x80, 50,
                                                          9, 4, 0,  0, 0, 0xFF, 0xFF, 0xFF, 0};
    constexpr std::array<std::uint8_t, 10> kQualifier{10, 6, 0, 2, 0xFF, 0xFF, 0xFF, 64, 1, 0};
    const std::size_t wanted = setup[6] | std::size_t{setup[7]} << 8U;
    const auto reply = [wanted](std::span<const std::uint8_t> bytes) {
        const auto part = std::as_bytes(bytes.first(std::min(bytes.size(), wanted)));
        return std::vector<std::byte>(part.begin(), part.end());
    };
    switch (setup[1]) {
        case kGetStatus:
            return reply(std::array<std::uint8_t, 2>{});
        case kSetConfiguration:
        case kSetInterface:
            return std::vector<std::byte>{};
        case kGetDescriptor:
            switch (setup[3]) {
                case 1:
                    return reply(device);
                case 2:
                    return reply(kConfiguration);
                case 6:
                    return reply(kQualifier);
                default:
                    return std::nullopt;
            }
        default:
            return std::nullopt;
    }
}

void SimulatedBoard::usb_bus_reset() {
    if (chip_ && !held_) {
        chip_->bus_reset();
        follow_chip();
    }
}

void SimulatedBoard::follow_chip() {
    if (fifo_resets_ != chip_->fifo_resets()) {
        fifo_resets_ = chip_->fifo_resets();
        fpga_->clear();
        opened_.clear();
    }
    fpga_->set_running(chip_->fifos_run());
}

std::size_t SimulatedBoard::usb_room() const {
    return chip_ && chip_->fifos_run() ? fpga_->room() : 0;
}

std::optional<std::vector<std::byte>> SimulatedBoard::usb_packet() {
    if (!stale_.empty()) {
        const auto end = stale_.begin() + static_cast<std::ptrdiff_t>(std::min(stale_.size(), Fpga::kPacket));
        std::vector<std::byte> packet(stale_.begin(), end);
        stale_.erase(stale_.begin(), end);
        return packet;
    }
    auto packet = fpga_->give();
    if (packet) {
        *packet = damaged(*packet, faults.lose_in, faults.change_in);
    }
    return packet;
}

std::vector<std::byte> SimulatedBoard::usb_in(std::size_t most) {
    while (opened_.size() < most) {
        const auto packet = usb_packet();
        if (!packet) {
            break;
        }
        opened_.insert(opened_.end(), packet->begin(), packet->end());
    }
    const auto end = opened_.begin() + static_cast<std::ptrdiff_t>(std::min(most, opened_.size()));
    std::vector<std::byte> bytes(opened_.begin(), end);
    opened_.erase(opened_.begin(), end);
    return bytes;
}

Result<std::size_t> SimulatedBoard::control(std::uint8_t type, UsbRequest request, std::uint16_t value,
                                            std::span<const std::byte> out, std::span<std::byte> in) {
    if (faults.controls_until_unplug != 0 && --faults.controls_until_unplug == 0) {
        unplug();
        return Status::kDeviceGone;
    }
    const bool to_host = (type & 0x80U) != 0;
    if (request == UsbRequest::kLoadRam) {
        return boot_loader(to_host, value, out, in);
    }
    if (power_ == Power::kDead || held_) {
        return Status::kDeviceSilent;
    }
    if (!chip_) {
        return Status::kDeviceRefused;
    }
    chip_->let_fpga_accept(faults.good_bitstream);
    const std::size_t length = to_host ? in.size() : out.size();
    const auto byte = [](std::size_t word) { return static_cast<std::uint8_t>(word & 0xFFU); };
    const auto answer = chip_->control({type, static_cast<std::uint8_t>(request), byte(value),
                                        byte(value >> 8U), 0, 0, byte(length), byte(length >> 8U)},
                                       out);
    follow_chip();
    if (!answer) {
        return Status::kDeviceRefused;
    }
    if (!to_host) {
        return out.size();
    }
    std::size_t size = std::min(answer->size(), in.size());
    std::copy_n(answer->begin(), size, in.begin());
    if (request == UsbRequest::kIdentify && size > 5) {
        in[4] = static_cast<std::byte>(faults.major);
        size = faults.short_identity ? 5 : size;
    }
    return size;
}

Result<std::size_t> SimulatedBoard::boot_loader(bool to_host, std::uint16_t value,
                                                std::span<const std::byte> out, std::span<std::byte> in) {
    constexpr std::uint16_t kCpuControl = 0xE600;
    if (value == kCpuControl && !to_host && out.size() == 1) {
        const bool hold = out[0] != std::byte{0};
        if (held_ && !hold) {
            run_loaded();
        } else {
            held_ = hold;
        }
        return out.size();
    }
    const std::size_t size = to_host ? in.size() : out.size();
    if (value + size > ram_.size()) {
        return Status::kDeviceRefused;
    }
    const auto at = ram_.begin() + value;
    if (to_host) {
        std::copy_n(at, size, in.begin());
    } else {
        std::ranges::copy(out, at);
    }
    return size;
}

void SimulatedBoard::run_loaded() {
    auto image = device::parse_intel_hex(device::kFirmwareHex);
    auto marked = image;
    constexpr std::string_view kMark = "****************";
    bool same = image.has_value() && device::set_serial(*marked, kMark);
    for (std::size_t i = 0; same && i < image->size(); ++i) {
        const device::Segment& segment = (*image)[i];
        std::string number;
        for (std::size_t k = 0; k < segment.bytes.size(); ++k) {
            // Where the mark stands the two differ: there the board's number is.
            if (segment.bytes[k] != (*marked)[i].bytes[k]) {
                number.push_back(static_cast<char>(ram_[segment.address + k]));
            } else {
                same = same && ram_[segment.address + k] == segment.bytes[k];
            }
        }
        serial_ = number.empty() ? serial_ : number;
    }
    start(same ? Power::kRunning : Power::kDead);
    hidden_ = faults.lists_until_back;
    plugged_ = faults.comes_back;
}

void SimulatedBoard::fpga_takes(std::span<const std::byte> bytes) {
    if (chip_ && chip_->fifos_run() && !faults.silent_fpga) {
        fpga_->take(damaged(bytes, faults.lose_out, faults.change_out));
    }
}

std::vector<std::byte> SimulatedBoard::damaged(std::span<const std::byte> bytes, std::uint32_t lose,
                                               std::uint32_t change) {
    std::vector<std::byte> arrived;
    arrived.reserve(bytes.size());
    for (const std::byte byte : bytes) {
        if (lose != 0 && random_() % lose == 0) {
            continue;
        }
        arrived.push_back(change != 0 && random_() % change == 0 ? byte ^ std::byte{0x24} : byte);
    }
    return arrived;
}

}  // namespace keyway::sim
