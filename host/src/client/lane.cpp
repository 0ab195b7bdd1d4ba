#include "keyway/lane.hpp"

#include "client/lane_impl.hpp"
#include "ring/shared_copy.hpp"

namespace keyway {

using channel::LaneShared;
using channel::What;
using client::ChannelEnd;

namespace {

constexpr std::uint32_t kSlowCheckEvery = 1024;  ///< messages, to a receiver that never waits
constexpr auto kMostBody = static_cast<std::uint32_t>(limit::kHeaderBytes + limit::kPayloadBytes);

LaneShared& shared_of(const ChannelEnd& end) {
    return *reinterpret_cast<LaneShared*>(end.head());
}

// The counts are read by the router while we count: each word by itself is whole, and that is enough.
void set_counts(channel::Count& count, std::uint64_t messages, std::uint64_t bytes, std::uint32_t sequence) {
    ring::NativeAtomics::store(count.messages, messages, std::memory_order_relaxed);
    ring::NativeAtomics::store(count.bytes, bytes, std::memory_order_relaxed);
    ring::NativeAtomics::store(count.last_sequence, sequence, std::memory_order_relaxed);
}

}  // namespace

// --- sending ---

LaneSender::State::State(ChannelEnd& of, unsigned way)
    : end(&of),
      ring(shared_of(of).ring[way], of.ring(way)),
      peer_word(&shared_of(of).receiver[way]),
      sleeper{.word = &shared_of(of).sender[way], .direction = way},
      count(&of.counts().sent) {
    header.set_version(kVersionMajor);
}

Error LaneSender::State::over() const {
    return ring.corrupt() ? Error{Status::kCorrupt} : end->why_over();
}

Result<void> LaneSender::State::put(std::span<const std::byte> payload, Type type) {
    const auto length = static_cast<std::uint32_t>(payload.size());
    if (length > limit::kPayloadBytes || (type != Type::kData && type != Type::kControl)) {
        return Status::kBadArgument;
    }
    if (!end->in_force()) [[unlikely]] {
        return end->why_over();
    }
    std::byte* body = ring.try_reserve(static_cast<std::uint32_t>(limit::kHeaderBytes) + length);
    if (body == nullptr) [[unlikely]] {
        return ring.corrupt() ? Error{Status::kCorrupt} : Error{Verdict::kFull};
    }
    header.set_type(static_cast<std::uint8_t>(type));
    header.set_length(static_cast<std::uint16_t>(length));
    header.set_sequence(++sequence);
    ring::copy_to_shared(body, reinterpret_cast<const std::byte*>(&header), sizeof header);
    ring::copy_to_shared(body + sizeof header, payload.data(), length);
    ring.commit();
    set_counts(*count, ++messages, bytes += length, sequence);
    return {};
}

Result<void> LaneSender::post(std::span<const std::byte> payload, Type type) {
    auto put = state_->put(payload, type);
    if (!put && put.error() == Error{Verdict::kFull}) [[unlikely]] {
        flush();
    }
    return put;
}

void LaneSender::flush() {
    state_->end->wake(*state_->peer_word, state_->sleeper.direction);
    state_->ring.tidy();
}

Result<void> LaneSender::try_send(std::span<const std::byte> payload, Type type) {
    auto put = state_->put(payload, type);
    flush();
    return put;
}

Result<void> LaneSender::send(std::span<const std::byte> payload, Deadline deadline, Type type) {
    State& state = *state_;
    while (true) {
        auto put = state.put(payload, type);
        flush();
        if (put || put.error() != Error{Verdict::kFull}) [[likely]] {
            return put;
        }
        const auto body = static_cast<std::uint32_t>(limit::kHeaderBytes + payload.size());
        if (state.sleeper.gone) {
            return state.over();
        }
        if (!state.end->wait(state.sleeper, deadline,
                             [&] { return state.ring.has_room(body) || state.ring.corrupt(); })) {
            return Verdict::kTimedOut;
        }
        if (state.sleeper.gone || !state.end->in_force()) {
            return state.over();
        }
    }
}

int LaneSender::descriptor() const noexcept {
    return state_->end->socket(state_->sleeper.direction);
}

bool LaneSender::arm() {
    State& state = *state_;
    return state.end->arm(state.sleeper,
                          [&] { return state.ring.has_room(kMostBody) || state.ring.corrupt(); });
}

void LaneSender::disarm() {
    ring::Waiter<>(*state_->sleeper.word).retract();
}

// --- receiving ---

LaneReceiver::State::State(ChannelEnd& of, unsigned way)
    : end(&of),
      ring(shared_of(of).ring[way], of.ring(way)),
      peer_word(&shared_of(of).sender[way]),
      sleeper{.word = &shared_of(of).receiver[way], .direction = way},
      count(&of.counts().received),
      sender(of.peer()),
      receiver(of.is_opener() ? of.page().opener : of.page().endpoint),
      badge(of.page().entry.badge()) {}

// The checks of the one who takes: first whether it may be taken at all, then the copy, then the copy's
// sense.
Result<void> LaneReceiver::State::take(Header& header, std::byte* to) {
    if (corrupt) [[unlikely]] {
        return Status::kCorrupt;
    }
    ring::Record record;
    const ring::Poll poll = ring.peek(record);
    if (poll == ring::Poll::kEmpty) {
        if (!end->in_force()) [[unlikely]] {
            // What the peer had put in before it left may have come between the two looks.
            if (!end->leftovers_allowed() || ring.peek(record) == ring::Poll::kEmpty) {
                return end->why_over();
            }
        } else {
            return Status::kWouldBlock;
        }
    }
    const bool slowly = messages % kSlowCheckEvery == kSlowCheckEvery - 1;
    if (!(slowly ? end->in_force_slowly() : end->in_force()) && !end->leftovers_allowed()) [[unlikely]] {
        return end->why_over();
    }
    const std::size_t size = record.body.size();
    if (ring.corrupt() || size < limit::kHeaderBytes) [[unlikely]] {
        corrupt = true;
        return Status::kCorrupt;
    }
    ring::copy_from_shared(to, record.body.data(), size);
    __builtin_memcpy(&header, to, sizeof header);
    const auto type = Type{header.type()};
    if (header.version() != kVersionMajor || header.length() != size - limit::kHeaderBytes ||
        (type != Type::kData && type != Type::kControl) || header.flags() != 0 || header.carried() != 0 ||
        header.sequence() != sequence + 1) [[unlikely]] {
        corrupt = true;
        return Status::kCorrupt;
    }
    header.set_sender(sender);
    header.set_receiver(receiver);
    header.set_capability(badge);
    header.set_timestamp(0);
    ring.advance();
    set_counts(*count, ++messages, bytes += header.length(), ++sequence);
    if (ring.unreleased() >= ring.capacity() / 4) {
        give_back();
    }
    return {};
}

// A quarter of the ring at a time: the largest record and its padding find room in the rest, so no sender
// waits for less, and a store here costs the sender's core a miss when it looks.
static_assert(2 * ring::kMaxRecordBytes + ring::kLineBytes <= channel::kMinLaneBytes / 4 * 3);
void LaneReceiver::State::give_back() {
    if (ring.unreleased() != 0) {
        ring.release();
        end->wake(*peer_word, sleeper.direction);
    }
}

Result<void> LaneReceiver::try_receive(LaneMessage& message) {
    auto taken = state_->take(message.header_, message.bytes_ + LaneMessage::kLead);
    if (!taken && state_->sleeper.gone && taken.error() == Error{Status::kWouldBlock}) [[unlikely]] {
        return state_->end->why_over();
    }
    return taken;
}

Result<void> LaneReceiver::receive(LaneMessage& message, Deadline deadline) {
    State& state = *state_;
    while (true) {
        auto taken = try_receive(message);
        if (taken || taken.error() != Error{Status::kWouldBlock}) {
            return taken;
        }
        if (!state.end->wait(state.sleeper, deadline, [&] { return state.ring.pending(); })) {
            return Status::kTimeout;
        }
    }
}

int LaneReceiver::descriptor() const noexcept {
    return state_->end->socket(state_->sleeper.direction);
}

bool LaneReceiver::arm() {
    State& state = *state_;
    state.give_back();
    const bool there = state.end->arm(state.sleeper, [&] { return state.ring.pending() || state.corrupt; });
    if (there && state.end->hung_up(state.sleeper.direction)) {
        state.sleeper.gone = true;
    }
    return there;
}

void LaneReceiver::disarm() {
    ring::Waiter<>(*state_->sleeper.word).retract();
}

// --- both ---

Lane::Impl::Impl(ChannelEnd of)
    : end(std::move(of)),
      sending(end, end.is_opener() ? 0 : 1),
      receiving(end, end.is_opener() ? 1 : 0),
      sender(sending),
      receiver(receiving) {}

Lane::Lane(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Lane::Lane(Lane&&) noexcept = default;
Lane& Lane::operator=(Lane&&) noexcept = default;
Lane::~Lane() = default;

LaneSender& Lane::sender() noexcept {
    return impl_->sender;
}
LaneReceiver& Lane::receiver() noexcept {
    return impl_->receiver;
}
std::uint32_t Lane::peer() const noexcept {
    return impl_->end.peer();
}
std::uint32_t Lane::badge() const noexcept {
    return impl_->end.page().entry.badge();
}

namespace {

Result<Lane> lane_over(Result<ChannelEnd> end) {
    if (!end) {
        return end.error();
    }
    return Lane(std::make_unique<Lane::Impl>(std::move(*end)));
}

}  // namespace

Result<Lane> open_lane(Connection& connection, const Capability& capability, const LaneOptions& options,
                       Deadline deadline) {
    return lane_over(ChannelEnd::open(
        connection, capability,
        {.what = What::kLane, .flags = 0, .bytes = options.bytes, .spin = options.spin}, deadline));
}

Result<Lane> accept_lane(Connection& connection, const Received& offer, const LaneOptions& options) {
    return lane_over(ChannelEnd::accept(connection, offered_channel(offer), What::kLane, options.spin));
}

}  // namespace keyway
