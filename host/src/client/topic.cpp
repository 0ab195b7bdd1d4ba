#include "keyway/topic.hpp"

#include <unistd.h>

#include <utility>

#include "base/crash_point.hpp"
#include "client/subscription_impl.hpp"

namespace keyway {

using broadcast::RingState;
using link::ControlMessage;
using ring::NativeAtomics;

namespace {

ControlMessage ask_for(Request what) {
    ControlMessage message;
    message.request = static_cast<std::uint8_t>(what);
    return message;
}

}  // namespace

Result<Capability> make_topic(Connection& connection, std::string_view name, const TopicOptions& options) {
    if (!link::valid_name(name)) {
        return Status::kBadName;
    }
    if (options.patience.count() <= 0) {
        return Status::kBadArgument;
    }
    ControlMessage request = ask_for(Request::kTopic);
    request.set_name(name);
    request.kind = static_cast<std::uint8_t>(options.policy);
    request.lifetime = options.keep;
    request.submission_bytes = options.ring_bytes;
    request.value = static_cast<std::uint64_t>(options.patience.count());
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    const ControlMessage& made = answer->message;
    return Capability{.id = made.capability,
                      .object = made.object,
                      .kind = Kind{made.kind},
                      .rights = made.rights,
                      .badge = made.badge};
}

Outgoing event_for(const Capability& topic, std::span<const std::byte> payload) {
    Outgoing message = Outgoing::to(topic, payload);
    message.type = Type::kEvent;
    return message;
}

Result<void> publish(Connection& connection, const Capability& topic, std::span<const std::byte> payload,
                     Deadline deadline) {
    return connection.send(event_for(topic, payload), deadline);
}

Result<std::uint32_t> subscribe_process(Connection& connection, const Capability& topic,
                                        std::uint32_t process) {
    if (process == 0 || process == connection.id()) {
        return Status::kBadArgument;
    }
    ControlMessage request = ask_for(Request::kSubscribe);
    request.capability = topic.id;
    request.object = process;
    auto answer = connection.impl().request(request);
    if (!answer) {
        return answer.error();
    }
    return answer->message.capability;
}

Result<std::unique_ptr<Subscription::Impl>> Subscription::Impl::open(Connection::Impl& connection,
                                                                     std::uint32_t capability, bool joined) {
    ControlMessage request = ask_for(Request::kSubscribe);
    request.capability = capability;
    request.target = joined ? 1 : 0;
    auto answer = connection.request(request);
    if (!answer) {
        return answer.error();
    }
    const ControlMessage& made = answer->message;
    if (made.target >= broadcast::kReaderSlots || answer->fd_count != (joined ? 1U : 2U)) {
        return Status::kCorrupt;
    }
    auto impl = std::make_unique<Impl>();
    impl->connection = &connection;
    impl->index = made.target;
    impl->topic = made.object;
    impl->ring_bytes = made.submission_bytes;
    impl->epoch = connection.again.epoch.load(std::memory_order_acquire);
    impl->slot = &connection.memory.shared().readers[impl->index];
    if (!joined) {
        impl->pipe = std::move(answer->fds[1]);
        impl->sleeper = client::Sleeper(impl->slot->park, impl->pipe.get());
    }
    auto memory = broadcast::RingMemory::map(answer->fds[0].get(), impl->ring_bytes);
    if (!memory) {
        return memory.error();
    }
    impl->memory = std::move(*memory);
    impl->told = NativeAtomics::load(impl->slot->position, std::memory_order_relaxed);
    impl->reader = broadcast::Reader(impl->memory.base(), impl->ring_bytes, impl->told,
                                     NativeAtomics::load(impl->slot->sequence, std::memory_order_relaxed));
    return impl;
}

Subscription::Impl::~Impl() {
    if (slot == nullptr) {
        return;
    }
    ControlMessage request = ask_for(Request::kUnsubscribe);
    request.target = index;
    [[maybe_unused]] const auto ended = connection->request(request);
}

bool Subscription::Impl::follow() {
    const std::uint32_t now = connection->again.epoch.load(std::memory_order_acquire);
    if (now == epoch) [[likely]] {
        return false;
    }
    slot = &connection->memory.shared().readers[index];
    sleeper.move_to(slot->park);
    return true;
}

Subscription::Impl::Step Subscription::Impl::step() {
    if (follow()) {
        return Step::kMoved;
    }
    const auto code = static_cast<std::uint8_t>(NativeAtomics::load(slot->closed, std::memory_order_acquire));
    const RingState state = reader.state();
    if (code == 0 && state == RingState::kMoved) {
        return Step::kMoved;
    }
    // Who may not read on may read what was published before; that ring gets nothing more.
    const bool recalled = Error::from_code(code) == Error{Status::kRevoked} ||
                          Error::from_code(code) == Error{Verdict::kExpired} ||
                          Error::from_code(code) == Error{Verdict::kClosed};
    if (code != 0 && !recalled) {
        why = Error::from_code(code);
        return Step::kEnded;
    }
    const std::uint64_t lost = reader.lost();
    switch (reader.take(record)) {
        case broadcast::Look::kEvent:
            KEYWAY_CRASH_POINT("event.taken");
            if (reader.lost() != lost) {
                NativeAtomics::store(slot->lost, reader.lost(), std::memory_order_relaxed);
            }
            if (reader.position() - told >= ring_bytes / 8) {
                tell_position();
            }
            return Step::kEvent;
        case broadcast::Look::kCorrupt:
            why = Status::kCorrupt;
            return Step::kEnded;
        case broadcast::Look::kEmpty:
            break;
    }
    if (state == RingState::kEnded) {
        why = Verdict::kClosed;
        return Step::kEnded;
    }
    if (recalled) {
        why = Error::from_code(code);
        return Step::kEnded;
    }
    tell_position();
    return Step::kNothing;
}

// A publisher may be waiting for us.
void Subscription::Impl::tell_position() {
    if (told == reader.position()) {
        return;
    }
    told = reader.position();
    NativeAtomics::store(slot->position, told, std::memory_order_release);
    KEYWAY_CRASH_POINT("event.told");
    ring::wake_if_parked(connection->memory.shared().room, [this] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(connection->bell.get(), &one, sizeof one);
    });
}

