// The log on disk: what was pushed is there, over restarts, rotation and a disk that is full.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstring>

#include <atomic>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

#include "log_folder.hpp"

namespace keyway::audit {

class LogTest : public LogFolder {};

#ifndef KEYWAY_SANITIZED
namespace {

// Whether these bytes lie anywhere in our memory that can be written, but where they are meant to.
bool in_memory(const std::vector<unsigned char>& inverted) {
    std::ifstream maps("/proc/self/maps");
    const UniqueFd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    std::vector<unsigned char> bytes;
    for (std::string line; std::getline(maps, line);) {
        std::istringstream fields(line);  // 7f00-7f40 rw-p ...
        std::uint64_t from = 0;
        std::uint64_t to = 0;
        char dash = 0;
        std::string rights;
        if (!(fields >> std::hex >> from >> dash >> to >> rights) || rights[1] != 'w' ||
            to - from > 64U << 20) {
            continue;
        }
        bytes.resize(to - from);
        const ssize_t have = ::pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(from));
        const auto end = bytes.begin() + std::max<ssize_t>(have, 0);
        const auto same = [](unsigned char a, unsigned char b) {
            return a == static_cast<unsigned char>(~b);
        };
        const bool found = std::search(bytes.begin(), end, inverted.begin(), inverted.end(), same) != end;
        ::explicit_bzero(bytes.data(), bytes.size());
        if (found) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_F(LogTest, leaves_no_key_in_memory) {
    auto log = Log::open(options()).value();
    log->push(record(1));
    log->flush();
    std::vector<unsigned char> inverted(sizeof(Key));
    {
        const UniqueFd file(::open(key_file_.c_str(), O_RDONLY | O_CLOEXEC));
        unsigned char byte = 0;
        for (unsigned char& to : inverted) {
            ASSERT_EQ(::read(file.get(), &byte, 1), 1);
            to = static_cast<unsigned char>(~byte);
        }
    }
    EXPECT_TRUE(in_memory(inverted)) << "the log needs it";
    log.reset();
    EXPECT_FALSE(in_memory(inverted));
}
#endif

TEST_F(LogTest, says_so_each_time_that_it_can_take_more_after_it_could_not) {
    std::atomic<int> told{0};
    LogOptions with_bell = options();
    with_bell.changed = [&told] {
        ++told;
        told.notify_all();
    };
    auto log = Log::open(std::move(with_bell)).value();
    for (std::uint32_t round = 0; round < 200; ++round) {
        const int before = told;
        std::uint32_t pushed = 0;
        // As a router does: it stops at the moment at which it is told to, whatever the writer is doing then.
        for (; log->accepting(); ++pushed) {
            log->push(record(pushed));
        }
        const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (told == before && std::chrono::steady_clock::now() < patience) {
            std::this_thread::yield();
        }
        ASSERT_GT(told.load(), before) << "round " << round << ": it would wait for ever";
    }
}

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

TEST_F(LogTest, a_start_that_failed_leaves_nothing_that_the_next_one_stumbles_over) {
    std::filesystem::create_directory(directory_);
    // What there is when the disk was full: files made, and nothing or little in them.
    for (const char* name : {"head.new", "audit-00000001.log", "key.new"}) {
        std::ofstream((std::string_view(name) == "key.new" ? folder_ : directory_) / name) << "";
    }
    {
        auto sut = Log::open(options());
        ASSERT_TRUE(sut) << sut.error().message();
        (*sut)->push(record(1));
    }
    EXPECT_EQ(fault_of(verified()), "");
    EXPECT_EQ(processes(), std::vector<std::uint32_t>{1});
    EXPECT_FALSE(std::filesystem::exists(directory_ / "head.new"));
    std::filesystem::remove(directory_ / "head");
    EXPECT_EQ(Log::open(options()).error(), Error(Status::kCorrupt)) << "a log whose head was taken away";
}

TEST_F(LogTest, nothing_is_made_while_the_disk_is_full_and_the_next_start_succeeds) {
    const sighandler_t before = ::signal(SIGXFSZ, SIG_IGN);
    rlimit usual{};
    ::getrlimit(RLIMIT_FSIZE, &usual);
    for (const rlim_t room : {0U, 1U, 31U, 32U, 64U, 127U}) {
        rlimit tight = usual;
        tight.rlim_cur = room;
        ::setrlimit(RLIMIT_FSIZE, &tight);
        EXPECT_FALSE(Log::open(options())) << room;
    }
    ::setrlimit(RLIMIT_FSIZE, &usual);
    ::signal(SIGXFSZ, before);
    const auto sut = Log::open(options());
    EXPECT_TRUE(sut) << sut.error().message();
}

TEST_F(LogTest, segments_that_a_killed_router_had_not_removed_yet_are_removed_by_the_next) {
    LogOptions keeping = options(200);
    keeping.keep = 2;
    {
        auto sut = Log::open(keeping).value();
        for (std::uint32_t i = 0; i < 6; ++i) {
            sut->push(record(i));
            ASSERT_TRUE(sut->flush());
        }
    }
    const auto kept = segments_in(directory_);
    std::ofstream(directory_ / segment_name(1)) << "left over";
    ASSERT_NE(segments_in(directory_), kept);
    EXPECT_EQ(fault_of(verified()), "");
    const auto sut = Log::open(keeping).value();
    EXPECT_EQ(segments_in(directory_), kept);
}

TEST_F(LogTest, can_be_read_at_any_moment_while_it_is_written_rotated_and_shortened) {
    LogOptions keeping = options(2000);
    keeping.keep = 2;
    auto sut = Log::open(keeping).value();
    const Key key = load_key(key_file_, false).value();
    std::atomic<bool> stop{false};
    std::thread reading([&] {
        do {
            std::uint32_t last = 0;
            const auto result = verify(directory_, &key, [&](const Record& r) {
                EXPECT_TRUE(last == 0 || r.process == last + 1) << r.process << " after " << last;
                last = r.process;
            });
            ASSERT_EQ(fault_of(result), "");
        } while (!stop);
    });
    for (std::uint32_t i = 1; i < 4000; ++i) {
        sut->push(record(i));
        if (i % 5 == 0) {
            sut->flush();
        }
    }
    stop = true;
    reading.join();
    EXPECT_GT(segments_in(directory_).front(), 10U) << "many came and went";
}

TEST_F(LogTest, a_reader_goes_on_after_the_frames_that_it_has_seen) {
    auto sut = Log::open(options(400)).value();
    std::uint64_t seen = 0;
    std::vector<std::uint32_t> all;
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < 30; ++i) {
        sut->push(record(i));
        expected.push_back(i);
        ASSERT_TRUE(sut->flush());
        if (i % 4 == 0) {
            const auto result = verify(
                directory_, nullptr, [&](const Record& r) { all.push_back(r.process); }, seen);
            ASSERT_EQ(fault_of(result), "");
            seen = result.last_frame;
            ASSERT_EQ(all, expected);
        }
    }
}

/// A log that was not ended in order, and of which only the first three frames are surely on the disk.
class LogAfterLossOfPower : public LogTest {
  protected:
    LogAfterLossOfPower() {
        const pid_t writer = ::fork();
        if (writer == 0) {
            auto sut = Log::open(options()).value();
            for (std::uint32_t i = 0; i < 6; ++i) {
                sut->push(record(i));
                sut->flush();
            }
            ::_exit(0);  // as if killed
        }
        int status = 0;
        ::waitpid(writer, &status, 0);
        EXPECT_EQ(status, 0);
        key_ = load_key(key_file_, false).value();
        std::ifstream(directory_ / "head", std::ios::binary)
            .read(reinterpret_cast<char*>(&head_), sizeof head_);
        EXPECT_EQ(head_.frame, 6U);
    }
    /// The head as another boot of the machine has left it.
    void age(std::uint64_t synced) {
        head_.synced = synced;
        head_.boot[0] ^= 1;
        head_.seal = seal_of(key_, head_);
        std::ofstream(directory_ / "head", std::ios::binary | std::ios::trunc)
            .write(reinterpret_cast<const char*>(&head_), sizeof head_);
    }
    void cut_to(std::uint64_t frames, std::uint64_t and_bytes) const {
        constexpr std::uint64_t kFrame = sizeof(FrameHead) + sizeof(Record) + sizeof(Seal);
        std::filesystem::resize_file(directory_ / segment_name(1),
                                     sizeof(SegmentHeader) + frames * kFrame + and_bytes);
    }

