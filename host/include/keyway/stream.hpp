#pragma once

// A stream: bytes or records from one process to another, without the router in between.
//
//     auto writer = keyway::open_stream(connection, service).value();              // one side
//     writer.write(bytes).value();
//     writer.finish();
//
//     auto reader = keyway::accept_stream(connection, offer).value();              // the other
//     while (std::size_t count = reader.read(buffer).value()) { ... }              // 0: the end
//
// It goes from the opener, who holds WRITE on an endpoint's capability, to the endpoint's owner, who accepts.
// In between is a ring of bytes; whoever finds it full or empty waits, so a slow reader slows its writer down
// and nothing is dropped.
//
// IN PLACE. `reserve` gives the writer a contiguous piece of the ring to fill in, `commit` publishes it.
// `peek` shows the reader all that is there, contiguous, and `release` gives room back. No byte is copied
// then. The ring is mapped twice in a row, so a piece may run over its end.
//     A reader in place must know: the bytes are in memory that the writer can still write to. An honest one
// doesn't; a hostile one can change them after they were checked. Who checks what it reads and then uses it
// takes `read`, which copies once; the copy is the reader's own.
//
// RECORDS. A stream opened with `records` carries pieces with their lengths: what one `write_record` put in,
// one `peek_record` or `read_record` takes out, whole. A record has at most half of the ring less 4 bytes.
//
// ENDING. `finish` says that all was written; the reader gets the end after the last byte. `abort` breaks
// off, with a number and a text: the reader gets them in place of the end, after what had been committed;
// from the reader's side the writer gets them at once. If the writer goes without either, its reader still
// gets what was committed, then `peer_gone`, so a cut-off stream never looks complete. Revocation and expiry
// cut off at once.
//
// WHAT A STREAM DOES NOT ENFORCE. As for a lane (lane.hpp): both ends are checked when it is made, and each
// end keeps checking that the authority is in force, but in its own process. Two ends that conspire can go on
// using the memory after a revocation. A hostile writer can write any bytes and lengths, and gets no further
// than `corrupt` or nonsense at its reader; a hostile reader can claim to have read anything up to what was
// written, and stop reading.
//
// THREADS. Each end belongs to one thread at a time. Opening and accepting are for the thread of the
// connection's sending half. Ends must not outlive their connection. A forked child must not touch them.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "keyway/api.hpp"
#include "keyway/channel.hpp"
#include "keyway/waitable.hpp"

namespace keyway {

/// How to open or accept a stream.
struct StreamOptions {
    /// Bytes of the ring; a power of two, 64 KiB to 256 MiB. The opener's word counts, as for `records`. It
    /// is charged to the opener's queue bytes, with 8 descriptors.
    std::uint32_t bytes = 256 * 1024;
    bool records = false;  ///< pieces with their lengths, not bytes
    /// How long a waiting call spins before it sleeps. 0: sleeps at once.
    std::chrono::nanoseconds spin = std::chrono::microseconds(20);
};

/// Why a side broke off. From the other process: nothing to be believed.
struct AbortReason {
    std::uint32_t code = 0;  ///< up to UINT32_MAX - 1
    std::string text;        ///< at most 64 bytes
};

/// How far a stream is.
enum class StreamState : std::uint8_t {
    kOpen,      ///< it goes on
    kEnded,     ///< finish() was called, and everything was read
    kAborted,   ///< one side broke off; reason() says why
    kPeerGone,  ///< the other side went without a word
    kRevoked,   ///< the authority was revoked or is expired
    kBroken,    ///< `corrupt`, or the router is gone
};

/// The end that writes: see the top of this header.
class KEYWAY_API StreamWriter : public Waitable {
  public:
    StreamWriter(const StreamWriter&) = delete;
    StreamWriter& operator=(const StreamWriter&) = delete;
    StreamWriter(StreamWriter&&) noexcept;
    StreamWriter& operator=(StreamWriter&&) noexcept;
    /// Without finish() or abort() before, the reader gets `peer_gone` after what was committed.
    ~StreamWriter() override;

    /// A contiguous piece of exactly `bytes`, 1 to the size of the ring, to be filled in. Waits for room.
    /// Replaces an earlier reservation. Errors: `timeout`, `peer_gone`, `aborted` (by the reader), `revoked`,
    /// `expired`, `router_gone`, `corrupt`, `bad_argument` (too large, or after finish).
    Result<std::span<std::byte>> reserve(std::size_t bytes, Deadline deadline = Deadline::never());
    /// Publishes the first `bytes` of the reservation and drops the rest. `bad_argument` when it has fewer.
    Result<void> commit(std::size_t bytes);
    /// Copies all of it in, in pieces if need be, waiting for room. How many bytes went in: fewer than given
    /// only if the deadline passed; an error only if none did.
    Result<std::size_t> write(std::span<const std::byte> bytes, Deadline deadline = Deadline::never());
    /// Puts one record in, whole. Errors: as reserve; `bad_argument` for one that is too long, or a byte
    /// stream.
    Result<void> write_record(std::span<const std::byte> record, Deadline deadline = Deadline::never());

