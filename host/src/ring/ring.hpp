// A ring of variable-size records from one producer to one consumer, in memory that two processes share and
// in which neither trusts the other. ring_layout.hpp has the bytes; this has the algorithm.
//
//                 head (shared, by the consumer)            tail_ (private to the producer)
//                   |                                         |
//   ----------------v-----------------------------------------v---------------------v--------------> position
//     taken back,   | lines the consumer has, or has yet to   | clear: word 0 of    | cleared_to_
//     not cleared   | take: records, each with its commit word| each line is zero   |
//   ----------------+-----------------------------------------+---------------------+--------------
//                   ^            ^                            ^
//                   released_    Consumer::head_              the line that the consumer polls once it is
//                   (private)    (private)                    through with all records
//
// How a record travels. The producer reserves lines, fills in the body, and stores the commit word with
// release order. The consumer polls the commit word of the one line at its own position with acquire order.
// No producer cursor is shared, so a record of one line costs the transfer of one line. The consumer gives
// lines back by storing `head`, as seldom as it likes; the producer reads `head` only when it is short of
// room, or in tidy().
//
// STALE BYTES, the danger of this design. The consumer takes the first word of a line for a commit word. In
// the lap before, that line may have been the middle of a long record, and its first word a piece of payload,
// chosen by a third party who sent the message. It could have chosen the very commit word that is to be
// expected there now, and so forged a message with a header of its liking, in the router's name. Hence
//
//   I1  A line that the consumer may poll is zeroed in its first 8 bytes, by the producer, after the consumer
//       gave the line back. [tail_, cleared_to_) are such lines, and tail_ is always one. The lines in the
//       middle of a record need no zero: the consumer gets past them by the record's commit word only.
//   I2  When a record is committed, the line that follows it is clear, in the sense of I1. So the consumer,
//       which gets to that line only by way of the commit word (acquire), sees zero there, or a commit word.
//       The price: one line of the ring always stays empty.
//   I3  Only commit() writes the first word of a clear line, with a nonzero value. Padding before a record
//       is committed after that record, so the record's own line is polled only once it is there. Bodies
//       begin behind that word in their first line, and dirty the first word of further lines of their own
//       only; lines of a reservation that is given up are cleared anew.
//   I4  The producer clears or fills a line only after it has read (acquire) a head past it, so after all
//       reading.
//   I5  tail_ <= cleared_to_ <= seen_head_ + capacity and seen_head_ <= tail_, whatever the peer writes.
//   I6  Every offset is computed from private cursors, and from one copy of a word that was checked.
//
// The tag in the commit word, which names line and lap, is a second and independent check of the same thing.
//
// Clearing touches a line that the consumer's core holds. On a machine with ordered stores (x86) a clearing
// store ahead of the commit store would delay it by that miss, so it is done after the commit, and after the
// peer has been woken, in tidy(); it also brings the line in for the next record. Who never calls tidy() pays
// on demand in try_reserve(), for the one line behind the record.
//
// WHO MAY CALL WHAT. A Producer belongs to one thread at a time, a Consumer as well; the two need nothing of
// each other. There may be one of each to a ring at any time. No call blocks, allocates or enters the kernel.
//
// WHOM IT TRUSTS. Nobody at the far end. Whatever the peer writes, and whenever: no access out of range, no
// undefined behaviour, no unbounded loop; what can be told from honest operation ends as corrupt, which
// stays. It does trust the memory itself to stay mapped (sealed against shrinking and punching, and
// populated) and to be all zero when the ring starts.
//
// NOT GUARANTEED. A hostile producer can commit any record it likes and change a body at any time, also while
// it is read: take the bytes out with copy_from_shared() and check the copy. A hostile consumer can overwrite
// what it has yet to read itself; nobody else reads the ring. The bytes behind a body in its last line are
// stale, of records that went through this same ring, to this same consumer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <span>

#include "ring/atomics.hpp"
#include "ring/ring_layout.hpp"

