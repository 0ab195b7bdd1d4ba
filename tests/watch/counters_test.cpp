// Counters that the router publishes: who may see which, that they are right, and that nobody can write them.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/connection_impl.hpp"
#include "tests/watch/watch_fixture.hpp"
#include "watch/board.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

TEST(LatencyBuckets, each_duration_is_below_its_buckets_bound_and_not_below_the_one_before) {
    std::uint64_t previous = 0;
    for (std::size_t bucket = 0; bucket < Latency::kBuckets; ++bucket) {
        const std::uint64_t bound = Latency::bound(bucket);
        EXPECT_GT(bound, previous);
        EXPECT_EQ(Latency::bucket_of(previous), bucket);
        EXPECT_EQ(Latency::bucket_of(bound - 1), bucket);
        previous = bound;
    }
    Latency latency;
    EXPECT_EQ(latency.quantile(0.5), 0U);
    latency.count[Latency::bucket_of(1000)] = 99;
    latency.count[Latency::bucket_of(1'000'000)] = 1;
    EXPECT_EQ(latency.quantile(0.5), 1024U);
    EXPECT_GT(latency.quantile(1.0), 1'000'000U);
}

// Each writing has its own number in every row. A reader that took rows of two would see two numbers.
TEST(CounterBoard, is_never_read_half_written) {
    constexpr std::uint32_t kRows = 16;
    UniqueFd file;
    auto written = watch::Board::create({.processes = kRows, .endpoints = 1, .regions = 1}, file).value();
    const auto read = watch::Board::map(file.get()).value();
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (std::uint64_t number = 1; !stop.load(); ++number) {
            written.begin();
            for (std::uint32_t i = 0; i < kRows; ++i) {
                ProcessFigures row;
                row.sent = number;
                written.add(row);
            }
            written.finish({});
            std::this_thread::sleep_for(30us);  // the router is far from writing all the time
        }
    });
    int mixed = 0;
    std::uint64_t last = 0;
    for (int writings = 0; writings < 1000;) {
        Snapshot now;
        if (read.read(now) != watch::Board::Look::kDone) {
            continue;
        }
        const std::uint64_t number = now.processes[0].sent;
        writings += std::exchange(last, number) != number ? 1 : 0;
        const auto same = [&](const ProcessFigures& row) { return row.sent == number; };
        mixed += std::ranges::all_of(now.processes, same) ? 0 : 1;
    }
    stop = true;
    writer.join();
    EXPECT_EQ(mixed, 0);
}

class Sight : public Watched {};

TEST_F(Sight, a_process_sees_its_own_rows_without_a_capability_and_no_others) {
    Connection mine = connect();
    Connection other = connect();
    ASSERT_TRUE(succeeded(mine.register_endpoint("mine")));
    ASSERT_TRUE(succeeded(other.register_endpoint("other")));
    auto counters = Counters::open(mine).value();
    const Snapshot now = counters.read().value();
    ASSERT_EQ(now.processes.size(), 1U);
    EXPECT_EQ(now.processes[0].id, mine.id());
    ASSERT_EQ(now.endpoints.size(), 1U);
    EXPECT_EQ(now.endpoints[0].get_name(), "mine");
    EXPECT_EQ(now.router.everything, 0U);
    EXPECT_EQ(now.router.endpoints, 0U) << "how many others have is not its business either";
}

TEST_F(Sight, an_observer_sees_all_rows) {
    Connection other = connect();
    Connection watcher = connect();
    ASSERT_TRUE(succeeded(other.register_endpoint("other")));
    auto counters = Counters::open(watcher, become_observer(watcher).value().id).value();
    const Snapshot now = counters.read().value();
    EXPECT_NE(process(now, other.id()), nullptr);
    EXPECT_NE(process(now, watcher.id()), nullptr);
    EXPECT_NE(endpoint(now, "other"), nullptr);
    EXPECT_EQ(now.router.everything, 1U);
    EXPECT_EQ(now.router.processes, 2U);
}

TEST_F(Sight, of_everything_takes_an_observer_capability_of_ones_own) {
    Connection mine = connect();
    Connection thief = connect();
    const Capability observer = become_observer(mine).value();
    EXPECT_EQ(error_of(Counters::open(thief, observer.id)), "no_such_capability");
    EXPECT_EQ(error_of(Counters::open(mine, mine.self().id)), "wrong_object");
    EXPECT_EQ(error_of(Trace::open(mine, 0)), "no_such_capability");
}

TEST_F(Sight, ends_with_the_capability_for_whom_it_was_given_to_as_well) {
    Connection admin = connect();
    Connection monitor = connect();
    const Endpoint home = monitor.register_endpoint("monitor").value();
    const Capability observer = become_observer(admin).value();
    const Capability to_monitor = admin.lookup("monitor").value();
    ASSERT_TRUE(succeeded(admin.give(observer, to_monitor, right::kRead, 1)));
    const std::uint32_t given = monitor.receive(Deadline::in(10s)).value().carried();
    auto counters = Counters::open(monitor, given).value();
    auto trace = Trace::open(monitor, given).value();
    ASSERT_TRUE(succeeded(counters.read()));
    ASSERT_TRUE(succeeded(admin.revoke_any(given)));
    ASSERT_TRUE(succeeded(admin.send(Outgoing::to(to_monitor, "after"))));
    EXPECT_EQ(error_of(counters.read()), "revoked");
    EXPECT_EQ(error_of(trace.next(Deadline::in(10s))), "revoked");
    EXPECT_EQ(error_of(Counters::open(monitor, given)), "no_such_capability");
    EXPECT_NE(home.id, 0U);
}

