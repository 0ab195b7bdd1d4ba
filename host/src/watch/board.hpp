#pragma once

// The memory in which the router publishes its counters to one reader.
//
//     memfd, made and mapped by the router, sealed before anybody else gets it:
//     +-----------+---------------+----------------+-------------------+---------------+
//     | BoardHead | RouterFigures | ProcessFigures | EndpointFigures   | RegionFigures |
//     +-----------+---------------+-- x room ------+-- x room ---------+-- x room -----+
//
// One sequence lock guards all of it: odd while the router writes, which may take many of its turns, as it
// writes a few rows in each. A reader copies everything and throws the copy away when the word has changed.
//
//     writer                                   reader
//     W1 sequence := odd, relaxed              R1 sequence, acquire; odd: later
//     W2 fence (release)                       R2 copy, relaxed
//     W3 figures, relaxed                      R3 fence (acquire)
//     W4 sequence := even, release             R4 sequence again, relaxed; differs: worthless
//
// The router writes, and reads nothing here that it has not written itself. The reader trusts the router, but
// follows no count out of the mapping.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/fd.hpp"
#include "keyway/observe.hpp"
#include "keyway/result.hpp"

namespace keyway::watch {

/// How many rows there are of each kind, or room for.
struct Rows {
    std::uint32_t processes = 0;
    std::uint32_t endpoints = 0;
    std::uint32_t regions = 0;
};

struct BoardHead {
    std::uint64_t sequence = 0;
    std::uint32_t ended = 0;  ///< 1: nothing more will be written
    std::uint32_t more = 0;   ///< 1: there were more rows than room
    Rows room;
    Rows present;
    std::uint64_t reserved = 0;
};
static_assert(sizeof(BoardHead) % 8 == 0);
static_assert(std::is_trivially_copyable_v<RouterFigures> && sizeof(RouterFigures) % 8 == 0);
static_assert(std::is_trivially_copyable_v<ProcessFigures> && sizeof(ProcessFigures) % 8 == 0);
static_assert(std::is_trivially_copyable_v<EndpointFigures> && sizeof(EndpointFigures) % 8 == 0);
static_assert(std::is_trivially_copyable_v<RegionFigures> && sizeof(RegionFigures) % 8 == 0);

/// One party's mapping.
class Board {
  public:
    Board() = default;
    Board(Board&& other) noexcept;
    Board& operator=(Board&& other) noexcept;
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;
    ~Board();

    /// Router: makes the file, maps it writable, seals it and populates the mapping.
    static Result<Board> create(const Rows& room, UniqueFd& file);
    /// Reader: maps the file for reading.
    static Result<Board> map(int file);
    [[nodiscard]] static std::size_t bytes_for(const Rows& room) noexcept;
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    // --- router ---

    void begin();
    /// False when there is no room for the row.
    bool add(const ProcessFigures& row);
    bool add(const EndpointFigures& row);
    bool add(const RegionFigures& row);
    void finish(const RouterFigures& router);
    [[nodiscard]] bool writing() const noexcept { return writing_; }
    /// Nothing more will be written. What a reader has copied it has; it is told so at the next look.
    void end();

    // --- reader ---

    enum class Look : std::uint8_t { kDone, kTorn, kEnded, kCorrupt };
    [[nodiscard]] Look read(Snapshot& snapshot) const;

  private:
    Board(std::byte* base, std::size_t bytes, const Rows& room) : base_(base), bytes_(bytes), room_(room) {}
    [[nodiscard]] BoardHead& head() const noexcept { return *reinterpret_cast<BoardHead*>(base_); }
    [[nodiscard]] std::byte* processes() const noexcept;
    [[nodiscard]] std::byte* endpoints() const noexcept;
    [[nodiscard]] std::byte* regions() const noexcept;
    template <class Row>
    bool put(const Row& row, std::byte* at, std::uint32_t& present, std::uint32_t room);

    std::byte* base_ = nullptr;
    std::size_t bytes_ = 0;
    Rows room_;
    Rows present_;
    std::uint64_t sequence_ = 0;
    bool writing_ = false;
    bool more_ = false;
};

}  // namespace keyway::watch
