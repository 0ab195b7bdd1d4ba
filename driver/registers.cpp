#include "driver/registers.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace keyway::device {

namespace {

template <typename Value>
Result<void> without_value(const Result<Value>& result) {
    return result ? Result<void>() : Result<void>(result.error());
}

}  // namespace

Result<std::uint32_t> Registers::ask(FrameKind kind, std::uint32_t offset, std::uint32_t value,
                                     std::span<const std::byte> more) {
    LinkAccess access;
    if (offset >= 1U << 12U) {
        return Status::kBadArgument;
    }
    access.set_offset(static_cast<std::uint16_t>(offset));
    access.set_value(value);
    std::array<std::byte, sizeof(LinkAccess) + sizeof(Entry)> body{};
    std::memcpy(body.data(), access.words.data(), sizeof access);
    std::ranges::copy(more, body.begin() + sizeof access);
    const auto until = std::chrono::steady_clock::now() + patience_;
    std::optional<std::uint16_t> sequence;
    std::optional<LinkAcknowledge> answer;
    const auto take = [&](const FrameDecoder::View& view) {
        LinkAcknowledge got;
        if (FrameKind{view.head.kind()} == FrameKind::kAcknowledge && view.body.size() == sizeof got) {
            std::memcpy(got.words.data(), view.body.data(), sizeof got);
            if (sequence && got.sequence() == *sequence) {
                answer = got;
                return;
            }
        }
        if (others_) {
            others_(view);
        }
    };
    while (!answer && std::chrono::steady_clock::now() < until) {
        if (!sequence) {
            const auto sent = link_.send(kind, std::span(body).first(sizeof access + more.size()));
            if (sent) {
                sequence = *sent;
            } else if (sent.error() != Status::kWouldBlock) {
                return sent.error();
            }
        }
        if (const auto polled = link_.poll(milliseconds{5}, take); !polled) {
            return polled.error();
        }
    }
    if (!answer) {
        return Status::kDeviceSilent;
    }
    return answer->outcome() == 0 ? Result<std::uint32_t>(answer->value())
                                  : Result<std::uint32_t>(Status::kDeviceRefused);
}

Result<std::uint32_t> Registers::read(std::uint32_t offset) {
    return ask(FrameKind::kRead, offset, 0, {});
}

Result<void> Registers::write(std::uint32_t offset, std::uint32_t value) {
    return without_value(ask(FrameKind::kWrite, offset, value, {}));
}

Result<void> Registers::fill(std::uint32_t slot, const Entry& entry) {
    return without_value(ask(FrameKind::kFill, 0, slot, std::as_bytes(std::span(entry.words))));
}

Result<void> Registers::invalidate(std::uint32_t slot) {
    return without_value(ask(FrameKind::kInvalidate, 0, slot, {}));
}

}  // namespace keyway::device
