// Both ends of a ring. The peer of each writes any word anywhere between any two steps of it; under the
// address sanitizer the memory ends where the ring does.

#include "target.hpp"
#include "tests/ring/ring_fixture.hpp"

namespace keyway::fuzz {

void ring(Input input) {
    constexpr std::size_t kSizes[] = {128, 256, 1024, 16384};
    Reader reader(input);
    const std::size_t bytes = kSizes[reader.take() % std::size(kSizes)];
    const std::uint64_t start = std::uint64_t{reader.take<std::uint16_t>()} * ring::kLineBytes;
    ring::RingMemory memory(bytes, start);
    ring::Producer<> producer(memory.control, memory.data(), start);
    ring::Consumer<> consumer(memory.control, memory.data(), start);
    std::byte* reserved = nullptr;
    std::uint32_t reserved_bytes = 0;
    for (int step = 0; step < 512 && !reader.empty(); ++step) {
        switch (reader.take() % 12) {
            case 0:  // the peer writes anything
                memory.word(std::uint64_t{reader.take<std::uint16_t>()} * 8 % bytes) =
                    reader.take<std::uint64_t>();
                break;
            case 1:  // what might be a record here
                memory.word(consumer.head()) =
                    ring::message_word(consumer.head(), reader.take<std::uint16_t>() % 4200U);
                break;
            case 2:
                memory.word(consumer.head()) = ring::padding_word(consumer.head());
                break;
            case 3:
                memory.control.head = reader.take<std::uint64_t>();
                break;
            case 4:  // what might be a head
                memory.control.head = producer.tail() - std::uint64_t{reader.take()} * ring::kLineBytes;
                break;
            case 5: {
                const std::uint32_t size = reader.take<std::uint16_t>() % (producer.max_body() + 1);
                const bool room = producer.has_room(size);
                reserved = producer.try_reserve(size);
                reserved_bytes = size;
                KEYWAY_HOLDS(!room || reserved != nullptr);
                if (reserved != nullptr) {
                    KEYWAY_HOLDS(memory.contains({reserved, size}));
                    std::memset(reserved, 0xEE, size);
                }
                break;
            }
            case 6:
                if (reserved != nullptr) {
                    producer.commit();
                    reserved = nullptr;
                }
                break;
            case 7:
                if (reserved == nullptr) {
                    producer.tidy();
                }
                break;
            case 8: {
                ring::Record record;
                const ring::Poll poll = consumer.peek(record);
                KEYWAY_HOLDS((poll == ring::Poll::kCorrupt) == consumer.corrupt());
                if (poll == ring::Poll::kRecord) {
                    KEYWAY_HOLDS(record.body.size() <= ring::max_body_bytes(bytes));
                    KEYWAY_HOLDS(memory.contains(record.body));
                    std::byte copy[ring::kMaxBodyBytes];
                    ring::copy_from_shared(copy, record.body.data(), record.body.size());
                }
                break;
            }
            case 9:
                consumer.advance();
                break;
            case 10:
                consumer.release();
                break;
            default:
                KEYWAY_HOLDS(producer.consumed() <= producer.tail());
                break;
        }
        KEYWAY_HOLDS(consumer.unreleased() <= bytes - ring::kLineBytes);
        KEYWAY_HOLDS(producer.tail() - producer.seen_consumed() <= bytes);
        KEYWAY_HOLDS(reserved == nullptr || memory.contains({reserved, reserved_bytes}));
    }
}

}  // namespace keyway::fuzz
