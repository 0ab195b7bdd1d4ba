// From the driver to the router and back, in one process: the driver's link over the firmware in the model of
// its chip, the chip's FIFO bus, and the verilated device behind it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <random>

#include "core/ids.hpp"
#include "core/route.hpp"
#include "driver/board.hpp"
#include "driver/link.hpp"
#include "driver/registers.hpp"
#include "sim/verilated_board.hpp"

namespace keyway::rtl {
namespace {

using device::FrameDecoder;
using device::Link;
using device::milliseconds;
using sim::Bytes;

constexpr std::uint16_t kSender = 5;
constexpr std::uint32_t kGeneration = 7;

class Device : public ::testing::Test {
  protected:
    Device() { std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed_)); }
    void SetUp() override {
        std::vector<std::byte> bitstream(64, std::byte{1});
        constexpr std::array<unsigned, 4> kPreamble{0x7E, 0xAA, 0x99, 0x7E};
        std::ranges::transform(kPreamble, bitstream.begin(),
                               [](unsigned v) { return static_cast<std::byte>(v); });
        ASSERT_TRUE(transport_->control_out(UsbRequest::kFpgaBegin, 0, {}, milliseconds{1}));
        ASSERT_TRUE(transport_->control_out(UsbRequest::kFpgaData, 0, bitstream, milliseconds{1}));
        std::array<std::byte, 1> done{};
        ASSERT_TRUE(transport_->control_in(UsbRequest::kFpgaEnd, 0, done, milliseconds{1}));
        const auto opened = link_.open();
        ASSERT_TRUE(opened) << opened.error().message();
    }

    // ---- What comes back

    void poll() {
        ASSERT_TRUE(link_.poll(milliseconds{1}, [&](const FrameDecoder::View& view) {
            const auto take = [&](auto made) {
                EXPECT_GE(view.body.size(), sizeof made);
                std::memcpy(made.words.data(), view.body.data(), std::min(view.body.size(), sizeof made));
                return made;
            };
            switch (FrameKind{view.head.kind()}) {
                case FrameKind::kAcknowledge: {
                    const auto done = take(LinkAcknowledge{});
                    acknowledged_[done.sequence()] = done;
                    break;
                }
                case FrameKind::kEvent:
                    events_.push_back(take(LinkEvent{}));
                    break;
                case FrameKind::kDelivery: {
                    destinations_.push_back(take(LinkDelivery{}).destination());
                    Header header;
                    ASSERT_EQ(view.body.size(), sizeof(LinkDelivery) + sizeof header);
                    std::memcpy(header.words.data(), view.body.data() + sizeof(LinkDelivery), sizeof header);
                    deliveries_.push_back(header);
                    break;
                }
                default:
                    ADD_FAILURE() << "kind " << unsigned{view.head.kind()};
            }
        }));
    }
    template <typename Done>
    bool poll_until(const Done& done, int turns = 300) {
        for (int i = 0; i < turns && !done() && !HasFatalFailure(); ++i) {
            poll();
        }
        return done();
    }

    // ---- What is asked

    std::uint16_t send(FrameKind kind, std::span<const std::byte> body) {
        EXPECT_TRUE(poll_until([&] { return link_.credit() != 0; }));
        const auto sent = link_.send(kind, body);
        EXPECT_TRUE(sent);
        return sent ? *sent : std::uint16_t{0};
    }
    LinkAcknowledge finish(std::uint16_t sequence) {
        EXPECT_TRUE(poll_until([&] { return acknowledged_.contains(sequence); }));
        return acknowledged_[sequence];
    }
    LinkAcknowledge access(FrameKind kind, std::uint16_t offset, std::uint32_t value) {
        LinkAccess body;
        body.set_offset(offset);
        body.set_value(value);
        return finish(send(kind, std::as_bytes(std::span(body.words))));
    }
    void write(std::uint32_t offset, std::uint32_t value) {
        EXPECT_EQ(access(FrameKind::kWrite, static_cast<std::uint16_t>(offset), value).outcome(), 0);
    }
    std::uint32_t read(std::uint32_t offset) {
        const auto done = access(FrameKind::kRead, static_cast<std::uint16_t>(offset), 0);
        EXPECT_EQ(done.outcome(), 0);
        return done.value();
    }
    LinkAcknowledge fill(std::uint32_t slot, std::uint16_t object) {
        LinkAccess where;
        where.set_value(slot);
        Entry entry;
        entry.set_generation(kGeneration);
        entry.set_flags(entry_flag::kValid);
        entry.set_rights(right::kAll);
        entry.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
        entry.set_owner(kSender);
        entry.set_object(object);
        entry.set_badge(0xBAD6E);
        Bytes body(sizeof where + sizeof entry);
        std::memcpy(body.data(), where.words.data(), sizeof where);
        std::memcpy(body.data() + sizeof where, entry.words.data(), sizeof entry);
        return finish(send(FrameKind::kFill, body));
    }
    static Header message(std::uint32_t slot, std::uint16_t object, std::uint32_t sequence) {
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_receiver(object);
        header.set_capability(core::make_capability_id(kGeneration, slot));
        header.set_sequence(sequence);
        return header;
    }
    void give(const Header& header) { send(FrameKind::kMessage, std::as_bytes(std::span(header.words))); }
    Verdict judge(const Header& header) {
        const std::size_t before = events_.size();
        give(header);
        EXPECT_TRUE(poll_until([&] { return events_.size() > before; }));
        return events_.size() > before ? Verdict{events_.back().verdict()} : Verdict::kClosed;
    }
    void set_up() {
        write(reg::kPortSelect, 0);
        write(reg::kPortSender, kSender);
        write(reg::kPortControl, 1);
        for (std::uint32_t object = 1; object < 4; ++object) {
            write(0x064, object);  // the hardware's own: docs/rtl.md
            write(0x068, object);
            write(0x06C, 0);
            write(0x070, 0);
        }
        write(reg::kControl, 1);
    }

