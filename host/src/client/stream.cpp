#include "keyway/stream.hpp"

#include <algorithm>
#include <cstring>

#include "client/stream_impl.hpp"
#include "ring/shared_copy.hpp"

namespace keyway {

using channel::StreamShared;
using channel::What;
using client::ChannelEnd;

namespace {

constexpr std::size_t kLengthBytes = 4;
/// write() publishes pieces, so that the reader copies out while the writer copies in.
constexpr std::size_t kPiece = 32 * 1024;
constexpr std::uint64_t kLookEvery = 64;  ///< releases between a busy reader's looks at clock and router

constexpr std::uint64_t record_bytes(std::uint64_t length) {
    return (kLengthBytes + length + kLengthBytes - 1) & ~std::uint64_t{kLengthBytes - 1};
}

AbortReason copy_reason(const stream::Abort& from) {
    stream::Abort copy;
    ring::copy_from_shared(reinterpret_cast<std::byte*>(&copy), reinterpret_cast<const std::byte*>(&from),
                           sizeof copy);
    const auto length = std::min<std::size_t>(copy.length, stream::kReasonBytes);
    return {.code = copy.code - 1, .text = {reinterpret_cast<const char*>(copy.text), length}};
}

bool is_aborted(const stream::Abort& by) {
    return ring::NativeAtomics::load(by.code, std::memory_order_acquire) != 0;
}

}  // namespace

StreamEnd::StreamEnd(ChannelEnd of, ring::ParkWord StreamShared::*mine, ring::ParkWord StreamShared::*theirs)
    : end(std::move(of)),
      sleeper{.word = &(shared().*mine), .direction = 0},
      peer_word(&(shared().*theirs)),
      data(end.ring(0).data()),
      capacity(end.bytes()) {}

void StreamEnd::store_abort(stream::Abort& to, std::uint32_t code, std::string_view text) const {
    const auto length = std::min<std::size_t>(text.size(), stream::kReasonBytes);
    ring::copy_to_shared(reinterpret_cast<std::byte*>(to.text),
                         reinterpret_cast<const std::byte*>(text.data()), length);
    ring::NativeAtomics::store(to.length, static_cast<std::uint32_t>(length), std::memory_order_relaxed);
    ring::NativeAtomics::store(to.code, code + 1, std::memory_order_release);
}

void StreamEnd::note(channel::Count& count, std::uint64_t bytes) {
    total += bytes;
    ++times;
    ring::NativeAtomics::store(count.bytes, total, std::memory_order_relaxed);
}

// --- writing ---

StreamWriter::Impl::Impl(ChannelEnd of)
    : StreamEnd(std::move(of), &StreamShared::writer, &StreamShared::reader),
      cursor(shared().cursors, capacity) {}

std::optional<Error> StreamWriter::Impl::over() {
    if (cursor.corrupt()) {
        return Status::kCorrupt;
    }
    if (aborted_by_us || is_aborted(shared().cursors.reader_abort)) {
        return Status::kAborted;
    }
    if (!end.in_force() || sleeper.gone) {
        return end.why_over();
    }
    return std::nullopt;
}

Result<std::uint64_t> StreamWriter::Impl::wait_for_room(std::uint64_t bytes, Deadline deadline) {
    if (finished || bytes == 0 || bytes > capacity) {
        return Status::kBadArgument;
    }
    while (true) {
        if (const auto error = over()) {
            return *error;
        }
        if (const std::uint64_t room = cursor.room(bytes); room >= bytes) {
            return room;
        }
        if (!end.wait(sleeper, deadline, [&] {
                return cursor.room(bytes) >= bytes || cursor.corrupt() ||
                       is_aborted(shared().cursors.reader_abort);
            })) {
            return Status::kTimeout;
        }
    }
}

StreamWriter::StreamWriter(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
StreamWriter::StreamWriter(StreamWriter&&) noexcept = default;
StreamWriter& StreamWriter::operator=(StreamWriter&&) noexcept = default;
StreamWriter::~StreamWriter() = default;

Result<std::span<std::byte>> StreamWriter::reserve(std::size_t bytes, Deadline deadline) {
    Impl& impl = *impl_;
    impl.reserved = 0;
    auto room = impl.wait_for_room(bytes, deadline);
    if (!room) {
        return room.error();
    }
    impl.reserved = bytes;
    return std::span(impl.data + (impl.cursor.position() & (impl.capacity - 1)), bytes);
}

Result<void> StreamWriter::commit(std::size_t bytes) {
    Impl& impl = *impl_;
    if (bytes > impl.reserved) {
        return Status::kBadArgument;
    }
    impl.reserved = 0;
    if (bytes != 0) {
        impl.cursor.commit(bytes);
        impl.note(impl.end.counts().sent, bytes);
        impl.wake();
    }
    return {};
}

Result<std::size_t> StreamWriter::write(std::span<const std::byte> bytes, Deadline deadline) {
    Impl& impl = *impl_;
    if ((impl.end.flags() & channel::kRecords) != 0) {
        return Status::kBadArgument;
    }
    std::size_t done = 0;
    while (done < bytes.size()) {
        const std::size_t piece =
            std::min(bytes.size() - done, std::min<std::size_t>(kPiece, impl.capacity / 4));
        auto room = reserve(piece, deadline);
        if (!room) {
            return done != 0 && room.error() == Error{Status::kTimeout} ? Result<std::size_t>(done)
                                                                        : Result<std::size_t>(room.error());
        }
        ring::copy_to_shared(room->data(), bytes.data() + done, piece);
        commit(piece).value();
        done += piece;
    }
    return done;
}

Result<void> StreamWriter::write_record(std::span<const std::byte> record, Deadline deadline) {
    Impl& impl = *impl_;
    if ((impl.end.flags() & channel::kRecords) == 0 || record.size() > impl.capacity / 2 - kLengthBytes) {
        return Status::kBadArgument;
    }
    auto room = reserve(record_bytes(record.size()), deadline);
    if (!room) {
        return room.error();
    }
    const auto length = static_cast<std::uint32_t>(record.size());
    ring::copy_to_shared(room->data(), reinterpret_cast<const std::byte*>(&length), sizeof length);
    ring::copy_to_shared(room->data() + kLengthBytes, record.data(), record.size());
    return commit(room->size());
}

Result<void> StreamWriter::finish() {
    Impl& impl = *impl_;
    if (impl.finished || impl.aborted_by_us) {
        return Status::kBadArgument;
    }
    if (const auto error = impl.over()) {
        return *error;
    }
    impl.finished = true;
    impl.cursor.end(stream::kEnded);
    impl.wake();
    return {};
}

Result<void> StreamWriter::abort(std::uint32_t code, std::string_view text) {
    Impl& impl = *impl_;
    if (impl.finished || impl.aborted_by_us || code == UINT32_MAX) {
        return Status::kBadArgument;
    }
    impl.aborted_by_us = true;
    impl.our_reason = {.code = code, .text = std::string(text.substr(0, stream::kReasonBytes))};
    impl.store_abort(impl.shared().cursors.writer_abort, code, text);
    impl.cursor.end(stream::kAborted);
    impl.wake();
    return {};
}

namespace {

StreamState state_for(const std::optional<Error>& error) {
    if (!error) {
        return StreamState::kOpen;
    }
    if (*error == Error{Status::kAborted}) {
        return StreamState::kAborted;
    }
    if (*error == Error{Status::kRevoked} || *error == Error{Verdict::kExpired}) {
        return StreamState::kRevoked;
    }
    return *error == Error{Status::kPeerGone} ? StreamState::kPeerGone : StreamState::kBroken;
}

}  // namespace

StreamState StreamWriter::state() {
    const StreamState state = state_for(impl_->over());
    return impl_->finished && state == StreamState::kOpen ? StreamState::kEnded : state;
}

AbortReason StreamWriter::reason() const {
    if (impl_->aborted_by_us) {
        return impl_->our_reason;
    }
    const auto& abort = impl_->shared().cursors.reader_abort;
    return is_aborted(abort) ? copy_reason(abort) : AbortReason{};
}

std::uint32_t StreamWriter::peer() const noexcept {
    return impl_->end.peer();
}
std::size_t StreamWriter::capacity() const noexcept {
    return impl_->capacity;
}
int StreamWriter::descriptor() const noexcept {
    return impl_->end.socket(0);
}

bool StreamWriter::arm() {
    Impl& impl = *impl_;
    const std::uint64_t wanted = impl.capacity / 4;
    const bool there = impl.end.arm(
        impl.sleeper, [&] { return impl.cursor.room(wanted) >= wanted || impl.over().has_value(); });
    if (there && impl.end.hung_up(0)) {
        impl.sleeper.gone = true;
    }
    return there;
}

void StreamWriter::disarm() {
    ring::Waiter<>(*impl_->sleeper.word).retract();
}

// --- reading ---

StreamReader::Impl::Impl(ChannelEnd of)
    : StreamEnd(std::move(of), &StreamShared::reader, &StreamShared::writer),
      cursor(shared().cursors, capacity) {}

// An end that doesn't wait for what was committed before it to be read.
std::optional<Error> StreamReader::Impl::cut_off() {
    if (cursor.corrupt()) {
        return Status::kCorrupt;
    }
    if (aborted_by_us) {
        return Status::kAborted;
    }
    const bool gone = times % kLookEvery == 0 ? !end.in_force_slowly() : !end.in_force();
    if ((gone || sleeper.gone) && !end.leftovers_allowed()) {
        return end.why_over();
    }
    return std::nullopt;
}

Result<std::uint64_t> StreamReader::Impl::wait_for_bytes(std::uint64_t least, Deadline deadline) {
    if (least > capacity) {
        return Status::kBadArgument;
    }
    while (true) {
        if (const auto error = cut_off()) {
            return *error;
        }
        if (ended) {
            return std::uint64_t{0};
        }
        // Looked at first: what was committed before the peer went is seen below.
        const bool gone = !end.in_force() || sleeper.gone;
        const std::uint64_t there = cursor.available(least);
        if (there >= least && there != 0) {
            return there;
        }
        if (const std::uint64_t how = cursor.end_seen(); how != 0) {
            const std::uint64_t last = cursor.available(0);
            if (last == 0 && how == stream::kAborted) {
                return Status::kAborted;
            }
            ended = last == 0;
            return last;
        }
        if (cursor.corrupt()) {
            return Status::kCorrupt;
        }
        if (gone) {
            return there != 0 ? Result<std::uint64_t>(there) : Result<std::uint64_t>(end.why_over());
        }
        if (!end.wait(sleeper, deadline, [&] {
                return cursor.available(least) >= least || cursor.end_seen() != 0 || cursor.corrupt();
            })) {
            return Status::kTimeout;
        }
    }
}

StreamReader::StreamReader(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader& StreamReader::operator=(StreamReader&&) noexcept = default;
StreamReader::~StreamReader() = default;

Result<std::span<const std::byte>> StreamReader::peek(Deadline deadline, std::size_t least) {
    Impl& impl = *impl_;
    auto there = impl.wait_for_bytes(std::max<std::size_t>(least, 1), deadline);
    if (!there) {
        return there.error();
    }
    const std::byte* from = impl.data + (impl.cursor.position() & (impl.capacity - 1));
    return std::span(from, static_cast<std::size_t>(*there));
}

Result<void> StreamReader::release(std::size_t bytes) {
    Impl& impl = *impl_;
    if (bytes > impl.cursor.available(0)) {
        return Status::kBadArgument;
    }
    if (bytes != 0) {
        impl.record = 0;
        impl.cursor.release(bytes);
        impl.note(impl.end.counts().received, bytes);
        impl.wake();
    }
    return {};
}

Result<std::size_t> StreamReader::read(std::span<std::byte> to, Deadline deadline) {
    if (carries_records()) {
        return Status::kBadArgument;
    }
    auto there = peek(deadline);
    if (!there) {
        return there.error();
    }
    const std::size_t count = std::min(there->size(), to.size());
    // Room is given back in pieces, so that the writer copies in while we copy out.
    for (std::size_t done = 0; done < count;) {
        const std::size_t piece = std::min(kPiece, count - done);
        ring::copy_from_shared(to.data() + done, there->data() + done, piece);
        release(piece).value();
        done += piece;
    }
    return count;
}

Result<std::span<const std::byte>> StreamReader::peek_record(Deadline deadline) {
    Impl& impl = *impl_;
    if (!carries_records()) {
        return Status::kBadArgument;
    }
    auto there = impl.wait_for_bytes(kLengthBytes, deadline);
    if (!there) {
        return there.error();
    }
    if (*there == 0) {
        return std::span<const std::byte>();
    }
    const std::byte* from = impl.data + (impl.cursor.position() & (impl.capacity - 1));
    std::uint32_t length = 0;
    if (*there >= kLengthBytes) {
        ring::copy_from_shared(reinterpret_cast<std::byte*>(&length), from, sizeof length);
    }
    // Records are committed whole.
    if (*there < kLengthBytes || length > impl.capacity / 2 - kLengthBytes || record_bytes(length) > *there) {
        impl.cursor.give_up();
        return Status::kCorrupt;
    }
    impl.record = record_bytes(length);
    return std::span(from + kLengthBytes, length);
}

Result<void> StreamReader::release_record() {
    return impl_->record != 0 ? release(impl_->record) : Result<void>(Status::kBadArgument);
}

Result<std::size_t> StreamReader::read_record(std::span<std::byte> to, Deadline deadline) {
    auto record = peek_record(deadline);
    if (!record) {
        return record.error();
    }
    if (record->data() == nullptr) {
        return std::size_t{0};
    }
    if (record->size() > to.size()) {
        return Status::kBadArgument;
    }
    ring::copy_from_shared(to.data(), record->data(), record->size());
    release_record().value();
    return record->size();
}

Result<void> StreamReader::abort(std::uint32_t code, std::string_view text) {
    Impl& impl = *impl_;
    if (impl.aborted_by_us || code == UINT32_MAX) {
        return Status::kBadArgument;
    }
    impl.aborted_by_us = true;
    impl.our_reason = {.code = code, .text = std::string(text.substr(0, stream::kReasonBytes))};
    impl.store_abort(impl.shared().cursors.reader_abort, code, text);
    impl.wake();
    return {};
}

StreamState StreamReader::state() {
    Impl& impl = *impl_;
    if (const auto error = impl.cut_off()) {
        return state_for(error);
    }
    const bool gone = !impl.end.in_force() || impl.sleeper.gone;
    if (impl.cursor.available() != 0) {
        return StreamState::kOpen;
    }
    switch (impl.cursor.ended()) {
        case stream::kEnded:
            impl.ended = true;
            return StreamState::kEnded;
        case stream::kAborted:
            return StreamState::kAborted;
        default:
            return gone ? state_for(impl.end.why_over()) : StreamState::kOpen;
    }
}

AbortReason StreamReader::reason() const {
    if (impl_->aborted_by_us) {
        return impl_->our_reason;
    }
    const auto& abort = impl_->shared().cursors.writer_abort;
    return is_aborted(abort) ? copy_reason(abort) : AbortReason{};
}

bool StreamReader::carries_records() const noexcept {
    return (impl_->end.flags() & channel::kRecords) != 0;
}
std::uint32_t StreamReader::peer() const noexcept {
    return impl_->end.peer();
}
std::uint32_t StreamReader::badge() const noexcept {
    return impl_->end.page().entry.badge();
}
std::size_t StreamReader::capacity() const noexcept {
    return impl_->capacity;
}
int StreamReader::descriptor() const noexcept {
    return impl_->end.socket(0);
}

bool StreamReader::arm() {
    Impl& impl = *impl_;
    const bool there = impl.end.arm(impl.sleeper, [&] {
        return impl.cursor.available() != 0 || impl.cursor.ended() != 0 || impl.cursor.corrupt() ||
               impl.ended || impl.aborted_by_us;
    });
    if (there && impl.end.hung_up(0)) {
        impl.sleeper.gone = true;
    }
    return there;
}

void StreamReader::disarm() {
    ring::Waiter<>(*impl_->sleeper.word).retract();
}

// --- opening ---

Result<StreamWriter> open_stream(Connection& connection, const Capability& capability,
                                 const StreamOptions& options, Deadline deadline) {
    auto end = ChannelEnd::open(connection, capability,
                                {.what = What::kStream,
                                 .flags = options.records ? channel::kRecords : std::uint8_t{0},
                                 .bytes = options.bytes,
                                 .spin = options.spin},
                                deadline);
    if (!end) {
        return end.error();
    }
    return StreamWriter(std::make_unique<StreamWriter::Impl>(std::move(*end)));
}

Result<StreamReader> accept_stream(Connection& connection, const Received& offer,
                                   const StreamOptions& options) {
    const auto offered = offered_channel(offer);
    return offered ? accept_stream(connection, *offered, options)
                   : Result<StreamReader>(Status::kBadArgument);
}

Result<StreamReader> accept_stream(Connection& connection, const ChannelOffer& offer,
                                   const StreamOptions& options) {
    auto end = ChannelEnd::accept(connection, offer, What::kStream, options.spin);
    if (!end) {
        return end.error();
    }
    return StreamReader(std::make_unique<StreamReader::Impl>(std::move(*end)));
}

}  // namespace keyway
