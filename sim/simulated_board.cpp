#include "sim/simulated_board.hpp"

#include <algorithm>
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
        const std::size_t size = std::min(into.size(), board_.to_host_.size());
        const auto end = board_.to_host_.begin() + static_cast<std::ptrdiff_t>(size);
        std::copy(board_.to_host_.begin(), end, into.begin());
        board_.to_host_.erase(board_.to_host_.begin(), end);
        return size;
    }
    Result<void> clear_halts() override {
        return gone() ? Result<void>(Status::kDeviceGone) : Result<void>();
    }

  private:
    [[nodiscard]] bool gone() const { return !board_.plugged_ || generation_ != board_.generation_; }

    SimulatedBoard& board_;
    const unsigned generation_;
};

SimulatedBoard::SimulatedBoard(Power power, std::string serial) : serial_(std::move(serial)), ram_(0x4000) {
    start(power);
}

SimulatedBoard::~SimulatedBoard() = default;

void SimulatedBoard::start(Power power) {
    power_ = power;
    ++generation_;
    held_ = false;
    to_host_.clear();
    chip_.reset();
    if (power == Power::kRunning) {
        chip_ = std::make_unique<Fx2>();
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
        to_host_.push_back(static_cast<std::byte>(random_()));
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
        return chip_ ? chip_->control(setup, out) : std::nullopt;
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

std::vector<std::byte> SimulatedBoard::usb_in(std::size_t most) {
    const auto end = to_host_.begin() + static_cast<std::ptrdiff_t>(std::min(most, to_host_.size()));
    std::vector<std::byte> bytes(to_host_.begin(), end);
    to_host_.erase(to_host_.begin(), end);
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
    if (!chip_ || !chip_->fifos_run() || faults.silent_fpga) {
        return;
    }
    std::vector<std::byte> arrived;
    for (const std::byte byte : bytes) {
        if (faults.lose_out != 0 && random_() % faults.lose_out == 0) {
            continue;
        }
        const bool change = faults.change_out != 0 && random_() % faults.change_out == 0;
        arrived.push_back(change ? byte ^ std::byte{0x24} : byte);
    }
    decoder_.take(arrived, [&](const device::FrameDecoder::View& view) {
        const FrameKind kind{view.head.kind()};
        if (kind == FrameKind::kHello) {
            LinkIdentity identity;
            if (view.body.size() != sizeof identity) {
                return;
            }
            std::memcpy(identity.words.data(), view.body.data(), sizeof identity);
            book_.restart(view.head.sequence());
            if (!book_.open(view.head)) {
                return;
            }
            ++hellos_;
            identity.set_role(static_cast<std::uint8_t>(LinkRole::kFpga));
            identity.set_window(book_.window());
            identity.set_body(40);
            fpga_sends(FrameKind::kHello, std::as_bytes(std::span(identity.words)));
            return;
        }
        unsigned lost = 0;
        if (book_.take(view.head, lost) > device::Arrival::kAfterGap) {
            return;
        }
        if (kind == FrameKind::kCredit) {
            fpga_sends(FrameKind::kCredit, {});
            return;
        }
        book_.release();
        ++taken_;
        if (book_.may_send()) {
            fpga_sends(FrameKind::kDelivery, view.body);
        }
    });
}

void SimulatedBoard::fpga_sends(FrameKind kind, std::span<const std::byte> body) {
    std::vector<std::byte> wire;
    device::encode_frame(book_.stamp(kind, 0), body, wire);
    for (const std::byte byte : wire) {
        if (faults.lose_in != 0 && random_() % faults.lose_in == 0) {
            continue;
        }
        const bool change = faults.change_in != 0 && random_() % faults.change_in == 0;
        to_host_.push_back(change ? byte ^ std::byte{0x24} : byte);
    }
}

}  // namespace keyway::sim
