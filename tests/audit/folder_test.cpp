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
        constexpr Verdict kVerdicts[] = {Verdict::kDelivered, Verdict::kFull, Verdict::kExpired,
                                         Verdict::kMalformed};
        const Verdict verdict = kVerdicts[random() % 4];
        note(i, process, verdict, capability);
        // Of guesses the capability is the last one's.
        ++sent[{process, verdict == Verdict::kMalformed ? 0 : capability,
                static_cast<std::uint8_t>(verdict)}];
    }
    flush();
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint8_t>, std::uint64_t> found;
    for (const Record& r : written_) {
        const bool guess = static_cast<Verdict>(r.verdict) == Verdict::kMalformed;
        found[{r.process, guess ? 0 : r.capability, r.verdict}] += r.count;
    }
    EXPECT_EQ(found, sent);
}

TEST_F(RunFolderTest, a_process_that_guesses_makes_one_record_a_verdict_however_it_varies_its_guesses) {
    std::mt19937_64 random(1);
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        Header header;
        header.set_type(static_cast<std::uint8_t>(random() % 16));
        header.set_flags(static_cast<std::uint8_t>(random() % 256));
        header.set_priority(static_cast<std::uint8_t>(random() % 4));
        header.set_receiver(static_cast<std::uint32_t>(random()));
        header.set_capability(i);
        header.set_carried(static_cast<std::uint32_t>(random()));
        header.set_sequence(i);
        header.set_length(7);
        constexpr Verdict kGuesses[] = {Verdict::kMalformed, Verdict::kSpoofed, Verdict::kNoSuchCapability,
                                        Verdict::kWrongObject, Verdict::kNoSuchCarried};
        note(header, 5, kGuesses[i % 5]);
    }
    EXPECT_TRUE(written_.empty());
    flush();
    ASSERT_EQ(written_.size(), 5U);
    for (const Record& r : written_) {
        EXPECT_EQ(r.kind, RecordKind::kMessage);
        EXPECT_EQ(r.process, 5U);
        EXPECT_EQ(r.count, 2000U);
        EXPECT_EQ(r.bytes, 14'000U);
        EXPECT_GE(r.capability, 9'995U) << "the last guess is kept";
    }
}

TEST_F(RunFolderTest, requests_that_come_to_nothing_are_counted_by_process_request_and_outcome) {
    for (std::uint32_t i = 0; i < 3000; ++i) {
        Record record{.kind = RecordKind::kRequest,
                      .verdict = static_cast<std::uint8_t>(80 + i % 2),
                      .process = 5 + i % 3,
                      .capability = i,
                      .first_ns = now_,
                      .last_ns = now_,
                      .request = 4};
        ++now_;
        sut_.note_request(record);
    }
    sut_.expire(now_ + RunFolder::kLongestRunNs - 3100, [this](const Record& r) { written_.push_back(r); });
    EXPECT_TRUE(written_.empty()) << "they are young";
    sut_.expire(now_ + RunFolder::kLongestRunNs, [this](const Record& r) { written_.push_back(r); });
    ASSERT_EQ(written_.size(), 6U);
    for (const Record& r : written_) {
        EXPECT_EQ(r.count, 500U);
        EXPECT_LT(r.capability, 6U) << "the first is kept whole";
        EXPECT_EQ(r.last_ns - r.first_ns, 2994U);
    }
    flush();
    EXPECT_EQ(written_.size(), 6U);
}

}  // namespace
}  // namespace keyway::audit
