// What the machine can do with nothing in between: a line of shared memory that one side writes and the other
// watches, a futex where the other sleeps, and memcpy within one process. Nothing is checked here.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "processes.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

constexpr std::size_t kLine = 64;

/// Slots whose first word says which lap the message in it belongs to, a ring each way. A message of up to 56
/// bytes shares the line with that word, and is then one line.
class BareSlots final : public Transport {
  public:
    explicit BareSlots(const Setting& setting) : spins_(setting.spins()) {}

    void start(std::size_t greatest) override {
        bytes_ = std::max<std::size_t>(kDataBytes, 2 * (greatest + kLine)) / 4096 * 4096 + 4096;
        pages_ = std::make_unique<SharedPages>(2 * (bytes_ + sizeof(Control)));
    }
    void open(Side side) override {
        out_ = ring(side == Side::kClient ? 0 : 1);
        in_ = ring(side == Side::kClient ? 1 : 0);
    }
    bool prepare(Side, std::size_t bytes) override {
        slot_bytes_ = bytes <= kLine - 8 ? kLine : kLine + (bytes + kLine - 1) / kLine * kLine;
        slots_ = std::min<std::uint64_t>(bytes_ / slot_bytes_, 256);
        // What an earlier size left in the memory must not look like a message.
        std::memset(out_.data, 0, slots_ * slot_bytes_);
        out_.control->taken.store(0, std::memory_order_release);
        put_ = 0;
        taken_ = 0;
        held_ = false;
        return true;
    }
    std::span<std::byte> room(std::size_t bytes) override {
        give_back();
        while (put_ - out_.control->taken.load(std::memory_order_acquire) >= slots_) {
            wait(out_.control->taken, static_cast<std::uint32_t>(put_ - slots_));
        }
        return {payload(out_, put_, bytes), bytes};
    }
    void send(std::size_t, bool) override {
        std::atomic<std::uint32_t>& word = *turn(out_, put_);
        word.store(static_cast<std::uint32_t>(++put_), std::memory_order_release);
        wake(word);
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        give_back();
        std::atomic<std::uint32_t>& word = *turn(in_, taken_);
        for (std::uint32_t now = word.load(std::memory_order_acquire);
             now != static_cast<std::uint32_t>(taken_ + 1); now = word.load(std::memory_order_acquire)) {
            wait(word, now);
        }
        held_ = true;
        return {payload(in_, taken_, bytes), bytes};
    }

  private:
    static constexpr std::size_t kDataBytes = 256 * 1024;
    struct alignas(128) Control {
        std::atomic<std::uint32_t> taken;
    };
    struct Ring {
        Control* control = nullptr;
        std::byte* data = nullptr;
    };

    Ring ring(std::size_t which) const {
        std::byte* at = &pages_->as<std::byte>() + which * (bytes_ + sizeof(Control));
        return {reinterpret_cast<Control*>(at), at + sizeof(Control)};
    }
    std::byte* slot(const Ring& ring, std::uint64_t position) const {
        return ring.data + position % slots_ * slot_bytes_;
    }
    std::atomic<std::uint32_t>* turn(const Ring& ring, std::uint64_t position) const {
        return reinterpret_cast<std::atomic<std::uint32_t>*>(slot(ring, position));
    }
    std::byte* payload(const Ring& ring, std::uint64_t position, std::size_t bytes) const {
        return slot(ring, position) + (bytes <= kLine - 8 ? 8 : kLine);
    }
    // Only in batches: who sends looks at this line when its ring is full.
    void give_back() {
        if (!held_) {
            return;
        }
        held_ = false;
        ++taken_;
        if (taken_ % std::max<std::uint64_t>(slots_ / 4, 1) == 0) {
            in_.control->taken.store(static_cast<std::uint32_t>(taken_), std::memory_order_release);
            wake(in_.control->taken);
        }
    }
    void wait(std::atomic<std::uint32_t>& word, std::uint32_t seen) const {
        if (!spins_) {
            ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
        }
    }
    void wake(std::atomic<std::uint32_t>& word) const {
        if (!spins_) {
            ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
        }
    }

    bool spins_;
    bool held_ = false;
    std::size_t bytes_ = 0;
    std::size_t slot_bytes_ = kLine;
    std::uint64_t slots_ = 1;
    std::uint64_t put_ = 0;
    std::uint64_t taken_ = 0;
    std::unique_ptr<SharedPages> pages_;
    Ring out_;
    Ring in_;
};

/// One copy, by one process.
class Copying final : public Transport {
  public:
    void start(std::size_t) override {}
    void open(Side) override {}
    bool prepare(Side, std::size_t bytes) override {
        made_.resize(std::max(bytes, made_.size()));
        copy_.resize(made_.size());
        return true;
    }
    std::span<std::byte> room(std::size_t bytes) override { return {made_.data(), bytes}; }
    void send(std::size_t bytes, bool) override { std::memcpy(copy_.data(), made_.data(), bytes); }
    std::span<const std::byte> receive(std::size_t bytes) override { return {copy_.data(), bytes}; }
    [[nodiscard]] bool alone() const override { return true; }

  private:
    std::vector<std::byte> made_;
    std::vector<std::byte> copy_;
};

}  // namespace

void add_floors(std::vector<System>& systems) {
    const auto bare = [](const Setting& setting) -> std::unique_ptr<Transport> {
        return std::make_unique<BareSlots>(setting);
    };
    const std::string none = "none";
    systems.push_back({.name = "cache line",
                       .blocking = false,
                       .floor = true,
                       .authority = none,
                       .audit = none,
                       .integrity = none,
                       .make = bare});
    systems.push_back({.name = "futex",
                       .spinning = false,
                       .floor = true,
                       .authority = none,
                       .audit = none,
                       .integrity = none,
                       .make = bare});
    systems.push_back(
        {.name = "memcpy",
         .blocking = false,
         .floor = true,
         .authority = none,
         .audit = none,
         .integrity = none,
         .make = [](const Setting&) -> std::unique_ptr<Transport> { return std::make_unique<Copying>(); }});
}

}  // namespace keyway::bench
