#include "routed_figures.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "clock.hpp"
#include "keyway/connection.hpp"
#include "keyway/router.hpp"
#include "keyway/topic.hpp"
#include "pair_floors.hpp"
#include "processes.hpp"
#include "router_process.hpp"

namespace keyway::bench {

namespace {

constexpr auto kSleepsAtOnce = std::chrono::nanoseconds(0);

/// To an endpoint of our own and back: two hops, each message checked and copied out.
void routed_round_trips(Connection& connection, std::size_t bytes, int count, int warm_up, Samples& samples) {
    std::array<std::byte, 64> payload{};
    std::array<std::byte, 64> copy{};
    const Outgoing message = Outgoing::to(connection.self(), std::span(payload).first(bytes));
    for (int i = 0; i < count + warm_up; ++i) {
        std::memcpy(payload.data(), &i, sizeof i);
        const Ticks begin = ticks();
        if (const auto posted = connection.post(message); !posted) {
            errno = 0;
            give_up(posted.error().message().c_str());
        }
        {
            const Received received = connection.receive().value();
            std::memcpy(copy.data(), received.payload().data(), bytes);
        }
        const Ticks end = ticks();
        if (i >= warm_up) {
            samples.add(end - begin);
        }
        if (std::memcmp(copy.data(), payload.data(), bytes) != 0) {
            errno = 0;
            give_up("a message came back changed");
        }
    }
}

/// One thread posts bursts and receives: as many messages under way as `kWindow`.
double routed_per_second(Connection& connection, int count) {
    constexpr int kWindow = 256;
    constexpr int kBurst = 32;
    std::array<std::byte, 64> payload{};
    std::array<std::byte, 64> copy{};
    const std::vector<Outgoing> burst(kBurst, Outgoing::to(connection.self(), payload));
    const int bursts = count / kBurst + kWindow / kBurst + 1;
    int posted = 0;
    int taken = 0;
    Ticks begin = 0;
    while (taken < bursts * kBurst) {
        if (posted < bursts * kBurst && posted - taken <= kWindow - kBurst) {
            posted += static_cast<int>(connection.post_batch(burst).value());
        }
        for (int i = 0; i < kBurst; ++i) {
            const Received received = connection.receive().value();
            std::memcpy(copy.data(), received.payload().data(), copy.size());
            keep(copy[0]);
            if (++taken == kWindow) {
                begin = ticks();
            }
        }
    }
    const double seconds = static_cast<double>(ticks() - begin) * ns_per_tick() / 1e9;
    if (const auto refusal = connection.next_refusal()) {
        errno = 0;
        give_up(refusal->reason.message().c_str());
    }
    return static_cast<double>(taken - kWindow) / seconds;
}

void measure_spinning(const CorePair& cores, const Effort& effort, Report& report) {
    PairFloors floors(cores.partner);
    RouterProcess router(cores.partner, kNeverSleeps, std::chrono::seconds(30));
    const std::string line = "bare cache-line round trip: one line there, one back, both sides spinning";
    Figure p50_24{
        .name = "routed_rtt_24_p50",
        .what = "24 bytes to an endpoint of our own and back through the router's process, both spinning",
        .unit = "ns",
        .floor_what = line,
        .reach = {.value = 1000, .ratio = 1.6}};
    Figure p50_64{
        .name = "routed_rtt_64_p50",
        .what = "64 bytes to an endpoint of our own and back through the router's process, both spinning",
        .unit = "ns",
        .floor_what = line,
        .reach = {.value = 1000, .ratio = 2.5}};
    Figure p99_64 = p50_64;
    p99_64.name = "routed_rtt_64_p99";
    p99_64.what += ", 99th percentile";
    p99_64.floor_what += ", 99th percentile";
    p99_64.reach = {};
    Figure throughput{.name = "routed_throughput_64",
                      .what =
                          "messages of 64 bytes through the router; one client thread posts bursts of 32 and "
                          "receives, with up to 256 under way",
                      .unit = "msg/s",
                      .floor_what =
                          "records of two lines through a partner who copies and checks nothing, same "
                          "bursts, same window",
                      .reach = {.value = 5e6, .ratio = {}, .at_least = true}};
    const int trips = effort.operations(200'000);
    const int stream = effort.operations(2'000'000);
    constexpr int kWarmUp = 2000;
    for (int i = -1; i < effort.repetitions; ++i) {
        Samples floor(static_cast<std::size_t>(trips));
        Samples with_24(static_cast<std::size_t>(trips));
        Samples with_64(static_cast<std::size_t>(trips));
        router.process().pause();  // floor and figure need the same core
        floors.line_round_trips(trips, floor);
        const double forwarded = floors.forwarded_per_second(stream);
        router.process().resume();
        routed_round_trips(router.connection(), 64, trips, kWarmUp, with_64);
        routed_round_trips(router.connection(), 24, trips, kWarmUp, with_24);
        const double routed = routed_per_second(router.connection(), stream);
        if (i < 0) {
            continue;  // the first warms up
        }
        p50_24.add(with_24.percentile(50), floor.percentile(50));
        p50_64.add(with_64.percentile(50), floor.percentile(50));
        p99_64.add(with_64.percentile(99), floor.percentile(99));
        throughput.add(routed, forwarded);
    }
    report.add(std::move(p50_24));
    report.add(std::move(p50_64));
    report.add(std::move(p99_64));
    report.add(std::move(throughput));
}

/// The same router with and without an audit log, in turns on the same core.
void measure_audit(const CorePair& cores, const Effort& effort, Report& report) {
    constexpr bool kAudited = true;
    RouterProcess without(cores.partner, kNeverSleeps, std::chrono::seconds(30));
    without.process().pause();
    RouterProcess with(cores.partner, kNeverSleeps, std::chrono::seconds(30), kAudited);
    with.process().pause();
    Figure throughput{
        .name = "routed_throughput_64_audited",
        .what = "messages of 64 bytes through the router, as routed_throughput_64, with an audit log",
        .unit = "msg/s",
        .floor_what = "the same without an audit log",
        .reach = {}};
    Figure cost{.name = "audit_cost_per_message",
                .what = "what a message of 64 bytes takes longer through a router with an audit log",
                .unit = "ns",
                .floor_what = "what it takes without",
                .reach = {}};
    const int count = effort.operations(2'000'000);
    const auto measured = [&](RouterProcess& router) {
        router.process().resume();
        const double rate = routed_per_second(router.connection(), count);
        router.process().pause();
        return rate;
    };
    for (int i = -1; i < effort.repetitions; ++i) {
        const double off = measured(without);
        const double on = measured(with);
        if (i >= 0) {
            throughput.add(on, off);
            cost.add(1e9 / on - 1e9 / off, 1e9 / off);
        }
    }
    with.process().resume();
    without.process().resume();
    report.add(std::move(throughput));
    report.add(std::move(cost));
}

void measure_blocking(int partner_core, const std::string& name, const std::string& placement, Reach reach,
                      const Effort& effort, Report& report) {
    PairFloors floors(partner_core);
    RouterProcess router(partner_core, kSleepsAtOnce, kSleepsAtOnce);
    Figure p50{
        .name = name,
        .what = "64 bytes to an endpoint of our own and back, both sides asleep in between; " + placement,
        .unit = "ns",
        .floor_what = "bare eventfd round trip, both sides asleep in between; " + placement,
        .reach = reach};
    const int trips = effort.operations(5000);
    for (int i = -1; i < effort.repetitions; ++i) {
        Samples floor(static_cast<std::size_t>(trips));
        Samples figure(static_cast<std::size_t>(trips));
        floors.eventfd_round_trips(trips, floor);
        routed_round_trips(router.connection(), 64, trips, 20, figure);
        if (i >= 0) {
            p50.add(figure.percentile(50), floor.percentile(50));
        }
    }
    report.add(std::move(p50));
}

/// What a publisher pays for an event, in ns: bursts of 32 until the router has judged them. The subscribers,
/// which are awake, read between the bursts, outside of the time.
double publishing_ns(Connection& connection, const Capability& topic, std::span<Subscription> subscriptions,
                     int count) {
    constexpr int kBurst = 32;
    std::array<std::byte, 64> payload{};
    const std::vector<Outgoing> burst(kBurst, event_for(topic, payload));
    Ticks spent = 0;
    int published = 0;
    for (; published < count; published += kBurst) {
        const Ticks begin = ticks();
        connection.post_batch(burst).value();
        connection.flush().value();
        spent += ticks() - begin;
        for (Subscription& subscription : subscriptions) {
            for (int i = 0; i < kBurst; ++i) {
                keep(subscription.next().value().payload[0]);
            }
        }
    }
    return static_cast<double>(spent) * ns_per_tick() / published;
}

void measure_publishing(const CorePair& cores, const Effort& effort, Report& report) {
    RouterProcess router(cores.partner, kNeverSleeps, std::chrono::seconds(30));
    Connection& connection = router.connection();
    const auto subscribed = [&](const Capability& topic, int count) {
        std::vector<Subscription> subscriptions;
        subscriptions.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) {
            subscriptions.push_back(Subscription::open(connection, topic).value());
        }
        return subscriptions;
    };
    const Capability narrow = make_topic(connection, "narrow").value();
    const Capability wide = make_topic(connection, "wide").value();
    auto one = subscribed(narrow, 1);
    auto eight = subscribed(wide, 8);
    Figure fanout{.name = "publish_fanout_8_cost",
                  .what = "an event of 64 bytes to a topic with eight subscribers, for its publisher",
                  .unit = "ns",
                  .floor_what = "the same with one subscriber",
                  .reach = {.value = {}, .ratio = 1.2}};
    const int count = effort.operations(100'000);
    for (int i = -1; i < effort.repetitions; ++i) {
        const double floor = publishing_ns(connection, narrow, one, count);
        const double figure = publishing_ns(connection, wide, eight, count);
        if (i >= 0) {
            fanout.add(figure, floor);
        }
    }
    report.add(std::move(fanout));
}

}  // namespace

void measure_routed(const CorePair& cores, const Effort& effort, Report& report) {
    measure_spinning(cores, effort, report);
    measure_audit(cores, effort, report);
    measure_publishing(cores, effort, report);
    measure_blocking(cores.partner, "blocking_rtt_64_p50", "client and router each on a core of its own",
                     {.value = {}, .ratio = 1.15}, effort, report);
    measure_blocking(cores.ours, "blocking_rtt_64_same_core_p50", "client and router share one core", {},
                     effort, report);
}

}  // namespace keyway::bench