namespace keyway::ring {

namespace detail {

// For bugs of our own caller. A hostile peer never gets here.
[[noreturn, gnu::cold, gnu::noinline]] inline void ring_bug(const char* what) {
    std::fprintf(stderr, "keyway: ring: %s\n", what);
    std::abort();
}

inline void expect(bool holds, const char* what) {
    if (!holds) [[unlikely]] {
        ring_bug(what);
    }
}

inline bool valid_memory(const std::byte* data, std::size_t size) {
    return data != nullptr && reinterpret_cast<std::uintptr_t>(data) % kLineBytes == 0 &&
           valid_ring_bytes(size);
}

}  // namespace detail

template <class Atomics = NativeAtomics>
class Producer {
  public:
    // `data` is zeroed memory of valid_ring_bytes(), aligned to a line. Both sides begin at `start`, a whole
    // number of lines, which control.head must hold too; anything but 0 is for tests.
    Producer(RingControl& control, std::span<std::byte> data, std::uint64_t start = 0)
        : control_(&control),
          data_(data.data()),
          capacity_(data.size()),
          max_body_(max_body_bytes(data.size())),
          tail_(start),
          cleared_to_(start + data.size()),
          seen_head_(start),
          tidy_read_at_(start + data.size() / 4) {
        detail::expect(detail::valid_memory(data.data(), data.size()),
                       "bad size or alignment of the data area");
        detail::expect(start % kLineBytes == 0, "start inside a line");
    }

    // Goes on where another producer ended: `tail` is behind its last record, `head` what the consumer had
    // given back. The data is as that producer left it; nothing in it is taken to be clear. False, and
    // nothing changed, when the two can't be.
    [[nodiscard]] bool go_on_at(std::uint64_t tail, std::uint64_t head) {
        if (tail % kLineBytes != 0 || head % kLineBytes != 0 || head > tail ||
            tail - head > capacity_ - kLineBytes) {
            return false;
        }
        tail_ = tail;
        seen_head_ = head;
        cleared_to_ = tail + kLineBytes;
        tidy_read_at_ = tail + capacity_ / 4;
        clear_line(tail);  // I1
        return true;
    }

    // The same ring in another place, where all of it has been copied to.
    void move_to(RingControl& control, std::span<std::byte> data) {
        detail::expect(data.size() == capacity_ && !reserved_, "moved to another ring");
        control_ = &control;
        data_ = data.data();
    }

    // The word that commit() will store last, and its position: by it others see the reserved record.
    struct Shown {
        std::uint64_t at;
        std::uint64_t word;
    };
    [[nodiscard]] Shown will_show() const {
        return record_at_ == tail_ ? Shown{tail_, message_word(record_at_, record_body_)}
                                   : Shown{tail_, padding_word(tail_)};
    }

    // Where to write the body of the next record, aligned to 8 bytes; nullptr if there is no room, or
    // corrupt(). A reservation stands until commit() or the next try_reserve(), which replaces it. body_bytes
    // <= max_body(); more is a bug of the caller, and aborts.
    [[nodiscard]] std::byte* try_reserve(std::uint32_t body_bytes) {
        if (!has_room(body_bytes)) [[unlikely]] {
            return nullptr;
        }
        record_at_ = start_for(body_bytes);
        record_body_ = body_bytes;
        reserved_ = true;
        const std::uint64_t end = record_at_ + record_bytes(body_bytes);
        if (end >= cleared_to_) {
            clear_line(end);  // I2; the lines in between are about to be written, and nobody polls them
        }
        return at(record_at_) + kCommitBytes;
    }

