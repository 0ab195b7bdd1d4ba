#include "region_figures.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "clock.hpp"
#include "good.hpp"
#include "keyway/region.hpp"
#include "router_process.hpp"

namespace keyway::bench {

namespace {

constexpr std::size_t kPage = 4096;

/// Reads one byte of each cache line.
unsigned look_at(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 64) {
        sum += std::to_integer<unsigned>(bytes[i]);
    }
    return sum;
}

/// What the kernel alone takes for memory that two mappings share, one of them read-only.
void kernel_set_up(int count, Samples& samples) {
    for (int i = 0; i < count; ++i) {
        const Ticks begin = ticks();
        const int fd = ::memfd_create("floor", MFD_CLOEXEC);
        if (fd < 0 || ::ftruncate(fd, kPage) != 0) {
            give_up("can't make a memfd");
        }
        auto* const writing =
            static_cast<std::byte*>(::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        writing[0] = std::byte{1};
        auto* const reading = static_cast<std::byte*>(::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0));
        keep(reading[0]);
        samples.add(ticks() - begin);
        ::munmap(writing, kPage);
        ::munmap(reading, kPage);
        ::close(fd);
    }
}

/// Create, grant, and the receiver's first access; all by one thread, so both sides' work is in it.
void set_up(Connection& connection, int count, Samples& samples) {
    for (int i = 0; i < count; ++i) {
        good(reserve_regions(connection, kPage, 2));
        const Ticks begin = ticks();
        StableRegion region = good(StableRegion::create(connection, kPage));
        region.bytes()[0] = std::byte{1};
        good(region.give_read(connection.self()));
        StableView view = good(StableView::accept(connection, good(connection.receive())));
        keep(view.bytes()[0]);
        samples.add(ticks() - begin);
        view.unmap();
        good(region.destroy());
    }
}

double in_ns(Ticks begin) {
    return static_cast<double>(ticks() - begin) * ns_per_tick();
}

/// Two processes in the router's eyes, served by one thread, so that the work of both is in the figures.
struct Pair {
    Connection& sender;
    Connection& receiver;
    Capability to_receiver;
};

/// As messages: copied into the submission ring, into the delivery ring, and out of it.
double by_messages(Connection& connection, std::span<const std::byte> from, std::span<std::byte> to) {
    constexpr std::size_t kBurst = 16;
    const Ticks begin = ticks();
    std::vector<Outgoing> burst;
    for (std::size_t at = 0; at < from.size();) {
        burst.clear();
        for (std::size_t next = at; next < from.size() && burst.size() < kBurst; next += kPage) {
            burst.push_back(Outgoing::to(connection.self(), from.subspan(next, kPage)));
        }
        good(connection.post_batch(burst));
        for (std::size_t i = 0; i < burst.size(); ++i, at += kPage) {
            const Received message = good(connection.receive());
            std::memcpy(to.data() + at, message.payload().data(), message.payload().size());
        }
    }
    keep(look_at(to));
    return in_ns(begin);
}

/// As part of a region in which the data was made.
double by_slice(const Pair& pair, const StableRegion& region) {
    const Ticks begin = ticks();
    good(send_slice(pair.sender, pair.to_receiver, region, 0, region.size()));
    ReceivedSlice slice = good(open_slice(pair.receiver, good(pair.receiver.receive())));
    keep(look_at(slice.bytes()));
    good(slice.release());
    return in_ns(begin);
}

/// A region that both have mapped since long, handed over by a message that says which part is meant: what
/// is left is one hop of the router and the first access.
double by_standing_region(Connection& connection, const StableRegion& region, const StableView& view) {
    const std::uint64_t part[] = {0, region.size()};
    const Ticks begin = ticks();
    good(connection.send(Outgoing::to(connection.self(), std::as_bytes(std::span(part)))));
    const Received message = good(connection.receive());
    std::uint64_t meant[2];
    std::memcpy(meant, message.payload().data(), sizeof meant);
    keep(view.bytes().subspan(meant[0], meant[1])[0]);
    return in_ns(begin);
}

/// By send_large, which copies once above its threshold.
double by_send_large(const Pair& pair, std::span<const std::byte> from) {
    const Ticks begin = ticks();
    const SentAs as = good(send_large(pair.sender, pair.to_receiver, from));
    const Received message = good(pair.receiver.receive());
    if (as == SentAs::kMessage) {
        keep(look_at(message.payload()));
    } else {
        ReceivedSlice slice = good(open_slice(pair.receiver, message));
        keep(look_at(slice.bytes()));
        good(slice.release());
    }
    return in_ns(begin);
}

void measure_set_up(Connection& connection, const Effort& effort, Report& report) {
    Figure p50{.name = "region_setup_p50",
               .what = "create a region of 4 KiB (one is reserved), grant it, map it read-only, first access",
               .unit = "ns",
               .floor_what = "memfd_create, ftruncate, two mmaps and the first access to each"};
    Figure p99 = p50;
    p99.name = "region_setup_p99";
    p99.what += ", 99th percentile";
    p99.floor_what += ", 99th percentile";
    p99.reach = {.value = 5000, .ratio = {}};
    const int count = effort.operations(5000);
    for (int i = -1; i < effort.repetitions; ++i) {
        Samples floor(static_cast<std::size_t>(count));
        Samples figure(static_cast<std::size_t>(count));
        kernel_set_up(count, floor);
        set_up(connection, count, figure);
        if (i >= 0) {
            p50.add(figure.percentile(50), floor.percentile(50));
            p99.add(figure.percentile(99), floor.percentile(99));
        }
    }
    report.add(std::move(p50));
    report.add(std::move(p99));
}

void measure_hand_over(const RouterProcess& router, Connection& connection, const Effort& effort,
                       Report& report) {
    Connection receiver = router.connect();
    good(receiver.register_endpoint("receiver"));
    const Pair pair{connection, receiver, good(connection.lookup("receiver"))};
    Figure figure{.name = "region_handover_1MiB_vs_copy",
                  .what = "1 MiB made in a region, sent as a slice and looked at line by line",
                  .unit = "ns",
                  .floor_what = "the same 1 MiB in 256 messages, copied out and looked at"};
    Figure standing{.name = "region_standing_1MiB_vs_copy",
                    .what = "1 MiB in a region that both have mapped, handed over by a message; first access",
                    .unit = "ns",
                    .floor_what = "the same 1 MiB in 256 messages, copied out and looked at",
                    .reach = {.value = {}, .ratio = 0.01}};
    report.note("bytes: by messages / by send_large / by a slice / in a standing region, in us");
    for (std::size_t bytes = kPage; bytes <= (64U << 20); bytes *= 4) {
        std::vector<std::byte> from(bytes, std::byte{1});
        std::vector<std::byte> to(bytes);
        StableRegion region = good(StableRegion::create(connection, bytes));
        std::ranges::copy(from, region.bytes().begin());
        std::vector<double> messages;
        std::vector<double> large;
        std::vector<double> slices;
        std::vector<double> standings;
        good(region.give_read(connection.self()));
        StableView view = good(StableView::accept(connection, good(connection.receive())));
        for (int i = -1; i < effort.repetitions; ++i) {
            const double copied = by_messages(connection, from, to);
            const double sent_large = by_send_large(pair, from);
            const double sliced = by_slice(pair, region);
            const double stood = by_standing_region(connection, region, view);
            if (i < 0) {
                continue;  // the first warms up
            }
            messages.push_back(copied);
            large.push_back(sent_large);
            slices.push_back(sliced);
            standings.push_back(stood);
            if (bytes == 1U << 20) {
                figure.add(sliced, copied);
                standing.add(stood, copied);
            }
        }
        view.unmap();
        good(region.destroy());
        char line[128];
        std::snprintf(line, sizeof line, "%10zu: %10.1f / %10.1f / %10.1f / %10.1f", bytes,
                      median(messages) / 1000, median(large) / 1000, median(slices) / 1000,
                      median(standings) / 1000);
        report.note(line);
    }
    report.add(std::move(figure));
    report.add(std::move(standing));
}

}  // namespace

void measure_regions(const CorePair& cores, const Effort& effort, Report& report) {
    RouterProcess router(cores.partner, kNeverSleeps, std::chrono::seconds(30));
    measure_set_up(router.connection(), effort, report);
    measure_hand_over(router, router.connection(), effort, report);
}

}  // namespace keyway::bench
