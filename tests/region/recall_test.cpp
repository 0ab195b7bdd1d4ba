// Taking memory back, grade by grade (docs/regions.md): what the former holder, the other holders and the
// owner see.

#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "tests/region/region_fixture.hpp"

namespace keyway::test {

class Recalls : public Regions {
  protected:
    Recalls() : region_(RevocableRegion::create(alice_, 100'000).value()) {
        EXPECT_EQ(write(region_, "old!"), "ok");
        to_bob_read_ = region_.give_read(to_bob_).value();
        bob_view_.emplace(RevocableView::accept(bob_, next(bob_)).value());
    }
    /// Carol as a second reader.
    void let_carol_in() {
        carol_grant_ = region_.give_read(to_carol_).value();
        carol_view_.emplace(RevocableView::accept(carol_, next(carol_)).value());
    }
    static std::string_view text(std::span<const std::byte> bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), 4};
    }

    /// False when touching the first byte would be a signal.
    static bool is_there(std::span<const std::byte> bytes) {
        std::byte byte{};
        iovec local{.iov_base = &byte, .iov_len = 1};
        iovec remote{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = 1};
        return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == 1;
    }

    RevocableRegion region_;
    ReadGrant to_bob_read_;
    ReadGrant carol_grant_;
    std::optional<RevocableView> bob_view_;
    std::optional<RevocableView> carol_view_;
};

TEST_F(Recalls, R0_a_grant_that_is_not_mapped_yet_never_will_be) {
    const ReadGrant grant = region_.give_read(to_carol_).value();
    const auto message = next(carol_);
    ASSERT_TRUE(succeeded(alice_.revoke(region_.capability(), grant.id)));
    EXPECT_EQ(error_of(RevocableView::accept(carol_, message)), "no_such_capability");
    EXPECT_EQ(read(*bob_view_), "old!");
}

TEST_F(Recalls, R1_nothing_that_points_into_the_region_is_delivered_after_a_revocation) {
    const Capability mine{
        .id = alice_.derive(region_.capability(), Terms{.rights = right::kRead | right::kGrant})->id};
    Outgoing message = Outgoing::to(to_carol_, "");
    Slice slice;
    slice.set_length(4);
    message.payload = std::as_bytes(std::span(&slice, 1));
    message.flags = flag::kZeroCopy;
    message.carried = mine.id;
    message.grant.set_rights(right::kRead);
    ASSERT_TRUE(succeeded(alice_.send(message)));
    ASSERT_TRUE(succeeded(alice_.revoke(region_.capability(), mine.id)));
    EXPECT_EQ(error_of(alice_.send(message)), "no_such_carried");
    EXPECT_EQ(error_of(open_slice(carol_, next(carol_))), "no_such_capability")
        << "what was on its way ended with it";
}

TEST_F(Recalls, R2_the_former_holder_keeps_the_past_and_sees_no_future) {
    const auto raw = bob_view_->unsafe_bytes();
    ASSERT_EQ(text(raw), "old!");
    ASSERT_TRUE(succeeded(region_.recall(to_bob_read_, Recall::kFuture)));
    EXPECT_EQ(write(region_, "new!"), "ok");
    EXPECT_EQ(text(raw), "old!");
    EXPECT_EQ(read(*bob_view_), "revoked");
    EXPECT_EQ(read(*bob_view_), "revoked") << "and again";
    EXPECT_EQ(error_of(RevocableView::map(bob_, bob_view_->capability().id)), "no_such_capability");
    EXPECT_EQ(error_of(region_.recall(to_bob_read_, Recall::kFuture)), "no_such_capability");
}