TEST_F(Sight, is_lost_by_who_gives_the_capability_away) {
    Connection admin = connect();
    Connection monitor = connect();
    ASSERT_TRUE(succeeded(monitor.register_endpoint("monitor")));
    const Capability observer = become_observer(admin).value();
    auto trace = Trace::open(admin, observer.id).value();
    const Capability to_monitor = admin.lookup("monitor").value();
    ASSERT_TRUE(succeeded(admin.move(observer, to_monitor)));
    ASSERT_TRUE(succeeded(admin.send(Outgoing::to(to_monitor, "after"))));
    EXPECT_EQ(error_of(trace.next(Deadline::in(10s))), "revoked");
}

TEST_F(Sight, ends_when_the_capability_expires) {
    Connection admin = connect();
    Capability observer = become_observer(admin).value();
    const Capability shortly =
        admin.derive(observer, {.rights = right::kRead, .badge = 0, .lifetime = 20ms}).value();
    auto counters = Counters::open(admin, shortly.id).value();
    while (true) {  // the router publishes as long as something happens
        ASSERT_TRUE(succeeded(admin.list()));
        if (auto now = counters.read(); !now) {
            EXPECT_EQ(now.error().name(), "revoked");
            break;
        }
    }
}

TEST_F(Sight, is_of_memory_that_its_reader_can_neither_write_nor_cut) {
    Connection mine = connect();
    link::ControlMessage request;
    request.request = static_cast<std::uint8_t>(Request::kCounters);
    auto answer = mine.impl().request(request).value();
    ASSERT_EQ(answer.fd_count, 1U);
    const int file = answer.fds[0].get();
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
    EXPECT_NE(::ftruncate(file, 0), 0);
    EXPECT_LT(::write(file, "x", 1), 0);
    const std::string again = "/proc/self/fd/" + std::to_string(file);
    const UniqueFd reopened(::open(again.c_str(), O_RDWR));
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0), MAP_FAILED);
    void* readable = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0);
    ASSERT_NE(readable, MAP_FAILED);
    EXPECT_NE(::mprotect(readable, 4096, PROT_READ | PROT_WRITE), 0);
    ::munmap(readable, 4096);
}

class SightWithoutPolicy : public RouterFixture {
  protected:
    SightWithoutPolicy() : RouterFixture(watched_options(false, false)) {}
};

TEST_F(SightWithoutPolicy, of_everything_is_not_to_be_had) {
    Connection mine = connect();
    EXPECT_EQ(error_of(become_observer(mine)), "not_allowed");
}

class Figures : public Watched {
  protected:
    Figures() : service_(connect()), client_(connect()), watcher_(connect()) {
        endpoint_ = service_.register_endpoint("service").value();
        to_service_ = client_.lookup("service").value();
        counters_ = std::make_unique<Counters>(
            Counters::open(watcher_, become_observer(watcher_).value().id).value());
    }
    Connection service_;
    Connection client_;
    Connection watcher_;
    Endpoint endpoint_;
    Capability to_service_;
    std::unique_ptr<Counters> counters_;
};

TEST_F(Figures, count_what_was_sent_delivered_and_refused_and_why) {
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "12345"))));
    ASSERT_TRUE(succeeded(client_.send(Outgoing::to(to_service_, "678"))));
    EXPECT_EQ(error_of(client_.send(Outgoing::to(Capability{.id = 77}, "x"))), "no_such_capability");
    const Snapshot now =
        read_until(*counters_, [&](const Snapshot& s) { return process(s, client_.id())->sent == 3; });
    const ProcessFigures& client = *process(now, client_.id());
    EXPECT_EQ(client.delivered, 2U);
    EXPECT_EQ(client.refused, 1U);
    EXPECT_EQ(client.verdict[static_cast<std::size_t>(Verdict::kNoSuchCapability)], 1U);
    EXPECT_EQ(process(now, service_.id())->received, 2U);
    EXPECT_EQ(endpoint(now, "service")->messages, 2U);
    EXPECT_EQ(endpoint(now, "service")->bytes, 8U);
    EXPECT_EQ(now.router.refused(), 1U);
    EXPECT_EQ(now.router.delivered(), 2U);
}