    /// The end: nothing may be written after it. Doesn't wait until it is read.
    Result<void> finish();
    /// Breaks off. `text` is cut to 64 bytes.
    Result<void> abort(std::uint32_t code, std::string_view text = {});

    /// How far it is, as this end sees it now.
    [[nodiscard]] StreamState state();
    /// Of kAborted.
    [[nodiscard]] AbortReason reason() const;
    /// Process id of the other end.
    [[nodiscard]] std::uint32_t peer() const noexcept;
    /// Size of the ring, in bytes.
    [[nodiscard]] std::size_t capacity() const noexcept;

    /// Waits until a quarter of the ring is free, or the stream is over.
    [[nodiscard]] int descriptor() const noexcept override;
    [[nodiscard]] bool arm() override;
    void disarm() override;

    struct Impl;
    /// The library's own state, for tests and the C interface.
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }
    /// For the functions that open and accept, which make it.
    explicit StreamWriter(std::unique_ptr<Impl> impl) noexcept;

  private:
    std::unique_ptr<Impl> impl_;
};

/// The end that reads: see the top of this header.
class KEYWAY_API StreamReader : public Waitable {
  public:
    StreamReader(const StreamReader&) = delete;
    StreamReader& operator=(const StreamReader&) = delete;
    StreamReader(StreamReader&&) noexcept;
    StreamReader& operator=(StreamReader&&) noexcept;
    /// The writer gets `peer_gone`.
    ~StreamReader() override;

    /// All that is there, at least `least` bytes unless the end comes first; empty at the end. Valid until it
    /// is released. Waits. Errors: `timeout`; `aborted` and `peer_gone`, once everything before was released;
    /// `revoked`, `expired`, `router_gone`, `corrupt`; `bad_argument` when `least` is larger than the ring.
    Result<std::span<const std::byte>> peek(Deadline deadline = Deadline::never(), std::size_t least = 1);
    /// Gives room back. `bad_argument` when so much was not there.
    Result<void> release(std::size_t bytes);
    /// Copies out what is there, up to the size of `to`; waits for the first byte only. 0 at the end. Errors:
    /// as peek.
    Result<std::size_t> read(std::span<std::byte> to, Deadline deadline = Deadline::never());
    /// The next record, in place; valid until `release_record`. At the end `state()` is kEnded and the span's
    /// data() is null. `bad_argument` for a byte stream.
    Result<std::span<const std::byte>> peek_record(Deadline deadline = Deadline::never());
    /// Gives the room of the record that `peek_record` showed back. `bad_argument` when it showed none.
    Result<void> release_record();
    /// Copies the next record out: its size, or `bad_argument` if `to` is too small for it (it stays then).
    /// At the end 0, with `state()` kEnded; a record may be empty too.
    Result<std::size_t> read_record(std::span<std::byte> to, Deadline deadline = Deadline::never());

    /// Wants no more: the writer gets `aborted` with this reason.
    Result<void> abort(std::uint32_t code, std::string_view text = {});

    /// How far it is, as this end sees it now.
    [[nodiscard]] StreamState state();
    /// Of kAborted.
    [[nodiscard]] AbortReason reason() const;
    /// It was opened with `records`.
    [[nodiscard]] bool carries_records() const noexcept;
    /// Process id of the other end.
    [[nodiscard]] std::uint32_t peer() const noexcept;
    /// Of the capability that the stream was opened with.
    [[nodiscard]] std::uint32_t badge() const noexcept;
    /// Size of the ring, in bytes.
    [[nodiscard]] std::size_t capacity() const noexcept;

    /// Waits until something is there, or the stream is over.
    [[nodiscard]] int descriptor() const noexcept override;
    [[nodiscard]] bool arm() override;
    void disarm() override;

    struct Impl;
    /// The library's own state, for tests and the C interface.
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }
    /// For the functions that open and accept, which make it.
    explicit StreamReader(std::unique_ptr<Impl> impl) noexcept;

  private:
    std::unique_ptr<Impl> impl_;
};

/// Opens a stream to the owner of the endpoint that `capability` is for, and waits until it is accepted.
/// Errors: as open_lane(), with WRITE in place of DEVICE.
[[nodiscard]] KEYWAY_API Result<StreamWriter> open_stream(Connection& connection,
                                                          const Capability& capability,
                                                          const StreamOptions& options = {},
                                                          Deadline deadline = Deadline::never());
/// Takes an offered stream. Of the options only `spin` counts. Errors: as accept_lane().
[[nodiscard]] KEYWAY_API Result<StreamReader> accept_stream(Connection& connection, const Received& offer,
                                                            const StreamOptions& options = {});
/// The same, of an offer that offered_channel() has read.
[[nodiscard]] KEYWAY_API Result<StreamReader> accept_stream(Connection& connection, const ChannelOffer& offer,
                                                            const StreamOptions& options = {});

}  // namespace keyway
