#include "client/channel_end.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "base/wait.hpp"
#include "client/connection_impl.hpp"

namespace keyway {

std::optional<ChannelOffer> offered_channel(const Received& message) {
    auto offer = message.sender() == 0 && message.type() == Type::kControl && message.carried() != 0
                     ? client::offer_in(message.payload())
                     : std::nullopt;
    if (offer) {
        offer->badge = message.badge();
        offer->endpoint = message.receiver();
        offer->capability = message.carried();
    }
    return offer;
}

Result<void> decline(Connection& connection, const Received& offer) {
    const auto offered = offered_channel(offer);
    return offered ? connection.release(offered->capability) : Result<void>(Status::kBadArgument);
}

namespace client {

std::optional<ChannelOffer> offer_in(std::span<const std::byte> payload) {
    channel::OfferBody body;
    if (payload.size() != sizeof body) {
        return std::nullopt;
    }
    std::memcpy(&body, payload.data(), sizeof body);
    return ChannelOffer{.kind = static_cast<ChannelKind>(body.what),
                        .records = (body.flags & channel::kRecords) != 0,
                        .bytes = body.bytes,
                        .opener = body.opener};
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Mapping::~Mapping() {
    if (data_ != nullptr) {
        ::munmap(data_, size_);
    }
}

namespace {

Result<void> check_size(int fd, std::size_t bytes) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return Error::system();
    }
    return static_cast<std::size_t>(status.st_size) == bytes ? Result<void>() : Status::kCorrupt;
}

}  // namespace

Result<Mapping> Mapping::map(int fd, std::size_t file_bytes, std::size_t offset, std::size_t bytes,
                             bool writable) {
    if (auto good = check_size(fd, file_bytes); !good) {
        return good.error();
    }
    void* data = ::mmap(nullptr, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_POPULATE,
                        fd, static_cast<off_t>(offset));
    if (data == MAP_FAILED) {
        return Error::system();
    }
    // Two producers on one ring garble it, so a child doesn't get it.
    ::madvise(data, bytes, MADV_DONTFORK);
    return Mapping(static_cast<std::byte*>(data), bytes);
}

Result<Mapping> Mapping::map_twice(int fd, std::size_t file_bytes, std::size_t offset, std::size_t bytes) {
    if (auto good = check_size(fd, file_bytes); !good) {
        return good.error();
    }
    void* space = ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (space == MAP_FAILED) {
        return Error::system();
    }
    Mapping mapping(static_cast<std::byte*>(space), 2 * bytes);
    for (const std::size_t half : {std::size_t{0}, bytes}) {
        if (::mmap(mapping.data_ + half, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
                   fd, static_cast<off_t>(offset)) == MAP_FAILED) {
            return Error::system();
        }
    }
    ::madvise(space, 2 * bytes, MADV_DONTFORK);
    return mapping;
}

Result<ChannelEnd> ChannelEnd::open(Connection& connection, const Capability& capability,
                                    const ChannelWish& wish, Deadline deadline) {
    if (!channel::valid_bytes(wish.what, wish.bytes) || wish.spin.count() < 0) {
        return Status::kBadArgument;
    }
    link::ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kOpenChannel);
    message.capability = capability.id;
    message.kind = static_cast<std::uint8_t>(wish.what);
    message.rights = wish.flags;
    message.value = wish.bytes;
    auto answer = connection.impl().request(message);
    if (!answer) {
        return answer.error();
    }
    auto end = over(connection, *answer, wish, true);
    if (!end) {
        return end;
    }
    // The router says on the page that it was taken, or why not, and rings.
    while (!end->in_force()) {
        const std::uint64_t word = ring::NativeAtomics::load(end->page().word, std::memory_order_acquire);
        if (channel::phase_of(word) == channel::Phase::kOver) {
            return end->why_over();
        }
        Sleeper sleeper;
        if (!end->sleep(sleeper, deadline)) {
            return Status::kTimeout;
        }
        if (sleeper.gone && !end->in_force()) {
            return end->why_over();
        }
    }
    return end;
}

Result<ChannelEnd> ChannelEnd::accept(Connection& connection, const std::optional<ChannelOffer>& offered,
                                      channel::What wanted, std::chrono::nanoseconds spin) {
    if (!offered || static_cast<channel::What>(offered->kind) != wanted || spin.count() < 0) {
        return Status::kBadArgument;
    }
    link::ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kAcceptChannel);
    message.capability = offered->capability;
    auto answer = connection.impl().request(message);
    if (!answer) {
        return answer.error();
    }
    return over(connection, *answer,
                {.what = wanted,
                 .flags = offered->records ? channel::kRecords : std::uint8_t{0},
                 .bytes = offered->bytes,
                 .spin = spin},
                false);
}

