// Runs of messages that are alike.

#include "audit/folder.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>
#include <vector>

namespace keyway::audit {
namespace {

class RunFolderTest : public ::testing::Test {
  protected:
    void note(std::uint32_t sequence, std::uint32_t process = 5, Verdict verdict = Verdict::kDelivered,
              std::uint32_t capability = 77) {
        Header header;
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_receiver(9);
        header.set_capability(capability);
        header.set_sequence(sequence);
        header.set_length(100);
        note(header, process, verdict);
    }
    void note(const Header& header, std::uint32_t process, Verdict verdict, std::uint32_t created = 0) {
        sut_.note(header, process, verdict, created, now_++,
                  [this](const Record& r) { written_.push_back(r); });
    }
    void flush() {
        sut_.flush([this](const Record& r) { written_.push_back(r); });
    }

    RunFolder sut_;
    std::vector<Record> written_;
    std::uint64_t now_ = 1'000'000;
};

TEST_F(RunFolderTest, equal_messages_are_one_record_with_count_sequences_times_and_bytes) {
    for (std::uint32_t i = 0; i < 1000; ++i) {
        note(41 + i);
    }
    EXPECT_TRUE(written_.empty());
    flush();
    ASSERT_EQ(written_.size(), 1U);
    const Record& r = written_[0];
    EXPECT_EQ(r.kind, RecordKind::kMessage);
    EXPECT_EQ(r.count, 1000U);
    EXPECT_EQ(r.first_sequence, 41U);
    EXPECT_EQ(r.last_sequence, 1040U);
    EXPECT_EQ(r.first_ns, 1'000'000U);
    EXPECT_EQ(r.last_ns, 1'000'999U);
    EXPECT_EQ(r.bytes, 100'000U);
    EXPECT_EQ(std::tuple(r.process, r.object, r.capability, r.type, r.verdict),
              std::tuple(5U, 9U, 77U, 2, 0));
    flush();
    EXPECT_EQ(written_.size(), 1U);
}

TEST_F(RunFolderTest, another_sender_verdict_or_capability_is_another_run) {
    note(1, 5);
    note(2, 6);
    note(3, 5, Verdict::kFull);
    note(4, 5, Verdict::kDelivered, 78);
    note(5, 5);
    flush();
    ASSERT_EQ(written_.size(), 4U);
    std::uint32_t messages = 0;
    for (const Record& r : written_) {
        messages += r.count;
    }
    EXPECT_EQ(messages, 5U);
}

TEST_F(RunFolderTest, what_carries_a_capability_stands_alone_and_names_it) {
    Header header;
    header.set_type(static_cast<std::uint8_t>(Type::kCapability));
    header.set_carried(1234);
    note(header, 5, Verdict::kDelivered, 5678);
    note(header, 5, Verdict::kDelivered, 5679);
    ASSERT_EQ(written_.size(), 2U);
    EXPECT_EQ(written_[0].carried, 1234U);
    EXPECT_EQ(written_[0].created, 5678U);
    EXPECT_EQ(written_[1].created, 5679U);
    flush();
    EXPECT_EQ(written_.size(), 2U);
}

TEST_F(RunFolderTest, delivered_replies_fold_though_each_has_its_own_capability) {
    Header header;
    header.set_type(static_cast<std::uint8_t>(Type::kData));
    header.set_flags(flag::kReply);
    for (std::uint32_t id = 100; id < 200; ++id) {
        header.set_capability(id);
        note(header, 5, Verdict::kDelivered);
    }
    header.set_capability(300);
    note(header, 5, Verdict::kNoSuchCapability);
    flush();
    ASSERT_EQ(written_.size(), 2U);
    const std::size_t run = written_[0].verdict == 0 ? 0 : 1;
    EXPECT_EQ(written_[run].count, 100U);
    EXPECT_EQ(written_[run].capability, 199U);
    EXPECT_EQ(written_[1 - run].capability, 300U) << "a refusal names what was tried";
}

TEST_F(RunFolderTest, a_run_does_not_grow_old) {
    note(1);
    const auto expire = [&](std::uint64_t at) {
        sut_.expire(at, [this](const Record& r) { written_.push_back(r); });
    };
    expire(1'000'000 + RunFolder::kLongestRunNs - 1);
    EXPECT_TRUE(written_.empty());
    expire(1'000'000 + RunFolder::kLongestRunNs);
    EXPECT_EQ(written_.size(), 1U);
}

TEST_F(RunFolderTest, no_message_of_many_is_lost_or_counted_twice) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint8_t>, std::uint64_t> sent;
    for (std::uint32_t i = 0; i < 200'000; ++i) {
        const auto process = static_cast<std::uint32_t>(random() % 40);
        const auto capability = static_cast<std::uint32_t>(random() % 60);
        const auto verdict = static_cast<Verdict>(random() % 3);
        note(i, process, verdict, capability);
        ++sent[{process, capability, static_cast<std::uint8_t>(verdict)}];
    }
    flush();
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint8_t>, std::uint64_t> found;
    for (const Record& r : written_) {
        found[{r.process, r.capability, r.verdict}] += r.count;
    }
    EXPECT_EQ(found, sent);
}

}  // namespace
}  // namespace keyway::audit
