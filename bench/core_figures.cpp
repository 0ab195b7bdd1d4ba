#include "core_figures.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "clock.hpp"
#include "core_world.hpp"
#include "ring/ring.hpp"
#include "ring/shared_copy.hpp"

namespace keyway::bench {

namespace {

constexpr std::size_t kBatch = 64;

// The least that any check of a capability must do: read one entry of 16 bytes, the size that the hardware
// keeps, out of 65,536, in random order. In large pages, as the router's table is.
class BareTable {
  public:
    BareTable()
        : memory_(new (std::align_val_t{kPage}) Entry[kPage / sizeof(Entry)]), order_(CoreWorld::kSlots) {
        static_assert(sizeof(Entry) * CoreWorld::kSlots <= kPage);
        ::madvise(memory_.get(), kPage, MADV_HUGEPAGE);
        std::mt19937 random(7);
        for (std::uint32_t i = 0; i < CoreWorld::kSlots; ++i) {
            memory_[i] = {{i, i}};
            order_[i] = i;
        }
        std::ranges::shuffle(order_, random);
    }
    [[nodiscard]] std::uint32_t place(std::size_t i) const { return order_[i % CoreWorld::kSlots]; }
    [[nodiscard]] std::uint64_t read(std::uint32_t at) const { return memory_[at].words[0]; }

