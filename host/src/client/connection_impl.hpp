#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "client/receiving_half.hpp"
#include "client/region_reserve.hpp"
#include "client/sending_half.hpp"
#include "keyway/connection.hpp"
#include "link/control.hpp"

namespace keyway {

/// The capability that an answer of the router describes.
[[nodiscard]] Capability capability_of(const link::ControlMessage& reply);

/// Connects to a router's socket.
Result<UniqueFd> connect_to(const std::string& path);

struct KEYWAY_HIDDEN Connection::Impl {
    Impl(UniqueFd control, UniqueFd bell_fd, UniqueFd sender_pipe, UniqueFd receiver_pipe,
         link::LinkMemory mapped, const ConnectOptions& options);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    /// Builds the header as `message` says and the contract wants it.
    [[nodiscard]] Header header_for(const Outgoing& message, Deadline deadline);
    /// Refuses what the library can see to be wrong.
    [[nodiscard]] static Result<void> check(const Outgoing& message);
    /// Puts a message into the submission ring, waiting for room there. Returns its ticket.
    Result<std::uint64_t> submit(const Header& header, std::span<const std::byte> payload, Deadline deadline);
    /// Waits for the verdict on a ticket. `patience` is for the verdict itself and ends only with the router.
    Result<void> await_verdict(std::uint64_t ticket, Deadline deadline);
    Result<void> await_judged(std::uint64_t ticket, Deadline deadline);
    /// Submits exactly these bytes as header and waits for the verdict.
    Result<void> submit_raw(const Header& header, std::span<const std::byte> payload);
    Result<Received> await_reply(std::uint32_t sequence, std::uint64_t ticket, Deadline deadline);
    Result<std::uint32_t> hand_over(Type type, const Capability& what, const Grant& grant,
                                    const Capability& to, std::span<const std::byte> payload,
                                    Deadline deadline);
    void cancel(std::uint32_t sequence, std::uint64_t ticket);
    /// Asks the router for something and waits for its answer. For the sending half's thread.
    Result<link::ReceivedControl> request(link::ControlMessage message);
    Result<void> ask(const link::ControlMessage& message);
    // --- reattach.cpp ---
    static constexpr unsigned kSending = 1;
    static constexpr unsigned kReceiving = 2;
    /// While there is one, nobody moves these halves to other memory. May be nested. Costs nothing unless the
    /// router is one that keeps its state.
    class Use {
      public:
        Use(Impl& impl, unsigned halves);
        ~Use();
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;

      private:
        Impl* impl_;
        unsigned halves_;
    };
    [[nodiscard]] bool resumable() const { return !again.token.empty(); }
    /// The router has hung up in the middle of a call that uses `halves`: true when there is a new one that
    /// goes on where it ended, in time.
    bool go_on(unsigned halves, bool& gone, Deadline deadline);
    /// What to say of a wait that ended while there was no router: `timeout` if it was for its own deadline.
    [[nodiscard]] Error late_or_gone(Deadline deadline) const;
    /// At the begin of a call: looks once whether the router that was gone is back.
    void go_on_later(unsigned halves, bool& gone);
    bool reattach(unsigned halves, Deadline until);
    bool try_reattach();
    void move_to(link::LinkMemory fresh);
    void enter(unsigned half);
    /// After the router died: `timeout` when the call can still be answered, else why not.
    Error call_gone_wrong(std::uint32_t sequence);

    [[nodiscard]] bool usable() const;
    [[nodiscard]] Error why_gone() const;

    /// What is needed to go on with another router.
    struct Again {
        std::string token;  ///< empty: this router ends with its life
        std::string path;
        std::chrono::nanoseconds patience{0};
        std::atomic<int> depth[2] = {};
        std::atomic<bool> rests[2] = {};
        std::atomic<bool> moving{false};
        bool both = false;  ///< one thread has both halves, for a call; nobody else looks at this then
        std::atomic<std::uint32_t> epoch{0};  ///< counts the routers that there have been
        std::mutex lock;
        std::optional<link::LinkMemory> coming;  ///< of an attempt that did not get through
        std::uint32_t coming_serial = 0;
        std::vector<link::LinkMemory> earlier;
    };
    Again again;

    UniqueFd socket;
    UniqueFd bell;
    UniqueFd sender_wake;
    UniqueFd receiver_wake;
    link::LinkMemory memory;  // outlives the halves, which point into it
    SendingHalf sending;
    ReceivingHalf receiving;
    std::chrono::nanoseconds spin;
    Capability self;
    client::RegionReserve reserve;
    client::SliceMappings slices;
    std::uint32_t next_tag = 1;
    std::uint32_t fork_generation;
    bool sender_gone = false;    ///< the sending half has seen the router hang up
    bool receiver_gone = false;  ///< the receiving half has
};

}  // namespace keyway
