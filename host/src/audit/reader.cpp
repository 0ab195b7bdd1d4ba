#include "audit/reader.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace keyway::audit {

namespace {

using Bytes = std::vector<std::byte>;

std::optional<Bytes> read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return std::nullopt;
    }
    file.seekg(0, std::ios::end);
    Bytes bytes(static_cast<std::size_t>(file.tellg()));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return file ? std::optional(std::move(bytes)) : std::nullopt;
}

template <typename T>
T take(const Bytes& from, std::uint64_t offset) {
    T value;
    std::memcpy(&value, from.data() + offset, sizeof value);
    return value;
}

class Walk {
  public:
    Walk(const std::filesystem::path& directory, const Key* key, const Visitor& visit)
        : directory_(directory), key_(key), visit_(visit) {}

    Verification run(bool newest_only) {
        if (!read_head()) {
            return std::move(result_);
        }
        const std::uint64_t first = newest_only ? result_.head.segment : result_.head.first_segment;
        if (!check_files(first)) {
            return std::move(result_);
        }
        for (std::uint64_t number = first; number <= result_.head.segment; ++number) {
            if (!segment(number, number == first)) {
                return std::move(result_);
            }
        }
        if (result_.last_frame < result_.head.frame) {
            fault("frames are missing at the end: the head counts " + std::to_string(result_.head.frame),
                  segment_path(result_.head.segment), result_.end_offset, result_.last_frame + 1);
        }
        return std::move(result_);
    }

  private:
    bool fault(std::string what, const std::filesystem::path& file, std::uint64_t offset,
               std::uint64_t frame = 0) {
        result_.fault = Fault{.what = std::move(what), .file = file, .offset = offset, .frame = frame};
        return false;
    }
    [[nodiscard]] std::filesystem::path segment_path(std::uint64_t number) const {
        return directory_ / segment_name(number);
    }

    bool read_head() {
        const std::filesystem::path path = directory_ / "head";
        const auto bytes = read_file(path);
        if (!bytes) {
            return fault("there is no head, so nobody can say where the log ends", path, 0);
        }
        if (bytes->size() != sizeof(Head)) {
            return fault("the head has another size than was written", path, 0);
        }
        result_.head = take<Head>(*bytes, 0);
        if (result_.head.magic != kHeadMagic ||
            (key_ != nullptr && seal_of(*key_, result_.head) != result_.head.seal)) {
            return fault("the head's seal does not fit: it was changed, or this is not its key", path, 0);
        }
        return true;
    }

    // No more than a header, or the beginning of one.
    static bool begins_a_segment(const std::filesystem::path& path) {
        const auto bytes = read_file(path);
        return bytes && bytes->size() <= sizeof(SegmentHeader) &&
               std::memcmp(bytes->data(), kSegmentMagic.data(),
                           std::min(bytes->size(), kSegmentMagic.size())) == 0;
    }

    // Older segments than the head's first were on their way out; one newer, without a frame, on its way in.
    bool check_files(std::uint64_t first) {
        const auto numbers = segments_in(directory_);
        for (std::uint64_t number = first; number <= result_.head.segment; ++number) {
            if (!std::ranges::binary_search(numbers, number)) {
                return fault("this segment is missing", segment_path(number), 0);
            }
        }
        for (const std::uint64_t number : numbers) {
            const bool in_the_making =
                number == result_.head.segment + 1 && begins_a_segment(segment_path(number));
            if (number > result_.head.segment && !in_the_making) {
                return fault("the head does not know this segment", segment_path(number), 0);
            }
        }
        return true;
    }

