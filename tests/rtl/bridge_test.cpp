// The bridge between the board's USB controller and the router, with a host and an echo around it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "bridge_bench.hpp"

namespace keyway::rtl {
namespace {

using device::Arrival;

Bytes body_of(std::uint32_t number, std::size_t size = 32) {
    Bytes body(size, std::byte{0});
    std::memcpy(body.data(), &number, sizeof number);
    // Zeros and other bytes in turns that differ from body to body.
    for (std::size_t i = sizeof number; i < size; ++i) {
        body[i] = static_cast<std::byte>((number >> (i % 7)) % 3 == 0 ? 0 : number * i);
    }
    return body;
}

std::uint32_t number_of(const Bytes& body) {
    std::uint32_t number = 0;
    std::memcpy(&number, body.data(), sizeof number);
    return number;
}

std::uint64_t seed_of_run() {
    const char* given = std::getenv("KEYWAY_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

class Bridge : public ::testing::Test {
  protected:
    Bridge() { std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed_)); }

    void expect_kind_to_the_bus() const {
        EXPECT_EQ(sut_.bus.overruns, 0U);
        EXPECT_EQ(sut_.bus.early_strobes, 0U);
        EXPECT_EQ(sut_.bus.contentions, 0U);
    }
    /// Sends bodies as credit allows, until all are sent or the clocks are over.
    std::uint32_t send_all(std::uint32_t from, std::uint32_t to, unsigned limit) {
        std::uint32_t next = from;
        std::uint64_t quiet_since = sut_.clocks;
        (void)sut_.run_until(
            [&] {
                while (next < to && sut_.book.may_send()) {
                    sut_.send(FrameKind::kMessage, body_of(next, 4 + next % 10 * 4));
                    ++next;
                    quiet_since = sut_.clocks;
                }
                if (sut_.clocks - quiet_since > 1000) {
                    sut_.ask();  // as the driver does when nothing moves
                    quiet_since = sut_.clocks;
                }
                return next == to;
            },
            limit);
        return next;
    }

    const std::uint64_t seed_ = seed_of_run();
    BridgeBench sut_{seed_};
};

TEST_F(Bridge, answers_a_hello_with_its_identity_and_the_hosts_session) {
    EXPECT_EQ(sut_.model().open_o, 0);
    ASSERT_TRUE(sut_.open(77, 0xCAFE'0042));
    ASSERT_EQ(sut_.hellos.size(), 1U);
    const LinkIdentity& identity = sut_.hellos.front();
    EXPECT_EQ(identity.magic(), kMagic);
    EXPECT_EQ(identity.major(), kVersionMajor);
    EXPECT_EQ(identity.minor(), kVersionMinor);
    EXPECT_EQ(identity.build_hash(), 0x1234ABCDU);
    EXPECT_EQ(LinkRole{identity.role()}, LinkRole::kFpga);
    EXPECT_EQ(identity.window(), BridgeBench::kWindow);
    EXPECT_EQ(identity.body(), 40U);
    EXPECT_EQ(identity.session(), 0xCAFE'0042U);
    EXPECT_EQ(sut_.book.credit(), BridgeBench::kWindow);
    expect_kind_to_the_bus();
}

TEST_F(Bridge, gives_no_answer_to_a_hello_of_another_contract) {
    LinkIdentity foreign;
    foreign.set_magic(kMagic);
    foreign.set_major(kVersionMajor + 1);
    sut_.book.restart(5);
    const auto bytes = std::as_bytes(std::span(foreign.words));
    sut_.send(FrameKind::kHello, Bytes(bytes.begin(), bytes.end()));
    sut_.run(2000);
    EXPECT_TRUE(sut_.hellos.empty());
    EXPECT_EQ(sut_.model().open_o, 0);
    EXPECT_EQ(sut_.model().count_bad_o, 1);
}

TEST_F(Bridge, brings_every_body_there_and_back_in_order_and_loses_nothing) {
    ASSERT_TRUE(sut_.open());
    constexpr std::uint32_t kCount = 2000;
    ASSERT_EQ(send_all(0, kCount, 2'000'000), kCount);
    ASSERT_TRUE(sut_.run_until([&] { return sut_.got.size() == kCount; })) << sut_.got.size();
    for (std::uint32_t i = 0; i < kCount; ++i) {
        ASSERT_EQ(sut_.got[i].body, body_of(i, 4 + i % 10 * 4)) << i;
    }
    EXPECT_EQ(sut_.lost, 0U);
    EXPECT_EQ(sut_.model().count_bad_o, 0);
    EXPECT_EQ(sut_.model().count_lost_o, 0);
    EXPECT_EQ(sut_.decoder.counters().damaged(), 0U);
    expect_kind_to_the_bus();
}

TEST_F(Bridge, sends_a_lone_answer_at_once_in_a_short_packet) {
    ASSERT_TRUE(sut_.open());
    sut_.packets.clear();
    const std::uint64_t from = sut_.clocks;
    sut_.send(FrameKind::kMessage, body_of(1));
    ASSERT_TRUE(sut_.run_until([&] { return sut_.got.size() == 1; }));
    EXPECT_LT(sut_.clocks - from, 300U) << "10 us at 30 MHz";
    ASSERT_EQ(sut_.packets.size(), 1U);
    EXPECT_LT(sut_.packets.front(), 60U);
}

// Only a short packet ends the transfer that the host waits in.
TEST_F(Bridge, ends_what_happens_to_fill_its_packets_with_an_empty_one) {
    ASSERT_TRUE(sut_.open());
    // A frame takes 15 bytes more on the wire than its body, whatever is in it. With one frame of credit,
    // which goes out when the first four bodies were taken, these make 512.
    sut_.echo = false;
    for (std::uint32_t i = 0; i < 15; ++i) {
        sut_.send(FrameKind::kMessage, body_of(i, i < 8 ? 20 : 16));
    }
    sut_.run(1500);
    sut_.packets.clear();
    sut_.echo = true;
    ASSERT_TRUE(sut_.run_until([&] { return sut_.packets.size() == 2; }));
    EXPECT_EQ(sut_.packets, (std::vector<std::size_t>{512, 0}));
    EXPECT_EQ(sut_.got.size(), 15U);
    expect_kind_to_the_bus();
}

TEST_F(Bridge, takes_a_window_when_nobody_takes_from_it_and_goes_on_sending) {
    ASSERT_TRUE(sut_.open());
    sut_.echo = false;
    for (unsigned i = 0; i < BridgeBench::kWindow; ++i) {
        ASSERT_TRUE(sut_.book.may_send());
        sut_.send(FrameKind::kMessage, body_of(i));
    }
    sut_.run(3000);
    EXPECT_FALSE(sut_.book.may_send());
    // One too many: it is not taken, and overwrites nothing.
    device::CreditBook liar = sut_.book;
    Bytes wire;
    device::encode_frame(liar.stamp(FrameKind::kMessage, 0), body_of(99), wire);
    sut_.send_raw(wire);
    sut_.run(500);
    EXPECT_EQ(sut_.model().count_bad_o, 1);
    const std::size_t packets = sut_.packets.size();
    sut_.ask();
    ASSERT_TRUE(sut_.run_until([&] { return sut_.packets.size() > packets; })) << "it answers all the same";
    sut_.echo = true;
    ASSERT_TRUE(sut_.run_until([&] { return sut_.got.size() == BridgeBench::kWindow; }));
    for (unsigned i = 0; i < BridgeBench::kWindow; ++i) {
        EXPECT_EQ(sut_.got[i].body, body_of(i));
    }
}

TEST_F(Bridge, waits_for_the_hosts_credit_and_takes_up_again) {
    sut_.book = device::CreditBook(4);
    ASSERT_TRUE(sut_.open());
    for (std::uint32_t i = 0; i < 6; ++i) {
        sut_.send(FrameKind::kMessage, body_of(i));
    }
    sut_.run(3000);
    EXPECT_EQ(sut_.got.size(), 4U) << "the host has said nothing of its places";
    sut_.ask();
    ASSERT_TRUE(sut_.run_until([&] { return sut_.got.size() == 6; }));
    EXPECT_EQ(sut_.lost, 0U);
}

TEST_F(Bridge, takes_nothing_that_is_old_too_long_or_of_no_session) {
    sut_.send(FrameKind::kMessage, body_of(1));  // before any hello
    sut_.run(500);
    EXPECT_EQ(sut_.model().count_bad_o, 1);
    ASSERT_TRUE(sut_.open());
    Bytes wire;
    const ::keyway::Frame head = sut_.book.stamp(FrameKind::kMessage, 0);
    device::encode_frame(head, body_of(2), wire);
    sut_.send_raw(wire);
    sut_.send_raw(wire);  // once more
    sut_.send(FrameKind::kMessage, body_of(3, 44));
    sut_.send(FrameKind::kMessage, body_of(4, 30));  // no whole words
    sut_.send(FrameKind::kMessage, {});
    sut_.send(FrameKind::kMessage, body_of(5));
    ASSERT_TRUE(sut_.run_until([&] { return sut_.got.size() == 2; }));
    sut_.run(1000);
    ASSERT_EQ(sut_.got.size(), 2U);
    EXPECT_EQ(number_of(sut_.got[0].body), 2U);
    EXPECT_EQ(number_of(sut_.got[1].body), 5U);
    EXPECT_EQ(sut_.model().count_bad_o, 5);
    EXPECT_EQ(sut_.model().count_lost_o, 3) << "what was not taken is missing in the sequence";
}

TEST_F(Bridge, begins_anew_with_every_hello_and_forgets_what_the_session_before_left) {
    ASSERT_TRUE(sut_.open(100, 1));
    sut_.echo = false;
    for (std::uint32_t i = 0; i < 5; ++i) {
        sut_.send(FrameKind::kMessage, body_of(i));
    }
    sut_.run(1000);
    ASSERT_TRUE(sut_.open(60000, 2));
    EXPECT_EQ(sut_.book.credit(), BridgeBench::kWindow);
    sut_.echo = true;
    sut_.send(FrameKind::kMessage, body_of(50));
    ASSERT_TRUE(sut_.run_until([&] { return !sut_.got.empty(); }));
    sut_.run(1000);
    ASSERT_EQ(sut_.got.size(), 1U);
    EXPECT_EQ(number_of(sut_.got.front().body), 50U);
}

// An unkind bus: whatever it does, nothing comes back that was not sent, nothing twice and nothing out of
// order; and when it is kind again, everything passes again.
class UnkindBus : public Bridge, public ::testing::WithParamInterface<std::pair<const char*, Unkind>> {};

TEST_P(UnkindBus, costs_frames_and_never_the_truth) {
    ASSERT_TRUE(sut_.open());
    sut_.bus.unkind = GetParam().second;
    const std::uint32_t sent = send_all(0, 3000, 1'500'000);
    EXPECT_GT(sent, 1500U) << "it goes on all the time";
    sut_.run(3000);
    sut_.bus.unkind = {};
    // The host asks until both sides know what is missing.
    for (int i = 0; i < 20; ++i) {
        sut_.ask();
        sut_.run(1000);
    }
    std::uint32_t last = 0;
    for (std::size_t i = 0; i < sut_.got.size(); ++i) {
        const std::uint32_t number = number_of(sut_.got[i].body);
        ASSERT_TRUE(i == 0 || number > last) << "body " << number << " after " << last;
        ASSERT_EQ(sut_.got[i].body, body_of(number, 4 + number % 10 * 4));
        last = number;
    }
    EXPECT_GT(sut_.got.size(), 500U);
    EXPECT_EQ(sut_.bus.early_strobes, 0U);
    EXPECT_EQ(sut_.bus.contentions, 0U);
    std::printf("sent %u, came back %zu, bad %u, lost there %u and back %llu\n", sent, sut_.got.size(),
                sut_.model().count_bad_o, sut_.model().count_lost_o,
                static_cast<unsigned long long>(sut_.lost));
    const std::size_t before = sut_.got.size();
    constexpr std::uint32_t kAfter = 500;
    ASSERT_EQ(send_all(10000, 10000 + kAfter, 1'000'000), 10000 + kAfter);
    ASSERT_TRUE(sut_.run_until([&] { return sut_.got.size() == before + kAfter; }))
        << sut_.got.size() - before;
}

INSTANTIATE_TEST_SUITE_P(, UnkindBus,
                         ::testing::Values(std::pair{"stalls", Unkind{.host_stalls = 97, .echo_stalls = 80}},
                                           std::pair{"late_flags", Unkind{.late_flags = 20}},
                                           std::pair{"loses_bytes", Unkind{.lose_out = 500, .lose_in = 500}},
                                           std::pair{"adds_bytes", Unkind{.add_out = 500, .add_in = 500}},
                                           std::pair{"changes_bytes",
                                                     Unkind{.change_out = 500, .change_in = 500}},
                                           std::pair{"does_all_of_it", Unkind{.late_flags = 5,
                                                                              .lose_out = 1500,
                                                                              .add_out = 1500,
                                                                              .change_out = 1500,
                                                                              .lose_in = 1500,
                                                                              .add_in = 1500,
                                                                              .change_in = 1500,
                                                                              .host_stalls = 90,
                                                                              .echo_stalls = 50}}),
                         [](const auto& test) { return std::string(test.param.first); });

}  // namespace
}  // namespace keyway::rtl