    Key key_{};
    Head head_{};
};

TEST_F(LogAfterLossOfPower, what_was_not_synced_may_be_gone_and_the_log_is_continued_and_says_so) {
    age(3);
    cut_to(4, 20);
    const auto result = verified();
    EXPECT_EQ(fault_of(result), "");
    EXPECT_EQ(result.lost_frames, 2U);
    EXPECT_EQ(result.cut_short, 20U);
    { const auto sut = Log::open(options()).value(); }
    EXPECT_EQ(fault_of(verified()), "");
    std::vector<Record> all;
    const auto again = verify(directory_, &key_, [&](const Record& r) { all.push_back(r); });
    EXPECT_EQ(again.lost_frames, 0U);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all.back().kind, RecordKind::kLosses);
    EXPECT_EQ(all.back().count, 2U);
}

TEST_F(LogAfterLossOfPower, what_was_synced_must_be_there) {
    age(3);
    cut_to(2, 0);
    EXPECT_NE(fault_of(verified()), "");
    EXPECT_EQ(Log::open(options()).error(), Error(Status::kCorrupt));
}

TEST_F(LogAfterLossOfPower, without_one_every_frame_must_be_there) {
    cut_to(5, 0);
    EXPECT_NE(fault_of(verified()), "") << "a kill of the router alone loses nothing that was written";
}

}  // namespace keyway::audit
