// A board as the engine of a router: what it judges, what it may never do, and what becomes of the router
// when it fails. The board's FPGA is a program (sim/core_fpga.hpp), the driver above it the real one.
//
// KEYWAY_SEED=n replays the choices of the test that cuts the cable, though not the timing of its threads.

#include "driver/engine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "audit/reader.hpp"
#include "bitstream.hpp"
#include "cut_bus.hpp"
#include "tests/client/router_fixture.hpp"
#include "tests/router/engine_stage.hpp"
#include "tests/run_length.hpp"

using namespace std::chrono_literals;

namespace keyway::device {
namespace {

using test::number_in;
using test::succeeded;
using test::times_said;
using Power = Desk::Power;

std::string bitstream() {
    const auto bytes = any_bitstream(64);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::shared_ptr<BoardEngine>> engine_of(Desk& desk) {
    return BoardEngine::open(desk.bus(), {.bitstream = bitstream(), .log = test::listen_to});
}

/// A router that asks the board on the desk, and compares.
class BoardEngineTest : public ::testing::Test {
  protected:
    /// The desk goes last: the router's engine has its board.
    template <typename... Arguments>
    Desk& desk_with(Arguments... arguments) {
        return desk_.emplace(arguments...);
    }
    void start(Desk& desk) {
        auto engine = engine_of(desk);
        ASSERT_TRUE(succeeded(engine));
        router_.emplace(test::with(std::move(*engine), true));
        router_->start().value();
        receiver_.emplace(router_->connect({.spin = 5us}).value());
        sender_.emplace(router_->connect({.spin = 5us}).value());
        home_ = receiver_->register_endpoint("box").value().capability;
        box_ = sender_->lookup("box").value();
    }
    /// Sends a number and fetches it.
    void pass(std::uint64_t number) {
        ASSERT_TRUE(succeeded(
            sender_->send(Outgoing::to(box_, std::as_bytes(std::span(&number, 1))), Deadline::in(10s))));
        auto got = receiver_->receive(Deadline::in(10s));
        ASSERT_TRUE(succeeded(got));
        EXPECT_EQ(number_in(*got), number);
    }
    /// Messages go through until `done`.
    template <typename Done>
    void pass_until(const Done& done) {
        for (const Deadline patience = Deadline::in(30s); !done() && !HasFatalFailure();) {
            ASSERT_FALSE(patience.passed());
            pass(1);
        }
    }

    std::optional<Desk> desk_;
    std::optional<Router> router_;
    std::optional<Connection> receiver_, sender_;
    /// Another capability for the box, which its owner makes for itself and uses.
    Capability twin(std::uint8_t rights = right::kWrite) {
        return receiver_->derive(home_, {.rights = rights}).value();
    }
    Result<void> use(const Capability& by, std::uint32_t to) {
        Outgoing message = Outgoing::to(by, "by the twin");
        message.receiver = to;
        return receiver_->send(message, Deadline::in(10s));
    }
    Result<void> use(const Capability& by) { return use(by, by.object); }

    Capability home_, box_;
};

TEST_F(BoardEngineTest, judges_messages_and_the_software_agrees) {
    Desk& desk = desk_with();
    start(desk);
    for (std::uint64_t i = 0; i < 100; ++i) {
        pass(i);
    }
    EXPECT_EQ(desk.judged(), 100U);
    const RouterCounters counters = router_->counters();
    EXPECT_EQ(counters.engine_judged, 100U);
    EXPECT_EQ(counters.engine_differences, 0U);
}

TEST_F(BoardEngineTest, refuses_what_the_software_refuses_and_for_the_same_reason) {
    Desk& desk = desk_with();
    start(desk);
    pass(1);
    EXPECT_EQ(test::error_of(use(home_, home_.object + 1)), "wrong_object");
    EXPECT_EQ(test::error_of(use(twin(right::kRead))), "insufficient_rights");
    EXPECT_EQ(router_->counters().engine_judged, 3U);
    EXPECT_EQ(router_->counters().engine_differences, 0U);
}

TEST_F(BoardEngineTest, what_was_recalled_is_forgotten_by_the_board_before_the_recall_is_over) {
    Desk& desk = desk_with();
    start(desk);
    const Capability other = twin();
    ASSERT_TRUE(succeeded(use(other)));
    ASSERT_TRUE(receiver_->receive(Deadline::in(10s)));
    ASSERT_TRUE(receiver_->release(other.id));
    EXPECT_EQ(test::error_of(use(other)), "no_such_capability");
    EXPECT_EQ(times_said("ALARM"), 0U);
}

TEST_F(BoardEngineTest, a_board_that_keeps_a_recalled_right_is_found_out_and_gets_nothing_through) {
    Desk& desk = desk_with();
    desk.fpga.faults.forgets_late = true;
    start(desk);
    const Capability other = twin();
    ASSERT_TRUE(succeeded(use(other)));
    ASSERT_TRUE(receiver_->receive(Deadline::in(10s)));
    ASSERT_TRUE(receiver_->release(other.id));
    EXPECT_EQ(test::error_of(use(other)), "no_such_capability");
    EXPECT_EQ(times_said("ALARM"), 1U);
}

TEST_F(BoardEngineTest, a_board_that_lets_everything_through_lets_nothing_through) {
    Desk& desk = desk_with();
    desk.fpga.faults.says_yes = true;
    start(desk);
    EXPECT_EQ(test::error_of(use(twin(right::kRead))), "insufficient_rights");
    EXPECT_EQ(times_said("ALARM"), 1U);
}

TEST_F(BoardEngineTest, an_answer_too_many_is_no_answer_to_the_next_message) {
    Desk& desk = desk_with();
    start(desk);
    pass(1);
    desk.locked([&] { desk.fpga.faults.answers_twice = true; });
    EXPECT_EQ(test::error_of(use(home_, home_.object + 1)), "wrong_object");
    pass(2);
    EXPECT_GE(times_said("the board is lost"), 1U);  // once more where it was back already
    EXPECT_EQ(times_said("ALARM"), 0U);
}

TEST_F(BoardEngineTest, rows_and_destinations_that_a_small_board_lacks_are_the_softwares) {
    Desk& desk = desk_with(Power::kRunning, sim::CoreFpga::Shape{.row_bits = 1, .destination_bits = 3});
    start(desk);
    std::vector<Capability> twins;
    for (int i = 0; i < 9; ++i) {
        twins.push_back(twin());
    }
    for (int round = 0; round < 3; ++round) {
        for (const Capability& each : twins) {
            ASSERT_TRUE(succeeded(use(each)));
            ASSERT_TRUE(receiver_->receive(Deadline::in(10s)));
        }
    }
    EXPECT_EQ(router_->counters().engine_judged, 27U);
    for (int i = 0; i < 10; ++i) {
        receiver_->register_endpoint("far/" + std::to_string(i)).value();
    }
    const Capability far = sender_->lookup("far/9").value();
    ASSERT_GE(far.object, 8U);
    ASSERT_TRUE(succeeded(sender_->send(Outgoing::to(far, "x"), Deadline::in(10s))));
    ASSERT_TRUE(receiver_->receive(Deadline::in(10s)));
    EXPECT_EQ(router_->counters().engine_missed, 1U);
    EXPECT_EQ(router_->counters().engine_differences, 0U);
}

TEST_F(BoardEngineTest, falls_back_when_it_is_unplugged_and_judges_again_when_it_is_back) {
    Desk& desk = desk_with();
    start(desk);
    pass(1);
    desk.unplug();
    pass(2);
    EXPECT_EQ(times_said("the board is lost"), 1U);
    EXPECT_EQ(router_->counters().engine_judged, 1U);
    pass(3);
    EXPECT_EQ(router_->counters().engine_missed, 2U);
    desk.plug_in();
    pass_until([&] { return router_->counters().engine_judged > 1; });
    EXPECT_EQ(times_said("the board is back"), 1U);
}

TEST_F(BoardEngineTest, a_right_that_was_recalled_while_the_board_was_away_stays_recalled) {
    Desk& desk = desk_with();
    start(desk);
    const Capability other = twin();
    ASSERT_TRUE(succeeded(use(other)));
    ASSERT_TRUE(receiver_->receive(Deadline::in(10s)));
    desk.arm(1, Cut::kStall, 1);
    pass(1);
    ASSERT_TRUE(receiver_->release(other.id));
    pass_until([&] { return times_said("the board is back") == 1; });
    const std::uint64_t judged = router_->counters().engine_judged;
    pass_until([&] { return router_->counters().engine_judged > judged; });
    EXPECT_EQ(test::error_of(use(other)), "no_such_capability");
    EXPECT_EQ(times_said("ALARM"), 0U);
}

TEST_F(BoardEngineTest, a_session_that_found_rows_of_the_last_one_would_be_noticed) {
    Desk& desk = desk_with();
    desk.fpga.faults.keeps_rows = true;
    start(desk);
    const Capability other = twin();
    ASSERT_TRUE(succeeded(use(other)));
    ASSERT_TRUE(receiver_->receive(Deadline::in(10s)));
    // Lost in the recall itself, and the FPGA was not without power.
    desk.arm(1, Cut::kStall, 1);
    ASSERT_TRUE(receiver_->release(other.id));
    EXPECT_EQ(times_said("the board is lost"), 1U);
    const std::uint64_t judged = router_->counters().engine_judged;
    pass_until([&] { return router_->counters().engine_judged > judged; });
    EXPECT_EQ(test::error_of(use(other)), "no_such_capability");
    EXPECT_EQ(times_said("ALARM"), 1U);
}

TEST(BoardEngineAlone, says_that_there_is_no_board) {
    Desk desk;
    desk.unplug();
    EXPECT_EQ(test::error_of(engine_of(desk)), "no_device");
}
TEST(BoardEngineAlone, says_that_the_fpga_is_empty) {
    Desk desk;
    EXPECT_EQ(test::error_of(BoardEngine::open(desk.bus(), {})), "fpga_empty");
}
TEST(BoardEngineAlone, says_that_the_board_may_not_be_used) {
    Desk desk;
    desk.board.faults.permitted = false;
    EXPECT_EQ(test::error_of(engine_of(desk)), "device_permission");
}
TEST(BoardEngineAlone, leaves_a_blank_chip_alone_unless_it_is_told_to_load_it) {
    Desk desk(Power::kBlank);
    EXPECT_EQ(test::error_of(BoardEngine::open(desk.bus(), {.may_load = false})), "foreign_device");
    EXPECT_EQ(desk.board.power(), Power::kBlank);
}
TEST(BoardEngineAlone, takes_a_board_that_is_loaded_as_it_is) {
    Desk desk;
    { ASSERT_TRUE(succeeded(engine_of(desk))); }
    EXPECT_TRUE(succeeded(BoardEngine::open(desk.bus(), {.may_load = false})));
}

// All that a board can do to the router's time: each transfer is taken at the last moment. The best of some,
// since the rest is the machine's.
TEST(BoardEngineAlone, gives_a_board_up_in_time_that_takes_each_transfer_at_the_last_moment) {
    auto least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 5; ++i) {
        Desk desk;
        auto opened = engine_of(desk);
        ASSERT_TRUE(succeeded(opened));
        std::this_thread::sleep_for(15ms);  // so that the link asks where the board is, too
        Header header;
        header.set_receiver(1);
        desk.arm(1, Cut::kCrawl, 1);
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_FALSE((*opened)->judge({.header = &header, .sender = 1}));
        least = std::min<std::chrono::nanoseconds>(least, std::chrono::steady_clock::now() - begin);
        EXPECT_EQ((*opened)->kind(), EngineKind::kSoftware);
    }
    EXPECT_LT(least, 10ms);
}

/// Asks another engine, and looks at the clock.
class TimedEngine final : public Engine {
  public:
    explicit TimedEngine(std::shared_ptr<Engine> inner) : inner_(std::move(inner)) {}
    [[nodiscard]] EngineKind kind() const noexcept override { return inner_->kind(); }
    std::optional<Verdict> judge(const Question& question) override {
        const Watch watch(*this);
        return inner_->judge(question);
    }
    void forget(std::uint32_t capability) override {
        const Watch watch(*this);
        inner_->forget(capability);
    }
    [[nodiscard]] bool failed() const noexcept override { return inner_->failed(); }
    /// Of the calls in which the board was lost. Only when the router has ended.
    std::vector<std::chrono::nanoseconds> losses;

