// Looking on: the reader's side of the published counters and of the trace ring.

#include "keyway/observe.hpp"

#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "broadcast/broadcast_ring.hpp"
#include "broadcast/ring_memory.hpp"
#include "client/connection_impl.hpp"
#include "watch/board.hpp"

namespace keyway {

using link::ControlMessage;

namespace {

constexpr std::chrono::milliseconds kLookAgain{1};
constexpr std::chrono::milliseconds kTraceLook{2};

// True once the router has hung up, as one that is killed does. Takes nothing that somebody else is waiting
// for.
bool hung_up(const Connection::Impl& connection) {
    char byte = 0;
    const ssize_t size = ::recv(connection.socket.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

Result<Capability> become_observer(Connection& connection) {
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kObserve);
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    return capability_of(answer->message);
}

std::uint64_t RouterFigures::sent() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t some : verdict) {
        sum += some;
    }
    return sum;
}
std::uint64_t RouterFigures::delivered() const noexcept {
    return verdict[static_cast<std::size_t>(Verdict::kDelivered)];
}
std::uint64_t RouterFigures::expired() const noexcept {
    return verdict[static_cast<std::size_t>(Verdict::kExpired)] +
           verdict[static_cast<std::size_t>(Verdict::kTimedOut)];
}
std::uint64_t RouterFigures::refused() const noexcept {
    return sent() - delivered() - expired();
}

struct Counters::Impl {
    watch::Board board;
    const Connection::Impl* connection = nullptr;
};

Counters::Counters(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Counters::Counters(Counters&&) noexcept = default;
Counters& Counters::operator=(Counters&&) noexcept = default;
Counters::~Counters() = default;

Result<Counters> Counters::open(Connection& connection, std::uint32_t observer) {
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kCounters);
    request.capability = observer;
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    if (answer->fd_count != 1) {
        return Status::kCorrupt;
    }
    auto board = watch::Board::map(answer->fds[0].get());
    if (!board) {
        return board.error();
    }
    auto impl = std::make_unique<Impl>();
    impl->board = std::move(*board);
    impl->connection = &connection.impl();
    return Counters(std::move(impl));
}

Result<Snapshot> Counters::read() {
    const Deadline deadline = Deadline::in(std::chrono::seconds(1));
    Snapshot snapshot;
    while (true) {
        switch (impl_->board.read(snapshot)) {
            case watch::Board::Look::kDone:
                return hung_up(*impl_->connection) ? Result<Snapshot>(Status::kRevoked) : std::move(snapshot);
            case watch::Board::Look::kEnded:
                return Status::kRevoked;
            case watch::Board::Look::kCorrupt:
                return Status::kCorrupt;
            case watch::Board::Look::kTorn:
                break;
        }
        if (hung_up(*impl_->connection)) {
            return Status::kRevoked;
        }
        if (deadline.passed()) {
            return Status::kTimeout;
        }
        std::this_thread::sleep_for(kLookAgain);
    }
}

struct Trace::Impl {
    broadcast::RingMemory memory;
    broadcast::Reader reader;
    broadcast::Record record;
    const Connection::Impl* connection = nullptr;
};

Trace::Trace(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trace::Trace(Trace&&) noexcept = default;
Trace& Trace::operator=(Trace&&) noexcept = default;
Trace::~Trace() = default;

Result<Trace> Trace::open(Connection& connection, std::uint32_t observer, const TraceOptions& options) {
    if (!broadcast::valid_ring_bytes(options.ring_bytes)) {
        return Status::kBadArgument;
    }
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kTrace);
    request.capability = observer;
    request.rights = options.payloads ? right::kRead | right::kProcess : right::kRead;
    request.submission_bytes = options.ring_bytes;
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    if (answer->fd_count != 1) {
        return Status::kCorrupt;
    }
    auto memory = broadcast::RingMemory::map(answer->fds[0].get(), options.ring_bytes);
    if (!memory) {
        return memory.error();
    }
    auto impl = std::make_unique<Impl>();
    impl->memory = std::move(*memory);
    impl->reader = broadcast::Reader(impl->memory.base(), options.ring_bytes, 0, 1);
    impl->connection = &connection.impl();
    return Trace(std::move(impl));
}

Result<TracedMessage> Trace::next(Deadline deadline) {
    Impl& impl = *impl_;
    while (true) {
        // Asked before looking: what is found empty after the end stays empty.
        const bool over = impl.reader.state() != broadcast::RingState::kLive || hung_up(*impl.connection);
        switch (impl.reader.take(impl.record)) {
            case broadcast::Look::kEvent: {
                TracedMessage message;
                if (impl.record.length < sizeof message.head) {
                    return Status::kCorrupt;
                }
                std::memcpy(&message.head, impl.record.payload, sizeof message.head);
                message.header = impl.record.header;
                message.payload = {impl.record.payload + sizeof message.head,
                                   impl.record.length - sizeof message.head};
                return message;
            }
            case broadcast::Look::kCorrupt:
                return Status::kCorrupt;
            case broadcast::Look::kEmpty:
                break;
        }
        if (over) {
            return Status::kRevoked;
        }
        if (deadline.passed()) {
            return Status::kTimeout;
        }
        std::this_thread::sleep_for(kTraceLook);
    }
}

std::uint64_t Trace::lost() const {
    return impl_->reader.lost();
}

}  // namespace keyway