    static std::uint64_t seed_of_run() {
        const char* given = std::getenv("KEYWAY_SEED");
        return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    }
    const std::uint64_t seed_ = seed_of_run();
    sim::VerilatedBoard board_{seed_};
    const std::unique_ptr<device::Transport> transport_ = std::move(*device::open_board(board_, {}));
    Link link_{*transport_, {.window = 64, .patience = milliseconds{3000}}};
    std::map<std::uint16_t, LinkAcknowledge> acknowledged_;
    std::vector<LinkEvent> events_;
    std::vector<unsigned> destinations_;
    std::vector<Header> deliveries_;
};

TEST_F(Device, says_who_it_is_in_its_hello_and_in_its_registers) {
    EXPECT_EQ(LinkRole{link_.peer().role()}, LinkRole::kFpga);
    EXPECT_EQ(link_.peer().build_hash(), 0x1234ABCDU);
    EXPECT_EQ(read(reg::kMagic), kMagic);
    EXPECT_EQ(read(reg::kBuildHash), 0x1234ABCDU);
}

TEST_F(Device, misses_until_a_row_is_filled_then_delivers_and_misses_again_once_a_recall_is_acknowledged) {
    set_up();
    EXPECT_EQ(judge(message(1, 1, 10)), Verdict::kMiss);
    ASSERT_TRUE(poll_until([&] { return deliveries_.size() == 1; }));
    EXPECT_EQ(destinations_.back(), 0U) << "to the host, who decides";
    EXPECT_EQ(deliveries_.back().capability(), core::make_capability_id(kGeneration, 1)) << "as it came";

    EXPECT_EQ(fill(1, 1).outcome(), 0);
    EXPECT_EQ(judge(message(1, 1, 11)), Verdict::kDelivered);
    ASSERT_TRUE(poll_until([&] { return deliveries_.size() == 2; }));
    EXPECT_EQ(destinations_.back(), 1U);
    EXPECT_EQ(deliveries_.back().capability(), 0xBAD6EU) << "the badge";
    EXPECT_EQ(deliveries_.back().sender(), kSender);

    EXPECT_EQ(access(FrameKind::kInvalidate, 0, 1).outcome(), 0);
    EXPECT_EQ(judge(message(1, 1, 12)), Verdict::kMiss);
    EXPECT_EQ(events_.back().sequence(), 12U);
    EXPECT_EQ(events_.back().sender(), kSender);
}

TEST_F(Device, answers_what_it_does_not_understand_and_does_nothing) {
    LinkAccess where;
    where.set_value(1);
    const auto eight = std::as_bytes(std::span(where.words));
    EXPECT_EQ(finish(send(FrameKind::kFill, eight)).outcome(), 1) << "no entry";
    EXPECT_EQ(finish(send(FrameKind::kRead, eight.first(4))).outcome(), 1);
    EXPECT_EQ(finish(send(FrameKind::kWrite, Bytes(40))).outcome(), 1);
    EXPECT_EQ(finish(send(FrameKind{77}, eight)).outcome(), 1);
    where.set_spare(1);
    EXPECT_EQ(finish(send(FrameKind::kWrite, std::as_bytes(std::span(where.words)))).outcome(), 1);
    set_up();
    EXPECT_EQ(fill(1, 1).outcome(), 0);
    EXPECT_EQ(judge(message(1, 1, 1)), Verdict::kDelivered) << "and goes on";
}

TEST_F(Device, judges_a_body_that_is_no_header_as_malformed) {
    set_up();
    const std::size_t before = events_.size();
    send(FrameKind::kMessage, Bytes(20));
    send(FrameKind::kMessage, Bytes(40));
    ASSERT_TRUE(poll_until([&] { return events_.size() == before + 2; }));
    EXPECT_EQ(Verdict{events_[before].verdict()}, Verdict::kMalformed);
    EXPECT_EQ(Verdict{events_[before + 1].verdict()}, Verdict::kMalformed);
}

