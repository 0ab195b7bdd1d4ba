// Shared regions through a router: making, granting, mapping, sizes and limits.

#include "tests/region/region_fixture.hpp"

namespace keyway::test {

TEST_F(Regions, what_the_owner_writes_the_receiver_of_a_grant_reads) {
    auto region = StableRegion::create(alice_, 10'000).value();
    ASSERT_EQ(region.bytes().size(), 10'000U);
    fill(region.bytes(), 'k');
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    auto view = StableView::accept(bob_, bob_.receive(Deadline::in(10s)).value());
    ASSERT_TRUE(succeeded(view));
    ASSERT_EQ(view->bytes().size(), 10'000U);
    EXPECT_TRUE(is_all(view->bytes(), 'k'));
    region.bytes()[9'999] = std::byte{'w'};
    EXPECT_EQ(view->bytes()[9'999], std::byte{'w'});
}

TEST_F(Regions, sizes_from_1_byte_to_1_gib_are_made_and_others_refused) {
    for (const std::uint64_t bytes : {1ULL, 4095ULL, 4096ULL, 4097ULL, (1ULL << 20) + 1}) {
        auto region = StableRegion::create(alice_, bytes);
        ASSERT_TRUE(succeeded(region)) << bytes;
        EXPECT_EQ(region->bytes().size(), bytes);
        EXPECT_TRUE(is_all(region->bytes(), 0));
        ASSERT_TRUE(succeeded(region->destroy()));
    }
    for (const std::uint64_t bytes : {0ULL, (1ULL << 30) + 1, 1ULL << 62, ~0ULL, ~0ULL - 4094}) {
        EXPECT_EQ(error_of(StableRegion::create(alice_, bytes)), "bad_argument") << bytes;
        EXPECT_EQ(error_of(RevocableRegion::create(alice_, bytes)), "bad_argument") << bytes;
    }
}

}  // namespace keyway::test
