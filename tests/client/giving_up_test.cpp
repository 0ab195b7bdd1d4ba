// A submission that was given up, with the test in the router's place: whenever the router's word on it
// comes, it is nobody's.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/fd.hpp"
#include "client/sending_half.hpp"
#include "link/link_memory.hpp"

namespace keyway::test {
namespace {

class GivingUp : public ::testing::Test {
  protected:
    void SetUp() override {
        int fd = -1;
        memory_ = link::LinkMemory::create({.submission_bytes = 16384, .delivery_bytes = 16384}, fd).value();
        file_.reset(fd);
        sending_.emplace(memory_, -1, -1);
        submissions_.emplace(memory_.shared().submission, memory_.submission());
        notices_.emplace(memory_.shared().notices, memory_.notices());
    }
    std::uint64_t put() { return sending_->put(Header{}, {}).value(); }
    void refuse(std::uint64_t ticket) {
        link::NoticeBody notice{};
        notice.kind = static_cast<std::uint8_t>(Notice::kRefused);
        notice.ticket = ticket;
        notice.code = Error{Verdict::kExpired}.code();
        std::byte* room = notices_->try_reserve(sizeof notice);
        ASSERT_NE(room, nullptr);
        std::memcpy(room, &notice, sizeof notice);
        notices_->commit();
        ring::Record record;
        ASSERT_EQ(submissions_->peek(record), ring::Poll::kRecord);
        submissions_->advance();
        submissions_->release();
    }

    UniqueFd file_;
    link::LinkMemory memory_;
    std::optional<SendingHalf> sending_;
    std::optional<ring::Consumer<>> submissions_;
    std::optional<ring::Producer<>> notices_;
};

TEST_F(GivingUp, before_the_router_has_judged) {
    const std::uint64_t ticket = put();
    sending_->give_up(ticket);
    refuse(ticket);
    EXPECT_FALSE(sending_->next_refusal());
}

TEST_F(GivingUp, after_the_router_has_told_and_before_that_was_read) {
    const std::uint64_t ticket = put();
    refuse(ticket);
    sending_->give_up(ticket);
    EXPECT_FALSE(sending_->next_refusal());
}

TEST_F(GivingUp, costs_no_other_submission_its_refusal) {
    const std::uint64_t first = put();
    const std::uint64_t second = put();
    refuse(first);
    refuse(second);
    sending_->give_up(first);
    const auto refusal = sending_->next_refusal();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->ticket, second);
    EXPECT_FALSE(sending_->next_refusal());
}

}  // namespace
}  // namespace keyway::test