    // Is there room for a body of this size? Once it said yes, a try_reserve() of that size, or of a smaller
    // one, succeeds if it comes next, whatever the peer does meanwhile: room is counted in private memory. It
    // gives up an open reservation.
    [[nodiscard]] bool has_room(std::uint32_t body_bytes) {
        detail::expect(body_bytes <= max_body_, "record larger than this ring can carry");
        if (reserved_) [[unlikely]] {
            give_up();
        }
        const std::uint64_t wanted = start_for(body_bytes) + record_bytes(body_bytes) + kLineBytes;  // I2
        return wanted <= seen_head_ + capacity_ || make_room(wanted);
    }

    // Publishes the reservation. Everything written to the body before is visible to the consumer that sees
    // it.
    void commit() {
        detail::expect(reserved_, "commit without a reservation");
        reserved_ = false;
        Atomics::store(word(record_at_), message_word(record_at_, record_body_), Atomics::kPublish);
        if (record_at_ != tail_) {  // the consumer waits at the padding, which therefore comes last
            Atomics::store(word(tail_), padding_word(tail_), Atomics::kPublish);
        }
        const std::uint64_t end = record_at_ + record_bytes(record_body_);
        owed_ += end - tail_ < kOwedAtMost ? end - tail_ : kOwedAtMost;
        tail_ = end;
        cleared_to_ = cleared_to_ > end ? cleared_to_ : end + kLineBytes;
    }

    // Work put off by commit(): clears about as many lines as were used since by small records, plus a few.
    // Call it when the message is on its way and the peer has been woken. Optional.
    void tidy() {
        if (reserved_ || corrupt_) {
            return;
        }
        if (tail_ >= tidy_read_at_) {  // some four times a lap, so that try_reserve() seldom has to
            tidy_read_at_ = tail_ + capacity_ / 4;
            read_head();
        }
        std::uint64_t goal = cleared_to_ + owed_ + kExtraLines * kLineBytes;
        owed_ = 0;
        goal = goal < tail_ + kClearAheadBytes ? goal : tail_ + kClearAheadBytes;
        const std::uint64_t limit = seen_head_ + capacity_;
        clear_to(goal < limit ? goal : limit);
    }

    // The position up to which the consumer has given lines back, read now and checked.
    std::uint64_t consumed() {
        if (!corrupt_) {
            read_head();
        }
        return seen_head_;
    }

    // The same as it was when it was last read, which is what the last has_room() went by. Who waits for room
    // waits until consumed() differs from this; comparing with a later reading would miss what came in
    // between.
    [[nodiscard]] std::uint64_t seen_consumed() const { return seen_head_; }

    // The position behind the last committed record.
    [[nodiscard]] std::uint64_t tail() const { return tail_; }
    // True for ever after the consumer stored an impossible head.
    [[nodiscard]] bool corrupt() const { return corrupt_; }
    [[nodiscard]] std::uint32_t max_body() const { return max_body_; }
    [[nodiscard]] std::uint64_t capacity() const { return capacity_; }

  private:
    static constexpr std::uint64_t kExtraLines = 2;
    // Of a record, what is worth clearing in its place: a large one is written over without that.
    static constexpr std::uint64_t kOwedAtMost = 4 * kLineBytes;
    // Enough for the largest record; more would fall out of the first-level cache again before it is used.
    static constexpr std::uint64_t kClearAheadBytes = 2 * 4096 + 512;

    std::byte* at(std::uint64_t position) const { return data_ + (position & (capacity_ - 1)); }
    std::uint64_t& word(std::uint64_t position) const {
        return *std::launder(reinterpret_cast<std::uint64_t*>(at(position)));
    }

    // Where a record of this body begins: at the tail, or behind the padding that has to come first.
    std::uint64_t start_for(std::uint32_t body_bytes) const {
        const std::uint64_t left = capacity_ - (tail_ & (capacity_ - 1));
        return record_bytes(body_bytes) <= left ? tail_ : tail_ + left;
    }

    // The body that was reserved may have been written already, over the first word of all lines but its
    // first.
    [[gnu::cold, gnu::noinline]] void give_up() {
        reserved_ = false;
        const std::uint64_t still_clear = record_at_ + kLineBytes;
        cleared_to_ = still_clear < cleared_to_ ? still_clear : cleared_to_;
    }

