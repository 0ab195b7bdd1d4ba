#include "pair_floors.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "ring/atomics.hpp"

namespace keyway::bench {

namespace {

enum What { kLine, kEventfd, kForward };

// 128 bytes apart, or the processor's prefetcher of neighbours would pull both along.
struct alignas(128) Word {
    std::atomic<std::uint64_t> value;
};

// A ring as bare as can be: slots of two lines, one of whose words says which lap the slot is in.
struct BareRing {
    static constexpr std::uint64_t kSlots = 1024;
    struct alignas(64) Slot {
        std::atomic<std::uint64_t> position;  // of the record in it, plus 1
        std::byte body[120];
    };
    static_assert(sizeof(Slot) == 128);
    Slot slots[kSlots];

    Slot& slot(std::uint64_t position) { return slots[position % kSlots]; }
    void put(std::uint64_t position, const std::byte* body) {
        std::memcpy(slot(position).body, body, sizeof Slot::body);
        slot(position).position.store(position + 1, std::memory_order_release);
    }
    bool take(std::uint64_t position, std::byte* body) {
        if (slot(position).position.load(std::memory_order_acquire) != position + 1) {
            return false;
        }
        std::memcpy(body, slot(position).body, sizeof Slot::body);
        return true;
    }
};

// A window smaller than the ring, so that a slot is never written before it was read: whoever got the record
// back knows that it was taken.
constexpr std::uint64_t kWindow = 256;
static_assert(kWindow < BareRing::kSlots);
constexpr int kBurst = 32;

void write_token(int fd) {
    const std::uint64_t one = 1;
    if (::write(fd, &one, sizeof one) != sizeof one) {
        give_up("eventfd write");
    }
}
void read_token(int fd) {
    std::uint64_t value = 0;
    if (::read(fd, &value, sizeof value) != sizeof value) {
        give_up("eventfd read");
    }
}

}  // namespace

struct PairFloors::Shared {
    Word there;
    Word back;
    BareRing ring_there;
    BareRing ring_back;
};

PairFloors::PairFloors(int partner_core)
    : pages_(sizeof(Shared)),
      shared_(pages_.as<Shared>()),
      event_there_(::eventfd(0, EFD_CLOEXEC)),
      event_back_(::eventfd(0, EFD_CLOEXEC)) {
    if (::pipe(commands_) != 0 || event_there_ < 0 || event_back_ < 0) {
        give_up("can't make descriptors");
    }
    partner_ = std::make_unique<Child>(partner_core, [this] { serve(); });
}

PairFloors::~PairFloors() {
    partner_.reset();
    for (const int fd : {commands_[0], commands_[1], event_there_, event_back_}) {
        ::close(fd);
    }
}

void PairFloors::tell(Command command) const {
    if (::write(commands_[1], &command, sizeof command) != sizeof command) {
        give_up("can't command the partner");
    }
}

void PairFloors::serve() {
    Command command{};
    while (::read(commands_[0], &command, sizeof command) == sizeof command) {
        const auto count = static_cast<std::uint64_t>(command.count);
        switch (command.what) {
            case kLine: {
                const std::uint64_t base = shared_.back.value.load(std::memory_order_relaxed);
                for (std::uint64_t i = base + 1; i <= base + count; ++i) {
                    while (shared_.there.value.load(std::memory_order_acquire) != i) {
                    }
                    shared_.back.value.store(i, std::memory_order_release);
                }
                break;
            }
            case kEventfd:
                for (std::uint64_t i = 0; i < count; ++i) {
                    read_token(event_there_);
                    write_token(event_back_);
                }
                break;
            default: {
                std::byte body[sizeof BareRing::Slot::body];
                for (std::uint64_t i = 0; i < count; ++i, ++posted_) {
                    while (!shared_.ring_there.take(posted_, body)) {
                        ring::NativeAtomics::pause();
                    }
                    shared_.ring_back.put(posted_, body);
                }
                break;
            }
        }
    }
}

void PairFloors::line_round_trips(int count, Samples& samples) {
    constexpr int kWarmUp = 200;
    tell({kLine, count + kWarmUp});
    const std::uint64_t base = shared_.there.value.load(std::memory_order_relaxed);
    for (int i = 0; i < count + kWarmUp; ++i) {
        const std::uint64_t turn = base + static_cast<std::uint64_t>(i) + 1;
        const Ticks begin = ticks();
        shared_.there.value.store(turn, std::memory_order_release);
        while (shared_.back.value.load(std::memory_order_acquire) != turn) {
        }
        const Ticks end = ticks();
        if (i >= kWarmUp) {
            samples.add(end - begin);
        }
    }
}

void PairFloors::eventfd_round_trips(int count, Samples& samples) {
    constexpr int kWarmUp = 20;
    tell({kEventfd, count + kWarmUp});
    for (int i = 0; i < count + kWarmUp; ++i) {
        const Ticks begin = ticks();
        write_token(event_there_);
        read_token(event_back_);
        const Ticks end = ticks();
        if (i >= kWarmUp) {
            samples.add(end - begin);
        }
    }
}

double PairFloors::forwarded_per_second(int count) {
    std::byte body[sizeof BareRing::Slot::body] = {};
    const std::uint64_t end = posted_ + static_cast<std::uint64_t>(count);
    tell({kForward, count});
    Ticks begin = 0;
    const std::uint64_t warm =
        posted_ + std::min<std::uint64_t>(kWindow, static_cast<std::uint64_t>(count) / 2);
    while (taken_ < end) {
        for (int i = 0; i < kBurst && posted_ < end && posted_ - taken_ < kWindow; ++i, ++posted_) {
            shared_.ring_there.put(posted_, body);
        }
        const std::uint64_t goal = std::min(taken_ + kBurst, posted_);
        while (taken_ < goal) {
            if (!shared_.ring_back.take(taken_, body)) {
                ring::NativeAtomics::pause();
                continue;
            }
            if (++taken_ == warm) {
                begin = ticks();
            }
        }
    }
    const double seconds = static_cast<double>(ticks() - begin) * ns_per_tick() / 1e9;
    return static_cast<double>(end - warm) / seconds;
}

}  // namespace keyway::bench