TEST_F(Recalls, R2_the_owner_and_the_other_holders_go_on_at_the_same_address) {
    let_carol_in();
    const auto mine = region_.unsafe_bytes();
    const auto hers = carol_view_->unsafe_bytes();
    EXPECT_EQ(write(region_, "tail", 99'996), "ok");
    ASSERT_TRUE(succeeded(region_.recall(to_bob_read_, Recall::kFuture)));
    EXPECT_EQ(region_.unsafe_bytes().data(), mine.data());
    EXPECT_EQ(text(mine), "old!") << "the content is still there";
    EXPECT_EQ(text(mine.last(4)), "tail");
    std::ranges::fill(mine.first(4), std::byte{'n'});
    EXPECT_EQ(read(*carol_view_), "nnnn");
    EXPECT_EQ(carol_view_->unsafe_bytes().data(), hers.data());
    EXPECT_EQ(text(hers), "nnnn") << "her pointer shows the new memory";
    EXPECT_EQ(text(hers.last(4)), "tail");
    EXPECT_EQ(text(bob_view_->unsafe_bytes()), "old!");
}

TEST_F(Recalls, R2_revoking_the_capability_moves_the_owner_with_its_next_access) {
    const auto raw = bob_view_->unsafe_bytes();
    ASSERT_TRUE(succeeded(alice_.revoke(region_.capability(), to_bob_read_.id)));
    EXPECT_EQ(write(region_, "new!"), "ok");
    EXPECT_EQ(text(raw), "old!");
    EXPECT_EQ(read(*bob_view_), "revoked");
    EXPECT_EQ(read(region_), "new!");
}

TEST_F(Recalls, R2_what_a_holder_passed_on_ends_with_its_grant) {
    const auto wide = alice_.give(region_.capability(), to_carol_, right::kRead | right::kGrant, 1).value();
    const auto hers = RevocableView::accept(carol_, next(carol_)).value();
    const auto to_bob = carol_.lookup("bob").value();
    ASSERT_TRUE(succeeded(carol_.give(hers.capability(), to_bob, right::kRead, 2)));
    auto passed_on = RevocableView::accept(bob_, next(bob_)).value();
    ASSERT_TRUE(succeeded(region_.recall(ReadGrant{wide}, Recall::kFuture)));
    EXPECT_EQ(read(passed_on), "revoked");
    EXPECT_EQ(write(region_, "new!"), "ok");
    EXPECT_EQ(read(*bob_view_), "new!") << "his own grant is another";
}

TEST_F(Recalls, R3_a_cut_leaves_nothing_to_anybody) {
    let_carol_in();
    const auto his = bob_view_->unsafe_bytes();
    const auto hers = carol_view_->unsafe_bytes();
    ASSERT_TRUE(is_there(his) && is_there(hers));
    ASSERT_TRUE(succeeded(region_.cut()));
    EXPECT_FALSE(is_there(his));
    EXPECT_FALSE(is_there(hers));
    EXPECT_EQ(read(*bob_view_), "revoked");
    EXPECT_EQ(read(*carol_view_), "revoked");
    EXPECT_EQ(read(region_), "revoked");
    EXPECT_EQ(write(region_, "new!"), "revoked");
    EXPECT_EQ(error_of(region_.cut()), "revoked");
    EXPECT_EQ(error_of(RevocableView::map(bob_, bob_view_->capability().id)), "revoked");
}

TEST_F(Recalls, R4_the_former_holder_has_nothing_and_the_others_go_on) {
    let_carol_in();
    const auto his = bob_view_->unsafe_bytes();
    ASSERT_TRUE(is_there(his));
    ASSERT_TRUE(succeeded(region_.recall(to_bob_read_, Recall::kHard)));
    EXPECT_FALSE(is_there(his));
    EXPECT_EQ(write(region_, "new!"), "ok");
    EXPECT_EQ(read(*bob_view_), "revoked");
    EXPECT_EQ(read(*carol_view_), "new!") << "she met the cut file and followed";
    EXPECT_EQ(read(region_), "new!");
}

TEST_F(Recalls, R4_an_access_that_is_under_way_is_an_error_and_no_signal) {
    for (int round = 0; round < 20; ++round) {
        auto region = RevocableRegion::create(alice_, 1 << 20).value();
        const ReadGrant grant = region.give_read(to_bob_).value();
        auto view = RevocableView::accept(bob_, next(bob_)).value();
        std::vector<std::byte> all(1 << 20);
        std::atomic<bool> reading{false};
        std::string last;
        std::jthread reader([&] {
            Result<void> done;
            while (done) {
                done = view.read(0, all);
                reading = true;
                reading.notify_one();
            }
            last = error_of(done);
        });
        reading.wait(false);
        ASSERT_TRUE(succeeded(region.recall(grant, Recall::kHard)));
        reader.join();
        EXPECT_EQ(last, "revoked");
        ASSERT_TRUE(succeeded(region.destroy()));
    }
}

TEST_F(Recalls, one_that_a_holder_cuts_itself_is_an_error_for_the_others_and_no_signal) {
    auto region = RevocableRegion::create(alice_, 8192).value();
    ASSERT_TRUE(succeeded(region.give_write(to_bob_)));
    const auto message = next(bob_);
    ASSERT_TRUE(succeeded(region.give_read(to_carol_)));
    const auto evil = ask(bob_, Request::kRegionMap, message.carried(), right::kRead | right::kWrite);
    ASSERT_TRUE(succeeded(evil));
    auto hers = RevocableView::accept(carol_, next(carol_)).value();
    ASSERT_EQ(::ftruncate(evil->fds[0].get(), 0), 0);
    EXPECT_EQ(read(hers), "corrupt");
    EXPECT_EQ(read(region), "corrupt") << "the owner is told once; its region goes on in a new file";
    EXPECT_EQ(read(region), std::string(4, '\0'));
    EXPECT_EQ(write(region, "back"), "ok");
    EXPECT_EQ(read(hers), "back");
}

TEST_F(Recalls, writers_are_recalled_too_and_other_writers_follow) {
    auto region = RevocableRegion::create(alice_, 4096).value();
    const WriteGrant to_bob = region.give_write(to_bob_).value();
    auto bobs = RevocableWindow::accept(bob_, next(bob_)).value();
    ASSERT_TRUE(succeeded(region.give_write(to_carol_)));
    auto carols = RevocableWindow::accept(carol_, next(carol_)).value();
    EXPECT_EQ(write(bobs, "bobs"), "ok");
    EXPECT_EQ(read(carols), "bobs");
    ASSERT_TRUE(succeeded(region.recall(to_bob, Recall::kFuture)));
    EXPECT_EQ(write(bobs, "evil"), "revoked");
    std::ranges::fill(bobs.unsafe_bytes().first(4), std::byte{'E'});
    EXPECT_EQ(read(region), "bobs");
    EXPECT_EQ(write(carols, "hers"), "ok");
    EXPECT_EQ(read(region), "hers");
}

TEST_F(Recalls, a_reader_lets_the_writers_follow_first) {
    auto region = RevocableRegion::create(alice_, 4096).value();
    ASSERT_TRUE(succeeded(region.give_write(to_carol_)));
    auto carols = RevocableWindow::accept(carol_, next(carol_)).value();
    ASSERT_TRUE(succeeded(region.give_read(to_bob_)));
    auto bobs = RevocableView::accept(bob_, next(bob_)).value();
    const ReadGrant other = region.give_read(to_bob_).value();
    auto others = RevocableView::accept(bob_, next(bob_)).value();
    EXPECT_EQ(write(region, "old!"), "ok");
    ASSERT_TRUE(succeeded(region.recall(other, Recall::kFuture)));
    EXPECT_EQ(read(bobs), "old!") << "stays where it is, or waits";
    EXPECT_EQ(write(carols, "hers"), "ok");
    EXPECT_EQ(read(bobs), "hers");
    EXPECT_EQ(read(region), "hers");
    EXPECT_EQ(read(others), "revoked");
}

TEST_F(Recalls, a_holder_that_ends_is_parted_from_the_future) {
    auto gone = std::make_unique<Connection>(connect());
    gone->register_endpoint("gone").value();
    const auto to_gone = alice_.lookup("gone").value();
    ASSERT_TRUE(succeeded(region_.give_read(to_gone)));
    auto view = std::make_unique<RevocableView>(RevocableView::accept(*gone, next(*gone)).value());
    const auto raw = view->unsafe_bytes();
    const auto before = holders();
    gone.reset();  // the mapping lives on, as in a child of the process
    const Deadline patience = Deadline::in(30s);
    while (holders() == before && !patience.passed()) {
    }
    EXPECT_EQ(holders(), before - 1);
    EXPECT_EQ(write(region_, "new!"), "ok");
    EXPECT_EQ(text(raw), "old!");
    EXPECT_EQ(read(*bob_view_), "new!");
}

TEST_F(Recalls, when_the_owner_ends_its_grants_do) {
    auto owner = std::make_unique<Connection>(connect());
    const auto to_bob = owner->lookup("bob").value();
    auto region = std::make_unique<RevocableRegion>(RevocableRegion::create(*owner, 4096).value());
    EXPECT_EQ(write(*region, "last"), "ok");
    ASSERT_TRUE(succeeded(region->give_read(to_bob)));
    auto view = RevocableView::accept(bob_, next(bob_)).value();
    region.reset();
    const auto before = regions();
    owner.reset();
    const Deadline patience = Deadline::in(30s);
    while (regions() == before && !patience.passed()) {
    }
    EXPECT_EQ(read(view), "revoked");
    EXPECT_EQ(text(view.unsafe_bytes()), "last");
    EXPECT_EQ(regions(), before - 1);
}

TEST_F(Recalls, only_the_owner_recalls_and_cuts) {
    for (const auto what : {Request::kRegionFresh, Request::kRegionMoved, Request::kRegionCut}) {
        EXPECT_EQ(error_of(ask(bob_, what, bob_view_->capability().id)), "insufficient_rights");
        EXPECT_EQ(error_of(ask(bob_, what, region_.capability().id)), "no_such_capability");
    }
    EXPECT_EQ(error_of(ask(alice_, Request::kRegionMoved, region_.capability().id)), "bad_request")
        << "there is no fresh file";
    const auto stable = StableRegion::create(alice_, 4096).value();
    EXPECT_EQ(error_of(ask(alice_, Request::kRegionCut, stable.capability().id)), "not_supported");
}

}  // namespace keyway::test
