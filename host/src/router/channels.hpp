#pragma once

// What the router keeps of lanes and streams. It makes their memory, says on the status page whether the
// authority is in force, and reads what the ends count; it never looks at what they exchange.

#include <array>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/fd.hpp"
#include "channel/channel_layout.hpp"
#include "core/ids.hpp"
#include "keyway/result.hpp"
#include "router/link.hpp"

namespace keyway::router {

/// Descriptors charged for a channel: the most that the router holds for it at any time.
inline constexpr std::uint32_t kDescriptorsPerChannel = 8;

/// The router's mapping of a status page.
class StatusMapping {
  public:
    StatusMapping() = default;
    StatusMapping(const StatusMapping&) = delete;
    StatusMapping& operator=(const StatusMapping&) = delete;
    ~StatusMapping();
    /// Makes the file, maps it and seals it, in this order. `fd` gets the descriptor for the ends.
    Result<void> create(UniqueFd& fd);
    [[nodiscard]] channel::StatusPage& page() const noexcept { return *page_; }

  private:
    channel::StatusPage* page_ = nullptr;
};

/// Totals of one end, as it says.
struct ChannelTotals {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint32_t last_sequence = 0;
};

/// Messages that one end says it has put in (or taken out) since the last look, to be folded into one record
/// of the audit log.
struct ChannelRun {
    bool sent = false;  ///< else received
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint32_t first_sequence = 0;
    std::uint32_t last_sequence = 0;
    std::uint64_t first_ns = 0;  ///< the looks between which they were counted
    std::uint64_t last_ns = 0;
};

struct Channel {
    struct End {
        core::ProcessId process = 0;
        core::CapabilityId capability = 0;
        UniqueFd counts;
        ChannelTotals sent;
        ChannelTotals received;
    };

    std::uint32_t serial = 0;  ///< never reused
    core::ObjectId object = 0;
    bool listed = true;  ///< the object id is ours still
    channel::What what = channel::What::kLane;
    std::uint8_t flags = 0;
    channel::Phase phase = channel::Phase::kOffered;
    Error reason{Status::kPeerGone};
    std::uint32_t bytes = 0;

    core::CapabilityId authority = 0;
    Entry entry;  ///< of the authority
    core::ObjectId endpoint = 0;
    End opener;
    End acceptor;

    StatusMapping status;
    UniqueFd data_fd;                 ///< until the offer is taken
    UniqueFd status_fd;               ///< the same
    std::array<UniqueFd, 2> sockets;  ///< the opener's ends, which we have too
    std::array<UniqueFd, 2> theirs;   ///< the acceptor's, until it takes the offer
    User* user = nullptr;
    std::uint64_t charged = 0;  ///< bytes

    std::uint64_t expiry_ns = 0;
    std::uint64_t looked_ns = 0;
    std::uint64_t over_since = 0;

    [[nodiscard]] bool counts_agree() const {
        return opener.sent.messages == acceptor.received.messages &&
               opener.sent.bytes == acceptor.received.bytes &&
               acceptor.sent.messages == opener.received.messages &&
               acceptor.sent.bytes == opener.received.bytes;
    }
};

/// All of them, and when they want to be looked at again.
struct Channels {
    std::vector<std::unique_ptr<Channel>> all;
    std::uint64_t due_ns = UINT64_MAX;
    std::uint64_t interval_ns = 0;
    std::uint32_t next_serial = 1;
    std::uint64_t ended = 0;
    std::uint64_t disagreed = 0;  ///< of those, how many ended with counts that differ

    [[nodiscard]] Channel* by_object(core::ObjectId object) const;
    /// What a process has open: bytes and channels, offered ones too.
    struct Use {
        std::uint64_t bytes = 0;
        std::uint32_t channels = 0;
    };
    [[nodiscard]] Use use_of(core::ProcessId opener) const;
};

}  // namespace keyway::router