TEST_F(Figures, tell_how_much_waits_in_a_queue_and_the_most_that_ever_did) {
    const std::string big(4000, 'x');
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(succeeded(client_.try_send(Outgoing::to(to_service_, big))));
    }
    Snapshot now = read_until(*counters_, [&](const Snapshot& s) {
        return process(s, service_.id())->queues[1].used_bytes > 12'000;
    });
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(succeeded(service_.receive(Deadline::in(10s))));
    }
    ASSERT_EQ(error_of(service_.try_receive()), "would_block");
    // Nobody tells the router that the queue is empty: it looks again by itself.
    now = read_until(*counters_,
                     [&](const Snapshot& s) { return process(s, service_.id())->queues[1].used_bytes == 0; });
    EXPECT_GT(process(now, service_.id())->queues[1].high_water_bytes, 12'000U);
    EXPECT_EQ(process(now, client_.id())->queues[1].high_water_bytes, 0U);
}

TEST_F(Figures, keep_the_high_water_mark_of_a_moment_that_no_look_saw) {
    const std::string big(4000, 'x');
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(succeeded(client_.try_send(Outgoing::to(to_service_, big))));
    }
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(succeeded(service_.receive(Deadline::in(10s))));
    }
    ASSERT_EQ(error_of(service_.try_receive()), "would_block");
    Connection late = connect();
    auto counters = Counters::open(late, become_observer(late).value().id).value();
    const Snapshot now = counters.read().value();
    EXPECT_GT(process(now, service_.id())->queues[1].high_water_bytes, 12'000U);
}

TEST_F(Figures, time_calls_from_delivery_to_reply) {
    std::thread server([&] {
        for (int i = 0; i < 10; ++i) {
            auto call = service_.receive(Deadline::in(10s)).value();
            std::this_thread::sleep_for(1ms);
            service_.reply(call, "done").value();
        }
    });
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(succeeded(client_.call(to_service_, "do", Deadline::in(10s))));
    }
    server.join();
    const Snapshot now =
        read_until(*counters_, [&](const Snapshot& s) { return endpoint(s, "service")->replies == 10; });
    const EndpointFigures& service = *endpoint(now, "service");
    EXPECT_EQ(service.calls, 10U);
    EXPECT_EQ(service.latency.total(), 10U);
    EXPECT_GE(service.latency.quantile(0.1), 1'000'000U);
    EXPECT_EQ(now.router.latency.total(), 10U);
}

TEST_F(Figures, of_one_moment_agree_with_each_other_while_messages_flow) {
    std::atomic<bool> stop{false};
    std::atomic<bool> all_sent{false};
    std::thread sender([&] {
        while (!stop.load()) {
            ASSERT_TRUE(succeeded(client_.post(Outgoing::to(to_service_, "x"), Deadline::in(10s))));
        }
        ASSERT_TRUE(succeeded(client_.flush(Deadline::in(10s))));
    });
    std::thread receiver([&] {
        while (!all_sent.load()) {
            while (service_.try_receive()) {
            }
        }
    });
    std::uint64_t last = 0;
    for (int changes = 0; changes < 5;) {
        const Snapshot now = counters_->read().value();
        const ProcessFigures& client = *process(now, client_.id());
        ASSERT_EQ(client.sent, client.delivered + client.refused + client.expired);
        ASSERT_GE(client.sent, last);
        changes += client.sent != last ? 1 : 0;
        last = client.sent;
    }
    stop = true;
    sender.join();
    all_sent = true;
    receiver.join();
}

TEST_F(Figures, of_a_process_go_with_it) {
    auto short_lived = std::make_unique<Connection>(connect());
    const std::uint32_t id = short_lived->id();
    read_until(*counters_, [&](const Snapshot& s) { return process(s, id) != nullptr; });
    short_lived.reset();
    read_until(*counters_, [&](const Snapshot& s) { return process(s, id) == nullptr; });
}

TEST_F(Figures, say_so_when_there_are_more_rows_than_room) {
    std::vector<Connection> many;
    for (int i = 0; i < 60; ++i) {
        many.push_back(connect());
    }
    const Snapshot now = read_until(*counters_, [](const Snapshot& s) { return s.more; });
    EXPECT_LT(now.processes.size(), now.router.processes);
    auto larger = Counters::open(watcher_, become_observer(watcher_).value().id).value();
    const Snapshot all = larger.read().value();
    EXPECT_FALSE(all.more);
    EXPECT_EQ(all.processes.size(), all.router.processes);
    EXPECT_EQ(error_of(counters_->read()), "revoked") << "a connection has one board";
}

TEST_F(Figures, of_refusals_name_what_the_capability_was_good_for) {
    auto narrow = service_.derive(endpoint_.capability, {.rights = right::kGrant | right::kWrite}).value();
    EXPECT_EQ(error_of(service_.call(narrow, "x", Deadline::in(10s))), "insufficient_rights");
    const auto list = nlohmann::json::parse(watcher_.list().value());
    const auto& refused = list.at("refusals").back();
    EXPECT_EQ(refused.at("verdict"), "insufficient_rights");
    EXPECT_EQ(refused.at("sender"), service_.id());
    EXPECT_EQ(refused.at("capability"), narrow.id);
    EXPECT_EQ(refused.at("rights"), nlohmann::json({"write", "grant"}));
    EXPECT_EQ(refused.at("call"), true);
}

}  // namespace keyway::test
