#pragma once

// The cursors of a byte stream from one writer to one reader, in memory that two processes share and in which
// neither trusts the other. The bytes themselves lie in a ring that each side maps twice in a row, so that
// any span up to the whole ring is contiguous; here are only the positions, counted in bytes since the start.
//
//                 read (shared, by the reader)          written (shared, by the writer)
//                   |                                     |
//   ----------------v-------------------------------------v--------------------> position
//     free          | bytes for the reader to peek at     | free
//   ----------------+-------------------------------------+--------------------
//                   ^                                     ^
//                   Reader::read_ (private)               Writer::written_ (private)
//
//   J1  Each side goes by its own private cursor and stores it; it never reads it back from shared memory.
//   J2  Of the peer's cursor it takes one copy, and believes it only if it didn't go backwards and the
//   distance
//       is at most the capacity: read_ <= written <= read_ + capacity, seen_read_ <= read <= written_.
//       Anything else is `corrupt`, which stays.
//   J3  The writer stores `written` (release) after the bytes; the reader loads it (acquire) before them.
//   J4  The reader stores `read` (release) after it is through with the bytes; the writer loads it (acquire)
//       before it writes over them.
//   J5  `end` is stored once, after the last `written` (release). It says where the stream ended; a reader
//   that
//       sees it looks at `written` again, and has the end when it has read up to there. So nothing that was
//       committed before an end is lost, and no end comes early.
//
// Why not the commit words of ring.hpp? There a message of 24 bytes costs one line and no cursor. Here spans
// are long, and may be read in pieces that are not those in which they were written: a cursor says that with
// one word.
//
// WHO MAY CALL WHAT. A Writer belongs to one thread, a Reader too. No call blocks, allocates or enters the
// kernel. The template's parameter is for the model checker (ring/atomics.hpp).

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ring/atomics.hpp"

namespace keyway::stream {

inline constexpr std::uint32_t kReasonBytes = 64;

/// How a side broke off. `code` is nonzero once the text is there.
struct alignas(64) Abort {
    std::uint32_t code;  ///< application's code plus 1, stored last
    std::uint32_t length;
    std::uint8_t text[kReasonBytes];
    std::uint8_t reserved[56];
};
static_assert(sizeof(Abort) == 128);

/// A line for each side's words, so that neither pulls the other's.
struct Cursors {
    struct alignas(128) {
        std::uint64_t written;
        std::uint64_t end;  ///< 0: goes on; else the position of the end, and kEnded or kAborted
    } writer;
    struct alignas(128) {
        std::uint64_t read;
    } reader;
    Abort writer_abort;
    Abort reader_abort;
};
static_assert(std::is_trivially_copyable_v<Cursors> && sizeof(Cursors) == 512);

inline constexpr std::uint64_t kEnded = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kAborted = std::uint64_t{1} << 62;

/// Each order has its name beside its reason; the model checker shows that a weaker one breaks.
struct CursorOrders {
    static constexpr std::memory_order kPublish = std::memory_order_release;   // J3
    static constexpr std::memory_order kLook = std::memory_order_acquire;      // J3
    static constexpr std::memory_order kGiveBack = std::memory_order_release;  // J4
    static constexpr std::memory_order kTakeBack = std::memory_order_acquire;  // J4
    static constexpr std::memory_order kFinish = std::memory_order_release;    // J5
    static constexpr std::memory_order kSeeEnd = std::memory_order_acquire;    // J5
};
struct NativeAtomics : ring::NativeAtomics, CursorOrders {
    using CursorOrders::kGiveBack;
    using CursorOrders::kPublish;
    using CursorOrders::kTakeBack;
};

template <class Atomics = NativeAtomics>
class Writer {
  public:
    /// `capacity` is a power of two; the cursors start at zero.
    Writer(Cursors& cursors, std::uint64_t capacity) : cursors_(&cursors), capacity_(capacity) {}

    /// Bytes that may be written from position() on. Looks at the reader's cursor only when fewer than
    /// `wanted` are known to be free.
    [[nodiscard]] std::uint64_t room(std::uint64_t wanted) {
        if (capacity_ - (written_ - seen_read_) < wanted && !corrupt_) {
            const std::uint64_t read = Atomics::load(cursors_->reader.read, Atomics::kTakeBack);
            if (read < seen_read_ || read > written_) {  // J2
                corrupt_ = true;
            } else {
                seen_read_ = read;
            }
        }
        return corrupt_ ? 0 : capacity_ - (written_ - seen_read_);
    }
    /// Publishes `count` bytes, which room() has said are free.
    void commit(std::uint64_t count) {
        written_ += count;
        Atomics::store(cursors_->writer.written, written_, Atomics::kPublish);
    }
    /// The end: nothing may be committed after it.
    void end(std::uint64_t how) { Atomics::store(cursors_->writer.end, how | written_, Atomics::kFinish); }

    [[nodiscard]] std::uint64_t position() const { return written_; }
    [[nodiscard]] bool corrupt() const { return corrupt_; }

  private:
    Cursors* cursors_;
    std::uint64_t capacity_;
    std::uint64_t written_ = 0;
    std::uint64_t seen_read_ = 0;
    bool corrupt_ = false;
};

template <class Atomics = NativeAtomics>
class Reader {
  public:
    Reader(Cursors& cursors, std::uint64_t capacity) : cursors_(&cursors), capacity_(capacity) {}

    /// Bytes that may be read from position() on. Looks at the writer's cursor only when fewer than `wanted`
    /// are known to be there.
    [[nodiscard]] std::uint64_t available(std::uint64_t wanted = 1) {
        if (seen_written_ - read_ < wanted && !corrupt_) {
            look();
        }
        return corrupt_ ? 0 : seen_written_ - read_;
    }
    /// Gives `count` bytes back, which available() has said are there.
    void release(std::uint64_t count) {
        read_ += count;
        Atomics::store(cursors_->reader.read, read_, Atomics::kGiveBack);
    }
    /// kEnded or kAborted once the writer has said so: all that will ever come is available() then. Else 0.
    [[nodiscard]] std::uint64_t end_seen() {
        const std::uint64_t end = Atomics::load(cursors_->writer.end, Atomics::kSeeEnd);
        if (end == 0 || corrupt_) {
            return 0;
        }
        look();  // what was committed before the end is visible now
        const std::uint64_t how = end & (kEnded | kAborted);
        if (corrupt_ || (end & ~(kEnded | kAborted)) != seen_written_ || (how != kEnded && how != kAborted)) {
            corrupt_ = true;
            return 0;
        }
        return how;
    }
    /// The same, but only once everything up to the end was given back.
    [[nodiscard]] std::uint64_t ended() {
        const std::uint64_t how = end_seen();
        return read_ == seen_written_ ? how : 0;
    }

    [[nodiscard]] std::uint64_t position() const { return read_; }
    [[nodiscard]] bool corrupt() const { return corrupt_; }
    void give_up() { corrupt_ = true; }

  private:
    void look() {
        const std::uint64_t written = Atomics::load(cursors_->writer.written, Atomics::kLook);
        if (written < seen_written_ || written - read_ > capacity_) {  // J2
            corrupt_ = true;
        } else {
            seen_written_ = written;
        }
    }

    Cursors* cursors_;
    std::uint64_t capacity_;
    std::uint64_t read_ = 0;
    std::uint64_t seen_written_ = 0;
    bool corrupt_ = false;
};

}  // namespace keyway::stream
