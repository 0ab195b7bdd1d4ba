#include "driver/recording.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "base/wall_clock.hpp"
#include "driver/link.hpp"

namespace keyway::device {

using Direction = PcapngWriter::Direction;

Recorder::Recorder(std::FILE* file, std::string_view program)
    : writer_(file, program, kCaptureFrames, "keyway board") {}

void Recorder::add(const FrameDecoder::View& view, Direction direction) {
    const auto head = std::as_bytes(std::span(view.head.words));
    ++frames_;
    writer_.add(wall_clock_ns(), {head, view.body}, head.size() + view.body.size(), direction);
}

void Recorder::to_board(std::span<const std::byte> bytes) {
    out_.take(bytes, [this](const FrameDecoder::View& view) { add(view, Direction::kOut); });
}

void Recorder::from_board(std::span<const std::byte> bytes) {
    in_.take(bytes, [this](const FrameDecoder::View& view) { add(view, Direction::kIn); });
}

Result<std::size_t> RecordingTransport::control_in(UsbRequest request, std::uint16_t value,
                                                   std::span<std::byte> data, milliseconds timeout) {
    return board_.control_in(request, value, data, timeout);
}

Result<void> RecordingTransport::control_out(UsbRequest request, std::uint16_t value,
                                             std::span<const std::byte> data, milliseconds timeout) {
    return board_.control_out(request, value, data, timeout);
}

Result<void> RecordingTransport::send(std::span<const std::byte> bytes, milliseconds timeout) {
    const auto sent = board_.send(bytes, timeout);
    if (sent) {
        recorder_.to_board(bytes);
    }
    return sent;
}

Result<std::size_t> RecordingTransport::receive(std::span<std::byte> into, milliseconds timeout) {
    const auto got = board_.receive(into, timeout);
    if (got) {
        recorder_.from_board(into.first(*got));
    }
    return got;
}

Result<void> RecordingTransport::clear_halts() {
    return board_.clear_halts();
}

std::optional<std::vector<Recorded>> read_recording(std::span<const std::byte> content) {
    const auto packets = read_pcapng(content, kCaptureFrames);
    if (!packets) {
        return std::nullopt;
    }
    std::vector<Recorded> frames;
    for (const CapturedPacket& packet : *packets) {
        Recorded frame{.to_board = packet.direction == Direction::kOut,
                       .time_ns = packet.time_ns,
                       .head = {},
                       .body = {}};
        if (packet.bytes.size() < sizeof frame.head || packet.direction == Direction::kUnknown) {
            return std::nullopt;
        }
        std::memcpy(frame.head.words.data(), packet.bytes.data(), sizeof frame.head);
        const auto body = packet.bytes.subspan(sizeof frame.head);
        if (body.size() > limit::kFrameBodyBytes || body.size() != frame.head.length()) {
            return std::nullopt;
        }
        frame.body.assign(body.begin(), body.end());
        frames.push_back(std::move(frame));
    }
    return frames;
}

namespace {

constexpr milliseconds kPatience{1000};
constexpr std::array kCompared{FrameKind::kAcknowledge, FrameKind::kEvent, FrameKind::kDelivery};

bool is_compared(FrameKind kind) {
    return std::ranges::find(kCompared, kind) != kCompared.end();
}

/// One session of a recording, from its hello to the next one.
class SessionReplay {
  public:
    SessionReplay(Transport& transport, std::span<const Recorded> frames, Replayed& report)
        : frames_(frames), link_(transport), report_(report) {}

    Result<void> play() {
        expect();
        if (const auto opened = link_.open(); !opened) {
            return opened;
        }
        for (const Recorded& frame : frames_) {
            const FrameKind kind{frame.head.kind()};
            if (frame.to_board && takes_place(kind)) {
                if (const auto given = give(kind, frame); !given) {
                    return given;
                }
            }
        }
        // Until everything is here, or nothing more comes.
        for (auto until = Clock::now() + kPatience; answers_ < expected_ && Clock::now() < until;) {
            const auto polled = poll(milliseconds{5});
            if (!polled) {
                return polled.error();
            }
            if (*polled != 0) {
                until = Clock::now() + kPatience;
            }
        }
        compare();
        return {};
    }

  private:
    using Clock = std::chrono::steady_clock;
    using Body = std::vector<std::byte>;