    [[gnu::noinline]] bool make_room(std::uint64_t wanted) {
        if (corrupt_) {
            return false;
        }
        read_head();
        return !corrupt_ && wanted <= seen_head_ + capacity_;
    }

    void clear_line(std::uint64_t position) {
        if constexpr (Atomics::kClearsLines) {
            // Relaxed: the next commit orders it for the consumer, kTakeBack has ordered it after all
            // reading.
            Atomics::store(word(position), std::uint64_t{0}, std::memory_order_relaxed);
        }
    }
    void clear_to(std::uint64_t goal) {
        for (; cleared_to_ < goal; cleared_to_ += kLineBytes) {
            clear_line(cleared_to_);
        }
    }

    void read_head() {
        const std::uint64_t head = Atomics::load(control_->head, Atomics::kTakeBack);
        if (head % kLineBytes != 0 || head < seen_head_ || head > tail_) [[unlikely]] {
            corrupt_ = true;
            return;
        }
        seen_head_ = head;
    }

    RingControl* control_;
    std::byte* data_;
    std::uint64_t capacity_;
    std::uint32_t max_body_;
    std::uint32_t record_body_ = 0;
    std::uint64_t record_at_ = 0;
    std::uint64_t tail_;
    std::uint64_t cleared_to_;
    std::uint64_t seen_head_;
    std::uint64_t owed_ = 0;  // bytes committed since tidy()
    std::uint64_t tidy_read_at_;
    bool reserved_ = false;
    bool corrupt_ = false;
};

enum class Poll { kEmpty, kRecord, kCorrupt };

// A record in place. The body lies in shared memory until release() has passed it; see "not guaranteed".
struct Record {
    std::span<const std::byte> body;
    std::uint64_t position = 0;
};

template <class Atomics = NativeAtomics>
class Consumer {
  public:
    // As for Producer. The data may be mapped read-only here.
    Consumer(RingControl& control, std::span<const std::byte> data, std::uint64_t start = 0)
        : control_(&control),
          data_(data.data()),
          capacity_(data.size()),
          max_body_(max_body_bytes(data.size())),
          head_(start),
          next_(start),
          released_(start) {
        detail::expect(detail::valid_memory(data.data(), data.size()),
                       "bad size or alignment of the data area");
        detail::expect(start % kLineBytes == 0, "start inside a line");
    }

    // The record at our position, if there is one. Skips padding. Until advance() it looks anew at the same
    // position; what the last peek found is what advance() goes by.
    [[nodiscard]] Poll peek(Record& out) {
        std::uint64_t loaded = Atomics::load(word(head_), Atomics::kPoll);
        if (loaded == 0) {
            next_ = head_;
            streak_ = false;
            return corrupt_ ? Poll::kCorrupt : Poll::kEmpty;
        }
        Commit commit = unpack(loaded);
        if (commit.kind == static_cast<std::uint16_t>(RecordKind::kPadding)) [[unlikely]] {
            if (!skip_padding(commit)) {
                return fail();
            }
            loaded = Atomics::load(word(head_), Atomics::kPoll);
            if (loaded ==
                0) {  // no honest producer commits padding before what follows it, but this does no harm
                return Poll::kEmpty;
            }
            commit = unpack(loaded);
        }
        const std::uint64_t end = head_ + record_bytes(commit.length);
        if (corrupt_ || commit.kind != static_cast<std::uint16_t>(RecordKind::kMessage) ||
            commit.tag != tag_of(head_) || commit.length > max_body_ ||
            (head_ & (capacity_ - 1)) + (end - head_) > capacity_ || !within_room(end)) [[unlikely]] {
            return fail();
        }
        next_ = end;
        out.body = {at(head_) + kCommitBytes, commit.length};
        out.position = head_;
        // While one record follows another, the lines of those to come are asked for early. Never on the
        // first one: the producer has yet to write the next, and would have to wait for the line to come
        // back.
        if (streak_) {
            __builtin_prefetch(at(end + kPrefetchBytes));
            __builtin_prefetch(at(end + kPrefetchBytes + kLineBytes));
        }
        streak_ = true;
        return Poll::kRecord;
    }

