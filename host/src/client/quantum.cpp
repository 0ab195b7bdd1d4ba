#include "keyway/quantum.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/crash_point.hpp"
#include "client/connection_impl.hpp"

namespace keyway {

using link::ControlMessage;

struct Qubit::Answer {
    link::ReceivedControl received;
};

Result<Qubit> Qubit::from(Connection& connection, Answer answer) {
    const ControlMessage& message = answer.received.message;
    Qubit qubit;
    qubit.connection_ = &connection.impl();
    qubit.capability_ = {.id = message.capability,
                         .object = message.object,
                         .kind = Kind{message.kind},
                         .rights = message.rights,
                         .badge = message.badge};
    qubit.number_ = message.target;
    qubit.width_ = message.lifetime;
    qubit.fidelity_ = message.submission_bytes / double{limit::kFullFidelity};
    qubit.deadline_ = Deadline::at_ns(message.value);
    qubit.state_lost_ = message.delivery_bytes != 0;
    if (qubit.width_ == 0) {
        return qubit;
    }
    if (qubit.width_ > limit::kQubitWidth || answer.received.fd_count != 1) {
        return Status::kCorrupt;
    }
    const std::size_t amplitudes = std::size_t{1} << qubit.width_;
    void* memory = ::mmap(nullptr, amplitudes * sizeof(std::complex<double>), PROT_READ | PROT_WRITE,
                          MAP_SHARED, answer.received.fds[0].get(), 0);
    if (memory == MAP_FAILED) {
        return Error::system();
    }
    // A child would be a second holder.
    ::madvise(memory, amplitudes * sizeof(std::complex<double>), MADV_DONTFORK);
    qubit.state_ = {static_cast<std::complex<double>*>(memory), amplitudes};
    return qubit;
}

Result<Qubit> Qubit::prepare(Connection& connection, const QubitOptions& options) {
    if (!(options.fidelity >= 0.0 && options.fidelity <= 1.0) || options.width > limit::kQubitWidth ||
        options.coherence.count() <= 0) {
        return Status::kBadArgument;
    }
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kPrepare);
    request.value = Deadline::in(options.coherence).ns();
    request.badge = static_cast<std::uint32_t>(std::lround(options.fidelity * limit::kFullFidelity));
    request.lifetime = options.width;
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    return from(connection, {std::move(*answer)});
}

Result<Qubit> Qubit::accept(Connection& connection, const Received& message) {
    return accept(connection, message.carried());
}

Result<Qubit> Qubit::accept(Connection& connection, std::uint32_t capability) {
    KEYWAY_CRASH_POINT("receiver.received");
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kQubit);
    request.capability = capability;
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    KEYWAY_CRASH_POINT("receiver.accepted");
    return from(connection, {std::move(*answer)});
}

Result<Qubit> Qubit::reclaim(Connection& connection, std::uint32_t number) {
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kReclaim);
    request.target = number;
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    return from(connection, {std::move(*answer)});
}

Result<void> Qubit::reclaim_over(Connection& connection) {
    auto again = reclaim(connection, number_);
    if (!again) {
        return again.error();
    }
    if (again->state_lost_ && !state_.empty()) {
        std::ranges::copy(state_, again->state_.begin());
        again->state_lost_ = state_lost_;
    }
    *this = std::move(*again);
    return {};
}

Result<void> Qubit::hand_off(const Capability& to, std::span<const std::byte> payload, Deadline deadline) {
    KEYWAY_CRASH_POINT("sender.begun");
    auto given = connection_->hand_over(Type::kQuantum, capability_, Grant{}, to, payload, deadline);
    if (!given) {
        return given.error();
    }
    KEYWAY_CRASH_POINT("sender.told");
    unmap();
    return {};
}

Result<void> Qubit::discard() {
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kRelease);
    request.capability = capability_.id;
    auto answer = connection_->request(request);
    if (!answer) {
        return answer.error();
    }
    unmap();
    return {};
}

void Qubit::unmap() noexcept {
    if (!state_.empty()) {
        ::munmap(state_.data(), state_.size_bytes());
    }
    state_ = {};
    capability_ = {};
}

Qubit::Qubit(Qubit&& other) noexcept
    : connection_(other.connection_),
      capability_(std::exchange(other.capability_, {})),
      number_(other.number_),
      width_(other.width_),
      fidelity_(other.fidelity_),
      deadline_(other.deadline_),
      state_lost_(other.state_lost_),
      state_(std::exchange(other.state_, {})) {}

Qubit& Qubit::operator=(Qubit&& other) noexcept {
    if (this != &other) {
        unmap();
        connection_ = other.connection_;
        capability_ = std::exchange(other.capability_, {});
        number_ = other.number_;
        width_ = other.width_;
        fidelity_ = other.fidelity_;
        deadline_ = other.deadline_;
        state_lost_ = other.state_lost_;
        state_ = std::exchange(other.state_, {});
    }
    return *this;
}

Qubit::~Qubit() {
    unmap();
}

}  // namespace keyway
