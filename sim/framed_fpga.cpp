#include <algorithm>
#include <cstring>

#include "sim/fpga.hpp"

namespace keyway::sim {

void FramedFpga::set_running(bool running) {
    if (running != running_) {
        decoder_.reset();
    }
    running_ = running;
}

void FramedFpga::clear() {
    to_host_.clear();
    given_ = 0;
    full_packet_ = false;
}

std::size_t FramedFpga::room() const {
    // Whoever does not fetch what is there has to wait, as on a real bus.
    return to_host_.size() - given_ < 4 * kPacket ? kHolds : 0;
}

void FramedFpga::take(std::span<const std::byte> bytes) {
    if (running_) {
        decoder_.take(bytes, [&](const device::FrameDecoder::View& view) { answer(view); });
    }
}

void FramedFpga::answer(const device::FrameDecoder::View& view) {
    const FrameKind kind{view.head.kind()};
    if (kind == FrameKind::kHello) {
        open(view);
        return;
    }
    unsigned lost = 0;
    if (book_.take(view.head, lost) > device::Arrival::kAfterGap) {
        return;
    }
    if (kind == FrameKind::kCredit) {
        send(FrameKind::kCredit, {});
        return;
    }
    book_.release();
    serve(view);
}

void FramedFpga::open(const device::FrameDecoder::View& view) {
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
    begin();
    identity.set_role(static_cast<std::uint8_t>(LinkRole::kFpga));
    identity.set_window(book_.window());
    identity.set_body(kBody);
    send(FrameKind::kHello, std::as_bytes(std::span(identity.words)));
}

void FramedFpga::send(FrameKind kind, std::span<const std::byte> body) {
    device::encode_frame(book_.stamp(kind, 0), body, to_host_);
}

std::optional<std::vector<std::byte>> FramedFpga::give() {
    const auto rest = std::span(to_host_).subspan(given_);
    if (!running_ || (rest.empty() && !full_packet_)) {
        return std::nullopt;
    }
    const auto packet = rest.first(std::min(rest.size(), kPacket));
    std::vector<std::byte> made(packet.begin(), packet.end());
    given_ += made.size();
    full_packet_ = made.size() == kPacket;
    if (given_ == to_host_.size()) {
        to_host_.clear();
        given_ = 0;
    }
    return made;
}

bool FramedFpga::run(unsigned clocks) {
    clocks_ += clocks;
    return false;
}

// ---

void EchoFpga::serve(const device::FrameDecoder::View& view) {
    ++taken_;
    if (may_send()) {
        send(FrameKind::kDelivery, view.body);
    }
}

}  // namespace keyway::sim