  private:
    class Watch {
      public:
        explicit Watch(TimedEngine& engine) : engine_(engine), had_(engine.kind() == EngineKind::kUsb) {}
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        ~Watch() {
            if (had_ && engine_.kind() != EngineKind::kUsb) {
                engine_.losses.push_back(std::chrono::steady_clock::now() - begin_);
            }
        }

      private:
        TimedEngine& engine_;
        const bool had_;
        const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    };
    std::shared_ptr<Engine> inner_;
};

}  // namespace

// Two senders, a receiver, and somebody whose rights come and go, while the board is cut off in the middle of
// transfers and comes back.
TEST(CutBoard, loses_doubles_reorders_and_revives_nothing) {
    const char* given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    const auto dice = [&] { return static_cast<std::uint32_t>(random()); };
    std::string name = std::filesystem::temp_directory_path() / "keyway-cut-XXXXXX";
    const std::filesystem::path folder = ::mkdtemp(name.data());
    Desk desk;
    auto board = engine_of(desk);
    ASSERT_TRUE(succeeded(board));
    auto engine = std::make_shared<TimedEngine>(std::move(*board));
    RouterOptions options = test::with(engine, true);
    options.audit.directory = folder / "log";
    options.audit.key_file = folder / "key";
    std::optional<Router> router(std::in_place, std::move(options));
    router->start().value();

    constexpr std::size_t kSenders = 2;
    constexpr std::uint64_t kEnd = UINT64_MAX;
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> passed{0}, revived{0}, recalled{0};
    Connection receiver = router->connect({.spin = 5us}).value();
    receiver.register_endpoint("box").value();
    std::vector<std::uint64_t> sent(kSenders), got(kSenders);
    std::vector<std::uint32_t> ids(kSenders);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kSenders; ++i) {
        Connection sender = router->connect({.spin = 5us}).value();
        ids[i] = sender.id();
        threads.emplace_back([&, i, sender = std::move(sender)]() mutable {
            const Capability box = sender.lookup("box").value();
            while (!over) {
                const std::uint64_t number = sent[i]++;
                sender.send(Outgoing::to(box, std::as_bytes(std::span(&number, 1))), Deadline::in(30s))
                    .value();
            }
            sender.send(Outgoing::to(box, std::as_bytes(std::span(&kEnd, 1))), Deadline::in(30s)).value();
        });
    }
    threads.emplace_back([&] {
        for (std::size_t open = kSenders; open != 0;) {
            const Received message = receiver.receive(Deadline::in(60s)).value();
            const auto from =
                static_cast<std::size_t>(std::ranges::find(ids, message.sender()) - ids.begin());
            if (from == kSenders) {
                continue;
            }
            if (number_in(message) == kEnd) {
                --open;
                continue;
            }
            EXPECT_EQ(number_in(message), got[from]);
            got[from] = number_in(message) + 1;
            ++passed;
        }
    });
    threads.emplace_back([&] {
        Connection fickle = router->connect({.spin = 5us}).value();
        const Capability home = fickle.register_endpoint("home").value().capability;
        while (!over) {
            const Capability twin = fickle.derive(home, {.rights = right::kWrite}).value();
            const Outgoing message = Outgoing::to(twin, "x");
            fickle.send(message, Deadline::in(30s)).value();
            fickle.receive(Deadline::in(30s)).value();
            fickle.release(twin.id).value();
            ++recalled;
            revived += fickle.send(message, Deadline::in(30s)) ? 1 : 0;
        }
    });

