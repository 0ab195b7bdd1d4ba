// The ledger: what was written is there again, whole or not at all.

#include "quantum/ledger.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace keyway::quantum {

class LedgerTest : public ::testing::Test {
  protected:
    LedgerTest() {
        std::string name = std::filesystem::temp_directory_path() / "keyway-ledger-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        file_ = folder_ / "qubits";
    }
    ~LedgerTest() override { std::filesystem::remove_all(folder_); }

    static LedgerEntry entry(std::uint32_t number, std::int32_t pid = 7) {
        return {.number = number,
                .width = 3,
                .holder = {.pid = pid, .uid = 1000, .start_time = 99},
                .deadline_ns = 123456789,
                .fidelity_ppb = 990'000'000};
    }
    void patch(std::streamoff at, const std::string& bytes) const {
        std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(at);
        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    static constexpr std::streamoff kHeader = 64;
    static constexpr std::streamoff kCopy = 64;

    std::filesystem::path folder_;
    std::filesystem::path file_;
};

TEST_F(LedgerTest, what_was_written_is_there_after_it_was_opened_again) {
    {
        auto sut = Ledger::open(file_).value();
        ASSERT_EQ(sut.next_number(), 1U);
        sut.write(0, entry(1));
        sut.write(5, entry(sut.next_number()));
        sut.write(5, {});
    }
    auto sut = Ledger::open(file_).value();
    EXPECT_EQ(sut.entries()[0], entry(1));
    EXPECT_EQ(sut.entries()[5].number, 0U);
    EXPECT_EQ(sut.free_slot(), 1U);
    EXPECT_EQ(sut.next_number(), 3U) << "a number is never used twice, also when its qubit has ended";
}

TEST_F(LedgerTest, a_change_that_was_cut_short_leaves_the_entry_before_it) {
    {
        auto sut = Ledger::open(file_).value();
        sut.write(0, entry(1, 7));  // copy B
        sut.write(0, entry(1, 8));  // copy A, the newer
    }
    // Any byte of the newer copy that is not yet as it should be.
    for (std::streamoff at = 0; at < kCopy; ++at) {
        std::ifstream whole(file_, std::ios::binary);
        const std::string before((std::istreambuf_iterator<char>(whole)), {});
        std::string bytes = before;
        bytes[static_cast<std::size_t>(kHeader + at)] =
            static_cast<char>(bytes[static_cast<std::size_t>(kHeader + at)] ^ 0x40);
        patch(0, bytes);
        {
            auto sut = Ledger::open(file_).value();
            EXPECT_EQ(sut.entries()[0], entry(1, 7)) << "byte " << at;
        }
        patch(0, before);
        auto sut = Ledger::open(file_).value();
        EXPECT_EQ(sut.entries()[0], entry(1, 8));
    }
}

TEST_F(LedgerTest, two_routers_can_not_share_one) {
    auto first = Ledger::open(file_).value();
    auto second = Ledger::open(file_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().system_error(), EWOULDBLOCK);
}

TEST_F(LedgerTest, a_file_that_is_no_ledger_is_refused_and_left_alone) {
    std::ofstream(file_) << "a diary";
    EXPECT_EQ(Ledger::open(file_).error(), Error{Status::kCorrupt});
    EXPECT_EQ(std::filesystem::file_size(file_), 7U);
    std::filesystem::remove(file_);
    { auto sut = Ledger::open(file_).value(); }
    patch(0, "XX");
    EXPECT_EQ(Ledger::open(file_).error(), Error{Status::kCorrupt});
}

TEST_F(LedgerTest, entries_of_an_earlier_boot_are_forgotten) {
    {
        auto sut = Ledger::open(file_).value();
        sut.write(0, entry(sut.next_number()));
    }
    patch(16, std::string(36, 'x'));
    auto sut = Ledger::open(file_).value();
    EXPECT_EQ(sut.entries()[0].number, 0U);
}

TEST_F(LedgerTest, a_link_in_its_place_is_not_followed) {
    std::filesystem::create_symlink(folder_ / "elsewhere", file_);
    EXPECT_FALSE(Ledger::open(file_));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "elsewhere"));
}

TEST_F(LedgerTest, without_a_file_it_keeps_entries_in_memory) {
    Ledger sut;
    sut.write(Ledger::kSlots - 1, entry(1));
    EXPECT_EQ(sut.entries()[Ledger::kSlots - 1], entry(1));
    for (std::uint32_t slot = 0; slot + 1 < Ledger::kSlots; ++slot) {
        sut.write(slot, entry(2));
    }
    EXPECT_EQ(sut.free_slot(), Ledger::kSlots);
}

TEST(IdentityTest, is_the_same_for_one_process_and_nobody_for_none) {
    const Identity mine = identity_of(::getpid(), ::getuid());
    EXPECT_NE(mine.start_time, 0U);
    EXPECT_EQ(mine, identity_of(::getpid(), ::getuid()));
    EXPECT_NE(mine, identity_of(::getppid(), ::getuid()));
    EXPECT_EQ(identity_of(-1, 0), Identity{});
}

}  // namespace keyway::quantum
