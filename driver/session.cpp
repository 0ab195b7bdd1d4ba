#include "driver/session.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace keyway::device {

namespace {

// For a transfer to be free: four are in flight, and we wait for each answer. It comes on top of `answer` up
// to three times, and the router must go on within 10 ms.
constexpr milliseconds kHandOver{1};
constexpr unsigned kMostBits = 16;  // of rows and of destinations

// The hardware's own registers: docs/rtl.md.
constexpr std::uint32_t kRouteIndex = 0x064, kRouteOwner = 0x068, kRouteMask0 = 0x06C, kRouteMask1 = 0x070;

/// An entry whose every use leaves the table as it is.
bool is_plain(const Entry& entry) {
    const std::uint8_t special = entry_flag::kLinear | entry_flag::kOneShot;
    return (entry.flags() & special) == 0 && entry.expiry() == 0 && Kind{entry.kind()} == Kind::kEndpoint;
}

}  // namespace

Session::Session(std::unique_ptr<Transport> transport, const Limits& limits)
    : transport_(std::move(transport)),
      limits_(limits),
      link_(*transport_, Link::Options{.patience = limits.opening, .hand_over = kHandOver}) {}

Result<std::unique_ptr<Session>> Session::open(std::unique_ptr<Transport> transport, const Limits& limits) {
    std::unique_ptr<Session> made(new Session(std::move(transport), limits));
    if (const auto opened = made->link_.open(); !opened) {
        return opened.error();
    }
    if (const auto ready = made->set_up(); !ready) {
        return ready.error();
    }
    return made;
}

Result<void> Session::set_up() {
    begin(limits_.opening);
    const auto done = [&] { return unanswered_ == 0; };
    if (const auto asked = put_access(FrameKind::kRead, reg::kGeometry, 0); !asked) {
        return asked;
    }
    if (const auto answered = wait(done); !answered) {
        return answered;
    }
    const std::uint32_t row_bits = value_ >> 8U & 0xFFU;
    const std::uint32_t destination_bits = value_ >> 24U;
    if (row_bits > kMostBits || destination_bits > kMostBits) {
        return Status::kDeviceGarbled;
    }
    rows_.assign(std::size_t{1} << row_bits, 0);
    destinations_ = 1U << destination_bits;
    if (const auto asked = put_access(FrameKind::kWrite, reg::kControl, 1); !asked) {
        return asked;
    }
    return wait(done);
}

Result<LinkEvent> Session::judge(const Engine::Question& question) {
    begin(limits_.answer);
    if (bound_ != question.sender) {
        const std::pair<std::uint32_t, std::uint32_t> writes[] = {
            {reg::kPortSelect, 0}, {reg::kPortSender, question.sender & 0xFFFFU}, {reg::kPortControl, 1}};
        for (const auto& [offset, value] : writes) {
            if (const auto written = put_access(FrameKind::kWrite, offset, value); !written) {
                return written.error();
            }
        }
        bound_ = question.sender;
    }
    const std::uint32_t capability = question.header->capability();
    if (question.authority != nullptr && is_plain(*question.authority) && cached(capability) != capability) {
        if (const auto shown = put_row(question); !shown) {
            return shown.error();
        }
    }
    // All of it is one transfer, and the board does it in this order.
    event_.reset();
    if (const auto sent = put(FrameKind::kMessage, std::as_bytes(std::span(question.header->words))); !sent) {
        return sent.error();
    }
    if (const auto answered = wait([&] { return event_ && unanswered_ == 0; }); !answered) {
        return answered.error();
    }
    // Of this message, and of no other.
    const bool ours = event_->capability() == question.header->capability() &&
                      event_->sequence() == question.header->sequence();
    if (!ours || name_of(Verdict{event_->verdict()}) == "unknown") {
        return Status::kDeviceGarbled;
    }
    ++judged_;
    return *event_;
}