    const auto wait_for = [&](const auto& done) {
        const Deadline patience = Deadline::in(60s);
        while (!done() && !patience.passed()) {
            std::this_thread::yield();
        }
        return done();
    };
    const auto enough = test::ordinary_or_long<unsigned>(200, 5000);
    unsigned cuts = 0;
    for (; cuts < enough && !::testing::Test::HasFailure(); ++cuts) {
        const auto how = static_cast<Cut>(dice() % 4);
        desk.arm(1 + dice() % 60, how, dice());
        EXPECT_TRUE(wait_for([&] { return desk.was_cut(); }));
        if (how == Cut::kUnplug) {
            const std::uint64_t until = passed + dice() % 20;
            EXPECT_TRUE(wait_for([&] { return passed >= until; }));
            desk.plug_in();
        }
        const std::uint64_t judged = desk.judged();
        EXPECT_TRUE(wait_for([&] { return desk.judged() > judged; })) << "the board is not taken up again";
    }
    over = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(got, sent);
    EXPECT_EQ(revived, 0U);
    const RouterCounters counters = router->counters();
    EXPECT_EQ(counters.engine_differences, 0U);
    EXPECT_EQ(times_said("ALARM"), 0U);
    EXPECT_EQ(counters.delivered + counters.refused + counters.expired, counters.sent);
    // Who waits for room is asked about again.
    EXPECT_GE(counters.engine_judged + counters.engine_missed, counters.sent);
    receiver = router->connect().value();
    router.reset();
    const audit::Key key = audit::load_key(folder / "key", false).value();
    std::uint64_t in_log = 0;
    const auto read = audit::verify(folder / "log", &key, [&](const audit::Record& record) {
        in_log += record.kind == audit::RecordKind::kMessage ? record.count : 0;
    });
    EXPECT_FALSE(read.fault) << read.fault->message();
    EXPECT_EQ(in_log, counters.sent);
    std::filesystem::remove_all(folder);

    std::vector<std::chrono::nanoseconds> losses = engine->losses;
    ASSERT_FALSE(losses.empty());
    std::ranges::sort(losses);
    const auto ms = [](std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; };
    const double median = ms(losses[losses.size() / 2]);
    // The rest is the machine's: how long it lets somebody else run.
    EXPECT_LT(median, 10);
    std::printf(
        "%u cuts, %zu losses noticed in the middle of a question or a recall: until the software went on "
        "%.3f ms at the median, %.3f at 90 %%, %.3f at most; %llu messages, %llu recalls; "
        "the board judged %llu, the software alone %llu\n",
        cuts, losses.size(), median, ms(losses[losses.size() * 9 / 10]), ms(losses.back()),
        static_cast<unsigned long long>(counters.sent), static_cast<unsigned long long>(recalled),
        static_cast<unsigned long long>(counters.engine_judged),
        static_cast<unsigned long long>(counters.engine_missed));
}

}  // namespace keyway::device
