#include "sim/high_speed.hpp"

#include <algorithm>

namespace keyway::sim {

using device::milliseconds;

namespace {

std::uint64_t microframes_of(milliseconds timeout) {
    return static_cast<std::uint64_t>(std::max<milliseconds::rep>(timeout.count(), 1)) * 1000 /
           HighSpeedTransport::kMicroframeUs;
}

}  // namespace

Result<std::size_t> HighSpeedTransport::control_in(UsbRequest request, std::uint16_t value,
                                                   std::span<std::byte> data, milliseconds timeout) {
    microframe();
    return control_.control_in(request, value, data, timeout);
}

Result<void> HighSpeedTransport::control_out(UsbRequest request, std::uint16_t value,
                                             std::span<const std::byte> data, milliseconds timeout) {
    microframe();
    return control_.control_out(request, value, data, timeout);
}

Result<void> HighSpeedTransport::send(std::span<const std::byte> bytes, milliseconds timeout) {
    for (std::uint64_t left = microframes_of(timeout); out_.size() >= limits_.transfers && left != 0;
         --left) {
        microframe();
    }
    if (out_.size() >= limits_.transfers) {
        return Status::kWouldBlock;
    }
    out_.emplace_back(bytes.begin(), bytes.end());
    return {};
}

Result<std::size_t> HighSpeedTransport::receive(std::span<std::byte> into, milliseconds timeout) {
    for (std::uint64_t left = microframes_of(timeout); heard_.empty() && left != 0; --left) {
        microframe();
    }
    const auto end = heard_.begin() + static_cast<std::ptrdiff_t>(std::min(into.size(), heard_.size()));
    const auto size = static_cast<std::size_t>(end - heard_.begin());
    std::copy(heard_.begin(), end, into.begin());
    heard_.erase(heard_.begin(), end);
    return size;
}

void HighSpeedTransport::microframe() {
    ++microframes_;
    done_.emplace_back();
    if (!moving_ && out_.empty()) {
        hear();  // nothing happens on the board, so its clocks need not be counted
        return;
    }
    const unsigned slot = kMicroframeUs * limits_.clocks_per_us / limits_.packets;
    for (unsigned i = 0; i < limits_.packets; ++i) {
        // In turns, as a host controller serves its endpoints.
        const bool first = i % 2 == 0 ? packet_out() : packet_in();
        if (!first) {
            (void)(i % 2 == 0 ? packet_in() : packet_out());
        }
        board_.usb_run(slot);
    }
    moving_ = board_.usb_run(kMicroframeUs * limits_.clocks_per_us - slot * limits_.packets);
    hear();
}

void HighSpeedTransport::hear() {
    if (done_.size() > limits_.host) {
        heard_.insert(heard_.end(), done_.front().begin(), done_.front().end());
        done_.pop_front();
    }
}

bool HighSpeedTransport::packet_out() {
    if (out_.empty()) {
        return false;
    }
    auto& transfer = out_.front();
    const std::size_t size = std::min<std::size_t>(transfer.size(), usb::kPacket);
    if (board_.usb_room() < size) {
        return true;  // it says no, which takes its turn as well
    }
    board_.usb_out(std::span(transfer).first(size));
    bytes_out_ += size;
    transfer.erase(transfer.begin(), transfer.begin() + static_cast<std::ptrdiff_t>(size));
    if (transfer.empty()) {
        out_.pop_front();
    }
    return true;
}

bool HighSpeedTransport::packet_in() {
    const auto packet = board_.usb_packet();
    if (!packet) {
        return false;
    }
    bytes_in_ += packet->size();
    in_.insert(in_.end(), packet->begin(), packet->end());
    if (packet->size() < usb::kPacket || in_.size() >= kMostSend) {
        done_.back().insert(done_.back().end(), in_.begin(), in_.end());
        in_.clear();
    }
    return true;
}

}  // namespace keyway::sim
