// A ring in ordinary memory, of exactly its size, so that AddressSanitizer sees a step outside.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "ring/ring.hpp"
#include "ring/shared_copy.hpp"

namespace keyway::ring {

class RingMemory {
  public:
    explicit RingMemory(std::size_t bytes, std::uint64_t start = 0)
        : bytes_(bytes), data_(static_cast<std::byte*>(std::aligned_alloc(kLineBytes, bytes))) {
        std::memset(data_.get(), 0, bytes);
        control.head = start;
    }

    std::span<std::byte> data() { return {data_.get(), bytes_}; }
    std::uint64_t& word(std::uint64_t position) {
        return *reinterpret_cast<std::uint64_t*>(data_.get() + position % bytes_);
    }
    bool contains(std::span<const std::byte> part) const {
        return part.data() >= data_.get() && part.data() + part.size() <= data_.get() + bytes_;
    }

    RingControl control{};

  private:
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::size_t bytes_;
    std::unique_ptr<std::byte, Free> data_;
};

// Both ends of one ring.
template <class Atomics = NativeAtomics>
struct Ring {
    explicit Ring(std::size_t bytes, std::uint64_t start = 0)
        : memory(bytes, start),
          producer(memory.control, memory.data(), start),
          consumer(memory.control, memory.data(), start) {}

    bool put(std::span<const std::byte> body) {
        std::byte* to = producer.try_reserve(static_cast<std::uint32_t>(body.size()));
        if (to == nullptr) {
            return false;
        }
        copy_to_shared(to, body.data(), body.size());
        producer.commit();
        return true;
    }
    bool put(const std::vector<std::byte>& body) { return put(std::span(body)); }
    bool put_size(std::size_t body_bytes) { return put(std::vector<std::byte>(body_bytes, std::byte{0x5A})); }

    // Takes one record and keeps its lines.
    Poll take(std::vector<std::byte>& body) {
        Record record;
        const Poll poll = consumer.peek(record);
        if (poll == Poll::kRecord) {
            body.resize(record.body.size());
            copy_from_shared(body.data(), record.body.data(), body.size());
            consumer.advance();
        }
        return poll;
    }
    bool drop() {
        std::vector<std::byte> body;
        const bool taken = take(body) == Poll::kRecord;
        consumer.release();
        return taken;
    }

    RingMemory memory;
    Producer<Atomics> producer;
    Consumer<Atomics> consumer;
};

// The n-th number of a fixed sequence that looks random (splitmix64).
constexpr std::uint64_t scramble(std::uint64_t n) {
    std::uint64_t z = n * 0x9E3779B97F4A7C15U + 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

// A body that can be told from any other of the same sequence, also in part.
inline std::vector<std::byte> body_number(std::uint64_t number, std::size_t size) {
    std::vector<std::byte> body(size);
    for (std::size_t at = 0; at < size; ++at) {
        body[at] = static_cast<std::byte>(scramble(number * 1024 + at / 8) >> (at % 8 * 8));
    }
    return body;
}

}  // namespace keyway::ring
