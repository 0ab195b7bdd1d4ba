#include "driver/link.hpp"

#include <algorithm>
#include <cstring>

#include "driver/board.hpp"

namespace keyway::device {

namespace {

constexpr milliseconds kHelloAgain{100};
constexpr milliseconds kQuiet{20};             // nothing for so long: nothing more is on its way
constexpr std::size_t kMostStale = 1U << 20U;  // more than any device and kernel hold between them

}  // namespace

Link::Link(Transport& transport, Options options)
    : transport_(transport),
      options_(options),
      book_(std::max<std::uint8_t>(options.window, 1)),
      in_(Transport::kMostSend) {
    out_.reserve(Transport::kMostSend);
}

void Link::put(FrameKind kind, std::span<const std::byte> body) {
    const Frame head = book_.stamp(kind, epoch_);
    told_ = head.grant();
    encode_frame(head, body, out_);
}

Result<void> Link::flush() {
    for (std::size_t at = 0; at < out_.size();) {
        const auto piece = std::span(out_).subspan(at, std::min(Transport::kMostSend, out_.size() - at));
        if (const auto sent = transport_.send(piece, options_.hand_over); !sent) {
            // The rest stays in line. A frame that is cut here goes on later, and is whole then.
            out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(at));
            return sent.error() == Status::kWouldBlock ? Status::kDeviceSilent : sent.error();
        }
        at += piece.size();
    }
    out_.clear();
    return {};
}

Result<void> Link::drain() {
    for (std::size_t total = 0; total < kMostStale;) {
        const auto got = transport_.receive(in_, kQuiet);
        if (!got) {
            return got.error();
        }
        if (*got == 0) {
            return {};
        }
        total += *got;
    }
    return Status::kDeviceGarbled;  // it never stops
}

void Link::say_hello() {
    // A number of its own for each try: an answer to the one before can't be taken for this one's.
    book_.restart(static_cast<std::uint16_t>(random_()));
    LinkIdentity identity;
    identity.set_magic(kMagic);
    identity.set_major(kVersionMajor);
    identity.set_minor(kVersionMinor);
    identity.set_role(static_cast<std::uint8_t>(LinkRole::kHost));
    identity.set_window(book_.window());
    identity.set_body(static_cast<std::uint16_t>(limit::kFrameBodyBytes));
    identity.set_session(options_.session);
    put(FrameKind::kHello, std::as_bytes(std::span(identity.words)));
}

Result<void> Link::open() {
    const auto until = Clock::now() + options_.patience;
    const bool any_session = options_.session == 0;
    out_.clear();
    if (const auto reset = reset_board(transport_, false); !reset) {
        return reset;
    }
    if (const auto drained = drain(); !drained) {
        return drained;
    }
    decoder_.reset();
    while (Clock::now() < until) {
        if (any_session) {
            options_.session = static_cast<std::uint32_t>(random_());
        }
        say_hello();
        if (const auto sent = flush(); !sent) {
            return sent;
        }
        const auto again = Clock::now() + kHelloAgain;
        while (!book_.is_open() && Clock::now() < again) {
            if (const auto got = read(kQuiet, {}); !got) {
                return got.error();
            }
        }
        if (book_.is_open()) {
            asked_at_ = Clock::now();
            return check_version(peer_);
        }
    }
    return Status::kDeviceSilent;
}

Result<std::uint16_t> Link::send(FrameKind kind, std::span<const std::byte> body) {
    if (!takes_place(kind) || body.empty() ||
        body.size() > std::min<std::size_t>(peer_.body(), limit::kFrameBodyBytes)) {
        return Status::kBadArgument;
    }
    if (!book_.may_send()) {
        return Status::kWouldBlock;
    }
    if (out_.size() + encoded_bytes(body.size()) > Transport::kMostSend) {
        if (const auto sent = flush(); !sent) {
            return sent.error();
        }
    }
    const std::uint16_t sequence = book_.next();
    put(kind, body);
    asks_left_ = kAsks;
    ++counters_.sent;
    return sequence;
}

Result<std::size_t> Link::read(milliseconds timeout, const Sink& sink) {
    const auto got = transport_.receive(in_, timeout);
    if (!got) {
        return got.error();
    }
    std::size_t given = 0;
    decoder_.take(std::span(in_).first(*got), [&](const FrameDecoder::View& view) {
        const FrameKind kind{view.head.kind()};
        if (kind == FrameKind::kHello) {
            LinkIdentity identity;
            if (view.body.size() == sizeof identity) {
                std::memcpy(identity.words.data(), view.body.data(), sizeof identity);
            }
            if (!book_.is_open() && identity.magic() == kMagic && identity.session() == options_.session &&
                book_.open(view.head)) {
                peer_ = identity;
            } else {
                ++counters_.strays;
            }
            return;
        }
        unsigned lost = 0;
        const Arrival arrival = book_.take(view.head, lost);
        counters_.lost += lost;
        asks_left_ = lost != 0 ? kAsks : asks_left_;
        if (arrival > Arrival::kAfterGap) {
            ++counters_.strays;
            return;
        }
        if (!takes_place(kind)) {
            return;
        }
        // It is used at once, so its place is free again.
        book_.release();
        ++counters_.received;
        ++given;
        if (sink) {
            sink(view);
        }
    });
    return given;
}

Result<std::size_t> Link::poll(milliseconds timeout, const Sink& sink) {
    if (const auto sent = flush(); !sent) {
        return sent.error();
    }
    const auto given = read(timeout, sink);
    if (!given) {
        return given;
    }
    if (*given != 0) {
        asks_left_ = kAsks;
    }
    // Credit goes back in time for the device never to wait for it. And when nothing moves after something
    // did, both sides tell each other where they are: the last frames of either may be lost.
    const auto grown = static_cast<std::uint16_t>(book_.grant() - told_);
    const auto now = Clock::now();
    const bool due = grown >= book_.window() / 4 + 1;
    if (due || (asks_left_ != 0 && now - asked_at_ >= kAskAgain)) {
        put(FrameKind::kCredit, {});
        ++counters_.asked;
        asked_at_ = now;
        asks_left_ -= asks_left_ != 0 && !due ? 1 : 0;
        if (const auto sent = flush(); !sent) {
            return sent.error();
        }
    }
    return given;
}

}  // namespace keyway::device
