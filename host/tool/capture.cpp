#include "tool/capture.hpp"

#include <string>

namespace keyway::tool {

namespace {

// pcapng, draft-ietf-opsawg-pcapng. Blocks are in the writer's byte order, which the section header shows.
constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr std::uint32_t kByteOrder = 0x1A2B3C4D;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint16_t kLinkTypeUser0 = 147;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kTimeResolution = 9;

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

}  // namespace

CaptureWriter::CaptureWriter(std::FILE* file, std::string_view program) : file_(file) {
    std::string body;
    put(body, kByteOrder);
    put(body, std::uint16_t{1});
    put(body, std::uint16_t{0});
    put(body, std::int64_t{-1});  // the section's length is not known before its end
    option(body, kApplication, program);
    option(body, kOptionEnd, {});
    block(kSectionHeader, body);
    body.clear();
    put(body, kLinkTypeUser0);
    put(body, std::uint16_t{0});
    put(body, std::uint32_t{0});  // packets of any length
    option(body, kInterfaceName, "keyway");
    option(body, kTimeResolution, "\x09");  // ns
    option(body, kOptionEnd, {});
    block(kInterface, body);
}

bool CaptureWriter::add(const TracedMessage& message) {
    const std::size_t heads = sizeof message.head + sizeof message.header;
    const std::uint64_t time = message.head.time();
    std::string body;
    put(body, std::uint32_t{0});
    put(body, static_cast<std::uint32_t>(time >> 32U));
    put(body, static_cast<std::uint32_t>(time));
    put(body, static_cast<std::uint32_t>(heads + message.payload.size()));
    put(body, static_cast<std::uint32_t>(heads + message.header.length()));
    put(body, message.head);
    put(body, message.header);
    body.append(reinterpret_cast<const char*>(message.payload.data()), message.payload.size());
    pad(body);
    block(kEnhancedPacket, body);
    return good_;
}

void CaptureWriter::block(std::uint32_t type, std::string_view body) {
    std::string whole;
    const auto length = static_cast<std::uint32_t>(body.size() + 12);
    put(whole, type);
    put(whole, length);
    whole += body;
    put(whole, length);
    good_ = std::fwrite(whole.data(), 1, whole.size(), file_) == whole.size() && good_;
}

}  // namespace keyway::tool
