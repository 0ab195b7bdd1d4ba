// Shared regions through a router: making, granting, mapping, sizes and limits.

#include "tests/region/region_fixture.hpp"

namespace keyway::test {

TEST_F(Regions, what_the_owner_writes_the_receiver_of_a_grant_reads) {
    auto region = StableRegion::create(alice_, 10'000).value();
    ASSERT_EQ(region.bytes().size(), 10'000U);
    fill(region.bytes(), 'k');
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    auto view = StableView::accept(bob_, next(bob_));
    ASSERT_TRUE(succeeded(view));
    ASSERT_EQ(view->bytes().size(), 10'000U);
    EXPECT_EQ(view->owner(), alice_.id());
    EXPECT_TRUE(is_all(view->bytes(), 'k'));
    region.bytes()[9'999] = std::byte{'w'};
    EXPECT_EQ(view->bytes()[9'999], std::byte{'w'});
}

TEST_F(Regions, what_a_writable_grant_writes_the_owner_reads) {
    auto region = StableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(region.give_write(to_bob_)));
    auto window = StableWindow::accept(bob_, next(bob_));
    ASSERT_TRUE(succeeded(window));
    fill(window->bytes(), 'b');
    EXPECT_TRUE(is_all(region.bytes(), 'b'));
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
        link::ControlMessage request;  // the library would not send this
        request.request = static_cast<std::uint8_t>(Request::kRegionCreate);
        request.value = bytes;
        EXPECT_EQ(error_of(alice_.impl().request(request)), "bad_argument") << bytes;
    }
    link::ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kRegionCreate);
    request.value = limit::kRegionBytes;  // not mapped, so it costs no memory
    EXPECT_TRUE(succeeded(alice_.impl().request(request)));
}

TEST_F(Regions, of_one_kind_are_not_mapped_as_the_other) {
    auto stable = StableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(stable.give_read(to_bob_)));
    EXPECT_EQ(error_of(RevocableView::accept(bob_, next(bob_))), "wrong_object");
    auto revocable = RevocableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(revocable.give_read(to_bob_)));
    EXPECT_EQ(error_of(StableView::accept(bob_, next(bob_))), "wrong_object");
    EXPECT_EQ(error_of(StableView::map(bob_, bob_home_.capability.id)), "wrong_object");
    EXPECT_EQ(error_of(StableView::map(bob_, stable.capability().id)), "no_such_capability");
}

TEST_F(Regions, a_read_grant_is_not_mapped_writable) {
    auto region = StableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    const auto message = next(bob_);
    EXPECT_EQ(error_of(StableWindow::accept(bob_, message)), "insufficient_rights");
    EXPECT_TRUE(succeeded(StableView::accept(bob_, message)));
}

TEST_F(Regions, after_the_first_reader_a_writer_is_refused_by_name) {
    auto region = StableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    ASSERT_TRUE(succeeded(region.give_write(to_carol_)));
    auto view = StableView::accept(bob_, next(bob_)).value();
    EXPECT_EQ(error_of(StableWindow::accept(carol_, next(carol_))), "sealed");
    fill(region.bytes(), 'o');
    EXPECT_TRUE(is_all(view.bytes(), 'o')) << "the owner goes on";
}

TEST_F(Regions, a_grant_can_end_by_itself) {
    auto region = StableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(alice_.give(region.capability(), to_bob_, right::kRead, 1, 1ms)));
    const auto message = next(bob_);
    const Deadline later = Deadline::in(100ms);
    while (!later.passed()) {
    }
    EXPECT_EQ(error_of(StableView::accept(bob_, message)), "expired");
}

TEST_F(Regions, destroying_ends_the_grants_and_not_the_mappings) {
    auto region = StableRegion::create(alice_, 100).value();
    fill(region.bytes(), 'd');
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    const auto message = next(bob_);
    auto view = StableView::accept(bob_, message).value();
    const std::size_t before = regions();
    ASSERT_TRUE(succeeded(region.destroy()));
    EXPECT_EQ(regions(), before - 1);
    EXPECT_TRUE(is_all(view.bytes(), 'd'));
    EXPECT_EQ(error_of(StableView::accept(bob_, message)), "no_such_capability");
    EXPECT_EQ(error_of(region.destroy()), "no_such_capability");
}

TEST_F(Regions, the_death_of_a_holder_frees_its_grants) {
    auto dying = std::make_unique<Connection>(connect());
    dying->register_endpoint("dying").value();
    const auto to_dying = alice_.lookup("dying").value();
    auto region = StableRegion::create(alice_, 100).value();
    const auto grant = region.give_read(to_dying).value();
    auto view = std::make_unique<StableView>(StableView::accept(*dying, next(*dying)).value());
    ASSERT_EQ(holders(), 2U);
    view.reset();
    dying.reset();
    const Deadline patience = Deadline::in(30s);
    while (holders() != 1 && !patience.passed()) {
    }
    EXPECT_EQ(holders(), 1U);
    EXPECT_EQ(error_of(alice_.revoke(region.capability(), grant.id)), "no_such_capability");
}

TEST_F(Regions, what_the_router_is_told_of_unmapping_it_remembers) {
    auto region = StableRegion::create(alice_, 100).value();
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    auto view = StableView::accept(bob_, next(bob_)).value();
    EXPECT_EQ(holders(), 2U);
    view.unmap();
    EXPECT_FALSE(view.mapped());
    EXPECT_TRUE(view.bytes().empty());
    EXPECT_EQ(holders(), 1U);
    EXPECT_TRUE(succeeded(StableView::map(bob_, view.capability().id)));
}

class RegionsOfAPoorProcess : public Regions {
  protected:
    static RouterOptions poor() {
        RouterOptions options = all_observe();
        options.policy.process.region_bytes = 64 * 1024;
        options.policy.user.region_bytes = 96 * 1024;
        return options;
    }
    RegionsOfAPoorProcess() : Regions(poor()) {}
};

TEST_F(RegionsOfAPoorProcess, the_memory_is_limited_and_given_back) {
    EXPECT_EQ(error_of(StableRegion::create(alice_, 65'537)), "limit");
    auto whole = StableRegion::create(alice_, 65'536).value();
    EXPECT_EQ(error_of(StableRegion::create(alice_, 1)), "limit");
    auto half = StableRegion::create(bob_, 32'768).value();
    EXPECT_EQ(error_of(StableRegion::create(carol_, 1)), "limit") << "the user's share";
    ASSERT_TRUE(succeeded(half.destroy()));
    EXPECT_TRUE(succeeded(StableRegion::create(carol_, 1)));
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(succeeded(whole.destroy())) << i;
        auto again = StableRegion::create(alice_, 65'536);
        ASSERT_TRUE(succeeded(again)) << i;
        whole = std::move(*again);
    }
}

TEST_F(RegionsOfAPoorProcess, what_was_moved_to_somebody_is_paid_for_by_its_maker_until_that_ends) {
    auto maker = std::make_unique<Connection>(connect());
    const auto to_bob = maker->lookup("bob").value();
    const std::vector<std::byte> large(60'000);
    ASSERT_EQ(send_large(*maker, to_bob, large).value(), SentAs::kRegion);
    EXPECT_EQ(error_of(send_large(*maker, to_bob, large)), "limit");
    EXPECT_TRUE(succeeded(StableRegion::create(bob_, 32'768)->destroy()));
    maker.reset();
    const Deadline patience = Deadline::in(30s);
    auto slice = open_slice(bob_, next(bob_));
    ASSERT_TRUE(succeeded(slice));
    while (StableRegion::create(bob_, 32'768) && !patience.passed()) {
    }
    EXPECT_EQ(error_of(StableRegion::create(bob_, 32'768)), "limit") << "now it is bob who pays";
    ASSERT_TRUE(succeeded(slice->release()));
    EXPECT_TRUE(succeeded(StableRegion::create(carol_, 32'768)));
}

TEST_F(Regions, mapping_and_moving_on_in_turns_does_not_fill_the_routers_books) {
    auto region = RevocableRegion::create(alice_, 4096).value();
    const auto grant = alice_.derive(region.capability(), {.rights = right::kRead | right::kGrant}).value();
    ASSERT_TRUE(succeeded(alice_.move(grant, to_bob_)));
    const Capability to_each_other[] = {bob_.lookup("carol").value(), carol_.lookup("bob").value()};
    Connection* const both[] = {&bob_, &carol_};
    for (std::size_t turn = 0; turn < 50; ++turn) {
        Connection& holder = *both[turn % 2];
        const Capability held = holder.inspect(next(holder).carried()).value();
        ASSERT_TRUE(succeeded(ask(holder, Request::kRegionMap, held.id)));
        ASSERT_TRUE(succeeded(holder.move(held, to_each_other[turn % 2])));
    }
    EXPECT_LE(holders(), 3U);
}

}  // namespace keyway::test
