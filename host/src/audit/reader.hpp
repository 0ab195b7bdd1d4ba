#pragma once

// Reads a log back, with or without checking its seals.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/chain.hpp"
#include "audit/record.hpp"

namespace keyway::audit {

/// The first place at which a log is not what was written.
struct Fault {
    std::string what;
    std::filesystem::path file;
    std::uint64_t offset = 0;  ///< bytes from the file's start
    std::uint64_t frame = 0;   ///< number of the frame that should be there; 0: not in a frame

    [[nodiscard]] std::string message() const;
};

struct Verification {
    std::optional<Fault> fault;
    Head head;
    std::uint64_t segments = 0;
    std::uint64_t frames = 0;
    std::uint64_t records = 0;
    std::uint64_t first_frame = 0;
    std::uint64_t last_frame = 0;
    Seal newest{};                 ///< of the last frame: an anchor, to be kept elsewhere
    std::uint64_t end_offset = 0;  ///< of whole frames in the newest segment
    std::uint64_t cut_short = 0;   ///< bytes behind that of a frame that a killed router had begun
    /// Frames that were written and are gone, all from after the last sync, in an earlier boot of the machine
    /// than this: lost with its power, or cut off by somebody. No seal tells which.
    std::uint64_t lost_frames = 0;
    bool ended_in_order = false;  ///< the last record says that the router stopped
};

using Visitor = std::function<void(const Record&)>;

/// Numbers of the segments in a directory, ascending.
[[nodiscard]] std::vector<std::uint64_t> segments_in(const std::filesystem::path& directory);

/// Goes through a log from its first segment; also one that a router is writing, as it is at some moment.
/// With a key every seal is checked; without one only the shape, so that a log can be shown by who has no
/// key. `visit` gets each record whose frame was good. `after` leaves out the frames up to that one, and
/// segments that have no later ones.
[[nodiscard]] Verification verify(const std::filesystem::path& directory, const Key* key,
                                  const Visitor& visit = {}, std::uint64_t after = 0);
/// The same for the newest segment alone: what it takes to continue a log.
[[nodiscard]] Verification verify_newest_segment(const std::filesystem::path& directory, const Key& key);

}  // namespace keyway::audit