    // Without what is of its time: sequences are told from the session's beginning, and the tick is not
    // compared.
    static Body comparable(FrameKind kind, Body body, std::uint16_t origin) {
        if (LinkAcknowledge done; kind == FrameKind::kAcknowledge && body.size() == sizeof done) {
            std::memcpy(done.words.data(), body.data(), sizeof done);
            done.set_sequence(static_cast<std::uint16_t>(done.sequence() - origin));
            std::memcpy(body.data(), done.words.data(), sizeof done);
        }
        if (LinkEvent event; kind == FrameKind::kEvent && body.size() == sizeof event) {
            std::memcpy(event.words.data(), body.data(), sizeof event);
            event.set_tick(0);
            std::memcpy(body.data(), event.words.data(), sizeof event);
        }
        Header header;
        if (kind == FrameKind::kDelivery && body.size() >= sizeof(LinkDelivery) + sizeof header) {
            std::memcpy(header.words.data(), body.data() + sizeof(LinkDelivery), sizeof header);
            header.set_timestamp(0);
            std::memcpy(body.data() + sizeof(LinkDelivery), header.words.data(), sizeof header);
        }
        return body;
    }
    void expect() {
        const std::uint16_t origin = frames_.empty() ? std::uint16_t{0} : frames_.front().head.sequence();
        for (const Recorded& frame : frames_) {
            const FrameKind kind{frame.head.kind()};
            if (!frame.to_board && is_compared(kind)) {
                auto body = comparable(kind, frame.body, origin);
                then_[line_of(kind, body)].push_back(std::move(body));
                ++expected_;
            }
        }
        report_.expected += expected_;
    }
    Result<void> give(FrameKind kind, const Recorded& frame) {
        for (const auto until = Clock::now() + kPatience;;) {
            const auto sent = link_.send(kind, frame.body);
            if (sent) {
                origin_ = report_.given == given_before_ ? *sent : origin_;
                ++report_.given;
                return {};
            }
            if (sent.error() != Status::kWouldBlock) {
                return sent.error();
            }
            if (Clock::now() >= until) {
                return Status::kDeviceSilent;
            }
            if (const auto polled = poll(milliseconds{5}); !polled) {
                return polled.error();
            }
        }
    }
    Result<std::size_t> poll(milliseconds timeout) {
        return link_.poll(timeout, [this](const FrameDecoder::View& view) {
            const FrameKind kind{view.head.kind()};
            if (is_compared(kind)) {
                auto body = comparable(kind, Body(view.body.begin(), view.body.end()), origin_);
                now_[line_of(kind, body)].push_back(std::move(body));
                ++answers_;
                ++report_.answers;
            }
        });
    }
    /// What keeps its order: a kind, and of deliveries what goes to one destination.
    using Line = std::pair<FrameKind, std::byte>;
    static Line line_of(FrameKind kind, const Body& body) {
        return {kind, kind == FrameKind::kDelivery && !body.empty() ? body.front() : std::byte{0}};
    }
    void differ(FrameKind kind, std::size_t at, const char* how) {
        if (report_.differences++ == 0) {
            report_.first = std::string(name_of(kind)) + " " + std::to_string(at + 1) + " of session " +
                            std::to_string(report_.sessions) + " " + how;
        }
    }
    void compare() {
        for (const auto& [line, bodies] : now_) {
            then_[line];  // so that there is one of each below
        }
        for (const auto& [line, then] : then_) {
            const FrameKind kind = line.first;
            const auto& now = now_[line];
            for (std::size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
                if (i >= now.size()) {
                    differ(kind, i, "did not come");
                } else if (i >= then.size()) {
                    differ(kind, i, "is not in the recording");
                } else if (then[i] != now[i]) {
                    differ(kind, i, "is another");
                }
            }
        }
    }

    std::span<const Recorded> frames_;
    Link link_;
    Replayed& report_;
    const std::uint64_t given_before_ = report_.given;
    std::uint16_t origin_ = 0;  ///< sequence of the session's first frame
    std::uint64_t expected_ = 0, answers_ = 0;
    std::map<Line, std::vector<Body>> then_, now_;
};

}  // namespace

Result<Replayed> replay(Transport& transport, std::span<const Recorded> recording) {
    Replayed report;
    const auto opens = [](const Recorded& frame) {
        return frame.to_board && FrameKind{frame.head.kind()} == FrameKind::kHello;
    };
    auto begin = std::ranges::find_if(recording, opens);
    while (begin != recording.end()) {
        // A hello that is said again, because no answer came, opens the same session.
        const auto first = std::find_if_not(begin, recording.end(), opens);
        const auto end = std::find_if(first, recording.end(), opens);
        ++report.sessions;
        const auto played = SessionReplay(transport, std::span(first - 1, end), report).play();
        if (!played) {
            return played.error();
        }
        begin = end;
    }
    return report;
}

}  // namespace keyway::device
