#pragma once

// The audit log as the router writes it: records go through a bounded queue to a thread, which seals them in
// frames and appends these to segment files. The router's thread never waits for the disk.
//
//     router thread ── push ──► queue ──► writer thread ──► audit-00000042.log, head
//        accepting()?  ◄──────────────── written, or not
//
// When the disk can't take a frame, the frame is tried again until it can; meanwhile `accepting()` is false
// once the queue gets short, and a router that fails closed takes no messages: they stay in their rings, and
// nothing is lost. One that may go on without counts what it could not keep, and the log says so when it can
// again.
//
// Who is trusted: the directory, to be written by this user alone; the seals are for those who read it later.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "audit/chain.hpp"
#include "audit/record.hpp"
#include "base/fd.hpp"
#include "keyway/result.hpp"

namespace keyway::audit {

struct LogOptions {
    std::filesystem::path directory;
    std::filesystem::path key_file;                         ///< empty: `key` in the directory
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;  ///< a new segment is begun after so many
    std::uint32_t keep = 0;                                 ///< segments to keep; 0: all
    /// Called in the writer's thread when `accepting()` may have changed. Must not block.
    std::function<void()> changed = [] {};
    std::function<void(std::string_view)> complain = [](std::string_view) {};  ///< for people; likewise
};

class Log {
  public:
    static constexpr std::size_t kQueue = 16384;   ///< records
    static constexpr std::size_t kReserve = 4096;  ///< of these, kept free for what can't be put off

    /// Opens a directory's log and continues it, or begins one. Errors: `system`; `corrupt` when what is
    /// there is not this key's log, or was changed: it is not continued.
    static Result<std::unique_ptr<Log>> open(LogOptions options);
    /// Writes what was pushed, if the disk lets it, and ends.
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    /// Router's thread. Keeps a record, if need be beyond the queue.
    void push(const Record& record);
    /// Router's thread. The same, but counts a loss when the queue is full.
    void push_or_lose(const Record& record);
    /// Router's thread. False when the log can't be written for now; `changed` is called once it may be
    /// again.
    [[nodiscard]] bool accepting() noexcept {
        if (may_take()) [[likely]] {
            return true;
        }
        // First the word that we wait, then the second look: the writer goes the other way round.
        awaited_.store(true, std::memory_order_seq_cst);
        return may_take();
    }
    /// Router's thread. True when the disk didn't take the last that was written; `changed` is called once it
    /// does again. A log that is merely behind is not failing.
    [[nodiscard]] bool failing() const noexcept { return failing_.load(std::memory_order_acquire); }
    /// Router's thread. True when even the room is used up that is kept free for requests.
    [[nodiscard]] bool overflowing() const noexcept { return !overflow_.empty() || used() == kQueue; }
    /// Router's thread, now and then: hands over what is beyond the queue, and losses that were counted.
    void tend();
    /// Waits until everything that was pushed is in the file; false when the disk can't take it. Router's
    /// thread.
    bool flush();

  private:
    [[nodiscard]] bool may_take() const noexcept {
        return !failing_.load(std::memory_order_seq_cst) && has_room() && overflow_.empty();
    }
    [[nodiscard]] bool has_room() const noexcept {
        return put_.load(std::memory_order_relaxed) - taken_.load(std::memory_order_seq_cst) <
               kQueue - kReserve;
    }
    explicit Log(LogOptions options, const Key& key);
    Result<void> continue_at_end();
    Result<void> begin_log(const std::filesystem::path& head_path);
    Result<void> begin_segment(std::uint64_t number, std::uint64_t first_frame, const Seal& before);
    void write_until_told_to_stop();
    bool append(std::span<const Record> records);
    bool write_head();
    bool sync();
    bool rotate();
    void fail(int error);
    bool recover();
    [[nodiscard]] std::size_t used() const noexcept {
        return put_.load(std::memory_order_relaxed) - taken_.load(std::memory_order_acquire);
    }
    bool try_put(const Record& record);

    LogOptions options_;
    Key key_;

    // The queue: `put_` by the router's thread, `taken_` by the writer's once the record is on disk.
    std::vector<Record> queue_;
    alignas(64) std::atomic<std::size_t> put_{0};
    alignas(64) std::atomic<std::size_t> taken_{0};
    std::vector<Record> overflow_;
    std::uint64_t lost_ = 0;

    std::atomic<bool> failing_{false};
    std::atomic<bool> awaited_{false};  ///< the router was told no, and is to be told when that changes
    std::atomic<bool> sleeping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable written_;
    bool stop_ = false;
    bool hurry_ = false;

    // The writer's.
    UniqueFd directory_;
    UniqueFd segment_;
    UniqueFd head_file_;
    Head head_;
    std::uint64_t offset_ = 0;
    std::chrono::steady_clock::time_point synced_at_{};
    std::vector<std::byte> frame_;
    std::thread thread_;
};

}  // namespace keyway::audit
