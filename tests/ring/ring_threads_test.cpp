#include <algorithm>
#include <thread>

#include "ring/park.hpp"
#include "ring/ring.hpp"
#include "ring_fixture.hpp"

namespace keyway::ring {
namespace {

std::size_t size_of(std::uint64_t number, std::size_t most) {
    const std::uint64_t bits = scramble(number);
    return bits % 16 == 0 ? bits / 16 % (most + 1) : bits / 16 % std::min<std::size_t>(most + 1, 100);
}

void run_two_threads(std::size_t ring_bytes, std::uint64_t records, std::uint64_t release_every) {
    Ring<> sut(ring_bytes);
    const std::size_t most = sut.producer.max_body();
    std::thread producer([&] {
        Spinner<> spinner(2000);
        for (std::uint64_t i = 0; i < records; ++i) {
            const std::vector<std::byte> body = body_number(i, size_of(i, most));
            while (!sut.put(body)) {
                (void)spinner.until(
                    [&] { return sut.producer.has_room(static_cast<std::uint32_t>(body.size())); });
                std::this_thread::yield();
            }
            if (i % 2 == 0) {
                sut.producer.tidy();
            }
        }
    });
    Spinner<> spinner(2000);
    std::vector<std::byte> got;
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < records;) {
        const Poll poll = sut.take(got);
        if (poll == Poll::kRecord) {
            wrong += got == body_number(i, size_of(i, most)) ? 0U : 1U;
            ++i;
            if (i % release_every == 0) {
                sut.consumer.release();
            }
        } else if (poll == Poll::kEmpty) {
            sut.consumer.release();
            if (!spinner.until([&] { return sut.consumer.pending(); })) {
                std::this_thread::yield();
            }
        } else {
            ADD_FAILURE() << "corrupt at record " << i;
            break;
        }
    }
    producer.join();
    EXPECT_EQ(wrong, 0U);
    EXPECT_FALSE(sut.consumer.pending());
    EXPECT_FALSE(sut.producer.corrupt());
}

TEST(RingThreads, ASmallRingDeliversAllInOrderAndWhole) {
    run_two_threads(256, 60000, 1);
}
TEST(RingThreads, AMiddlingRingDeliversAllInOrderAndWhole) {
    run_two_threads(4096, 60000, 3);
}
TEST(RingThreads, ALargeRingDeliversAllInOrderAndWholeWithReleasesInBatches) {
    run_two_threads(65536, 60000, 16);
}

}  // namespace
}  // namespace keyway::ring