Result<void> Session::put_row(const Engine::Question& question) {
    const std::uint32_t capability = question.header->capability();
    Entry entry = *question.authority;
    entry.set_spare(0);
    const std::pair<std::uint32_t, std::uint32_t> writes[] = {{kRouteIndex, entry.object()},
                                                              {kRouteOwner, question.receiver_owner},
                                                              {kRouteMask0, 0},
                                                              {kRouteMask1, 0}};
    if (has_room_for(entry.object())) {
        for (const auto& [offset, value] : writes) {
            if (const auto written = put_access(FrameKind::kWrite, offset, value); !written) {
                return written;
            }
        }
    }
    cached(capability) = capability;  // from now on it may be there, whatever becomes of this
    return put_access(FrameKind::kFill, 0, capability % limit::kSlots, std::as_bytes(std::span(entry.words)));
}

Result<void> Session::forget(std::uint32_t capability) {
    if (cached(capability) != capability) {
        return {};
    }
    begin(limits_.answer);
    if (const auto asked = put_access(FrameKind::kInvalidate, 0, capability % limit::kSlots); !asked) {
        return asked;
    }
    if (const auto answered = wait([&] { return unanswered_ == 0; }); !answered) {
        return answered;
    }
    cached(capability) = 0;
    return {};
}

// --- the conversation ---

void Session::begin(milliseconds patience) {
    until_ = Clock::now() + patience;
}

Result<void> Session::put(FrameKind kind, std::span<const std::byte> body) {
    while (true) {
        const auto sent = link_.send(kind, body);
        if (sent) {
            return {};
        }
        if (sent.error() != Status::kWouldBlock) {
            return sent.error();
        }
        if (const auto more = turn(); !more) {
            return more;
        }
    }
}

Result<void> Session::put_access(FrameKind kind, std::uint32_t offset, std::uint32_t value,
                                 std::span<const std::byte> more) {
    LinkAccess access;
    access.set_offset(static_cast<std::uint16_t>(offset));
    access.set_value(value);
    std::array<std::byte, sizeof(LinkAccess) + sizeof(Entry)> body{};
    std::memcpy(body.data(), access.words.data(), sizeof access);
    std::ranges::copy(more, body.begin() + sizeof access);
    ++unanswered_;
    return put(kind, std::span(body).first(sizeof access + more.size()));
}

template <typename Done>
Result<void> Session::wait(const Done& done) {
    while (!done()) {
        if (const auto more = turn(); !more) {
            return more;
        }
    }
    return {};
}

// Sends what is in line and hears what came.
Result<void> Session::turn() {
    const auto rest = std::chrono::ceil<milliseconds>(until_ - Clock::now());
    if (rest.count() <= 0) {
        return Status::kDeviceSilent;
    }
    const auto polled = link_.poll(rest, [this](const FrameDecoder::View& view) { hear(view); });
    if (!polled) {
        return polled.error();
    }
    if (refused_) {
        return Status::kDeviceRefused;
    }
    const bool sound = link_.counters().lost == 0 && !unasked_;
    return sound ? Result<void>() : Result<void>(Status::kDeviceGarbled);
}

// Deliveries are what the block would pass on; here the software does that.
void Session::hear(const FrameDecoder::View& view) {
    const auto take = [&](auto& made) {
        if (view.body.size() != sizeof made) {
            return false;
        }
        std::memcpy(made.words.data(), view.body.data(), sizeof made);
        return true;
    };
    switch (FrameKind{view.head.kind()}) {
        case FrameKind::kEvent:
            if (LinkEvent event; take(event)) {
                unasked_ = unasked_ || event_;
                event_ = event;
            }
            break;
        case FrameKind::kAcknowledge:
            if (LinkAcknowledge answer; take(answer)) {
                unanswered_ -= unanswered_ != 0 ? 1 : 0;
                value_ = answer.value();
                refused_ = refused_ || answer.outcome() != 0;
            }
            break;
        default:
            break;
    }
}

}  // namespace keyway::device
