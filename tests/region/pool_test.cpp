// Files that are ready before somebody wants one.

#include "region/pool.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <vector>

#include "tests/region/region_fixture.hpp"

namespace keyway::test {

TEST(RegionPool, has_nothing_ready_that_nobody_has_wanted) {
    region::Pool pool;
    EXPECT_FALSE(pool.refill());
    EXPECT_EQ(pool.ready(), 0U);
}

TEST(RegionPool, is_bounded) {
    region::Pool pool;
    for (std::uint64_t bytes = 1; bytes <= (2U << 20); bytes *= 2) {
        ASSERT_TRUE(succeeded(pool.take(bytes, false)));
        ASSERT_TRUE(succeeded(pool.take(bytes, true)));
    }
    int rounds = 0;
    while (pool.refill()) {
        ASSERT_LT(++rounds, 1000);
    }
    EXPECT_EQ(pool.ready(), 2 * 9 * region::Pool::kMostReady);
    EXPECT_FALSE(pool.refill());
}

TEST(RegionPool, hands_out_every_file_once_with_all_its_pages_and_all_zero) {
    region::Pool pool;
    std::vector<ino_t> seen;
    for (int i = 0; i < 20; ++i) {
        auto file = pool.take(60'000, true);
        ASSERT_TRUE(succeeded(file));
        pool.refill();
        struct stat status {};
        ASSERT_EQ(::fstat(file->writing.get(), &status), 0);
        EXPECT_EQ(status.st_size, 65536);
        EXPECT_EQ(status.st_blocks, 65536 / 512) << "its pages are there";
        void* memory = ::mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file->writing.get(), 0);
        ASSERT_NE(memory, MAP_FAILED);
        const std::span bytes(static_cast<std::byte*>(memory), 65536);
        EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; }));
        std::ranges::fill(bytes, std::byte{0xAB});
        ::munmap(memory, 65536);
    }
}

TEST_F(Regions, never_show_what_an_earlier_one_held) {
    for (int i = 0; i < 50; ++i) {
        auto secret = StableRegion::create(alice_, 8192).value();
        ASSERT_TRUE(is_all(secret.bytes(), 0)) << i;
        fill(secret.bytes(), 's');
        ASSERT_TRUE(succeeded(secret.destroy()));
        auto next = StableRegion::create(bob_, 8192).value();
        ASSERT_TRUE(is_all(next.bytes(), 0)) << i;
        fill(next.bytes(), 't');
        ASSERT_TRUE(succeeded(next.destroy()));
    }
}

TEST_F(Regions, that_are_reserved_are_there_without_asking) {
    ASSERT_TRUE(succeeded(reserve_regions(alice_, 4096, 2)));
    ASSERT_TRUE(succeeded(reserve_regions(alice_, 4096, 2)));
    router_.stop();
    router_.join();
    auto first = StableRegion::create(alice_, 4096);
    auto second = StableRegion::create(alice_, 4096);
    ASSERT_TRUE(succeeded(first));
    ASSERT_TRUE(succeeded(second));
    EXPECT_NE(first->bytes().data(), second->bytes().data());
    EXPECT_EQ(error_of(StableRegion::create(alice_, 4096)), "router_gone");
}

}  // namespace keyway::test
