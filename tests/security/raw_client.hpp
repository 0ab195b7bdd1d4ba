#pragma once

// A client without the library: it holds everything that the router gave it, also what the library would give
// back, and does with it what it likes.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "link/control.hpp"
#include "link/link_memory.hpp"
#include "ring/ring.hpp"
#include "ring/shared_copy.hpp"

namespace keyway::test {

using link::ControlMessage;

class RawClient {
  public:
    /// Takes a socket that a router serves, or is going to. `progress` is called before each wait for an
    /// answer: where the router has no thread of its own it is what makes the router look.
    explicit RawClient(UniqueFd connected, std::function<void()> progress = {})
        : socket(std::move(connected)), progress_(std::move(progress)) {}

    /// Dials a router's socket; none when it can't.
    static UniqueFd dial(const std::string& path) {
        UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            socket.reset();
        }
        return socket;
    }

    static ControlMessage request(Request what) {
        ControlMessage message;
        message.request = static_cast<std::uint8_t>(what);
        return message;
    }

    /// Sends a request and waits for the answer to it; what the router says of its own accord is not among
    /// answers.
    Result<link::ReceivedControl> ask(const ControlMessage& message, std::span<const int> fds = {}) const {
        if (auto sent = link::send_control(socket.get(), message, fds); !sent) {
            return sent.error();
        }
        for (int round = 0; progress_ && round < 100; ++round) {
            progress_();
            pollfd wanted{socket.get(), POLLIN, 0};
            if (::poll(&wanted, 1, 0) == 1) {
                break;
            }
        }
        return link::receive_control(socket.get(), Deadline::in(std::chrono::seconds(30)));
    }
    /// The code of the answer: 0, or a verdict or status; 255 when there was none.
    std::uint8_t outcome(const ControlMessage& message) const {
        const auto answer = ask(message);
        return answer ? answer->message.status : std::uint8_t{255};
    }

    /// Says hello, keeps the memory's descriptor, and maps it; `live` says whether the link shall be served
    /// after that.
    bool open(std::uint32_t ring_bytes = 16 * 1024, bool live = true) {
        ControlMessage hello = request(Request::kHello);
        hello.submission_bytes = hello.delivery_bytes = ring_bytes;
        auto welcome = ask(hello);
        if (!welcome || welcome->message.status != 0 || welcome->fd_count != link::kHelloFds) {
            return false;
        }
        id = welcome->message.object;
        home = welcome->message.capability;
        file = std::move(welcome->fds[static_cast<std::size_t>(link::HelloFd::kMemory)]);
        bell = std::move(welcome->fds[static_cast<std::size_t>(link::HelloFd::kBell)]);
        sender_wake = std::move(welcome->fds[static_cast<std::size_t>(link::HelloFd::kSenderWake)]);
        receiver_wake = std::move(welcome->fds[static_cast<std::size_t>(link::HelloFd::kReceiverWake)]);
        auto mapped = link::LinkMemory::map(file.get(), {ring_bytes, ring_bytes});
        if (!mapped) {
            return false;
        }
        memory = std::move(*mapped);
        return !live || go_live();
    }
    bool go_live() {
        if (outcome(request(Request::kMapped)) != 0) {
            return false;
        }
        auto& shared = memory.shared();
        submissions.emplace(shared.submission, memory.submission());
        notices.emplace(shared.notices, memory.notices());
        for (std::size_t priority = 0; priority < limit::kPriorities; ++priority) {
            delivery[priority].emplace(shared.delivery[priority], memory.delivery(priority));
        }
        return true;
    }

    /// All bytes that it shares with the router.
    [[nodiscard]] std::span<std::byte> all() const {
        return {reinterpret_cast<std::byte*>(&memory.shared()), memory.geometry().total()};
    }
    void ring_bell() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(bell.get(), &one, sizeof one);
    }
    /// Submits exactly these bytes as one record; false when there is no room.
    bool submit(std::span<const std::byte> body) {
        std::byte* to = submissions->try_reserve(static_cast<std::uint32_t>(body.size()));
        if (to == nullptr) {
            return false;
        }
        ring::copy_to_shared(to, body.data(), body.size());
        submissions->commit();
        return true;
    }
    bool submit(const Header& header, std::span<const std::byte> payload = {}) {
        std::array<std::byte, ring::kMaxBodyBytes> body;
        std::memcpy(body.data(), &header, sizeof header);
        std::ranges::copy(payload, body.begin() + sizeof header);
        return submit(std::span(body).first(sizeof header + payload.size()));
    }
    /// The next delivered message's header at a priority, payload dropped.
    std::optional<Header> take(std::size_t priority) {
        ring::Record record;
        if (delivery[priority]->peek(record) != ring::Poll::kRecord ||
            record.body.size() < limit::kHeaderBytes) {
            return std::nullopt;
        }
        Header header;
        ring::copy_from_shared(reinterpret_cast<std::byte*>(&header), record.body.data(), sizeof header);
        delivery[priority]->advance();
        delivery[priority]->release();
        return header;
    }
    std::optional<link::NoticeBody> take_notice() {
        ring::Record record;
        if (notices->peek(record) != ring::Poll::kRecord || record.body.size() != sizeof(link::NoticeBody)) {
            return std::nullopt;
        }
        link::NoticeBody notice;
        ring::copy_from_shared(reinterpret_cast<std::byte*>(&notice), record.body.data(), sizeof notice);
        notices->advance();
        notices->release();
        return notice;
    }

    UniqueFd socket;
    UniqueFd file;  ///< of the memory
    UniqueFd bell;
    UniqueFd sender_wake;
    UniqueFd receiver_wake;
    link::LinkMemory memory;  // outlives the rings, which point into it
    std::optional<ring::Producer<>> submissions;
    std::optional<ring::Consumer<>> notices;
    std::array<std::optional<ring::Consumer<>>, limit::kPriorities> delivery;
    std::uint32_t id = 0;
    std::uint32_t home = 0;  ///< capability

  private:
    std::function<void()> progress_;
};

}  // namespace keyway::test
