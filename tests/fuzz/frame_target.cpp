// Bytes as they may come from the device link. The decoder gives the same frames however the bytes are cut,
// what it gives out encodes to what it was decoded from, and a credit book that is fed all of it never holds
// more than its window.

#include <vector>

#include "driver/credit.hpp"
#include "driver/frame.hpp"
#include "target.hpp"

namespace keyway::fuzz {

namespace {

struct Frames {
    std::vector<std::byte> all;  // head and body of each, one after another
    std::size_t count = 0;
};

Frames decode(std::span<const std::byte> wire, std::size_t longest, std::size_t piece,
              device::FrameDecoder::Counters& counters) {
    device::FrameDecoder decoder(longest);
    Frames frames;
    device::CreditBook book(5);
    book.restart(0);
    Frame hello;
    hello.set_grant(3);
    KEYWAY_HOLDS(book.open(hello));
    for (std::size_t at = 0; at < wire.size(); at += piece) {
        decoder.take(wire.subspan(at, std::min(piece, wire.size() - at)), [&](const auto& view) {
            KEYWAY_HOLDS(view.body.size() == view.head.length() && view.body.size() <= longest);
            const auto head = std::as_bytes(std::span(view.head.words));
            frames.all.insert(frames.all.end(), head.begin(), head.end());
            frames.all.insert(frames.all.end(), view.body.begin(), view.body.end());
            ++frames.count;
            unsigned lost = 0;
            const std::uint8_t held = book.held();
            const device::Arrival arrival = book.take(view.head, lost);
            KEYWAY_HOLDS(book.held() <= book.window() && lost <= book.window());
            KEYWAY_HOLDS(arrival <= device::Arrival::kAfterGap || book.held() == held);
            if (view.head.epoch() % 2 != 0) {
                book.release();
            }
            // Coded once more and decoded again it is the same.
            std::vector<std::byte> again;
            device::encode_frame(view.head, view.body, again);
            KEYWAY_HOLDS(again.size() <= device::encoded_bytes(view.body.size()));
            device::FrameDecoder second;
            std::size_t found = 0;
            second.take(again, [&](const auto& twin) {
                KEYWAY_HOLDS(twin.head == view.head && std::ranges::equal(twin.body, view.body));
                ++found;
            });
            KEYWAY_HOLDS(found == 1);
        });
    }
    counters = decoder.counters();
    KEYWAY_HOLDS(counters.frames == frames.count && counters.bytes == wire.size());
    return frames;
}

}  // namespace

// First byte: how the bytes are cut. Second: 0 for bytes as they are, else the rest is bodies to encode, with
// that many bytes of damage, so that the checksum is no wall that mutations can't pass.
void frame(Input input) {
    Reader reader(input);
    const std::size_t piece = 1 + reader.take() % 64U;
    const unsigned damages = reader.take() % 8U;
    const std::size_t longest = reader.take() % 2 != 0 ? 40 : limit::kFrameBodyBytes;
    std::vector<std::byte> wire;
    if (damages == 0) {
        const auto rest = std::as_bytes(reader.take(input.size()));
        wire.assign(rest.begin(), rest.end());
    } else {
        std::vector<std::pair<std::uint16_t, std::uint8_t>> places;
        for (unsigned i = 1; i < damages; ++i) {
            places.emplace_back(reader.take<std::uint16_t>(), reader.take());
        }
        while (!reader.empty()) {
            const auto head = reader.take<Frame>();
            device::encode_frame(head, std::as_bytes(reader.take(head.grant() % 300U)), wire);
        }
        for (const auto& [place, value] : places) {
            if (!wire.empty()) {
                wire[place % wire.size()] ^= static_cast<std::byte>(value);
            }
        }
    }
    device::FrameDecoder::Counters cut, whole;
    const Frames one = decode(wire, longest, piece, cut);
    const Frames other = decode(wire, longest, wire.size() + 1, whole);
    KEYWAY_HOLDS(one.all == other.all && cut.damaged() == whole.damaged());
}

}  // namespace keyway::fuzz
