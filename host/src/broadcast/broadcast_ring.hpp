#pragma once

// Writing to and reading from a broadcast ring (broadcast_layout.hpp). The writer never looks at a reader: it
// writes each event once, whoever reads. A reader copies a record out and then asks whether the writer could
// have been at it in the meantime; if so the copy is thrown away.
//
//     writer                                     reader
//     W1 oldest := what will be left             R1 tail, acquire
//     W2 fence (release)                         R2 copy the record, relaxed
//     W3 write the record, relaxed               R3 fence (acquire)
//     W4 tail := after it, release               R4 oldest > position? then the copy is worthless
//
// Why it is enough. A reader that saw one byte of W3 of a later lap in R2 has read what was stored after the
// fence W2; with its own fence R3 it therefore sees W1 in R4, and throws the copy away. A reader whose R4
// shows an old `oldest` has seen no byte of that lap. R1 and W4 order a complete record before its first
// look.
//
// WHOM IT TRUSTS. The writer nobody: it reads only what it wrote itself, in memory that nobody else can
// write. The reader trusts the router, as for everything that it receives, but follows no length out of the
// ring. The writer belongs to one thread, a reader to one thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "broadcast/broadcast_layout.hpp"
#include "ring/atomics.hpp"
#include "ring/shared_copy.hpp"

namespace keyway::broadcast {

namespace detail {

// Under ThreadSanitizer the copies of the rings are memcpy, which checks that honest use never races. Here
// honest use does: what was torn is thrown away. So the sanitiser is shown the relaxed accesses.
#if defined(__SANITIZE_THREAD__)
template <class How>
void copy(std::byte* to, const std::byte* from, std::size_t count) {
    ring::detail::move_words<How>(to, from, count);
}
#else
template <class How>
void copy(std::byte* to, const std::byte* from, std::size_t count) {
    ring::detail::move<How>(to, from, count);
}
#endif

}  // namespace detail

using ring::NativeAtomics;

class Writer {
  public:
    /// `base` is kControlBytes and then `bytes`, zero or as another writer left it.
    Writer(std::byte* base, std::uint32_t bytes)
        : control_(reinterpret_cast<BroadcastControl*>(base)), data_(base + kControlBytes), bytes_(bytes) {}

    [[nodiscard]] std::uint64_t tail() const { return tail_; }
    [[nodiscard]] std::uint64_t oldest() const { return oldest_; }
    /// The next event's sequence.
    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
    /// From here on everything must be unread by nobody, for an event of this payload to overwrite nothing
    /// that matters.
    [[nodiscard]] std::uint64_t needs_from(std::uint32_t payload) const {
        const std::uint64_t end = tail_ + padding_before(payload) + event_bytes(payload);
        return end > bytes_ ? end - bytes_ : 0;
    }

    /// Where `tail` will be after an event of this payload.
    [[nodiscard]] std::uint64_t tail_after(std::uint32_t payload) const {
        return tail_ + padding_before(payload) + event_bytes(payload);
    }
    /// Goes on in a new ring where an earlier router ended: `left` is its ring, of the same size, which only
    /// routers could write. `next` is the sequence if there is no event in it. `seen` is called with sequence
    /// and position of each event that is there.
    template <class Seen>
    void go_on_from(const std::byte* left, std::uint64_t next, const Seen& seen) {
        const auto* control = reinterpret_cast<const BroadcastControl*>(left);
        const std::byte* data = left + kControlBytes;
        tail_ = control->tail;
        oldest_ = control->oldest < tail_ ? control->oldest : tail_;
        sequence_ = next;
        for (std::uint64_t at = oldest_; at < tail_;) {
            const std::uint64_t place = at & (bytes_ - 1);
            RecordHead head;
            std::memcpy(&head, data + place, sizeof head);
            const bool padding = RecordKind{head.kind} == RecordKind::kPadding;
            const std::uint64_t size = padding ? head.length : event_bytes(head.length);
            std::memcpy(data_ + place, data + place, size);
            if (!padding) {
                sequence_ = head.sequence + 1;
                seen(head.sequence, at);
            }
            at += size;
        }
        NativeAtomics::store(control_->oldest, oldest_, std::memory_order_relaxed);
        NativeAtomics::store(control_->tail, tail_, std::memory_order_release);
    }

    /// Writes one event over the oldest. Returns the bytes written. `payload` may be shared with its sender.
    std::uint32_t write(const Header& header, std::span<const std::byte> payload) {
        const auto length = static_cast<std::uint32_t>(payload.size());
        const std::uint32_t padding = padding_before(length);
        const std::uint32_t record = event_bytes(length);
        make_room(needs_from(length));
        if (padding != 0) {
            put_head({.sequence = 0, .length = padding, .kind = std::uint32_t(RecordKind::kPadding)});
            tail_ += padding;
        }
        std::byte* at =
            put_head({.sequence = sequence_++, .length = length, .kind = std::uint32_t(RecordKind::kEvent)});
        detail::copy<ring::detail::ToShared>(at, reinterpret_cast<const std::byte*>(&header), sizeof header);
        detail::copy<ring::detail::SharedToShared>(at + sizeof header, payload.data(), payload.size());
        tail_ += record;
        NativeAtomics::store(control_->tail, tail_, std::memory_order_release);  // W4
        return record;
    }