    bool segment(std::uint64_t number, bool is_first) {
        const std::filesystem::path path = segment_path(number);
        const auto bytes = read_file(path);
        if (!bytes || bytes->size() < sizeof(SegmentHeader)) {
            return fault("the segment has no whole header", path, 0);
        }
        const auto header = take<SegmentHeader>(*bytes, 0);
        if (header.magic != kSegmentMagic || header.version != kFormatVersion ||
            header.record_bytes != sizeof(Record) || header.number != number) {
            return fault("this is no segment of that number", path, 0);
        }
        if (key_ != nullptr && seal_of(*key_, header) != header.seal) {
            return fault("the segment header's seal does not fit", path, 0);
        }
        if (is_first) {
            result_.first_frame = header.first_frame;
            result_.last_frame = header.first_frame - 1;
            if (number == 1 && header.first_frame != 1) {
                return fault("the first segment does not begin with frame 1", path, 0);
            }
        } else if (header.first_frame != result_.last_frame + 1 || header.before != result_.newest) {
            return fault("the segment does not continue the one before it", path, 0);
        }
        result_.newest = header.seal;
        // The chain goes through the header: its seal covers the one before.
        ++result_.segments;
        result_.end_offset = sizeof header;
        while (result_.end_offset < bytes->size()) {
            const bool newest = number == result_.head.segment;
            if (const int went = frame(path, *bytes, newest); went <= 0) {
                return went == 0;
            }
        }
        return true;
    }

    // 1: a good frame, 0: the beginning of one that was never finished, -1: a fault.
    int frame(const std::filesystem::path& path, const Bytes& bytes, bool newest_segment) {
        const std::uint64_t at = result_.end_offset;
        const std::uint64_t left = bytes.size() - at;
        const std::uint64_t number = result_.last_frame + 1;
        const bool may_be_cut = newest_segment && number > result_.head.frame && !result_.ended_in_order;
        const auto broken = [&](const char* what) {
            fault(what, path, at, number);
            return -1;
        };
        const auto cut = [&] {
            result_.cut_short = left;
            return 0;
        };
        if (left < sizeof(FrameHead)) {
            return may_be_cut ? cut() : broken("a frame is cut short");
        }
        const auto head = take<FrameHead>(bytes, at);
        if (head.magic != kFrameMagic || head.count == 0 || head.count > kMostInFrame) {
            return broken("here should a frame begin");
        }
        if (head.number != number) {
            return broken("a frame is missing, doubled or out of its place");
        }
        const std::uint64_t body = std::uint64_t{head.count} * sizeof(Record);
        if (left < sizeof head + body + sizeof(Seal)) {
            return may_be_cut ? cut() : broken("a frame is cut short");
        }
        const std::span all(bytes);
        const auto seal = take<Seal>(bytes, at + sizeof head + body);
        if (key_ != nullptr &&
            seal_of(*key_, result_.newest,
                    {all.subspan(at, sizeof head), all.subspan(at + sizeof head, body)}) != seal) {
            return broken("the frame's seal does not fit: a byte was changed, or what is before it");
        }
        if (number == result_.head.frame && seal != result_.head.newest) {
            return broken("the head knows another frame of this number");
        }
        for (std::uint32_t i = 0; i < head.count; ++i) {
            const auto record = take<Record>(bytes, at + sizeof head + i * sizeof(Record));
            result_.ended_in_order = record.kind == RecordKind::kStopped;
            if (visit_) {
                visit_(record);
            }
        }
        result_.records += head.count;
        ++result_.frames;
        result_.last_frame = number;
        result_.newest = seal;
        result_.end_offset = at + sizeof head + body + sizeof(Seal);
        return 1;
    }

    const std::filesystem::path& directory_;
    const Key* key_;
    const Visitor& visit_;
    Verification result_;
};

}  // namespace

std::string Fault::message() const {
    return file.string() + ", byte " + std::to_string(offset) +
           (frame != 0 ? ", frame " + std::to_string(frame) : "") + ": " + what;
}

std::vector<std::uint64_t> segments_in(const std::filesystem::path& directory) {
    std::vector<std::uint64_t> numbers;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        if (const std::uint64_t number = segment_number(entry.path().filename()); number != 0) {
            numbers.push_back(number);
        }
    }
    std::ranges::sort(numbers);
    return numbers;
}

Verification verify(const std::filesystem::path& directory, const Key* key, const Visitor& visit) {
    return Walk(directory, key, visit).run(false);
}

Verification verify_newest_segment(const std::filesystem::path& directory, const Key& key) {
    const Visitor nobody;
    return Walk(directory, &key, nobody).run(true);
}

}  // namespace keyway::audit
