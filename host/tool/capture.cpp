#include "tool/capture.hpp"

namespace keyway::tool {

CaptureWriter::CaptureWriter(std::FILE* file, std::string_view program)
    : writer_(file, program, kCaptureMessages, "keyway") {}

bool CaptureWriter::add(const TracedMessage& message) {
    const auto head = std::as_bytes(std::span(&message.head, 1));
    const auto header = std::as_bytes(std::span(&message.header, 1));
    return writer_.add(message.head.time(), {head, header, message.payload},
                       head.size() + header.size() + message.header.length());
}

}  // namespace keyway::tool