    /// Goes on in another ring of the same size: what is here is there too, at the same positions.
    void move_to(std::byte* base) {
        auto* control = reinterpret_cast<BroadcastControl*>(base);
        std::byte* data = base + kControlBytes;
        for (std::uint64_t at = oldest_; at < tail_;) {
            const std::uint64_t place = at & (bytes_ - 1);
            const std::uint64_t piece = tail_ - at < bytes_ - place ? tail_ - at : bytes_ - place;
            detail::copy<ring::detail::SharedToShared>(data + place, data_ + place, piece);
            at += piece;
        }
        NativeAtomics::store(control->oldest, oldest_, std::memory_order_relaxed);
        NativeAtomics::store(control->tail, tail_, std::memory_order_release);
        set_state(RingState::kMoved);
        control_ = control;
        data_ = data;
    }
    void set_state(RingState state) {
        NativeAtomics::store(control_->state, static_cast<std::uint32_t>(state), std::memory_order_release);
    }

  private:
    [[nodiscard]] std::uint32_t padding_before(std::uint32_t payload) const {
        const auto left = static_cast<std::uint32_t>(bytes_ - (tail_ & (bytes_ - 1)));
        return event_bytes(payload) <= left ? 0 : left;
    }
    void make_room(std::uint64_t needed) {
        if (oldest_ >= needed) {
            return;
        }
        while (oldest_ < needed) {
            RecordHead head;
            std::memcpy(&head, data_ + (oldest_ & (bytes_ - 1)), sizeof head);  // ours, and only ours
            oldest_ += RecordKind{head.kind} == RecordKind::kPadding ? head.length : event_bytes(head.length);
        }
        NativeAtomics::store(control_->oldest, oldest_, std::memory_order_relaxed);  // W1
        std::atomic_thread_fence(std::memory_order_release);                         // W2
    }
    std::byte* put_head(const RecordHead& head) {
        std::byte* at = data_ + (tail_ & (bytes_ - 1));
        detail::copy<ring::detail::ToShared>(at, reinterpret_cast<const std::byte*>(&head), sizeof head);
        return at + sizeof head;
    }

    BroadcastControl* control_;
    std::byte* data_;
    std::uint64_t bytes_;
    std::uint64_t tail_ = 0;
    std::uint64_t oldest_ = 0;
    std::uint64_t sequence_ = 1;
};

/// One event, copied out.
struct Record {
    std::uint64_t sequence = 0;
    Header header;
    std::uint32_t length = 0;
    std::byte payload[limit::kPayloadBytes];
};

enum class Look : std::uint8_t { kEvent, kEmpty, kCorrupt };

class Reader {
  public:
    Reader() = default;
    Reader(const std::byte* base, std::uint32_t bytes, std::uint64_t position, std::uint64_t sequence)
        : control_(reinterpret_cast<const BroadcastControl*>(base)),
          data_(base + kControlBytes),
          bytes_(bytes),
          position_(position),
          sequence_(sequence) {}

    /// Goes on at the same position in another mapping.
    void move_to(const std::byte* base) {
        control_ = reinterpret_cast<const BroadcastControl*>(base);
        data_ = base + kControlBytes;
    }

    [[nodiscard]] bool pending() const {
        return NativeAtomics::load(control_->tail, std::memory_order_acquire) != position_;
    }
    /// Ask before looking: what is found empty after `kEnded` was seen stays empty.
    [[nodiscard]] RingState state() const {
        return RingState{NativeAtomics::load(control_->state, std::memory_order_acquire)};
    }

    Look take(Record& record) {
        while (true) {
            const std::uint64_t tail = NativeAtomics::load(control_->tail, std::memory_order_acquire);  // R1
            if (position_ == tail) {
                return Look::kEmpty;
            }
            const std::byte* at = data_ + (position_ & (bytes_ - 1));
            RecordHead head;
            copy_out(&head, at, sizeof head);
            const bool padding = RecordKind{head.kind} == RecordKind::kPadding;
            const std::uint64_t left = bytes_ - (position_ & (bytes_ - 1));
            const bool plausible = padding ? head.length == left
                                           : RecordKind{head.kind} == RecordKind::kEvent &&
                                                 head.length <= limit::kPayloadBytes &&
                                                 event_bytes(head.length) <= left;
            if (plausible && !padding) {
                copy_out(&record.header, at + sizeof head, sizeof record.header);
                copy_out(record.payload, at + sizeof head + sizeof record.header, head.length);
            }
            std::atomic_thread_fence(std::memory_order_acquire);  // R3
            const std::uint64_t oldest =
                NativeAtomics::load(control_->oldest, std::memory_order_relaxed);  // R4
            if (oldest > position_) {
                position_ = oldest;  // a record starts there, and its sequence says how many are gone
                continue;
            }
            if (!plausible) {
                return Look::kCorrupt;
            }
            if (padding) {
                position_ += head.length;
                continue;
            }
            position_ += event_bytes(head.length);
            if (head.sequence < sequence_) {
                return Look::kCorrupt;
            }
            lost_ += head.sequence - sequence_;
            sequence_ = head.sequence + 1;
            record.sequence = head.sequence;
            record.length = head.length;
            return Look::kEvent;
        }
    }

    [[nodiscard]] std::uint64_t position() const { return position_; }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

  private:
    static void copy_out(void* to, const std::byte* from, std::size_t count) {
        detail::copy<ring::detail::FromShared>(static_cast<std::byte*>(to), from, count);  // R2
    }

    const BroadcastControl* control_ = nullptr;
    const std::byte* data_ = nullptr;
    std::uint64_t bytes_ = 0;
    std::uint64_t position_ = 0;
    std::uint64_t sequence_ = 1;
    std::uint64_t lost_ = 0;
};

}  // namespace keyway::broadcast
