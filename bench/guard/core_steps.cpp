// The steps of the routing core and of the ring whose instructions are held to a baseline. The same work in
// each run.

#include <array>
#include <cstddef>
#include <memory>

#include "base/check.hpp"
#include "clock.hpp"
#include "core_world.hpp"
#include "measured.hpp"
#include "ring/ring.hpp"
#include "ring/shared_copy.hpp"

namespace keyway::bench {
namespace {

struct RingMemory {
    static constexpr std::size_t kBytes = 64 * 1024;
    ring::RingControl control{};
    alignas(64) std::array<std::byte, kBytes> data{};
};

void count_core() {
    constexpr std::size_t kCount = 8192;
    CoreWorld world;
    NoQueues no_queues;
    count_step("route", kCount, [&](std::size_t i) {
        keep(world.route(world.message(i)).verdict);
        world.drain(i, 1);
    });
    count_step("route_decision", kCount, [&](std::size_t i) {
        const auto& message = world.message(i);
        keep(core::route(world.table, world.directory, no_queues, message.header, message.link, world.now)
                 .verdict);
    });
    count_step("table_look_up", kCount, [&](std::size_t i) {
        const auto& message = world.message(i);
        keep(world.table.find(message.header.capability(), message.link));
    });
}

void count_ring(const char* name, std::uint32_t bytes) {
    const auto memory = std::make_unique<RingMemory>();
    ring::Producer<> producer(memory->control, memory->data);
    ring::Consumer<> consumer(memory->control, memory->data);
    std::array<std::byte, 4096> in{};
    std::array<std::byte, 4096> out{};
    count_step(name, 8192, [&](std::size_t) {
        std::byte* body = producer.try_reserve(bytes);
        KEYWAY_CHECK(body != nullptr);
        ring::copy_to_shared(body, in.data(), bytes);
        producer.commit();
        producer.tidy();
        ring::Record record;
        KEYWAY_CHECK(consumer.peek(record) == ring::Poll::kRecord);
        ring::copy_from_shared(out.data(), record.body.data(), bytes);
        consumer.advance();
        consumer.release();
    });
}

}  // namespace
}  // namespace keyway::bench

int main() {
    keyway::bench::print_build();
    keyway::bench::count_core();
    keyway::bench::count_ring("ring_put_and_take_64", 64);
    keyway::bench::count_ring("ring_put_and_take_1024", 1024);
    return 0;
}
