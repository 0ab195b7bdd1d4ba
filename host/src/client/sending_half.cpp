#include "client/sending_half.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/crash_point.hpp"
#include "ring/shared_copy.hpp"

namespace keyway {

namespace {

/// Memory of what nobody has asked for yet; the oldest goes when there is more.
constexpr std::size_t kMostRemembered = 65536;

}  // namespace

SendingHalf::SendingHalf(link::LinkMemory& memory, int wake_pipe, int bell)
    : ring_(memory.shared().submission, memory.submission()),
      notices_(memory.shared().notices, memory.notices()),
      sleeper_(memory.shared().sender, wake_pipe),
      shared_(&memory.shared()),
      bell_(bell) {}

void SendingHalf::move_to(link::LinkMemory& memory) {
    ring_.move_to(memory.shared().submission, memory.submission());
    notices_.move_to(memory.shared().notices, memory.notices());
    sleeper_.move_to(memory.shared().sender);
    shared_ = &memory.shared();
}

std::optional<std::uint64_t> SendingHalf::put(const Header& header, std::span<const std::byte> payload) {
    std::byte* body = ring_.try_reserve(limit::kHeaderBytes + static_cast<std::uint32_t>(payload.size()));
    if (body == nullptr) {
        return std::nullopt;
    }
    KEYWAY_CRASH_POINT("put.reserved");
    ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&header), sizeof header);
    ring::copy_to_shared(body + sizeof header, payload.data(), payload.size());
    KEYWAY_CRASH_POINT("put.filled");
    ring_.commit();
    KEYWAY_CRASH_POINT("put.committed");
    return ring_.tail();
}

void SendingHalf::ring_bell() {
    ring::wake_if_parked(shared_->router, [this] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(bell_, &one, sizeof one);
    });
    ring_.tidy();
}

void SendingHalf::read_notices() {
    ring::Record record;
    bool any = false;
    while (notices_.peek(record) == ring::Poll::kRecord) {
        link::NoticeBody notice;
        if (record.body.size() == sizeof notice) {
            ring::copy_from_shared(reinterpret_cast<std::byte*>(&notice), record.body.data(), sizeof notice);
            take(notice);
        }
        notices_.advance();
        any = true;
    }
    if (any) {
        notices_.release();
        ring::wake_if_parked(shared_->room, [this] {
            const std::uint64_t one = 1;
            [[maybe_unused]] const ssize_t written = ::write(bell_, &one, sizeof one);
        });
    }
}

void SendingHalf::take(const link::NoticeBody& notice) {
    switch (Notice{notice.kind}) {
        case Notice::kRefused:
            if (std::erase(given_up_, notice.ticket) != 0) {
                break;
            }
            refusals_.push_back({notice.ticket, Error::from_code(notice.code)});
            if (refusals_.size() > kMostRemembered) {
                refusals_.pop_front();
            }
            break;
        case Notice::kGranted:
            if (granted_.size() >= kMostRemembered) {
                granted_.clear();
            }
            granted_[notice.ticket] = notice.value;
            break;
        case Notice::kPeerGone:
            peers_gone_.push_back(notice.value);
            if (peers_gone_.size() > kMostRemembered) {
                peers_gone_.pop_front();
            }
            break;
        case Notice::kClosed:
            closed_ = Error::from_code(notice.code);
            break;
        case Notice::kRegion:
            ++region_changes_[notice.value];
            break;
        case Notice::kRevoked:
            break;  // the next use of the capability says the same
    }
}

std::optional<Error> SendingHalf::take_refusal(std::uint64_t ticket) {
    const auto found = std::ranges::find(refusals_, ticket, &Refusal::ticket);
    if (found == refusals_.end()) {
        return std::nullopt;
    }
    const Error reason = found->reason;
    refusals_.erase(found);
    return reason;
}

void SendingHalf::give_up(std::uint64_t ticket) {
    if (judged(ticket)) {
        // A refusal is told before the submission is given back, so it is there if there is one.
        read_notices();
        static_cast<void>(take_refusal(ticket));
        return;
    }
    given_up_.push_back(ticket);
    if (given_up_.size() > kMostGivenUp) {
        given_up_.pop_front();
    }
}

std::optional<Refusal> SendingHalf::next_refusal() {
    read_notices();
    if (refusals_.empty()) {
        return std::nullopt;
    }
    const Refusal first = refusals_.front();
    refusals_.pop_front();
    return first;
}

std::uint32_t SendingHalf::take_granted(std::uint64_t ticket) {
    const auto found = granted_.find(ticket);
    if (found == granted_.end()) {
        return 0;
    }
    const std::uint32_t id = found->second;
    granted_.erase(found);
    return id;
}

bool SendingHalf::take_peer_gone(std::uint32_t sequence) {
    return std::erase(peers_gone_, sequence) != 0;
}

}  // namespace keyway
