#include "audit/log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <utility>

#include "audit/reader.hpp"
#include "base/check.hpp"
#include "base/crash_point.hpp"

namespace keyway::audit {

namespace {

using namespace std::chrono_literals;

constexpr auto kGather = 5ms;      ///< a frame waits so long for more records
constexpr auto kTryAgain = 100ms;  ///< after the disk could not take a frame
constexpr auto kSync = 1s;         ///< so much is lost at most when the machine loses its power

std::uint64_t wall_clock_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

// All of it or nothing that counts: what a cut-short write left behind is overwritten by the next try.
bool write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t size = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(size));
        offset += static_cast<std::uint64_t>(size);
    }
    return true;
}

}  // namespace

Log::Log(LogOptions options, const Key& key) : options_(std::move(options)), key_(key), queue_(kQueue) {
    frame_.reserve(sizeof(FrameHead) + kMostInFrame * sizeof(Record) + sizeof(Seal));
}

Result<std::unique_ptr<Log>> Log::open(LogOptions options) {
    if (::mkdir(options.directory.c_str(), 0700) != 0 && errno != EEXIST) {
        return Error::system();
    }
    if (options.key_file.empty()) {
        options.key_file = options.directory / "key";
    }
    if (options.segment_bytes < sizeof(SegmentHeader) + 1) {
        return Status::kBadArgument;
    }
    UniqueFd directory(::open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
        return Error::system();
    }
    auto key = load_key(options.key_file, true);
    if (!key) {
        return key.error();
    }
    std::unique_ptr<Log> log(new Log(std::move(options), *key));
    wipe(*key);
    log->directory_ = std::move(directory);
    if (auto begun = log->continue_at_end(); !begun) {
        return begun.error();
    }
    log->thread_ = std::thread([raw = log.get()] { raw->write_until_told_to_stop(); });
    return log;
}

