#include "driver/intel_hex.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

namespace keyway::device {

namespace {

constexpr std::string_view kUnnumbered = "KEYWAY-NO-NUMBER";

std::optional<unsigned> nibble(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned>(c - '0');
    }
    if (c >= 'A' && c <= 'F') {
        return static_cast<unsigned>(c - 'A' + 10);
    }
    if (c >= 'a' && c <= 'f') {
        return static_cast<unsigned>(c - 'a' + 10);
    }
    return std::nullopt;
}

// The bytes of one record, without its colon; empty when it is none.
std::vector<unsigned> record_of(std::string_view line) {
    std::vector<unsigned> bytes;
    if (line.size() < 11 || line[0] != ':' || line.size() % 2 == 0 || line.size() > 1 + 2 * 260) {
        return {};
    }
    unsigned sum = 0;
    for (std::size_t i = 1; i < line.size(); i += 2) {
        const auto high = nibble(line[i]);
        const auto low = nibble(line[i + 1]);
        if (!high || !low) {
            return {};
        }
        bytes.push_back(*high << 4U | *low);
        sum += bytes.back();
    }
    if ((sum & 0xFFU) != 0 || bytes[0] + 5 != bytes.size()) {
        return {};
    }
    return bytes;
}

}  // namespace

Result<std::vector<Segment>> parse_intel_hex(std::string_view text, std::uint32_t limit) {
    std::vector<Segment> segments;
    bool ended = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty()) {
            continue;
        }
        const std::vector<unsigned> record = record_of(line);
        if (ended || record.empty()) {
            return Status::kBadImage;
        }
        const unsigned address = record[1] << 8U | record[2];
        if (record[3] == 1) {
            ended = true;
            continue;
        }
        if (record[3] != 0 || address + record[0] > limit) {
            return Status::kBadImage;
        }
        Segment segment{.address = static_cast<std::uint16_t>(address), .bytes = {}};
        std::transform(record.begin() + 4, record.end() - 1, std::back_inserter(segment.bytes),
                       [](unsigned byte) { return static_cast<std::byte>(byte); });
        if (!segment.bytes.empty()) {
            segments.push_back(std::move(segment));
        }
    }
    if (!ended || segments.empty()) {
        return Status::kBadImage;
    }
    std::ranges::stable_sort(segments, {}, &Segment::address);
    std::vector<Segment> joined;
    for (Segment& segment : segments) {
        const std::size_t end = joined.empty() ? 0 : joined.back().address + joined.back().bytes.size();
        if (!joined.empty() && segment.address < end) {
            return Status::kBadImage;
        }
        if (!joined.empty() && segment.address == end) {
            joined.back().bytes.insert(joined.back().bytes.end(), segment.bytes.begin(), segment.bytes.end());
        } else {
            joined.push_back(std::move(segment));
        }
    }
    return joined;
}

bool set_serial(std::vector<Segment>& segments, std::string_view serial) {
    const auto marker = std::as_bytes(std::span(kUnnumbered));
    for (Segment& segment : segments) {
        const auto place = std::ranges::search(segment.bytes, marker);
        if (place.empty()) {
            continue;
        }
        for (std::size_t i = 0; i < marker.size(); ++i) {
            const char c = i < serial.size() ? serial[i] : '-';
            place[static_cast<std::ptrdiff_t>(i)] = static_cast<std::byte>(c > ' ' && c < 0x7F ? c : '-');
        }
        return true;
    }
    return false;
}

}  // namespace keyway::device