Result<void> Subscription::Impl::renew() {
    ControlMessage request = ask_for(Request::kTopicRing);
    request.target = index;
    const std::uint32_t now = connection->again.epoch.load(std::memory_order_acquire);
    auto answer = connection->request(request);
    if (answer || answer.error() != Error{Status::kRouterGone}) {
        epoch = now;  // if it has gone up meanwhile we come here again
    }
    if (!answer) {
        // The word in the slot says why; a topic that has ended in the meantime has no ring to show.
        const auto code = NativeAtomics::load(slot->closed, std::memory_order_acquire);
        if (code != 0) {
            return Error::from_code(static_cast<std::uint8_t>(code));
        }
        return answer.error() == Error{Status::kNoSuchSubscription} ? Error{Verdict::kClosed}
                                                                    : answer.error();
    }
    if (answer->fd_count != 1) {
        return Status::kCorrupt;
    }
    auto fresh = broadcast::RingMemory::map(answer->fds[0].get(), ring_bytes);
    if (!fresh) {
        return fresh.error();
    }
    memory = std::move(*fresh);
    reader.move_to(memory.base());
    return {};
}

Result<void> Subscription::Impl::nudge() {
    ControlMessage request = ask_for(Request::kTopicRing);
    request.target = index;
    request.value = 1;
    auto answer = connection->request(request);
    return answer ? Result<void>() : Result<void>(answer.error());
}

bool Subscription::Impl::ready() const {
    return NativeAtomics::load(slot->closed, std::memory_order_acquire) != 0 ||
           reader.state() != RingState::kLive || reader.pending();
}

Event Subscription::Impl::event() const {
    return {.header = record.header,
            .sequence = record.sequence,
            .payload = std::span(record.payload).first(record.length)};
}

Result<Subscription> Subscription::open(Connection& connection, const Capability& topic) {
    auto impl = Impl::open(connection.impl(), topic.id, false);
    if (!impl) {
        return impl.error();
    }
    return Subscription(std::move(*impl));
}

Subscription::Subscription(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&&) noexcept = default;
Subscription::~Subscription() = default;

Result<Event> Subscription::next(Deadline deadline) {
    Impl& own = *impl_;
    const Connection::Impl::Use use(*own.connection, Connection::Impl::kSending);
    own.connection->go_on_later(Connection::Impl::kSending, own.gone);
    client::Sleeper* const sleepers[] = {&own.sleeper};
    while (true) {
        Impl::Step step = Impl::Step::kNothing;
        const bool found = client::wait_until(sleepers, own.connection->socket.get(), own.connection->spin,
                                              deadline, own.gone, [&] {
                                                  step = own.step();
                                                  return step != Impl::Step::kNothing;
                                              });
        if (!found) {
            if (own.gone && own.connection->go_on(Connection::Impl::kSending, own.gone, deadline)) {
                continue;
            }
            return own.gone ? own.connection->late_or_gone(deadline) : Error{Status::kTimeout};
        }
        if (step == Impl::Step::kEvent) {
            return own.event();
        }
        if (step == Impl::Step::kEnded) {
            return *own.why;
        }
        auto renewed = own.renew();
        if (!renewed && NativeAtomics::load(own.slot->closed, std::memory_order_acquire) == 0) {
            return renewed.error();
        }
        // Recalled in between: what is in the old ring is ours still.
    }
}

Result<Event> Subscription::try_next() {
    auto event = next(Deadline::now());
    if (!event && event.error() == Error{Status::kTimeout}) {
        if (!arm()) {
            return Status::kWouldBlock;
        }
        event = next(Deadline::now());
        if (!event && event.error() == Error{Status::kTimeout}) {
            return Status::kWouldBlock;
        }
    }
    return event;
}

std::uint64_t Subscription::lost() const noexcept {
    return impl_->reader.lost();
}

int Subscription::descriptor() const noexcept {
    return impl_->pipe.get();
}

bool Subscription::arm() {
    Impl& own = *impl_;
    const Connection::Impl::Use use(*own.connection, Connection::Impl::kSending);
    if (own.follow()) {
        return true;
    }
    own.tell_position();
    own.sleeper.quiet();
    own.sleeper.announce();
    return own.ready();
}

void Subscription::disarm() {
    const Connection::Impl::Use use(*impl_->connection, Connection::Impl::kSending);
    if (impl_->follow()) {
        return;
    }
    impl_->sleeper.retract();
}

}  // namespace keyway
