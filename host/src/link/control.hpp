#pragma once

// The control conversation between a process and the router, over a SOCK_SEQPACKET socket.
//
// A request and its answer are one packet each, of one fixed form; the answer repeats `request` and `tag`. It
// is for everything but messages: opening the link, names, authority, memory, introspection.
//
// Once the link is live a request may also be put into the submission ring, as the payload of a control
// message to receiver 0 without a capability; a router that is awake sees it there at once, while it looks at
// its sockets only now and then. The answer, which may bring descriptors, comes on the socket in either case.
//
//     process                       router
//        | hello {version, sizes}     |
//        |--------------------------->| identity from SO_PEERCRED and a pidfd, limits
//        | hello {id} + memfd, bell, two wake pipes
//        |<---------------------------|
//        | (maps the memfd)           |
//        | mapped                     |
//        |--------------------------->| seals, populates, serves from here on
//        | mapped                     |
//        |<---------------------------|
//
// The router wakes a process by a pipe of which it holds the only writing end, and not by an eventfd: an
// eventfd is one open file for both, so a process could clear its O_NONBLOCK, fill its counter and so block
// the router in write(). The bell in the other direction is an eventfd that the router only ever watches,
// edge-triggered, and never reads or writes.

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/fd.hpp"
#include "keyway/deadline.hpp"
#include "keyway/protocol.hpp"
#include "keyway/result.hpp"

namespace keyway::link {

struct ControlMessage {
    std::uint32_t magic = kMagic;
    std::uint16_t version_major = kVersionMajor;
    std::uint16_t version_minor = kVersionMinor;
    std::uint8_t request = 0;  ///< Request
    std::uint8_t status = 0;   ///< in an answer: 0, or a verdict or status
    std::uint8_t rights = 0;
    std::uint8_t kind = 0;
    std::uint32_t tag = 0;     ///< chosen by the process
    std::uint32_t object = 0;  ///< endpoint or process
    std::uint32_t capability = 0;
    std::uint32_t target = 0;  ///< a second capability
    std::uint32_t badge = 0;
    std::uint32_t lifetime = 0;  ///< router ticks
    std::uint32_t submission_bytes = 0;
    std::uint32_t delivery_bytes = 0;
    std::int32_t system_error = 0;
    std::uint64_t value = 0;  ///< a count, size or ticket
    char name[limit::kNameBytes + 1] = {};

    void set_name(std::string_view text) noexcept {
        std::memset(name, 0, sizeof name);
        std::memcpy(name, text.data(), text.size() < sizeof name ? text.size() : sizeof name - 1);
    }
    /// The name up to its terminator; whole and not terminated when there is none.
    [[nodiscard]] std::string_view get_name() const noexcept { return {name, ::strnlen(name, sizeof name)}; }
};
static_assert(std::is_trivially_copyable_v<ControlMessage>);
static_assert(std::has_unique_object_representations_v<ControlMessage>,
              "no padding: it would leak old bytes");

/// True for 1 to 63 of the characters A-Z a-z 0-9 . _ - /
[[nodiscard]] bool valid_name(std::string_view name) noexcept;

/// Descriptors that the router sends with its answer to hello, in this order.
enum class HelloFd : std::uint8_t { kMemory, kBell, kSenderWake, kReceiverWake };
inline constexpr std::size_t kHelloFds = 4;

/// Most descriptors that one packet carries.
inline constexpr std::size_t kMostFds = 8;
static_assert(kHelloFds <= kMostFds);

/// Sends one packet, with descriptors. Never blocks: `would_block` when the peer doesn't read.
Result<void> send_control(int socket, const ControlMessage& message, std::span<const int> fds = {});

/// What arrived with a packet.
struct ReceivedControl {
    ControlMessage message;
    UniqueFd fds[kMostFds];
    std::size_t fd_count = 0;
};

/// Process side: receives one packet and at most kMostFds descriptors. Errors: `timeout`, `router_gone`,
/// `corrupt`.
Result<ReceivedControl> receive_control(int socket, Deadline deadline);

}  // namespace keyway::link