Result<ChannelEnd> ChannelEnd::over(Connection& connection, link::ReceivedControl& answer,
                                    const ChannelWish& wish, bool opener) {
    using channel::EndFd;
    if (answer.fd_count != channel::end_fds(wish.what)) {
        return Status::kCorrupt;
    }
    const auto fd = [&](EndFd which) { return answer.fds[static_cast<std::size_t>(which)].get(); };
    const std::size_t data_bytes = channel::data_bytes(wish.what, wish.bytes);
    ChannelEnd end;
    auto status = Mapping::map(fd(EndFd::kStatus), channel::kPageBytes, 0, channel::kPageBytes, false);
    auto counts = Mapping::map(fd(EndFd::kCounts), channel::kPageBytes, 0, channel::kPageBytes, true);
    auto head = Mapping::map(fd(EndFd::kData), data_bytes, 0, channel::kPageBytes, true);
    auto ring = wish.what == channel::What::kLane
                    ? Mapping::map(fd(EndFd::kData), data_bytes, channel::kHeadBytes,
                                   data_bytes - channel::kHeadBytes, true)
                    : Mapping::map_twice(fd(EndFd::kData), data_bytes, channel::kHeadBytes, wish.bytes);
    for (auto* mapped : {&status, &counts, &head, &ring}) {
        if (!*mapped) {
            return mapped->error();
        }
    }
    end.status_ = std::move(*status);
    end.counts_ = std::move(*counts);
    end.head_ = std::move(*head);
    end.ring_ = std::move(*ring);
    for (unsigned direction = 0; direction < channel::directions(wish.what); ++direction) {
        end.sockets_[direction] = std::move(answer.fds[static_cast<std::size_t>(EndFd::kSocket) + direction]);
    }
    end.connection_ = &connection.impl();
    end.epoch_ = end.connection_->again.epoch.load(std::memory_order_acquire);
    end.open_word_ = channel::status_word(end.page().entry, channel::Phase::kOpen);
    end.spin_ = wish.spin;
    end.bytes_ = wish.bytes;
    end.flags_ = wish.flags;
    end.opener_ = opener;
    return end;
}

// A child that was forked has copies of the sockets, and its going is nobody's business.
ChannelEnd::~ChannelEnd() {
    if (connection_ == nullptr || !connection_->usable()) {
        return;
    }
    for (const UniqueFd& socket : sockets_) {
        if (socket) {
            ::shutdown(socket.get(), SHUT_RDWR);
        }
    }
}

bool ChannelEnd::in_force_slowly() const noexcept {
    if (!in_force()) {
        return false;
    }
    const std::uint64_t expiry = page().expiry_ns;
    if (expiry != 0 && Deadline::clock_ns() >= expiry) {
        return false;
    }
    return !hung_up(0);
}

// Only the router that made it can end it by the page; with another there is no recall, so no channel.
bool ChannelEnd::router_changed() const noexcept {
    return connection_->again.epoch.load(std::memory_order_acquire) != epoch_;
}

bool ChannelEnd::hung_up(unsigned direction) const noexcept {
    if (router_changed()) {
        return true;
    }
    pollfd fds[] = {{sockets_[direction].get(), POLLRDHUP, 0}, {connection_->socket.get(), POLLRDHUP, 0}};
    return ::poll(fds, 2, 0) > 0;
}

Error ChannelEnd::why_over() const noexcept {
    const std::uint64_t word = ring::NativeAtomics::load(page().word, std::memory_order_acquire);
    if (channel::phase_of(word) == channel::Phase::kOver) {
        return Error::from_code(channel::reason_of(word));
    }
    if (page().expiry_ns != 0 && Deadline::clock_ns() >= page().expiry_ns) {
        return Verdict::kExpired;
    }
    pollfd router{connection_->socket.get(), POLLRDHUP, 0};
    if (router_changed() || ::poll(&router, 1, 0) > 0) {
        return Status::kRouterGone;
    }
    return Status::kPeerGone;
}

bool ChannelEnd::leftovers_allowed() const noexcept {
    return why_over() == Error{Status::kPeerGone};
}

void ChannelEnd::ring_peer(unsigned direction) const noexcept {
    // Full means that it has been told already. The flags are this call's own, so that whoever shares the
    // socket can't make it block.
    const char token = 1;
    [[maybe_unused]] const ssize_t sent =
        ::send(sockets_[direction].get(), &token, sizeof token, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// A peer that sends without end keeps us looking, not reading.
void ChannelEnd::quiet(unsigned direction) const noexcept {
    char tokens[512];
    [[maybe_unused]] const ssize_t taken =
        ::recv(sockets_[direction].get(), tokens, sizeof tokens, MSG_DONTWAIT);
}

bool ChannelEnd::sleep(Sleeper& sleeper, Deadline deadline) const noexcept {
    const std::uint64_t expiry = page().expiry_ns;
    const bool by_expiry = expiry != 0 && expiry < deadline.ns();
    pollfd fds[] = {{sockets_[sleeper.direction].get(), POLLIN | POLLRDHUP, 0},
                    {connection_->socket.get(), POLLRDHUP, 0}};
    const bool woken = wait_for(fds, by_expiry ? Deadline::at_ns(expiry) : deadline);
    quiet(sleeper.direction);
    if (woken && ((fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0 || fds[1].revents != 0)) {
        sleeper.gone = true;
    }
    if (by_expiry && !woken) {
        sleeper.gone = true;
    }
    return woken || by_expiry;
}

}  // namespace client
}  // namespace keyway