TEST_F(Device, carries_the_epoch_that_the_host_wrote_and_forgets_its_rows_with_a_new_one) {
    set_up();
    ASSERT_EQ(fill(1, 1).outcome(), 0);
    ASSERT_EQ(judge(message(1, 1, 1)), Verdict::kDelivered);
    write(reg::kEpoch, 0x142);
    EXPECT_EQ(judge(message(1, 1, 2)), Verdict::kMiss);
    ASSERT_EQ(fill(1, 1).outcome(), 0) << "while the table is being cleared, too";
    EXPECT_EQ(judge(message(1, 1, 3)), Verdict::kDelivered);
}

TEST_F(Device, is_empty_again_in_a_new_session) {
    set_up();
    ASSERT_EQ(fill(1, 1).outcome(), 0);
    ASSERT_TRUE(link_.open());
    EXPECT_EQ(read(reg::kControl) & 1U, 0U);
    set_up();
    EXPECT_EQ(judge(message(1, 1, 1)), Verdict::kMiss);
}

TEST_F(Device, serves_the_drivers_register_access) {
    std::size_t others = 0;
    device::Registers sut(link_, [&](const FrameDecoder::View&) { ++others; });
    EXPECT_EQ(*sut.read(reg::kMagic), kMagic);
    ASSERT_TRUE(sut.write(reg::kTick, 500));
    EXPECT_GE(*sut.read(reg::kTick), 500U);
    EXPECT_EQ(sut.read(4096).error(), Status::kBadArgument);
    set_up();
    Entry entry;
    entry.set_generation(kGeneration);
    entry.set_flags(entry_flag::kValid);
    entry.set_rights(right::kAll);
    entry.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
    entry.set_owner(kSender);
    entry.set_object(2);
    ASSERT_TRUE(sut.fill(3, entry));
    EXPECT_EQ(judge(message(3, 2, 1)), Verdict::kDelivered);
    // What is on its way when a recall begins was judged before it ends, and is not lost.
    give(message(3, 2, 2));
    ASSERT_TRUE(sut.invalidate(3));
    EXPECT_GE(others, 1U) << "the event of the message before";
    EXPECT_EQ(judge(message(3, 2, 3)), Verdict::kMiss);
}

// However full the way back is, each message has its event, in order.
TEST_F(Device, loses_no_verdict_under_load) {
    set_up();
    ASSERT_EQ(fill(1, 1).outcome(), 0);
    ASSERT_EQ(fill(2, 2).outcome(), 0);
    constexpr std::uint32_t kCount = 3000;
    events_.clear();
    deliveries_.clear();
    const std::uint64_t from = board_.fpga().clocks();
    for (std::uint32_t i = 0; i < kCount && !HasFatalFailure(); ++i) {
        give(message(1 + i % 3, static_cast<std::uint16_t>(1 + i % 3), i));  // every third misses
    }
    ASSERT_TRUE(poll_until([&] { return events_.size() == kCount; }, 3000)) << events_.size();
    const std::uint64_t took = board_.fpga().clocks() - from;
    std::size_t passed = 0;
    for (std::uint32_t i = 0; i < kCount; ++i) {
        ASSERT_EQ(events_[i].sequence(), i);
        const Verdict verdict{events_[i].verdict()};
        ASSERT_TRUE(verdict == Verdict::kDelivered || verdict == Verdict::kMiss || verdict == Verdict::kFull);
        passed += verdict != Verdict::kFull ? 1 : 0;
    }
    ASSERT_TRUE(poll_until([&] { return deliveries_.size() == passed; }))
        << deliveries_.size() << " of " << passed;
    EXPECT_EQ(read(reg::kCountDroppedAudit), 0U);
    EXPECT_EQ(link_.counters().lost, 0U);
    EXPECT_EQ(board_.fpga().rules_broken(), 0U);
    std::printf("%llu clocks a message\n", static_cast<unsigned long long>(took / kCount));
}

// Bytes are lost and changed all the time. Not every message has its event then, but no event is of a message
// that was not given, none comes twice, and their order is that of the messages.
TEST_F(Device, tells_the_truth_over_a_bus_that_loses_bytes) {
    set_up();
    ASSERT_EQ(fill(1, 1).outcome(), 0);
    events_.clear();
    board_.fpga().unkind() = {
        .late_flags = 3, .lose_out = 4000, .change_out = 4000, .lose_in = 4000, .change_in = 4000};
    constexpr std::uint32_t kCount = 2000;
    for (std::uint32_t i = 0; i < kCount && !HasFatalFailure(); ++i) {
        give(message(1, 1, i));
    }
    for (int i = 0; i < 60; ++i) {
        poll();
    }
    EXPECT_GT(events_.size(), kCount / 2);
    EXPECT_LT(events_.size(), kCount);
    for (std::size_t i = 1; i < events_.size(); ++i) {
        ASSERT_LT(events_[i - 1].sequence(), events_[i].sequence());
    }
    EXPECT_LT(events_.back().sequence(), kCount);
    board_.fpga().unkind() = {};
    ASSERT_TRUE(link_.open());
    set_up();
    ASSERT_EQ(fill(1, 1).outcome(), 0);
    EXPECT_EQ(judge(message(1, 1, 1)), Verdict::kDelivered);
}

}  // namespace
}  // namespace keyway::rtl
