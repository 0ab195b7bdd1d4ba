#pragma once

// Captures for Wireshark: pcapng (draft-ietf-opsawg-pcapng), as much of it as Keyway's own captures need.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keyway {

/// Link types for private use, which docs/decisions/0073-captures.md gives a meaning.
inline constexpr std::uint16_t kCaptureMessages = 147;  ///< USER0: messages at a router
inline constexpr std::uint16_t kCaptureFrames = 148;    ///< USER1: frames of a board's link

/// One section with one interface, whose times are in ns. Not thread-safe.
class PcapngWriter {
  public:
    enum class Direction : std::uint32_t { kUnknown = 0, kIn = 1, kOut = 2 };

    /// Writes to `file`, which stays the caller's; the names go into the file.
    PcapngWriter(std::FILE* file, std::string_view program, std::uint16_t link_type, std::string_view name);
    /// `original` is how long the packet was before it was cut to what is given here. False when it can't be
    /// written.
    bool add(std::uint64_t time_ns, std::initializer_list<std::span<const std::byte>> parts,
             std::size_t original, Direction direction = Direction::kUnknown);
    /// False once something could not be written.
    [[nodiscard]] bool good() const { return good_; }

  private:
    void block(std::uint32_t type, std::string_view body);

    std::FILE* file_;
    bool good_ = true;
};

struct CapturedPacket {
    std::uint64_t time_ns = 0;
    PcapngWriter::Direction direction = PcapngWriter::Direction::kUnknown;
    std::span<const std::byte> bytes;  ///< in the content that was read
};
/// The packets of a capture as PcapngWriter makes them, of the machine's own byte order; the content is not
/// trusted. Nothing when it is no such capture, is of another link type, or ends in the middle of a block.
[[nodiscard]] std::optional<std::vector<CapturedPacket>> read_pcapng(std::span<const std::byte> content,
                                                                     std::uint16_t link_type);

}  // namespace keyway