  private:
    static constexpr std::size_t kPage = std::size_t{2} << 20;
    struct Free {
        void operator()(Entry* entries) const { ::operator delete[](entries, std::align_val_t{kPage}); }
    };
    std::unique_ptr<Entry[], Free> memory_;
    std::vector<std::uint32_t> order_;
};

struct Percentiles {
    double p50;
    double p99;
};

// Calls `one(pick(i))` for `count` values of i and times each, without the picking: the router has copied a
// header before it decides. `after(first)` runs untimed after each kBatch of them.
template <typename Pick, typename One, typename After>
Percentiles each_call(std::size_t first, int count, Pick&& pick, One&& one, After&& after) {
    Samples samples(static_cast<std::size_t>(count) + kBatch);
    const std::size_t end = first + static_cast<std::size_t>(count);
    for (std::size_t i = first; i < end; i += kBatch) {
        for (std::size_t j = i; j < i + kBatch; ++j) {
            const auto picked = pick(j);
            const Ticks begin = ticks_begin();
            one(picked);
            samples.add(ticks_end() - begin);
        }
        after(i);
    }
    return {samples.percentile(50, timer_overhead_ns()), samples.percentile(99, timer_overhead_ns())};
}

// The same in batches: ns a call where the processor may overlap one call with the next, and picking with
// both.
template <typename Pick, typename One, typename After>
double batched(std::size_t first, int count, Pick&& pick, One&& one, After&& after) {
    Samples samples(static_cast<std::size_t>(count) / kBatch + 1);
    const std::size_t end = first + static_cast<std::size_t>(count);
    for (std::size_t i = first; i < end; i += kBatch) {
        const Ticks begin = ticks_begin();
        for (std::size_t j = i; j < i + kBatch; ++j) {
            one(pick(j));
        }
        samples.add(ticks_end() - begin);
        after(i);
    }
    return samples.percentile(50, timer_overhead_ns()) / static_cast<double>(kBatch);
}

void measure_route(const Effort& effort, Report& report) {
    CoreWorld world;
    const BareTable bare;
    Figure p50{
        .name = "route_p50",
        .what = "route() with 65,535 capabilities in random order, queueing included; each call timed alone",
        .unit = "ns",
        .floor_what =
            "one read of 16 bytes, the size of an entry in hardware, out of 65,536 in random order, timed "
            "the same way",
        .reach = {.value = 20, .ratio = {}}};
    Figure p99 = p50;
    p99.name = "route_p99";
    p99.reach = {.value = 100, .ratio = {}};
    Figure decision{
        .name = "route_decision_p50",
        .what =
            "the decision alone, with queues that take everything and keep nothing; each call timed "
            "alone",
        .unit = "ns",
        .floor_what = p50.floor_what};
    Figure batch{.name = "route_batch_64",
                 .what = "the same, ns a call in batches of 64, as the router meets them under load",
                 .unit = "ns",
                 .floor_what = "the same random reads in batches of 64"};
    const int count = effort.operations(262'144);
    const auto nothing = [](std::size_t) {};
    const auto place = [&](std::size_t i) { return bare.place(i); };
    const auto read = [&](std::uint32_t at) { keep(bare.read(at)); };
    const auto message = [&](std::size_t i) { return CoreWorld::Message(world.message(i)); };
    const auto route = [&](const CoreWorld::Message& of) { keep(world.route(of).verdict); };
    NoQueues no_queues;
    const auto decide = [&](const CoreWorld::Message& of) {
        keep(core::route(world.table, world.directory, no_queues, of.header, of.link, world.now).verdict);
    };
    const auto drain = [&](std::size_t first) { world.drain(first, kBatch); };
    KEYWAY_CHECK(world.route(world.message(0)).verdict == Verdict::kDelivered);
    world.drain(0, 1);
    std::size_t at = 0;
    for (int i = -1; i < effort.repetitions; ++i, at += 7919) {
        const Percentiles floor = each_call(at, count, place, read, nothing);
        const Percentiles figure = each_call(at, count, message, route, drain);
        const Percentiles decided = each_call(at, count, message, decide, nothing);
        const double floor_batch = batched(at, count, place, read, nothing);
        const double figure_batch = batched(at, count, message, route, drain);
        if (i < 0) {
            continue;  // the first warms up
        }
        p50.add(figure.p50, floor.p50);
        p99.add(figure.p99, floor.p99);
        decision.add(decided.p50, floor.p50);
        batch.add(figure_batch, floor_batch);
    }
    report.add(std::move(p50));
    report.add(std::move(p99));
    report.add(std::move(decision));
    report.add(std::move(batch));
}

void measure_queues(const Effort& effort, Report& report) {
    constexpr std::size_t kBytes = 64;
    constexpr std::size_t kRingBytes = 64 * 1024;
    alignas(64) static ring::RingControl control{};
    const std::unique_ptr<std::byte[], void (*)(std::byte*)> memory(
        new (std::align_val_t{4096}) std::byte[kRingBytes](),
        [](std::byte* data) { ::operator delete[](data, std::align_val_t{4096}); });
    const std::span<std::byte> data(memory.get(), kRingBytes);
    ring::Producer<> producer(control, data);
    ring::Consumer<> consumer(control, data);
    std::array<std::byte, kBytes> in{};
    std::array<std::byte, kBytes> out{};
    std::array<std::byte, kBytes> between{};

    const auto put_and_take = [&](std::size_t i) {
        std::memcpy(in.data(), &i, sizeof i);
        std::byte* body = producer.try_reserve(kBytes);
        KEYWAY_CHECK(body != nullptr);
        ring::copy_to_shared(body, in.data(), kBytes);
        producer.commit();
        producer.tidy();
        ring::Record record;
        KEYWAY_CHECK(consumer.peek(record) == ring::Poll::kRecord);
        ring::copy_from_shared(out.data(), record.body.data(), kBytes);
        consumer.advance();
        consumer.release();
    };
    const auto copy_twice = [&](std::size_t i) {
        std::memcpy(in.data(), &i, sizeof i);
        std::memcpy(between.data(), in.data(), kBytes);
        asm volatile("" : : "r"(between.data()) : "memory");
        std::memcpy(out.data(), between.data(), kBytes);
        asm volatile("" : : "r"(out.data()) : "memory");
    };
    core::HeaderQueues queues(2, 64);
    Header header;
    Header taken;
    const auto push_and_pop = [&](std::size_t i) {
        header.set_sequence(static_cast<std::uint32_t>(i));
        queues.push(1, i & 3U, header);
        KEYWAY_CHECK(queues.pop(1, taken));
    };

    Figure ring_op{
        .name = "queue_op_p50",
        .what =
            "put and take of 64 bytes in a ring, uncontended: copied in, committed, tidied up, copied out, "
            "given back",
        .unit = "ns",
        .floor_what = "memcpy of 64 bytes in and out again, timed the same way",
        .reach = {.value = 20, .ratio = {}}};
    Figure ring_batch{.name = "queue_op_batch_64",
                      .what = "the same, ns an operation in batches of 64",
                      .unit = "ns",
                      .floor_what = "the same copies in batches of 64"};
    Figure header_op{.name = "header_queue_op_p50",
                     .what = "push and pop of a header in the bounded queues that the hardware has too",
                     .unit = "ns",
                     .floor_what = "memcpy of 64 bytes in and out again, timed the same way"};
    const int count = effort.operations(131'072);
    const auto itself = [](std::size_t i) { return i; };
    const auto nothing = [](std::size_t) {};
    for (int i = -1; i < effort.repetitions; ++i) {
        const Percentiles floor = each_call(0, count, itself, copy_twice, nothing);
        const Percentiles figure = each_call(0, count, itself, put_and_take, nothing);
        const Percentiles headers = each_call(0, count, itself, push_and_pop, nothing);
        const double floor_batch = batched(0, count, itself, copy_twice, nothing);
        const double figure_batch = batched(0, count, itself, put_and_take, nothing);
        if (i < 0) {
            continue;
        }
        ring_op.add(figure.p50, floor.p50);
        header_op.add(headers.p50, floor.p50);
        ring_batch.add(figure_batch, floor_batch);
    }
    report.add(std::move(ring_op));
    report.add(std::move(ring_batch));
    report.add(std::move(header_op));
}

}  // namespace

void measure_core(const Effort& effort, Report& report) {
    measure_route(effort, report);
    measure_queues(effort, report);
}

}  // namespace keyway::bench