    // Moves past the record that the last peek() found. Without one, does nothing.
    void advance() { head_ = next_; }

    // The position behind the last record that is there.
    [[nodiscard]] std::uint64_t end() const {
        std::uint64_t at = head_;
        while (at - released_ < capacity_) {
            const Commit commit = unpack(Atomics::load(word(at), Atomics::kPoll));
            if (commit.tag != tag_of(at)) {
                break;
            }
            if (commit.kind == static_cast<std::uint16_t>(RecordKind::kMessage) &&
                commit.length <= max_body_) {
                at += record_bytes(commit.length);
            } else if (commit.kind == static_cast<std::uint16_t>(RecordKind::kPadding)) {
                at += capacity_ - (at & (capacity_ - 1));
            } else {
                break;
            }
        }
        return at;
    }

    // The same ring in another place, where all of it has been copied to.
    void move_to(RingControl& control, std::span<const std::byte> data) {
        detail::expect(data.size() == capacity_, "moved to another ring");
        control_ = &control;
        data_ = data.data();
    }

    // Gives back all lines in front of head(). Do it before waiting for more: the producer may be waiting for
    // room.
    void release() {
        if (released_ != head_) {
            released_ = head_;
            Atomics::store(control_->head, head_, Atomics::kGiveBack);
        }
    }

    // Is there something to peek() at: a record, padding or corruption? One load; for spinning and for the
    // second look before sleeping.
    [[nodiscard]] bool pending() const { return corrupt_ || Atomics::load(word(head_), Atomics::kPoll) != 0; }

    // The position of the next record to take.
    [[nodiscard]] std::uint64_t head() const { return head_; }
    // Bytes advanced past and not given back yet.
    [[nodiscard]] std::uint64_t unreleased() const { return head_ - released_; }
    // True for ever after the producer wrote an impossible commit word.
    [[nodiscard]] bool corrupt() const { return corrupt_; }
    [[nodiscard]] std::uint64_t capacity() const { return capacity_; }

  private:
    static constexpr std::uint64_t kPrefetchBytes = 4 * kLineBytes;

    const std::byte* at(std::uint64_t position) const { return data_ + (position & (capacity_ - 1)); }
    const std::uint64_t& word(std::uint64_t position) const {
        return *std::launder(reinterpret_cast<const std::uint64_t*>(at(position)));
    }

    // Padding runs to the end of the data area and is shorter than the longest record, which is half of the
    // ring at most. So it never begins at offset 0, two in a row are impossible, and peek() needs no loop.
    bool skip_padding(Commit commit) {
        const std::uint64_t offset = head_ & (capacity_ - 1);
        const std::uint64_t end = head_ + capacity_ - offset;
        if (corrupt_ || commit.tag != tag_of(head_) || commit.length != 0 ||
            end - head_ >= record_bytes(max_body_) || !within_room(end)) {
            return false;
        }
        head_ = end;
        next_ = end;
        return true;
    }

    // A producer that keeps to the rules leaves one line free of what we have not given back.
    bool within_room(std::uint64_t end) const { return end - released_ <= capacity_ - kLineBytes; }

    [[gnu::cold, gnu::noinline]] Poll fail() {
        corrupt_ = true;
        next_ = head_;
        return Poll::kCorrupt;
    }

    RingControl* control_;
    const std::byte* data_;
    std::uint64_t capacity_;
    std::uint32_t max_body_;
    bool corrupt_ = false;
    bool streak_ = false;  // the last peek() found a record
    std::uint64_t head_;
    std::uint64_t next_;
    std::uint64_t released_;
};

}  // namespace keyway::ring
