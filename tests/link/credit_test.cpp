// Credit and sequence of the device link, two books facing each other.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "driver/credit.hpp"

namespace keyway::device {
namespace {

class Credit : public ::testing::Test {
  protected:
    // Opens both sides as host and device do; `first` is near the wrap by intent.
    void open(std::uint16_t first = 0xFFFD) {
        host_.restart(first);
        const Frame hello = host_.stamp(FrameKind::kHello, 0);
        device_.restart(hello.sequence());
        ASSERT_TRUE(device_.open(hello));
        ASSERT_TRUE(host_.open(device_.stamp(FrameKind::kHello, 0)));
    }
    Arrival cross(CreditBook& from, CreditBook& to, FrameKind kind = FrameKind::kMessage) {
        return to.take(from.stamp(kind, 0), lost_);
    }
    CreditBook host_{8}, device_{3};
    unsigned lost_ = 0;
};

TEST_F(Credit, nothing_but_a_hello_passes_before_the_hello) {
    EXPECT_FALSE(host_.may_send());
    EXPECT_EQ(cross(host_, device_), Arrival::kWrongSession);
    open();
    EXPECT_TRUE(host_.may_send());
}

TEST_F(Credit, a_hello_with_other_numbers_opens_nothing) {
    host_.restart(100);
    device_.restart(99);
    EXPECT_FALSE(host_.open(device_.stamp(FrameKind::kHello, 0)));
    EXPECT_FALSE(host_.is_open());
}

TEST_F(Credit, a_window_may_be_sent_and_not_one_more_until_a_place_is_free) {
    open();
    EXPECT_EQ(host_.credit(), 3U);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(host_.may_send());
        ASSERT_EQ(cross(host_, device_), Arrival::kInOrder);
    }
    EXPECT_FALSE(host_.may_send());
    ASSERT_EQ(cross(device_, host_, FrameKind::kCredit), Arrival::kInOrder);
    EXPECT_FALSE(host_.may_send()) << "all places are taken still";
    device_.release();
    ASSERT_EQ(cross(device_, host_, FrameKind::kCredit), Arrival::kInOrder);
    EXPECT_EQ(host_.credit(), 1U);
}

TEST_F(Credit, who_sends_without_credit_is_not_taken) {
    open();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(cross(host_, device_), Arrival::kInOrder);
    }
    EXPECT_EQ(cross(host_, device_), Arrival::kNoCredit);
    EXPECT_EQ(device_.held(), 3U);
}

TEST_F(Credit, lost_frames_are_counted_and_cost_no_credit) {
    open();
    (void)host_.stamp(FrameKind::kMessage, 0);
    (void)host_.stamp(FrameKind::kMessage, 0);
    EXPECT_EQ(cross(host_, device_), Arrival::kAfterGap);
    EXPECT_EQ(lost_, 2U);
    EXPECT_FALSE(host_.may_send());
    device_.release();
    ASSERT_EQ(cross(device_, host_, FrameKind::kCredit), Arrival::kInOrder);
    EXPECT_EQ(host_.credit(), 3U);
}

TEST_F(Credit, a_credit_frame_shows_that_the_last_ones_were_lost_and_brings_the_credit_back) {
    open();
    for (int i = 0; i < 3; ++i) {
        (void)host_.stamp(FrameKind::kMessage, 0);
    }
    ASSERT_FALSE(host_.may_send());
    EXPECT_EQ(cross(host_, device_, FrameKind::kCredit), Arrival::kAfterGap);
    EXPECT_EQ(lost_, 3U);
    ASSERT_EQ(cross(device_, host_, FrameKind::kCredit), Arrival::kInOrder);
    EXPECT_EQ(host_.credit(), 3U);
}

TEST_F(Credit, a_double_is_not_taken_twice) {
    open();
    const Frame head = host_.stamp(FrameKind::kMessage, 0);
    ASSERT_EQ(device_.take(head, lost_), Arrival::kInOrder);
    EXPECT_EQ(device_.take(head, lost_), Arrival::kOld);
    EXPECT_EQ(device_.held(), 1U);
}

TEST_F(Credit, an_old_grant_takes_nothing_back) {
    open();
    const Frame old = device_.stamp(FrameKind::kCredit, 0);
    ASSERT_EQ(cross(host_, device_), Arrival::kInOrder);
    device_.release();
    ASSERT_EQ(cross(device_, host_, FrameKind::kCredit), Arrival::kInOrder);
    ASSERT_EQ(host_.credit(), 3U);
    ASSERT_EQ(host_.take(old, lost_), Arrival::kInOrder);
    EXPECT_EQ(host_.credit(), 3U);
}

TEST_F(Credit, under_random_loss_both_sides_go_on_for_ever_and_nothing_overflows) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    open();
    std::deque<Frame> to_device, to_host;
    unsigned sent = 0, taken = 0, lost = 0;
    const auto lose = [&] { return random() % 4 == 0; };
    for (int i = 0; i < 200000; ++i) {
        switch (random() % 4) {
            case 0:
                if (const auto kind = host_.may_send() ? FrameKind::kMessage : FrameKind::kCredit; true) {
                    sent += kind == FrameKind::kMessage ? 1U : 0U;
                    const Frame head = host_.stamp(kind, 0);
                    if (!lose()) {
                        to_device.push_back(head);
                    }
                }
                break;
            case 1:
                if (!to_device.empty()) {
                    unsigned missing = 0;
                    const Arrival arrival = device_.take(to_device.front(), missing);
                    ASSERT_TRUE(arrival == Arrival::kInOrder || arrival == Arrival::kAfterGap);
                    ASSERT_LE(device_.held(), device_.window());
                    lost += missing;
                    taken += FrameKind{to_device.front().kind()} == FrameKind::kMessage ? 1U : 0U;
                    to_device.pop_front();
                }
                break;
            case 2:
                device_.release();
                if (const Frame head = device_.stamp(FrameKind::kCredit, 0); !lose()) {
                    to_host.push_back(head);
                }
                break;
            default:
                if (!to_host.empty()) {
                    unsigned missing = 0;
                    ASSERT_EQ(host_.take(to_host.front(), missing), Arrival::kInOrder);
                    to_host.pop_front();
                }
        }
    }
    EXPECT_GT(taken, 5000U);
    EXPECT_LE(taken + lost, sent);
    EXPECT_LE(sent - taken - lost, 8U + to_device.size());
}

}  // namespace
}  // namespace keyway::device
