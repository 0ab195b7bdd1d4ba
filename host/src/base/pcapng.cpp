#include "base/pcapng.hpp"

#include <cstring>

namespace keyway {

namespace {

// Blocks are in the writer's byte order, which the section header shows.
constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr std::uint32_t kByteOrder = 0x1A2B3C4D;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint16_t kFlags = 2;
constexpr std::size_t kBlockFrame = 12;  // type and length before, length behind
constexpr std::size_t kPacketHead = 20;  // interface, time, two lengths

template <class Number>
void put(std::string& to, Number value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void pad(std::string& to) {
    to.append((4 - to.size() % 4) % 4, '\0');
}

void option(std::string& to, std::uint16_t code, std::string_view value) {
    put(to, code);
    put(to, static_cast<std::uint16_t>(value.size()));
    to += value;
    pad(to);
}

template <class Number>
Number get(std::span<const std::byte> from, std::size_t at) {
    Number value{};
    std::memcpy(&value, from.data() + at, sizeof value);
    return value;
}

}  // namespace

PcapngWriter::PcapngWriter(std::FILE* file, std::string_view program, std::uint16_t link_type,
                           std::string_view name)
    : file_(file) {
    std::string body;
    put(body, kByteOrder);
    put(body, std::uint16_t{1});
    put(body, std::uint16_t{0});
    put(body, std::int64_t{-1});  // the section's length is not known before its end
    option(body, kApplication, program);
    option(body, kOptionEnd, {});
    block(kSectionHeader, body);
    body.clear();
    put(body, link_type);
    put(body, std::uint16_t{0});
    put(body, std::uint32_t{0});  // packets of any length
    option(body, kInterfaceName, name);
    option(body, kTimeResolution, "\x09");  // ns
    option(body, kOptionEnd, {});
    block(kInterface, body);
}

bool PcapngWriter::add(std::uint64_t time_ns, std::initializer_list<std::span<const std::byte>> parts,
                       std::size_t original, Direction direction) {
    std::size_t size = 0;
    for (const auto& part : parts) {
        size += part.size();
    }
    std::string body;
    put(body, std::uint32_t{0});
    put(body, static_cast<std::uint32_t>(time_ns >> 32U));
    put(body, static_cast<std::uint32_t>(time_ns));
    put(body, static_cast<std::uint32_t>(size));
    put(body, static_cast<std::uint32_t>(original));
    for (const auto& part : parts) {
        body.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    pad(body);
    if (direction != Direction::kUnknown) {
        put(body, kFlags);
        put(body, std::uint16_t{4});
        put(body, static_cast<std::uint32_t>(direction));
        option(body, kOptionEnd, {});
    }
    block(kEnhancedPacket, body);
    return good_;
}

void PcapngWriter::block(std::uint32_t type, std::string_view body) {
    std::string whole;
    const auto length = static_cast<std::uint32_t>(body.size() + kBlockFrame);
    put(whole, type);
    put(whole, length);
    whole += body;
    put(whole, length);
    good_ = std::fwrite(whole.data(), 1, whole.size(), file_) == whole.size() && good_;
}

std::optional<std::vector<CapturedPacket>> read_pcapng(std::span<const std::byte> content,
                                                       std::uint16_t link_type) {
    std::vector<CapturedPacket> packets;
    bool section = false, interface = false;
    while (!content.empty()) {
        if (content.size() < kBlockFrame) {
            return std::nullopt;
        }
        const auto type = get<std::uint32_t>(content, 0);
        const auto length = get<std::uint32_t>(content, 4);
        if (length < kBlockFrame || length % 4 != 0 || length > content.size() ||
            get<std::uint32_t>(content, length - 4) != length) {
            return std::nullopt;
        }
        const auto body = content.subspan(8, length - kBlockFrame);
        content = content.subspan(length);
        if (type == kSectionHeader) {
            if (section || body.size() < 16 || get<std::uint32_t>(body, 0) != kByteOrder) {
                return std::nullopt;
            }
            section = true;
        } else if (type == kInterface) {
            if (!section || interface || body.size() < 8 || get<std::uint16_t>(body, 0) != link_type) {
                return std::nullopt;
            }
            interface = true;
        } else if (type == kEnhancedPacket) {
            if (!interface || body.size() < kPacketHead) {
                return std::nullopt;
            }
            const std::size_t size = get<std::uint32_t>(body, 12);
            if (size > body.size() - kPacketHead) {
                return std::nullopt;
            }
            CapturedPacket packet{
                .time_ns = std::uint64_t{get<std::uint32_t>(body, 4)} << 32U | get<std::uint32_t>(body, 8),
                .direction = PcapngWriter::Direction::kUnknown,
                .bytes = body.subspan(kPacketHead, size)};
            const std::size_t at = kPacketHead + (size + 3) / 4 * 4;
            if (body.size() >= at + 8 && get<std::uint16_t>(body, at) == kFlags &&
                get<std::uint16_t>(body, at + 2) == 4) {
                packet.direction = PcapngWriter::Direction{get<std::uint32_t>(body, at + 4) & 3U};
            }
            packets.push_back(packet);
        }
    }
    return section && interface ? std::optional(std::move(packets)) : std::nullopt;
}

}  // namespace keyway
