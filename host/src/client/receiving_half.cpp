#include "client/receiving_half.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/crash_point.hpp"
#include "client/connection_impl.hpp"
#include "ring/shared_copy.hpp"

namespace keyway {

ReceivingHalf::ReceivingHalf(link::LinkMemory& memory, int wake_pipe, int bell)
    : sleeper_(memory.shared().receiver, wake_pipe), shared_(&memory.shared()), bell_(bell) {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
        levels_[level].ring.emplace(shared_->delivery[level], memory.delivery(level));
    }
}

void ReceivingHalf::move_to(link::LinkMemory& memory) {
    shared_ = &memory.shared();
    for (std::size_t level = 0; level < levels_.size(); ++level) {
        levels_[level].ring->move_to(shared_->delivery[level], memory.delivery(level));
    }
    sleeper_.move_to(shared_->receiver);
}

void ReceivingHalf::ends(std::uint64_t* to) const {
    for (const Level& level : levels_) {
        *to++ = level.ring->end();
    }
}

bool ReceivingHalf::has_views() const {
    return std::ranges::any_of(levels_, [](const Level& level) { return level.views != 0; });
}

bool ReceivingHalf::take(Received& out) {
    if (!aside_.empty()) [[unlikely]] {
        out = std::move(aside_.front());
        aside_.pop_front();
        return true;
    }
    return take_from_rings(out);
}

bool ReceivingHalf::take_from_rings(Received& out) {
    unsigned pending = 0;
    for (unsigned level = 0; level < limit::kPriorities; ++level) {
        pending |= (levels_[level].ring->pending() ? 1U : 0U) << level;
    }
    while (true) {
        const int chosen = scheduler_.next(pending);
        if (chosen < 0) {
            return false;
        }
        const auto index = static_cast<std::size_t>(chosen);
        Level& level = levels_[index];
        ring::Record record;
        if (level.ring->peek(record) != ring::Poll::kRecord || record.body.size() < limit::kHeaderBytes) {
            pending &= ~(1U << index);  // padding only, or corrupt
            continue;
        }
        KEYWAY_CRASH_POINT("take.seen");
        out.release();
        std::memcpy(&out.header_, record.body.data(), sizeof out.header_);
        const auto payload = record.body.subspan(limit::kHeaderBytes);
        level.ring->advance();
        KEYWAY_CRASH_POINT("take.advanced");
        if (payload.size() <= Received::kInlineBytes) {
            std::memcpy(out.small_.data(), payload.data(), payload.size());
            out.payload_ = std::span(out.small_).first(payload.size());
            done_with(level);
        } else if (level.views == 0) {
            level.views = 1;
            out.in_ = this;
            out.level_ = static_cast<std::uint8_t>(index);
            out.payload_ = payload;
        } else {
            // In `message = receive()` the new one is there before the old one goes: were both in the ring,
            // none of a row would ever leave it without the next, and no room would be given back.
            out.copy_ = std::make_unique_for_overwrite<std::byte[]>(payload.size());
            std::memcpy(out.copy_.get(), payload.data(), payload.size());
            out.payload_ = {out.copy_.get(), payload.size()};
        }
        return true;
    }
}

void ReceivingHalf::set_aside(Received message) {
    message.detach();
    aside_.push_back(std::move(message));
}

bool ReceivingHalf::ready() const {
    return !aside_.empty() ||
           std::ranges::any_of(levels_, [](const Level& level) { return level.ring->pending(); });
}

bool ReceivingHalf::corrupt() const {
    return std::ranges::any_of(levels_, [](const Level& level) { return level.ring->corrupt(); });
}

void ReceivingHalf::release(std::size_t index) noexcept {
    const Connection::Impl::Use use(*of, Connection::Impl::kReceiving);
    --levels_[index].views;
    done_with(levels_[index]);
}

void ReceivingHalf::done_with(Level& level) noexcept {
    // The router reads how far we are only when it is short of room, so there is no hurry; but half a ring
    // that nobody looks at is room that a sender may be waiting for.
    if (level.views == 0 && level.ring->unreleased() >= level.ring->capacity() / 4) {
        give_back(level);
    }
}

void ReceivingHalf::release_all() {
    for (Level& level : levels_) {
        if (level.views == 0 && level.ring->unreleased() != 0) {
            give_back(level);
        }
    }
}

void ReceivingHalf::give_back(Level& level) noexcept {
    level.ring->release();
    KEYWAY_CRASH_POINT("take.released");
    ring::wake_if_parked(shared_->room, [this] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(bell_, &one, sizeof one);
    });
}

Received::Received(Received&& other) noexcept {
    take_from(other);
}

Received& Received::operator=(Received&& other) noexcept {
    if (this != &other) {
        release();
        take_from(other);
    }
    return *this;
}

void Received::take_from(Received& other) noexcept {
    header_ = other.header_;
    payload_ = std::exchange(other.payload_, {});
    if (payload_.data() == other.small_.data()) {
        small_ = other.small_;  // all of it: that is fewer instructions than to copy what is used
        payload_ = std::span(small_).first(payload_.size());
    }
    copy_ = std::move(other.copy_);
    in_ = std::exchange(other.in_, nullptr);
    level_ = other.level_;
}

void Received::detach() {
    if (in_ == nullptr) {
        return;
    }
    copy_ = std::make_unique_for_overwrite<std::byte[]>(payload_.size());
    std::memcpy(copy_.get(), payload_.data(), payload_.size());
    payload_ = {copy_.get(), payload_.size()};
    std::exchange(in_, nullptr)->release(level_);
}

void Received::release() noexcept {
    if (in_ != nullptr) {
        std::exchange(in_, nullptr)->release(level_);
    }
    copy_.reset();
    payload_ = {};
}

}  // namespace keyway
