#include "audit/reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <limits>

#include "base/fd.hpp"

namespace keyway::audit {

namespace {

using Bytes = std::vector<std::byte>;

UniqueFd open_file(const std::filesystem::path& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

/// What the file holds from `offset` on: up to `most` bytes, or all that it had when we began.
std::optional<Bytes> read_from(const UniqueFd& file, std::uint64_t offset,
                               std::size_t most = std::numeric_limits<std::size_t>::max()) {
    struct stat now {};
    if (!file || ::fstat(file.get(), &now) != 0) {
        return std::nullopt;
    }
    const auto size = static_cast<std::uint64_t>(now.st_size);
    Bytes bytes(std::min<std::uint64_t>(size > offset ? size - offset : 0, most));
    std::size_t have = 0;
    while (have < bytes.size()) {
        const ssize_t got =
            ::pread(file.get(), bytes.data() + have, bytes.size() - have, static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return std::nullopt;
        }
        if (got == 0) {
            break;
        }
        have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
    return bytes;
}

template <typename T>
T take(const Bytes& from, std::uint64_t offset) {
    T value;
    std::memcpy(&value, from.data() + offset, sizeof value);
    return value;
}

class Walk {
  public:
    Walk(const std::filesystem::path& directory, const Key* key, const Visitor& visit, std::uint64_t after)
        : directory_(directory), key_(key), visit_(visit), after_(after) {}

    Verification run(bool newest_only) {
        if (!open_all(newest_only)) {
            return std::move(result_);
        }
        std::uint64_t number = newest_only ? result_.head.segment : result_.head.first_segment;
        // The frames of a segment end before those of the next begin.
        while (files_.size() > 1 && after_ != 0) {
            const auto next = read_from(files_[1], 0, sizeof(SegmentHeader));
            if (!next || next->size() < sizeof(SegmentHeader) ||
                take<SegmentHeader>(*next, 0).first_frame > after_ + 1) {
                break;
            }
            files_.pop_front();
            open_some();
            ++number;
        }
        for (bool is_first = true; number <= result_.head.segment; ++number, is_first = false) {
            if (!segment(number, is_first)) {
                return std::move(result_);
            }
            files_.pop_front();
            open_some();
        }
        if (result_.last_frame < result_.head.frame && result_.last_frame >= sure_up_to()) {
            result_.lost_frames = result_.head.frame - result_.last_frame;
        } else if (result_.last_frame < result_.head.frame) {
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

    /// Frames up to this one must be there.
    [[nodiscard]] std::uint64_t sure_up_to() const {
        return result_.head.boot == this_boot() ? result_.head.frame : result_.head.synced;
    }

    // Head and files of one moment, though a router may be writing: all files are opened before the first is
    // read, and what doesn't fit the head counts only when the head is still the same then.
    bool open_all(bool newest_only) {
        while (true) {
            result_ = Verification();
            const auto before = read_head_twice();
            if (!before || !take_head(*before)) {
                return false;
            }
            const std::uint64_t first = newest_only ? result_.head.segment : result_.head.first_segment;
            files_.clear();
            next_to_open_ = first;
            open_some();
            if (check_files(first)) {
                return true;
            }
            const auto after = read_head_twice();
            if (!after || *after == *before) {
                return false;
            }
        }
    }

    // Those that a router might remove next are held open, and not all, of which there may be many.
    void open_some() {
        for (; files_.size() < kHeldOpen && next_to_open_ <= result_.head.segment; ++next_to_open_) {
            files_.push_back(open_file(segment_path(next_to_open_)));
        }
    }

    // The head while it is not being written: the same bytes twice. Nothing when there is none.
    std::optional<Bytes> read_head_twice() {
        const std::filesystem::path path = directory_ / "head";
        const UniqueFd file = open_file(path);
        auto bytes = read_from(file, 0);
        for (auto again = read_from(file, 0); bytes && again != bytes; again = read_from(file, 0)) {
            bytes = std::move(again);
        }
        if (!bytes) {
            fault("there is no head, so nobody can say where the log ends", path, 0);
        }
        return bytes;
    }

    bool take_head(const Bytes& bytes) {
        const std::filesystem::path path = directory_ / "head";
        if (bytes.size() != sizeof(Head)) {
            return fault("the head has another size than was written", path, 0);
        }
        result_.head = take<Head>(bytes, 0);
        if (result_.head.magic != kHeadMagic ||
            (key_ != nullptr && seal_of(*key_, result_.head) != result_.head.seal)) {
            return fault("the head's seal does not fit: it was changed, or this is not its key", path, 0);
        }
        // Without a key nobody vouches for the numbers.
        if (result_.head.segment == 0 || result_.head.first_segment == 0 ||
            result_.head.first_segment > result_.head.segment) {
            return fault("the head's numbers can't be", path, 0);
        }
        return true;
    }

    // No more than a header, or the beginning of one.
    static bool begins_a_segment(const std::filesystem::path& path) {
        const auto bytes = read_from(open_file(path), 0, sizeof(SegmentHeader) + 1);
        if (!bytes || bytes->size() > sizeof(SegmentHeader)) {
            return false;
        }
        const std::size_t seen = std::min(bytes->size(), kSegmentMagic.size());
        return std::ranges::equal(std::span(*bytes).first(seen),
                                  std::as_bytes(std::span(kSegmentMagic)).first(seen));
    }

    // Older segments than the head's first were on their way out; one newer, without a frame, on its way in.
    bool check_files(std::uint64_t first) {
        const auto numbers = segments_in(directory_);
        for (std::uint64_t number = first; number <= result_.head.segment; ++number) {
            const bool held = number - first < files_.size();
            if (held ? !files_[number - first] : !std::ranges::binary_search(numbers, number)) {
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
        const auto bytes = read_from(files_.front(), 0);
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
        if (number == result_.head.segment && header.first_frame == result_.head.frame + 1 &&
            header.seal != result_.head.newest) {
            return fault("the head knows another beginning of this segment", path, 0);
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

    // 1: a good frame, 0: the beginning of one that was never finished, or what a loss of power left of it,
    // -1: a fault.
    int frame(const std::filesystem::path& path, const Bytes& bytes, bool newest_segment) {
        const std::uint64_t at = result_.end_offset;
        const std::uint64_t left = bytes.size() - at;
        const std::uint64_t number = result_.last_frame + 1;
        const bool may_be_cut = newest_segment && number > result_.head.frame && !result_.ended_in_order;
        const bool may_be_lost = newest_segment && number > sure_up_to() && number <= result_.head.frame;
        const auto broken = [&](const char* what) {
            if (may_be_lost) {
                result_.cut_short = left;
                return 0;
            }
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
        if (newest_segment && number == result_.head.frame && seal != result_.head.newest) {
            return broken("the head knows another frame of this number");
        }
        for (std::uint32_t i = 0; i < head.count; ++i) {
            const auto record = take<Record>(bytes, at + sizeof head + i * sizeof(Record));
            result_.ended_in_order = record.kind == RecordKind::kStopped;
            if (visit_ && number > after_) {
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
    std::uint64_t after_;
    static constexpr std::size_t kHeldOpen = 256;
    std::deque<UniqueFd> files_;  ///< of the segments that are to be read next
    std::uint64_t next_to_open_ = 0;
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

Verification verify(const std::filesystem::path& directory, const Key* key, const Visitor& visit,
                    std::uint64_t after) {
    return Walk(directory, key, visit, after).run(false);
}

Verification verify_newest_segment(const std::filesystem::path& directory, const Key& key) {
    const Visitor nobody;
    return Walk(directory, &key, nobody, 0).run(true);
}

}  // namespace keyway::audit
