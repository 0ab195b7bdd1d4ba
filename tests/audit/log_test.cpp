// The log on disk: what was pushed is there, over restarts, rotation and a disk that is full.

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <numeric>

#include "log_folder.hpp"

namespace keyway::audit {

class LogTest : public LogFolder {};

TEST_F(LogTest, what_was_pushed_is_there_in_its_order) {
    {
        auto sut = Log::open(options()).value();
        for (std::uint32_t i = 0; i < 3000; ++i) {
            sut->push(record(i));
        }
        ASSERT_TRUE(sut->flush());
        EXPECT_EQ(processes().size(), 3000U) << "flushed is on disk";
    }
    std::vector<std::uint32_t> expected(3000);
    std::iota(expected.begin(), expected.end(), 0U);
    EXPECT_EQ(processes(), expected);
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_EQ(verified().records, 3000U);
}

TEST_F(LogTest, is_continued_where_it_ended) {
    for (std::uint32_t i = 0; i < 5; ++i) {
        auto sut = Log::open(options()).value();
        sut->push(record(i));
    }
    EXPECT_EQ(processes(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_EQ(verified().last_frame, 5U);
}

TEST_F(LogTest, begins_a_new_segment_after_so_many_bytes_and_the_chain_goes_on) {
    {
        auto sut = Log::open(options(400)).value();
        for (std::uint32_t i = 0; i < 20; ++i) {
            sut->push(record(i));
            ASSERT_TRUE(sut->flush());
        }
    }
    EXPECT_GT(segments_in(directory_).size(), 5U);
    EXPECT_EQ(processes().size(), 20U);
    EXPECT_EQ(fault_of(verified()), "");
}

TEST_F(LogTest, keeps_as_many_segments_as_it_was_told_and_that_is_no_fault) {
    auto few = options(200);
    few.keep = 3;
    {
        auto sut = Log::open(few).value();
        for (std::uint32_t i = 0; i < 20; ++i) {
            sut->push(record(i));
            ASSERT_TRUE(sut->flush());
        }
    }
    EXPECT_EQ(segments_in(directory_).size(), 3U);
    const auto result = verified();
    EXPECT_EQ(fault_of(result), "");
    EXPECT_GT(result.first_frame, 1U);
    EXPECT_EQ(result.last_frame, 20U);
    // But not one fewer.
    std::filesystem::remove(directory_ / segment_name(segments_in(directory_).front()));
    EXPECT_NE(fault_of(verified()).find("missing"), std::string::npos);
}

TEST_F(LogTest, two_writers_can_not_share_one) {
    auto first = Log::open(options()).value();
    EXPECT_EQ(Log::open(options()).error().system_error(), EWOULDBLOCK);
}

TEST_F(LogTest, is_not_continued_when_it_was_changed_or_the_key_is_another) {
    { Log::open(options()).value()->push(record(1)); }
    auto other = options();
    other.key_file = folder_ / "another";
    EXPECT_EQ(Log::open(other).error(), Error{Status::kCorrupt});
    {
        std::fstream file(directory_ / segment_name(1), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(200);
        file.put('!');
    }
    EXPECT_EQ(Log::open(options()).error(), Error{Status::kCorrupt});
    std::filesystem::remove(directory_ / "head");
    EXPECT_EQ(Log::open(options()).error(), Error{Status::kCorrupt}) << "or began anew under old segments";
}

TEST_F(LogTest, the_key_is_made_for_this_user_alone_and_a_short_one_is_refused) {
    { auto sut = Log::open(options()).value(); }
    EXPECT_EQ(std::filesystem::status(key_file_).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_EQ(std::filesystem::file_size(key_file_), 32U);
    std::filesystem::resize_file(key_file_, 31);
    EXPECT_EQ(Log::open(options()).error(), Error{Status::kCorrupt});
}

TEST_F(LogTest, what_a_killed_router_had_written_is_good_and_is_continued) {
    const pid_t child = ::fork();
    if (child == 0) {
        auto sut = Log::open(options()).value();
        for (std::uint32_t i = 0; i < 100; ++i) {
            sut->push(record(i));
        }
        sut->flush();
        sut->push(record(100));  // may be on disk or not
        ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_GE(verified().records, 100U);
    { Log::open(options()).value()->push(record(200)); }
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_EQ(processes().back(), 200U);
}

TEST_F(LogTest, a_frame_that_a_killed_router_had_begun_is_told_from_one_that_was_cut) {
    { Log::open(options()).value()->push(record(1)); }
    const auto segment = directory_ / segment_name(1);
    const FrameHead begun{.count = 3, .number = 2};
    std::ofstream(segment, std::ios::app | std::ios::binary)
        .write(reinterpret_cast<const char*>(&begun), sizeof begun);
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_EQ(verified().cut_short, sizeof begun);
    { Log::open(options()).value()->push(record(2)); }
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_EQ(verified().cut_short, 0U);
    EXPECT_EQ(processes(), (std::vector<std::uint32_t>{1, 2}));
}

namespace {

/// Lets no file of this process grow beyond what it is, for a while.
class FullDisk {
  public:
    explicit FullDisk(std::uint64_t bytes) : ignored_(::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit tight = before_;
        tight.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &tight);
    }
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, ignored_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

  private:
    rlimit before_{};
    sighandler_t ignored_;
};

}  // namespace

TEST_F(LogTest, says_when_the_disk_is_full_and_loses_nothing) {
    std::atomic<int> changes{0};
    auto watched = options();
    watched.changed = [&] {
        changes.fetch_add(1);
        changes.notify_all();
    };
    auto sut = Log::open(watched).value();
    sut->push(record(0));
    ASSERT_TRUE(sut->flush());
    EXPECT_TRUE(sut->accepting());
    {
        const FullDisk full(400);
        for (std::uint32_t i = 1; i <= 20'000; ++i) {
            sut->push(record(i));
        }
        changes.wait(0);
        EXPECT_FALSE(sut->accepting());
        EXPECT_FALSE(sut->flush());
    }
    changes.wait(1);
    while (!sut->flush()) {
    }
    EXPECT_TRUE(sut->accepting());
    EXPECT_EQ(fault_of(verified()), "");
    const auto all = processes();
    ASSERT_EQ(all.size(), 20'001U);
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST_F(LogTest, one_that_goes_on_without_says_how_many_it_lost) {
    auto sut = Log::open(options()).value();
    sut->push(record(0));
    ASSERT_TRUE(sut->flush());
    {
        const FullDisk full(400);
        for (std::uint32_t i = 0; i < 20'000; ++i) {
            sut->push_or_lose(record(1));
        }
        EXPECT_FALSE(sut->flush());
    }
    while (!sut->flush()) {
    }
    sut->tend();
    ASSERT_TRUE(sut->flush());
    std::uint64_t kept = 0;
    std::uint64_t lost = 0;
    const auto result = verify(directory_, nullptr, [&](const Record& r) {
        kept += r.kind == RecordKind::kMessage ? 1U : 0U;
        lost += r.kind == RecordKind::kLosses ? r.count : 0U;
    });
    EXPECT_EQ(fault_of(result), "");
    EXPECT_EQ(kept + lost, 20'001U);
    EXPECT_GT(lost, 0U);
}

}  // namespace keyway::audit
