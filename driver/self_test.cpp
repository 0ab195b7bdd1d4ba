#include "driver/self_test.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>

#include "driver/registers.hpp"

namespace keyway::device {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kSender = 5, kObject = 1;
constexpr std::uint32_t kSlot = 1, kGeneration = 7;
constexpr milliseconds kPatience{1000};
// The hardware's own registers, docs/rtl.md: an object, who has it, and the destinations of a topic; the last
// one makes the route.
constexpr std::uint32_t kRouteObject = 0x064, kRouteOwner = 0x068, kRouteTopicLow = 0x06C,
                        kRouteTopicHigh = 0x070;

class Run {
  public:
    Run(Transport& transport, const SelfTestOptions& options)
        : options_(options), link_(transport), registers_(link_, [this](const auto& view) { take(view); }) {}

    SelfTest all() {
        // One after the other, until one fails.
        (void)(check("a session opens", [this] { return link_.open(); }) &&
               check("the registers are a router's", [this] { return registers(); }) &&
               check("port and route are set up", [this] { return set_up(); }) &&
               check("a message without a row comes back as a miss",
                     [this] { return expect(Verdict::kMiss, 1); }) &&
               check("a row is filled", [this] { return registers_.fill(kSlot, entry()); }) &&
               check("the message is delivered", [this] { return expect(Verdict::kDelivered, 2); }) &&
               check("a message without rights is refused", [this] { return refused(); }) &&
               check("messages one at a time", [this] { return one_at_a_time(); }) &&
               check("messages as fast as it goes, each with its verdict, in order",
                     [this] { return together(); }) &&
               check("a row is recalled", [this] { return registers_.invalidate(kSlot); }) &&
               check("and holds no more", [this] { return expect(Verdict::kMiss, 3); }) &&
               check("a new session finds an empty router", [this] { return anew(); }));
        return std::move(report_);
    }

  private:
    template <typename Step>
    bool check(const char* what, const Step& step) {
        const Result<void> done = step();
        report_.checks.push_back({.what = what,
                                  .good = done.has_value(),
                                  .why = done           ? std::string()
                                         : why_.empty() ? std::string(done.error().message())
                                                        : why_});
        return done.has_value();
    }
    Result<void> wrong(std::string why) {
        why_ = std::move(why);
        return Status::kDeviceGarbled;
    }

    static Entry entry(std::uint8_t rights = right::kAll) {
        Entry made;
        made.set_generation(kGeneration);
        made.set_flags(entry_flag::kValid);
        made.set_rights(rights);
        made.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
        made.set_owner(kSender);
        made.set_object(kObject);
        return made;
    }
    static Header message(std::uint32_t slot, std::uint32_t sequence) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_receiver(kObject);
        header.set_capability(kGeneration << limit::kSlotBits | slot);
        header.set_sequence(sequence);
        return header;
    }
    void take(const FrameDecoder::View& view) {
        LinkEvent event;
        if (FrameKind{view.head.kind()} == FrameKind::kEvent && view.body.size() == sizeof event) {
            std::memcpy(event.words.data(), view.body.data(), sizeof event);
            events_.push_back(event);
        }
    }
    Result<void> poll(milliseconds timeout) {
        const auto polled = link_.poll(timeout, [this](const auto& view) { take(view); });
        return polled ? Result<void>() : Result<void>(polled.error());
    }
    Result<void> give(const Header& header) {
        const auto until = Clock::now() + kPatience;
        for (;;) {
            const auto sent = link_.send(FrameKind::kMessage, std::as_bytes(std::span(header.words)));
            if (sent || sent.error() != Status::kWouldBlock) {
                return sent ? Result<void>() : Result<void>(sent.error());
            }
            if (Clock::now() >= until) {
                return Status::kDeviceSilent;
            }
            if (const auto polled = poll(milliseconds{5}); !polled) {
                return polled;
            }
        }
    }
    Result<void> wait_for_events(std::size_t count) {
        for (auto until = Clock::now() + kPatience; events_.size() < count;) {
            const std::size_t before = events_.size();
            if (const auto polled = poll(milliseconds{5}); !polled) {
                return polled;
            }
            if (events_.size() != before) {
                until = Clock::now() + kPatience;
            } else if (Clock::now() >= until) {
                return Status::kDeviceSilent;
            }
        }
        return {};
    }
    Result<void> expect(Verdict wanted, std::uint32_t sequence, std::uint32_t slot = kSlot) {
        events_.clear();
        if (const auto given = give(message(slot, sequence)); !given) {
            return given;
        }
        if (const auto came = wait_for_events(1); !came) {
            return came;
        }
        const Verdict got{events_.front().verdict()};
        if (got != wanted || events_.front().sequence() != sequence) {
            return wrong("the verdict was " + std::string(name_of(got)) + ", not " +
                         std::string(name_of(wanted)));
        }
        return {};
    }

