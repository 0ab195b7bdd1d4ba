#pragma once

// What the router answers a request with: one packet, and descriptors where there are any.

#include <array>
#include <span>
#include <utility>

#include "base/fd.hpp"
#include "core/capability_table.hpp"
#include "link/control.hpp"

namespace keyway::router {

class Answer {
  public:
    explicit Answer(const link::ControlMessage& request) {
        message.request = request.request;
        message.tag = request.tag;
    }

    link::ControlMessage message;

    /// Sends a descriptor along that stays ours; it must stay open until the answer is sent.
    void attach(int borrowed) {
        KEYWAY_CHECK(count_ < link::kMostFds);
        fds_[count_++] = borrowed;
    }
    /// Sends a descriptor along and closes ours after that.
    void attach(UniqueFd owned) {
        attach(owned.get());
        owned_[count_ - 1] = std::move(owned);
    }
    [[nodiscard]] std::span<const int> fds() const { return {fds_.data(), count_}; }

    /// What a process is told of a capability of its own.
    void describe(const Entry& entry, core::CapabilityId id) {
        message.capability = id;
        message.object = entry.object();
        message.kind = entry.kind();
        message.rights = entry.rights();
        message.badge = entry.badge();
    }
    void fail(Error error) {
        message.status = error.code();
        message.system_error = error.system_error();
        count_ = 0;
    }

  private:
    std::array<int, link::kMostFds> fds_{};
    std::array<UniqueFd, link::kMostFds> owned_;
    std::size_t count_ = 0;
};

}  // namespace keyway::router