// A log that was ended by a kill may have a frame cut short at its end, and frames that the head doesn't know
// yet; these are good if their seals are. Whatever else is wrong with it is somebody's doing.
Result<void> Log::continue_at_end() {
    const std::filesystem::path head_path = options_.directory / "head";
    if (!std::filesystem::exists(head_path)) {
        return begin_log(head_path);
    }
    head_file_.reset(::open(head_path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!head_file_) {
        return Error::system();
    }
    const Verification last = verify_newest_segment(options_.directory, key_);
    if (last.fault) {
        options_.complain("the audit log can't be continued: " + last.fault->what);
        return Status::kCorrupt;
    }
    head_ = last.head;
    head_.frame = last.last_frame;
    head_.newest = last.newest;
    offset_ = last.end_offset;
    head_.synced = std::min(head_.synced, head_.frame);
    head_.boot = this_boot();
    segment_.reset(::open((options_.directory / segment_name(head_.segment)).c_str(), O_RDWR | O_CLOEXEC));
    if (!segment_ || ::ftruncate(segment_.get(), static_cast<off_t>(offset_)) != 0 || !sync()) {
        return Error::system();
    }
    // A router that was killed may not have come to it.
    for (const std::uint64_t number : segments_in(options_.directory)) {
        if (number < head_.first_segment) {
            ::unlinkat(directory_.get(), segment_name(number).c_str(), 0);
        }
    }
    if (last.lost_frames != 0) {
        const std::uint64_t now = wall_clock_ns();
        push({.kind = RecordKind::kLosses,
              .flags = 2,
              .count = static_cast<std::uint32_t>(std::min<std::uint64_t>(last.lost_frames, UINT32_MAX)),
              .first_ns = now,
              .last_ns = now});
    }
    return {};
}

// The head gets its name last: without it there was no log, and whatever a start that failed left behind is
// begun anew, if there is no frame in it.
Result<void> Log::begin_log(const std::filesystem::path& head_path) {
    const auto numbers = segments_in(options_.directory);
    std::error_code error;
    const bool nothing_yet =
        numbers.empty() ||
        (numbers == std::vector<std::uint64_t>{1} &&
         std::filesystem::file_size(options_.directory / segment_name(1), error) <= sizeof(SegmentHeader));
    if (!nothing_yet) {
        options_.complain("the audit log can't be continued: its head is missing");
        return Status::kCorrupt;
    }
    const std::filesystem::path unfinished = options_.directory / "head.new";
    head_file_.reset(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!head_file_) {
        return Error::system();
    }
    head_.boot = this_boot();
    if (auto begun = begin_segment(1, 1, Seal{}); !begun) {
        return begun;
    }
    if (::fsync(head_file_.get()) != 0 || ::rename(unfinished.c_str(), head_path.c_str()) != 0 ||
        ::fsync(directory_.get()) != 0) {
        return Error::system();
    }
    return {};
}

Result<void> Log::begin_segment(std::uint64_t number, std::uint64_t first_frame, const Seal& before) {
    SegmentHeader header;
    header.record_bytes = sizeof(Record);
    header.number = number;
    header.first_frame = first_frame;
    header.start_ns = wall_clock_ns();
    header.before = before;
    header.seal = seal_of(key_, header);
    UniqueFd file(::openat(directory_.get(), segment_name(number).c_str(),
                           O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    // On the disk before the head names it.
    if (!file || !write_at(file.get(), std::as_bytes(std::span(&header, 1)), 0) ||
        ::fdatasync(file.get()) != 0 || ::fsync(directory_.get()) != 0) {
        return Error::system();
    }
    const Head before_this = head_;
    head_.segment = number;
    head_.frame = first_frame - 1;
    head_.newest = header.seal;
    if (options_.keep != 0 && number - head_.first_segment >= options_.keep) {
        head_.first_segment = number - options_.keep + 1;
    }
    if (!write_head()) {
        const int error = errno;
        head_ = before_this;
        return Error::system(error);
    }
    // Only what the head doesn't count any more is removed.
    for (std::uint64_t old = before_this.first_segment; old < head_.first_segment; ++old) {
        ::unlinkat(directory_.get(), segment_name(old).c_str(), 0);
    }
    segment_ = std::move(file);
    offset_ = sizeof header;
    return {};
}

bool Log::write_head() {
    head_.seal = seal_of(key_, head_);
    return write_at(head_file_.get(), std::as_bytes(std::span(&head_, 1)), 0);
}

bool Log::append(std::span<const Record> records) {
    const FrameHead frame{.count = static_cast<std::uint32_t>(records.size()), .number = head_.frame + 1};
    const auto head_bytes = std::as_bytes(std::span(&frame, 1));
    const auto body = std::as_bytes(records);
    const Seal seal = seal_of(key_, head_.newest, {head_bytes, body});
    frame_.resize(head_bytes.size() + body.size() + seal.size());
    std::byte* at = std::ranges::copy(head_bytes, frame_.data()).out;
    at = std::ranges::copy(body, at).out;
    std::ranges::copy(std::as_bytes(std::span(seal)), at);
    KEYWAY_CRASH_POINT("audit.framed");
    if (!write_at(segment_.get(), frame_, offset_)) {
        const int error = errno;
        // So that what is on disk always ends with a whole frame, if the disk lets us do even that.
        [[maybe_unused]] const int cut = ::ftruncate(segment_.get(), static_cast<off_t>(offset_));
        errno = error;
        return false;
    }
    KEYWAY_CRASH_POINT("audit.written");
    const Head before = head_;
    head_.frame = frame.number;
    head_.newest = seal;
    if (!write_head()) {
        head_ = before;
        return false;
    }
    KEYWAY_CRASH_POINT("audit.counted");
    offset_ += frame_.size();
    return true;
}

// The segment first: a head that is ahead of it would tell of frames that are not there.
bool Log::sync() {
    synced_at_ = std::chrono::steady_clock::now();
    if (::fdatasync(segment_.get()) != 0) {
        return false;
    }
    const std::uint64_t before = std::exchange(head_.synced, head_.frame);
    if (!write_head() || ::fdatasync(head_file_.get()) != 0) {
        head_.synced = before;
        return false;
    }
    return true;
}

bool Log::rotate() {
    if (!sync()) {
        return false;
    }
    if (auto begun = begin_segment(head_.segment + 1, head_.frame + 1, head_.newest); !begun) {
        errno = begun.error().system_error();
        return false;
    }
    return true;
}

void Log::fail(int error) {
    if (!failing_.exchange(true, std::memory_order_release)) {
        options_.complain(std::string("the audit log can't be written: ") + std::strerror(error));
        options_.changed();
    }
}

// True when it had failed before.
bool Log::recover() {
    if (!failing_.exchange(false, std::memory_order_release)) {
        return false;
    }
    options_.complain("the audit log can be written again");
    options_.changed();
    return true;
}

void Log::write_until_told_to_stop() {
    std::vector<Record> batch;
    while (true) {
        const std::size_t taken = taken_.load(std::memory_order_relaxed);
        const std::size_t there = put_.load(std::memory_order_acquire) - taken;
        if (there == 0) {
            std::unique_lock lock(mutex_);
            written_.notify_all();
            if (stop_) {
                break;
            }
            sleeping_.store(true, std::memory_order_seq_cst);
            const auto awake = [&] { return stop_ || put_.load(std::memory_order_seq_cst) != taken; };
            bool idle = false;
            if (head_.synced == head_.frame) {
                wake_.wait(lock, awake);
            } else {
                idle = !wake_.wait_until(lock, synced_at_ + kSync, awake);
            }
            sleeping_.store(false, std::memory_order_relaxed);
            if (idle) {
                lock.unlock();
                if (sync()) {
                    recover();
                } else {
                    fail(errno);
                }
                continue;
            }
            // More may be coming; a frame of many is cheaper than many of one.
            wake_.wait_for(lock, kGather, [&] { return stop_ || hurry_; });
            continue;
        }
        batch.clear();
        for (std::size_t i = 0; i < std::min<std::size_t>(there, kMostInFrame); ++i) {
            batch.push_back(queue_[(taken + i) % kQueue]);
        }
        const bool full = offset_ >= options_.segment_bytes;
        if ((full && !rotate()) || !append(batch)) {
            fail(errno);
            std::unique_lock lock(mutex_);
            written_.notify_all();
            if (stop_) {
                break;
            }
            wake_.wait_for(lock, kTryAgain, [&] { return stop_; });
            continue;
        }
        taken_.store(taken + batch.size(), std::memory_order_seq_cst);
        if (std::chrono::steady_clock::now() - synced_at_ >= kSync && !sync()) {
            fail(errno);
            continue;
        }
        if (!recover() && has_room() && awaited_.exchange(false, std::memory_order_seq_cst)) {
            options_.changed();
        }
    }
    sync();
}

bool Log::try_put(const Record& record) {
    if (used() == kQueue) {
        return false;
    }
    const std::size_t put = put_.load(std::memory_order_relaxed);
    queue_[put % kQueue] = record;
    put_.store(put + 1, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst)) {
        const std::lock_guard lock(mutex_);
        wake_.notify_one();
    }
    return true;
}

void Log::push(const Record& record) {
    if (!overflow_.empty() || !try_put(record)) {
        overflow_.push_back(record);
    }
}

void Log::push_or_lose(const Record& record) {
    if (lost_ != 0 || !overflow_.empty() || !try_put(record)) {
        ++lost_;
    }
}

void Log::tend() {
    std::size_t moved = 0;
    while (moved < overflow_.size() && try_put(overflow_[moved])) {
        ++moved;
    }
    overflow_.erase(overflow_.begin(), overflow_.begin() + static_cast<std::ptrdiff_t>(moved));
    if (lost_ != 0 && overflow_.empty() && used() < kQueue / 2) {
        const std::uint64_t now = wall_clock_ns();
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(lost_, UINT32_MAX));
        if (try_put({.kind = RecordKind::kLosses, .count = count, .first_ns = now, .last_ns = now})) {
            lost_ -= count;
        }
    }
}

bool Log::flush() {
    std::unique_lock lock(mutex_);
    hurry_ = true;
    do {
        lock.unlock();
        tend();
        lock.lock();
        wake_.notify_one();
        written_.wait(lock, [&] { return used() == 0 || failing_.load(std::memory_order_acquire); });
    } while (used() == 0 && !overflow_.empty());
    hurry_ = false;
    return used() == 0;
}

Log::~Log() {
    if (thread_.joinable()) {
        flush();
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
            wake_.notify_one();
        }
        thread_.join();
    }
    wipe(key_);
}

}  // namespace keyway::audit
