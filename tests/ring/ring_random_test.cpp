// The ring against a std::deque, step by step. KEYWAY_SEED=n replays a run.
#include <cstdlib>
#include <deque>
#include <random>

#include "ring/ring.hpp"
#include "ring_fixture.hpp"

namespace keyway::ring {
namespace {

std::uint64_t seed_of_this_run() {
    const char* given = std::getenv("KEYWAY_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

// A body whose every aligned word is a commit word that could be due somewhere in the next two laps.
void imitate_commit_words(std::vector<std::byte>& body, std::uint64_t position, std::uint64_t ring_bytes) {
    for (std::size_t at = 0; at + 8 <= body.size(); at += 8) {
        const std::uint64_t line = (position + kCommitBytes + at) / kLineBytes * kLineBytes;
        const std::uint64_t word = message_word(line + ring_bytes * (1 + at / 8 % 2), 24);
        std::memcpy(body.data() + at, &word, sizeof word);
    }
}

void compare_with_a_deque(std::size_t ring_bytes, std::uint64_t seed, int steps) {
    SCOPED_TRACE(::testing::Message() << "ring of " << ring_bytes << " bytes, KEYWAY_SEED=" << seed);
    std::mt19937_64 random(seed ^ ring_bytes);
    Ring<> sut(ring_bytes);
    std::deque<std::vector<std::byte>> model;
    std::uint64_t put_bias = 4;
    std::uint64_t number = 0;
    for (int step = 0; step < steps; ++step) {
        if (random() % 64 == 0) {
            put_bias = random() % 9;  // phases of filling and of draining
        }
        if (random() % 9 < put_bias) {
            const std::uint64_t cap = random() % 4 == 0 ? sut.producer.max_body() : 120;
            const std::size_t size = random() % (std::min<std::uint64_t>(cap, sut.producer.max_body()) + 1);
            std::vector<std::byte> body = body_number(++number, size);
            if (random() % 3 == 0) {
                imitate_commit_words(body, sut.producer.tail(), ring_bytes);
            }
            const auto asked = static_cast<std::uint32_t>(size);
            if (random() % 8 == 0) {  // a reservation that comes to nothing
                if (std::byte* to = sut.producer.try_reserve(asked); to != nullptr) {
                    copy_to_shared(to, body.data(), size);
                }
                continue;
            }
            const bool room = sut.producer.has_room(asked);
            ASSERT_EQ(sut.put(body), room);
            if (room) {
                model.push_back(std::move(body));
            } else if (model.empty()) {
                sut.consumer.release();
                ASSERT_TRUE(sut.producer.has_room(asked)) << "an empty ring must take any record";
            }
        } else {
            std::vector<std::byte> got;
            const Poll poll = sut.take(got);
            ASSERT_EQ(poll, model.empty() ? Poll::kEmpty : Poll::kRecord) << "step " << step;
            if (poll == Poll::kRecord) {
                ASSERT_EQ(got, model.front()) << "step " << step;
                model.pop_front();
            }
        }
        if (random() % 3 == 0) {
            sut.consumer.release();
        }
        if (random() % 3 == 0) {
            sut.producer.tidy();
        }
    }
    ASSERT_FALSE(sut.producer.corrupt());
    ASSERT_FALSE(sut.consumer.corrupt());
}

TEST(RingRandom, BehavesAsADequeOfBoundedSize) {
    const std::uint64_t seed = seed_of_this_run();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    for (const std::size_t bytes : {128U, 256U, 512U, 1024U, 4096U, 16384U, 65536U}) {
        compare_with_a_deque(bytes, seed, 40000);
    }
}

}  // namespace
}  // namespace keyway::ring