    Result<void> registers() {
        const auto magic = registers_.read(reg::kMagic);
        if (!magic) {
            return magic.error();
        }
        const auto geometry = registers_.read(reg::kGeometry);
        if (!geometry) {
            return geometry.error();
        }
        report_.table_rows = 1U << std::min((*geometry >> 8U) & 0xFFU, 31U);
        return *magic == kMagic ? Result<void>() : wrong("the magic is not the contract's");
    }
    Result<void> set_up() {
        const std::array<std::pair<std::uint32_t, std::uint32_t>, 8> writes{{{reg::kPortSelect, 0},
                                                                             {reg::kPortSender, kSender},
                                                                             {reg::kPortControl, 1},
                                                                             {kRouteObject, kObject},
                                                                             {kRouteOwner, kObject},
                                                                             {kRouteTopicLow, 0},
                                                                             {kRouteTopicHigh, 0},
                                                                             {reg::kControl, 1}}};
        for (const auto& [offset, value] : writes) {
            if (const auto wrote = registers_.write(offset, value); !wrote) {
                return wrote;
            }
        }
        return {};
    }
    Result<void> refused() {
        if (const auto filled = registers_.fill(kSlot + 1, entry(0)); !filled) {
            return filled;
        }
        return expect(Verdict::kInsufficientRights, 4, kSlot + 1);
    }
    Result<void> one_at_a_time() {
        std::vector<double> times;
        for (std::uint32_t i = 0; i < options_.alone; ++i) {
            const auto from = Clock::now();
            if (const auto done = expect(Verdict::kDelivered, 1000 + i); !done) {
                return done;
            }
            times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - from).count());
        }
        std::ranges::sort(times);
        if (!times.empty()) {
            report_.round_trip_us = times[times.size() / 2];
            report_.slowest_us = times.back();
        }
        return {};
    }
    Result<void> together() {
        events_.clear();
        const auto from = Clock::now();
        for (std::uint32_t i = 0; i < options_.together; ++i) {
            if (const auto given = give(message(kSlot, i)); !given) {
                return given;
            }
        }
        if (const auto came = wait_for_events(options_.together); !came) {
            return wrong(std::to_string(events_.size()) + " of " + std::to_string(options_.together) +
                         " verdicts came");
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - from).count();
        report_.messages_per_second = options_.together / std::max(seconds, 1e-9);
        for (std::uint32_t i = 0; i < options_.together; ++i) {
            const Verdict verdict{events_[i].verdict()};
            if (events_[i].sequence() != i || (verdict != Verdict::kDelivered && verdict != Verdict::kFull)) {
                return wrong("verdict " + std::to_string(i) + " is of another message, or " +
                             std::string(name_of(verdict)));
            }
        }
        return {};
    }
    Result<void> anew() {
        if (const auto opened = link_.open(); !opened) {
            return opened;
        }
        const auto control = registers_.read(reg::kControl);
        if (!control) {
            return control.error();
        }
        return (*control & 1U) == 0 ? Result<void>() : wrong("it is switched on");
    }

    SelfTestOptions options_;
    Link link_;
    Registers registers_;
    std::vector<LinkEvent> events_;
    SelfTest report_;
    std::string why_;
};

}  // namespace

SelfTest test_board(Transport& transport, const SelfTestOptions& options) {
    return Run(transport, options).all();
}

}  // namespace keyway::device
