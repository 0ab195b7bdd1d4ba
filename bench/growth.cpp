#include "growth.hpp"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "clock.hpp"
#include "keyway/connection.hpp"
#include "keyway/region.hpp"
#include "keyway/router.hpp"
#include "keyway/topic.hpp"
#include "processes.hpp"
#include "router_process.hpp"

namespace keyway::bench {

namespace {

constexpr rlim_t kFiles = 65'536;
constexpr std::uint32_t kPlenty = 4'000'000;
constexpr auto kAtOnce = std::chrono::nanoseconds(0);

/// A router that lets one user take all that is asked for here.
class LargeRouter {
  public:
    LargeRouter(int core, std::chrono::nanoseconds spin) {
        const std::string socket = folder_ / "router.sock";
        int ready[2];
        if (::pipe(ready) != 0) {
            give_up("can't make a pipe");
        }
        router_ = std::make_unique<Child>(core, [&] {
            Policy policy = Policy::permissive();
            policy.process = policy.user = {.connections = kPlenty,
                                            .capabilities = kPlenty,
                                            .queue_bytes = std::uint64_t{1} << 40,
                                            .descriptors = kPlenty,
                                            .endpoints = kPlenty,
                                            .region_bytes = std::uint64_t{1} << 40};
            Router router({.policy = policy, .socket = socket, .capability_slots = 1U << 20, .spin = spin});
            const char token = router.listen() ? 1 : 0;
            if (::write(ready[1], &token, 1) == 1) {
                router.run();
            }
        });
        ::close(ready[1]);
        char token = 0;
        const bool up = ::read(ready[0], &token, 1) == 1 && token == 1;
        ::close(ready[0]);
        if (!up) {
            errno = 0;
            give_up("the router did not start");
        }
        socket_ = socket;
    }
    [[nodiscard]] Result<Connection> connect(std::chrono::nanoseconds spin = std::chrono::seconds(30)) const {
        ConnectOptions options;
        options.socket = socket_;
        options.submission_bytes = 16 * 1024;
        options.delivery_bytes = 16 * 1024;
        options.spin = spin;
        return Connection::open(options);
    }
    [[nodiscard]] double memory() const {
        std::ifstream file("/proc/" + std::to_string(router_->pid()) + "/smaps_rollup");
        std::string line;
        while (std::getline(file, line)) {
            if (line.starts_with("Pss:")) {
                return std::stod(line.substr(4)) * 1024;
            }
        }
        return 0;
    }
    [[nodiscard]] double cpu_ns() const {
        clockid_t clock{};
        timespec time{};
        if (::clock_getcpuclockid(router_->pid(), &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
            return 0;
        }
        return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
    }

  private:
    TemporaryFolder folder_;
    std::string socket_;
    std::unique_ptr<Child> router_;
};

double in_ns(Ticks begin) {
    return static_cast<double>(ticks() - begin) * ns_per_tick();
}

/// The median of a message to an endpoint of our own and back. Before each is a `rest`, not counted, in which
/// a router that does not spin falls asleep.
double round_trip_ns(Connection& connection, const Capability& to, int count = 500,
                     std::chrono::microseconds rest = {}) {
    std::array<std::byte, 64> payload{};
    Samples samples(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        if (rest > rest.zero()) {
            std::this_thread::sleep_for(rest);
        }
        const Ticks begin = ticks();
        if (!connection.post(Outgoing::to(to, payload)) || !connection.receive()) {
            return 0;
        }
        samples.add(ticks() - begin);
    }
    return samples.percentile(50);
}

/// 1, 10, 100 ... up to `most`, and `most` itself.
std::vector<std::uint32_t> counts_to(std::uint32_t first, double most, std::uint32_t step) {
    std::vector<std::uint32_t> counts;
    const auto last = static_cast<std::uint32_t>(std::max(most, static_cast<double>(first)));
    for (std::uint64_t count = first; count < last; count *= step) {
        counts.push_back(static_cast<std::uint32_t>(count));
    }
    counts.push_back(last);
    return counts;
}

template <typename T>
Result<void> outcome(const Result<T>& of) {
    return of ? Result<void>() : of.error();
}

/// Adds one by one until `counts`, and notes each. `add` says why when there can be no more; then how far it
/// went is the last step.
void grow(Growth& growth, const LargeRouter& router, const std::string& series,
          const std::vector<std::uint32_t>& counts, const std::function<Result<void>()>& add,
          const std::function<double()>& use) {
    std::uint32_t have = 0;
    for (const std::uint32_t count : counts) {
        const std::uint32_t before = have;
        const Ticks begin = ticks();
        Result<void> added;
        while (have < count && (added = add())) {
            ++have;
        }
        if (have > before) {
            const double each = in_ns(begin) / (have - before);
            growth.steps.push_back({.series = series,
                                    .count = have,
                                    .add_ns = each,
                                    .use_ns = use(),
                                    .memory = router.memory()});
        }
        if (!added) {
            growth.notes.push_back(series + ": no more than " + std::to_string(have) +
                                   " on this machine: " + added.error().message());
            return;
        }
    }
}

Connection opened(const LargeRouter& router, std::chrono::nanoseconds spin = std::chrono::seconds(30)) {
    Result<Connection> connection = router.connect(spin);
    if (!connection) {
        errno = 0;
        give_up(connection.error().message().c_str());
    }
    return std::move(*connection);
}

void grow_processes(const CorePair& cores, double factor, Growth& growth) {
    const LargeRouter router(cores.partner, kNeverSleeps);
    std::vector<Connection> connections;
    grow(
        growth, router, "processes", counts_to(2, 1000 * factor, 5),
        [&]() -> Result<void> {
            Result<Connection> one = router.connect();
            if (one) {
                connections.push_back(std::move(*one));
            }
            return outcome(one);
        },
        [&] { return round_trip_ns(connections.back(), connections.back().self()); });
}

void grow_endpoints(const CorePair& cores, double factor, Growth& growth) {
    const LargeRouter router(cores.partner, kNeverSleeps);
    Connection connection = opened(router);
    Capability last;
    std::uint32_t number = 0;
    grow(
        growth, router, "endpoints", counts_to(10, 10'000 * factor, 10),
        [&]() -> Result<void> {
            const auto endpoint = connection.register_endpoint("endpoint-" + std::to_string(number++));
            if (endpoint) {
                last = endpoint->capability;
            }
            return outcome(endpoint);
        },
        [&] { return round_trip_ns(connection, last); });
}

void grow_capabilities(const CorePair& cores, double factor, Growth& growth) {
    const LargeRouter router(cores.partner, kNeverSleeps);
    Connection connection = opened(router);
    Capability last;
    grow(
        growth, router, "capabilities", counts_to(10, 1'000'000 * factor, 10),
        [&]() -> Result<void> {
            const auto one = connection.derive(connection.self(), {.rights = right::kWrite});
            if (one) {
                last = *one;
            }
            return outcome(one);
        },
        [&] { return round_trip_ns(connection, last); });
}

void grow_subscribers(const CorePair& cores, double factor, Growth& growth) {
    const LargeRouter router(cores.partner, kNeverSleeps);
    Connection connection = opened(router);
    const auto topic = make_topic(connection, "topic");
    if (!topic) {
        growth.notes.push_back("subscribers: " + topic.error().message());
        return;
    }
    // A connection has room for 24 subscriptions; to share them out costs nothing that is measured.
    constexpr std::size_t kEach = 16;
    std::vector<Connection> readers;
    std::vector<Subscription> subscriptions;
    std::array<std::byte, 64> payload{};
    grow(
        growth, router, "subscribers", counts_to(1, 64 * std::max(factor, 0.25), 2),
        [&]() -> Result<void> {
            if (subscriptions.size() == readers.size() * kEach) {
                readers.push_back(opened(router));
            }
            auto theirs = readers.back().lookup("topic");
            if (!theirs) {
                return theirs.error();
            }
            auto one = Subscription::open(readers.back(), *theirs);
            if (one) {
                subscriptions.push_back(std::move(*one));
            }
            return outcome(one);
        },
        [&] {
            constexpr int kEvents = 500;
            Samples samples(kEvents);
            for (int i = 0; i < kEvents; ++i) {
                const Ticks begin = ticks();
                if (!connection.post(event_for(*topic, payload)) || !connection.flush()) {
                    return 0.0;
                }
                samples.add(ticks() - begin);
                for (Subscription& one : subscriptions) {
                    if (!one.next()) {
                        return 0.0;
                    }
                }
            }
            return samples.percentile(50);
        });
}

void grow_regions(const CorePair& cores, double factor, Growth& growth) {
    const LargeRouter router(cores.partner, kNeverSleeps);
    Connection connection = opened(router);
    std::vector<StableRegion> regions;
    grow(
        growth, router, "regions", counts_to(10, 10'000 * factor, 10),
        [&]() -> Result<void> {
            auto one = StableRegion::create(connection, 4096);
            if (one) {
                one->bytes()[0] = std::byte{1};
                regions.push_back(std::move(*one));
            }
            return outcome(one);
        },
        [&] { return round_trip_ns(connection, connection.self()); });
}

void measure_idle(const CorePair& cores, Growth& growth) {
    constexpr int kProcesses = 100;
    const LargeRouter router(cores.partner, std::chrono::microseconds(50));
    std::vector<Connection> connections;
    connections.reserve(kProcesses);
    for (int i = 0; i < kProcesses; ++i) {
        connections.push_back(opened(router));
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds(100));  // the spinning after the last of them is over
    const double before = router.cpu_ns();
    const Ticks begin = ticks();
    std::this_thread::sleep_for(std::chrono::seconds(2));
    growth.idle_seconds = in_ns(begin) / 1e9;
    growth.idle_cpu = (router.cpu_ns() - before) / (growth.idle_seconds * 1e9);

    constexpr int kTrips = 2000;
    const LargeRouter spinning(cores.partner, kNeverSleeps);
    Connection awake = opened(spinning);
    growth.awake_ns = round_trip_ns(awake, awake.self(), kTrips);
}

void measure_wake_up(const CorePair& cores, Growth& growth) {
    const LargeRouter router(cores.partner, kAtOnce);
    Connection asleep = opened(router, kAtOnce);
    // Far longer than the router needs to find nothing and sleep.
    growth.asleep_ns = round_trip_ns(asleep, asleep.self(), 2000, std::chrono::microseconds(200));
}

}  // namespace

Growth measure_growth(const CorePair& cores, double factor) {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        // Each of 10,000 regions is two; who may not raise its limit that far goes as far as it may.
        const rlimit wanted{.rlim_cur = kFiles, .rlim_max = std::max<rlim_t>(files.rlim_max, kFiles)};
        files.rlim_cur = files.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
            ::setrlimit(RLIMIT_NOFILE, &files);
        }
    }
    Growth growth;
    measure_idle(cores, growth);
    measure_wake_up(cores, growth);
    grow_processes(cores, factor, growth);
    grow_endpoints(cores, factor, growth);
    grow_capabilities(cores, factor, growth);
    grow_subscribers(cores, factor, growth);
    grow_regions(cores, factor, growth);
    return growth;
}

void Growth::print() const {
    std::printf("\n%-14s %9s %12s %12s %14s\n", "as it grows", "count", "to add one", "to use one",
                "router's memory");
    for (const GrowthStep& step : steps) {
        std::printf("%-14s %9u %9.2f us %9.0f ns %10.2f MiB\n", step.series.c_str(), step.count,
                    step.add_ns / 1000, step.use_ns, step.memory / (1 << 20));
    }
    std::printf(
        "idle router, 100 processes: %.3f %% of a core; there and back %.0f ns awake, %.0f ns asleep\n",
        idle_cpu * 100, awake_ns, asleep_ns);
    for (const std::string& line : notes) {
        std::printf("%s\n", line.c_str());
    }
}

nlohmann::ordered_json Growth::json() const {
    nlohmann::ordered_json all{{"idle_cpu", idle_cpu}, {"idle_seconds", idle_seconds},
                               {"awake_ns", awake_ns}, {"asleep_ns", asleep_ns},
                               {"notes", notes},       {"steps", nlohmann::ordered_json::array()}};
    for (const GrowthStep& step : steps) {
        all["steps"].push_back({{"series", step.series},
                                {"count", step.count},
                                {"add_ns", step.add_ns},
                                {"use_ns", step.use_ns},
                                {"memory_bytes", step.memory}});
    }
    return all;
}

}  // namespace keyway::bench
