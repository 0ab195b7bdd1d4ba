// Messages that point into regions.

#include "tests/region/region_fixture.hpp"

namespace keyway::test {

namespace {

std::vector<std::byte> counted(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) {
        bytes[i] = static_cast<std::byte>(i * 31 >> 3);
    }
    return bytes;
}

}  // namespace

TEST_F(Regions, a_message_can_carry_part_of_one) {
    auto region = StableRegion::create(alice_, 10'000).value();
    const auto content = counted(10'000);
    std::ranges::copy(content, region.bytes().begin());
    ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, region, 5'001, 100)));
    const auto message = next(bob_);
    EXPECT_EQ(message.type(), Type::kData);
    EXPECT_TRUE(has_slice(message));
    auto slice = open_slice(bob_, message);
    ASSERT_TRUE(succeeded(slice));
    EXPECT_FALSE(slice->revocable());
    ASSERT_EQ(slice->bytes().size(), 100U);
    EXPECT_TRUE(std::ranges::equal(slice->bytes(), std::span(content).subspan(5'001, 100)));
    region.bytes()[5'001] = std::byte{0xEE};
    EXPECT_EQ(slice->bytes()[0], std::byte{0xEE}) << "it is the same memory";
    EXPECT_EQ(bob_.inspect(message.carried())->rights, right::kRead);
    ASSERT_TRUE(succeeded(slice->release()));
    EXPECT_EQ(error_of(bob_.inspect(message.carried())), "no_such_capability");
}

TEST_F(Regions, part_of_a_revocable_one_is_read_through_the_library) {
    auto region = RevocableRegion::create(alice_, 100).value();
    ASSERT_EQ(write(region, "0123456789"), "ok");
    ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, region, 2, 5)));
    auto slice = open_slice(bob_, next(bob_));
    ASSERT_TRUE(succeeded(slice));
    EXPECT_TRUE(slice->revocable());
    EXPECT_TRUE(slice->bytes().empty());
    EXPECT_EQ(read(*slice, 1), "3456");
    EXPECT_EQ(read(*slice, 2), "bad_argument");
    EXPECT_EQ(read(*slice, ~0ULL), "bad_argument");
    ASSERT_TRUE(succeeded(region.cut()));
    EXPECT_EQ(read(*slice), "revoked");
}

TEST_F(Regions, a_part_that_is_not_inside_is_refused_on_both_sides) {
    auto region = StableRegion::create(alice_, 100).value();
    for (const auto& [offset, length] :
         {std::pair{0ULL, 101ULL}, {100ULL, 1ULL}, {~0ULL, 1ULL}, {1ULL, ~0ULL}, {0ULL, 0ULL}}) {
        EXPECT_EQ(error_of(send_slice(alice_, to_bob_, region, offset, length)), "bad_argument");
    }
    for (const auto& [offset, length] :
         {std::pair{0ULL, 101ULL}, {101ULL, 0ULL}, {~0ULL, 2ULL}, {2ULL, ~0ULL}}) {
        Slice slice;
        slice.set_offset(offset);
        slice.set_length(length);
        Outgoing message = Outgoing::to(to_bob_, std::as_bytes(std::span(&slice, 1)));
        message.flags = flag::kZeroCopy;
        message.carried = region.capability().id;
        message.grant.set_rights(right::kRead);
        ASSERT_TRUE(succeeded(alice_.send(message)));
        EXPECT_EQ(error_of(open_slice(bob_, next(bob_))), "bad_argument");
    }
    ASSERT_TRUE(succeeded(alice_.send(Outgoing::to(to_bob_, "plain"))));
    EXPECT_EQ(error_of(open_slice(bob_, next(bob_))), "bad_argument");
}

TEST_F(Regions, the_next_slice_of_one_finds_it_mapped) {
    auto region = StableRegion::create(alice_, 10'000).value();
    fill(region.bytes(), 'a');
    const std::byte* first = nullptr;
    for (std::uint64_t offset = 0; offset < 10'000; offset += 1'000) {
        ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, region, offset, 1'000)));
        auto slice = open_slice(bob_, next(bob_));
        ASSERT_TRUE(succeeded(slice));
        first = first == nullptr ? slice->bytes().data() : first;
        EXPECT_EQ(slice->bytes().data(), first + offset);
        ASSERT_TRUE(succeeded(slice->release()));
        EXPECT_TRUE(slice->bytes().empty());
    }
    EXPECT_EQ(bob_.impl().slices.count(), 1U);
}

TEST_F(Regions, one_that_came_after_another_is_not_taken_for_it) {
    for (const char content : {'a', 'b', 'c'}) {
        auto region = StableRegion::create(alice_, 5'000).value();
        fill(region.bytes(), content);
        ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, region, 0, 5'000)));
        auto slice = open_slice(bob_, next(bob_));
        ASSERT_TRUE(succeeded(slice));
        EXPECT_TRUE(is_all(slice->bytes(), content));
        ASSERT_TRUE(succeeded(slice->release()));
        ASSERT_TRUE(succeeded(region.destroy()));
    }
}

TEST_F(Regions, of_which_slices_came_stay_mapped_in_bounds) {
    std::vector<ReceivedSlice> held;
    for (std::size_t i = 0; i < 2 * client::SliceMappings::kMost; ++i) {
        auto region = StableRegion::create(alice_, 4'096).value();
        fill(region.bytes(), static_cast<char>('a' + i));
        ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, region, 0, 4'096)));
        held.push_back(open_slice(bob_, next(bob_)).value());
    }
    EXPECT_EQ(bob_.impl().slices.count(), client::SliceMappings::kMost);
    for (std::size_t i = 0; i < held.size(); ++i) {
        EXPECT_TRUE(is_all(held[i].bytes(), static_cast<char>('a' + i))) << "what is looked at stays mapped";
    }
    auto large = StableRegion::create(alice_, client::SliceMappings::kMostBytes).value();
    ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, large, 0, 1)));
    ASSERT_TRUE(succeeded(open_slice(bob_, next(bob_))));
    EXPECT_EQ(bob_.impl().slices.count(), 1U) << "it takes the room of all the others";
    auto larger = StableRegion::create(alice_, client::SliceMappings::kMostBytes + 1).value();
    ASSERT_TRUE(succeeded(send_slice(alice_, to_bob_, larger, 0, 1)));
    ASSERT_TRUE(succeeded(open_slice(bob_, next(bob_))));
    EXPECT_EQ(bob_.impl().slices.count(), 1U) << "one that is larger than the room doesn't stay";
}

TEST_F(Regions, send_large_says_which_way_it_took) {
    for (const std::size_t size :
         {std::size_t{1}, kLargeThreshold, kLargeThreshold + 1, std::size_t{100'000}, std::size_t{3} << 20}) {
        const auto content = counted(size);
        const auto sent = send_large(alice_, to_bob_, content);
        ASSERT_TRUE(succeeded(sent)) << size;
        const auto message = next(bob_);
        if (size <= kLargeThreshold) {
            EXPECT_EQ(*sent, SentAs::kMessage);
            EXPECT_FALSE(has_slice(message));
            EXPECT_TRUE(std::ranges::equal(message.payload(), content));
            continue;
        }
        EXPECT_EQ(*sent, SentAs::kRegion);
        auto slice = open_slice(bob_, message);
        ASSERT_TRUE(succeeded(slice));
        EXPECT_TRUE(std::ranges::equal(slice->bytes(), content));
        ASSERT_TRUE(succeeded(slice->release()));
    }
    EXPECT_EQ(error_of(send_large(alice_, to_bob_, {})), "bad_argument");
    EXPECT_EQ(regions(), 0U) << "what was sent ends with the receiver";
    EXPECT_EQ(bob_.impl().slices.count(), 0U) << "and so does its mapping";
}

TEST_F(Regions, a_refused_send_large_leaves_nothing_behind) {
    const auto content = counted(10'000);
    const Capability nowhere{.id = 4711, .object = to_bob_.object};
    EXPECT_EQ(error_of(send_large(alice_, nowhere, content)), "no_such_capability");
    EXPECT_EQ(regions(), 0U);
}

TEST_F(Regions, what_send_large_sent_outlives_its_sender) {
    auto sender = std::make_unique<Connection>(connect());
    const auto to_bob = sender->lookup("bob").value();
    const auto content = counted(50'000);
    ASSERT_TRUE(succeeded(send_large(*sender, to_bob, content)));
    sender.reset();
    auto slice = open_slice(bob_, next(bob_));
    ASSERT_TRUE(succeeded(slice));
    EXPECT_TRUE(std::ranges::equal(slice->bytes(), content));
}

}  // namespace keyway::test
