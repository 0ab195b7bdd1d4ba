#pragma once

// What either end of a lane or stream has: its mappings, its sockets, and the check of the status page.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.hpp"
#include "channel/channel_layout.hpp"
#include "keyway/channel.hpp"
#include "keyway/deadline.hpp"
#include "keyway/result.hpp"
#include "link/control.hpp"
#include "ring/park.hpp"

namespace keyway::client {

/// A mapping that goes with its owner and isn't inherited by children.
class Mapping {
  public:
    Mapping() = default;
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    /// Maps `bytes` of the file from `offset` on; `corrupt` when the file is not `file_bytes` long.
    static Result<Mapping> map(int fd, std::size_t file_bytes, std::size_t offset, std::size_t bytes,
                               bool writable);
    /// The same bytes twice in a row, so that any `bytes` of them are contiguous.
    static Result<Mapping> map_twice(int fd, std::size_t file_bytes, std::size_t offset, std::size_t bytes);

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    Mapping(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// The part of an offer that stands in the message's payload, if it has the form of one.
[[nodiscard]] std::optional<ChannelOffer> offer_in(std::span<const std::byte> payload);

/// What the library asks the router for.
struct ChannelWish {
    channel::What what = channel::What::kLane;
    std::uint8_t flags = 0;
    std::uint32_t bytes = 0;
    std::chrono::nanoseconds spin{};
};

class ChannelEnd {
  public:
    /// Asks for a channel and waits until it is taken. Errors: see open_lane().
    static Result<ChannelEnd> open(Connection& connection, const Capability& capability,
                                   const ChannelWish& wish, Deadline deadline);
    /// Takes an offer; `wanted` says what it must be.
    static Result<ChannelEnd> accept(Connection& connection, const std::optional<ChannelOffer>& offered,
                                     channel::What wanted, std::chrono::nanoseconds spin);

    ChannelEnd(const ChannelEnd&) = delete;
    ChannelEnd& operator=(const ChannelEnd&) = delete;
    ChannelEnd(ChannelEnd&&) noexcept = default;
    ChannelEnd& operator=(ChannelEnd&&) noexcept = delete;
    /// Hangs up: the peer and the router notice at once. No request, so any thread may do it.
    ~ChannelEnd();

    /// The check of a message: the authority is valid, with the generation and rights that it had.
    [[nodiscard]] bool in_force() const noexcept {
        return ring::NativeAtomics::load(page().word, std::memory_order_acquire) == open_word_;
    }
    /// Expiry and the router's life, which take a system call to look at: to be called now and then.
    [[nodiscard]] bool in_force_slowly() const noexcept;
    /// Why it is not in force; only then.
    [[nodiscard]] Error why_over() const noexcept;
    /// True if what the peer has put in before the end may still be taken: it left, and nobody took its
    /// authority away.
    [[nodiscard]] bool leftovers_allowed() const noexcept;
    /// The peer, or the router, is gone for certain, whatever the page says yet.
    [[nodiscard]] bool hung_up(unsigned direction) const noexcept;

    /// One half of the end: who waits in `word` and is told by socket `direction`.
    struct Sleeper {
        ring::ParkWord* word = nullptr;
        unsigned direction = 0;
        bool gone = false;  ///< hung up, while it slept
    };
    /// Spins, then sleeps until ready(), the end of the channel, or the deadline. True: ready, or over.
    template <typename Ready>
    bool wait(Sleeper& sleeper, Deadline deadline, Ready&& ready);
    /// As Waitable wants it: true when ready or over, else armed.
    template <typename Ready>
    bool arm(Sleeper& sleeper, Ready&& ready);
    /// After a publication: wakes the peer's half if it sleeps.
    void wake(ring::ParkWord& word, unsigned direction) const noexcept {
        ring::wake_if_parked(word, [&] { ring_peer(direction); });
    }

    [[nodiscard]] const channel::StatusPage& page() const noexcept {
        return *reinterpret_cast<const channel::StatusPage*>(status_.data());
    }
    [[nodiscard]] std::byte* head() const noexcept { return head_.data(); }
    [[nodiscard]] std::span<std::byte> ring(unsigned direction) const noexcept {
        return {ring_.data() + direction * std::size_t{bytes_}, bytes_};
    }
    [[nodiscard]] channel::CountPage& counts() const noexcept {
        return *reinterpret_cast<channel::CountPage*>(counts_.data());
    }
    [[nodiscard]] bool is_opener() const noexcept { return opener_; }
    [[nodiscard]] std::uint32_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint8_t flags() const noexcept { return flags_; }
    [[nodiscard]] std::uint32_t peer() const noexcept { return opener_ ? page().acceptor : page().opener; }
    [[nodiscard]] int socket(unsigned direction) const noexcept { return sockets_[direction].get(); }

  private:
    static constexpr int kEagerLooks = 500;  ///< at hand or nearly: no clock, no pause

    ChannelEnd() = default;
    static Result<ChannelEnd> over(Connection& connection, link::ReceivedControl& answer,
                                   const ChannelWish& wish, bool opener);
    [[nodiscard]] bool router_changed() const noexcept;
    void ring_peer(unsigned direction) const noexcept;
    void quiet(unsigned direction) const noexcept;
    /// Sleeps until the socket has something, the router hangs up, or the deadline or expiry; false at the
    /// deadline.
    bool sleep(Sleeper& sleeper, Deadline deadline) const noexcept;

    Mapping status_;
    Mapping head_;
    Mapping ring_;
    Mapping counts_;
    std::array<UniqueFd, 2> sockets_;
    Connection::Impl* connection_ = nullptr;  ///< its control socket hangs up when the router ends
    std::uint64_t open_word_ = 0;
    std::uint32_t epoch_ = 0;  ///< of the connection, when this was opened
    std::chrono::nanoseconds spin_{};
    std::uint32_t bytes_ = 0;
    std::uint8_t flags_ = 0;
    bool opener_ = false;
};

template <typename Ready>
bool ChannelEnd::wait(Sleeper& sleeper, Deadline deadline, Ready&& ready) {
    const auto done = [&] { return ready() || !in_force(); };
    if (done()) {
        return true;
    }
    if (deadline.ns() == 0) {
        return sleeper.gone || !in_force_slowly();
    }
    if (spin_.count() > 0) {
        // A pause makes a look three to ten times as long, which is seen in the time of a hand-over.
        for (int i = 0; i < kEagerLooks; ++i) {
            if (done()) {
                return true;
            }
        }
        const std::uint64_t since = Deadline::clock_ns();
        std::uint64_t now = since;
        do {
            for (int i = 0; i < 64; ++i) {
                if (done()) {
                    return true;
                }
                ring::NativeAtomics::pause();
            }
            now = Deadline::clock_ns();
        } while (now - since < static_cast<std::uint64_t>(spin_.count()) &&
                 (deadline.is_never() || now < deadline.ns()));
    }
    ring::Waiter<> waiter(*sleeper.word);
    bool found = false;
    while (true) {
        waiter.announce();
        found = done() || sleeper.gone;
        if (found) {
            break;
        }
        const bool in_time = sleep(sleeper, deadline);
        if (!in_force_slowly()) {
            sleeper.gone = true;  // what is there already still counts: look once more
        }
        if (!in_time) {
            found = done() || sleeper.gone;
            break;
        }
    }
    waiter.retract();
    return found;
}

template <typename Ready>
bool ChannelEnd::arm(Sleeper& sleeper, Ready&& ready) {
    quiet(sleeper.direction);
    ring::Waiter<>(*sleeper.word).announce();
    return ready() || !in_force() || sleeper.gone || hung_up(sleeper.direction);
}

}  // namespace keyway::client
