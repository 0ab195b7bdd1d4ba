// The routing core and the ring under Google Benchmark, for those who tune them: one piece at a time, what it
// costs and what a piece of it costs. The figures that count are those of keyway_bench.

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "core_world.hpp"
#include "ring/park.hpp"
#include "ring/ring.hpp"
#include "ring/shared_copy.hpp"

namespace keyway::bench {
namespace {

CoreWorld& world() {
    static CoreWorld the_world;
    return the_world;
}

void route_decision_only(benchmark::State& state) {
    NoQueues queues;
    std::size_t i = 0;
    for ([[maybe_unused]] auto _ : state) {
        const auto& message = world().message(i++);
        benchmark::DoNotOptimize(
            core::route(world().table, world().directory, queues, message.header, message.link, world().now));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(route_decision_only);

void route_and_queue(benchmark::State& state) {
    std::size_t i = 0;
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(world().route(world().message(i)));
        world().drain(i++, 1);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(route_and_queue);

// With the entry of the message that comes `ahead` later asked for in advance.
void route_decision_prefetched(benchmark::State& state) {
    NoQueues queues;
    const auto ahead = static_cast<std::size_t>(state.range(0));
    std::size_t i = 0;
    for ([[maybe_unused]] auto _ : state) {
        world().table.prefetch(world().message(i + ahead).header.capability());
        const auto& message = world().message(i++);
        benchmark::DoNotOptimize(
            core::route(world().table, world().directory, queues, message.header, message.link, world().now));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(route_decision_prefetched)->Arg(1)->Arg(4)->Arg(16);

// The cheapest and the commonest refusals: a stranger's guess must not cost more than a delivery.
void route_refuses_unknown_capability(benchmark::State& state) {
    NoQueues queues;
    std::size_t i = 0;
    for ([[maybe_unused]] auto _ : state) {
        auto message = world().message(i++);
        message.link = static_cast<core::ProcessId>(message.link % CoreWorld::kProcesses + 1);
        benchmark::DoNotOptimize(
            core::route(world().table, world().directory, queues, message.header, message.link, world().now));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(route_refuses_unknown_capability);

// A call makes a one-shot reply capability, the reply uses it up.
void route_call_and_reply(benchmark::State& state) {
    NoQueues queues;
    auto& all = world();
    const auto call_of = [](const CoreWorld::Message& root) {
        Header header = root.header;
        header.set_flags(flag::kExpectsReply);
        return header;
    };
    const core::ProcessId caller = 1;
    CoreWorld::Message message;
    message.header.set_version(kVersionMajor);
    message.header.set_type(static_cast<std::uint8_t>(Type::kData));
    message.header.set_receiver(caller);
    message.header.set_capability(all.table.id(all.directory.root(caller)));
    const Header call = call_of(message);
    // One slot must be free for the reply capability.
    all.table.revoke(core::slot_of(all.message(0).header.capability()), true);
    for ([[maybe_unused]] auto _ : state) {
        const core::Outcome called = core::route(all.table, all.directory, queues, call, caller, all.now);
        Header reply = message.header;
        reply.set_flags(flag::kReply);
        reply.set_capability(called.created);
        const core::Outcome replied = core::route(all.table, all.directory, queues, reply, caller, all.now);
        if (replied.verdict != Verdict::kDelivered) {
            state.SkipWithError("not delivered");
            break;
        }
    }
    state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(route_call_and_reply);

void header_queues(benchmark::State& state) {
    core::HeaderQueues queues(2, 64);
    Header header;
    Header out;
    unsigned i = 0;
    for ([[maybe_unused]] auto _ : state) {
        queues.push(1, i++ & 3U, header);
        benchmark::DoNotOptimize(queues.pop(1, out));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(header_queues);

struct RingMemory {
    static constexpr std::size_t kBytes = 64 * 1024;
    ring::RingControl control{};
    alignas(64) std::array<std::byte, kBytes> data{};
};

void ring_put_and_take(benchmark::State& state) {
    const auto memory = std::make_unique<RingMemory>();
    ring::Producer<> producer(memory->control, memory->data);
    ring::Consumer<> consumer(memory->control, memory->data);
    const auto bytes = static_cast<std::uint32_t>(state.range(0));
    std::array<std::byte, 4096> in{};
    std::array<std::byte, 4096> out{};
    for ([[maybe_unused]] auto _ : state) {
        std::byte* body = producer.try_reserve(bytes);
        if (body == nullptr) {
            state.SkipWithError("no room");
            break;
        }
        ring::copy_to_shared(body, in.data(), bytes);
        producer.commit();
        producer.tidy();
        ring::Record record;
        if (consumer.peek(record) != ring::Poll::kRecord) {
            state.SkipWithError("no record");
            break;
        }
        ring::copy_from_shared(out.data(), record.body.data(), bytes);
        consumer.advance();
        consumer.release();
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ring_put_and_take)->Arg(24)->Arg(64)->Arg(256)->Arg(1024)->Arg(4096);

// What a sender pays to learn that nobody sleeps.
void wake_nobody(benchmark::State& state) {
    ring::ParkWord word{};
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(ring::wake_if_parked(word, [] {}));
    }
}
BENCHMARK(wake_nobody);

void clock_reading(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(ring::NativeAtomics::now_ns());
    }
}
BENCHMARK(clock_reading);

}  // namespace
}  // namespace keyway::bench
