// What the kernel refuses to somebody who has the descriptors and doesn't use the library.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/region/region_fixture.hpp"

namespace keyway::test {

namespace {

/// Every way to write to a file, or to change it, by descriptor. Returns those that worked.
std::string ways_to_write(int fd, bool sizes_too) {
    std::string worked;
    const auto tried = [&](const char* way, bool done) { worked += done ? std::string(way) + ' ' : ""; };
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    tried("mmap", memory != MAP_FAILED);
    memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) {
        tried("mprotect", ::mprotect(memory, 4096, PROT_READ | PROT_WRITE) == 0);
        tried("madvise", ::madvise(memory, 4096, MADV_REMOVE) == 0);
        ::munmap(memory, 4096);
    }
    tried("pwrite", ::pwrite(fd, "x", 1, 0) == 1);
    tried("punch", ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
    if (sizes_too) {
        tried("grow", ::ftruncate(fd, 1 << 20) == 0);
        tried("shrink", ::ftruncate(fd, 0) == 0);
        tried("seal", ::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    }
    return worked;
}

/// The descriptor that a reader gets, and one that it may make of it.
struct Descriptors {
    link::ReceivedControl answer;
    UniqueFd reopened;
    [[nodiscard]] int given() const { return answer.fds[0].get(); }
};

Descriptors reopen(Result<link::ReceivedControl> answer) {
    Descriptors made{.answer = std::move(answer.value()), .reopened = {}};
    const std::string path = "/proc/self/fd/" + std::to_string(made.given());
    made.reopened.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    return made;
}

}  // namespace

TEST_F(Regions, a_stable_view_can_not_be_written_resized_or_punched_by_any_means) {
    auto region = StableRegion::create(alice_, 4096).value();
    fill(region.bytes(), 's');
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    const auto fds = reopen(ask(bob_, Request::kRegionMap, next(bob_).carried()));
    EXPECT_EQ(ways_to_write(fds.given(), true), "");
    if (fds.reopened) {  // for the file's owner and root
        EXPECT_EQ(ways_to_write(fds.reopened.get(), true), "");
    }
    EXPECT_TRUE(is_all(region.bytes(), 's'));
}

TEST_F(Regions, a_revocable_view_can_not_be_written_by_any_means) {
    auto region = RevocableRegion::create(alice_, 4096).value();
    ASSERT_EQ(write(region, "safe"), "ok");
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    const auto fds = reopen(ask(bob_, Request::kRegionMap, next(bob_).carried()));
    EXPECT_EQ(ways_to_write(fds.given(), true), "");
    if (fds.reopened) {
        EXPECT_EQ(ways_to_write(fds.reopened.get(), false), "");
    }
    EXPECT_EQ(read(region), "safe");
}

TEST_F(Regions, a_stable_window_can_not_resize) {
    auto region = StableRegion::create(alice_, 4096).value();
    ASSERT_TRUE(succeeded(region.give_write(to_bob_)));
    const auto answer =
        ask(bob_, Request::kRegionMap, next(bob_).carried(), right::kRead | right::kWrite).value();
    EXPECT_NE(::ftruncate(answer.fds[0].get(), 0), 0);
    EXPECT_NE(::ftruncate(answer.fds[0].get(), 8192), 0);
}

TEST_F(Regions, a_process_that_writes_through_a_view_dies_of_it) {
    auto region = StableRegion::create(alice_, 4096).value();
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    const auto view = StableView::accept(bob_, next(bob_)).value();
    auto* const target = const_cast<std::byte*>(view.bytes().data());
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGSEGV, SIG_DFL);
        *const_cast<volatile std::byte*>(target) = std::byte{1};
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
    EXPECT_TRUE(is_all(region.bytes(), 0));
}

TEST_F(Regions, a_creator_that_seals_its_file_against_the_router_gets_no_readers) {
    link::ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kRegionCreate);
    request.value = 4096;
    const auto made = alice_.impl().request(request).value();
    ASSERT_EQ(::fcntl(made.fds[0].get(), F_ADD_SEALS, F_SEAL_SEAL), 0);
    ASSERT_TRUE(succeeded(alice_.give(Capability{.id = made.message.capability}, to_bob_, right::kRead, 1)));
    EXPECT_EQ(error_of(StableView::accept(bob_, next(bob_))), "corrupt");
}

TEST_F(Regions, holes_that_a_creator_punched_are_filled_before_somebody_reads) {
    link::ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kRegionCreate);
    request.value = 8192;
    const auto made = alice_.impl().request(request).value();
    const int fd = made.fds[0].get();
    ASSERT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
    ASSERT_TRUE(succeeded(alice_.give(Capability{.id = made.message.capability}, to_bob_, right::kRead, 1)));
    ASSERT_TRUE(succeeded(StableView::accept(bob_, next(bob_))));
    struct stat status {};
    ASSERT_EQ(::fstat(fd, &status), 0);
    EXPECT_EQ(status.st_blocks, 8192 / 512);
    EXPECT_NE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
}

}  // namespace keyway::test
