#include "channel_figures.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clock.hpp"
#include "good.hpp"
#include "keyway/lane.hpp"
#include "keyway/router.hpp"
#include "keyway/stream.hpp"
#include "pair_floors.hpp"
#include "processes.hpp"
#include "ring/atomics.hpp"

namespace keyway::bench {

namespace {

constexpr std::size_t kBlock = 64 * 1024;
constexpr int kBurst = 32;
constexpr std::uint32_t kLaneBytes = 256 * 1024;
constexpr std::uint32_t kStreamBytes = 256 * 1024;

// Records of two lines one way through slots that say which lap they are in: what nobody checks and nobody
// sleeps for.
struct BareLane {
    static constexpr std::uint64_t kSlots = kLaneBytes / 128;
    struct alignas(64) Slot {
        std::atomic<std::uint64_t> position;  // of the record in it, plus 1
        std::byte body[120];
    };
    Slot slots[kSlots];
    alignas(128) std::atomic<std::uint64_t> taken;
};

enum What : int { kEcho, kTake, kRead, kBareTake, kFill };
struct Command {
    int what;
    int count;
};

class Ready {
  public:
    Ready() {
        if (::pipe(ends_) != 0) {
            give_up("can't make a pipe");
        }
    }
    Ready(const Ready&) = delete;
    Ready& operator=(const Ready&) = delete;
    ~Ready() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    void tell() const {
        const char token = 1;
        if (::write(ends_[1], &token, 1) != 1) {
            give_up("can't write to a pipe");
        }
    }
    void wait() const {
        char token = 0;
        if (::read(ends_[0], &token, 1) != 1) {
            give_up("a process that is measured has not started");
        }
    }

  private:
    int ends_[2];
};

/// A partner on the other core, and a lane and a stream to it. Between measurements it sleeps.
class ChannelPair {
  public:
    explicit ChannelPair(int partner_core)
        : pages_(sizeof(BareLane)), bare_(pages_.as<BareLane>()), filled_(kStreamBytes) {
        std::string folder = (std::filesystem::temp_directory_path() / "keyway-bench-XXXXXX").string();
        if (::mkdtemp(folder.data()) == nullptr || ::pipe(commands_) != 0) {
            give_up("can't make a temporary folder");
        }
        folder_ = folder;
        const std::string socket = folder_ + "/router.sock";
        const Ready router_up;
        const Ready partner_up;
        router_ = std::make_unique<Child>(partner_core, [&] {
            Policy policy = Policy::permissive();
            policy.rules[0].lookup = {{.name = "*", .rights = right::kWrite | right::kDevice}};
            Router router({.policy = policy, .socket = socket, .spin = std::chrono::nanoseconds(0)});
            good(router.listen());
            router_up.tell();
            router.run();
        });
        router_up.wait();
        partner_ = std::make_unique<Child>(partner_core, [&] { serve(socket, partner_up); });
        partner_up.wait();
        connection_.emplace(good(Connection::open({.socket = socket})));
        const Capability partner = good(connection_->lookup("partner"));
        const auto spin = std::chrono::seconds(30);
        lane_.emplace(good(open_lane(*connection_, partner, {.bytes = kLaneBytes, .spin = spin})));
        writer_.emplace(good(open_stream(*connection_, partner, {.bytes = kStreamBytes, .spin = spin})));
    }
    ChannelPair(const ChannelPair&) = delete;
    ChannelPair& operator=(const ChannelPair&) = delete;
    ~ChannelPair() {
        writer_.reset();
        lane_.reset();
        connection_.reset();
        partner_.reset();
        router_.reset();
        ::close(commands_[0]);
        ::close(commands_[1]);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    /// Half of a message there and one back, each checked and copied out.
    void round_trips(std::size_t bytes, int count, Samples& samples) {
        constexpr int kWarmUp = 2000;
        std::array<std::byte, 64> payload{};
        tell({kEcho, count + kWarmUp});
        for (int i = 0; i < count + kWarmUp; ++i) {
            std::memcpy(payload.data(), &i, sizeof i);
            const Ticks begin = ticks();
            good(lane_->sender().send(std::span(payload).first(bytes)));
            good(lane_->receiver().receive(message_));
            const Ticks end = ticks();
            if (i >= kWarmUp) {
                samples.add(end - begin);
            }
            if (std::memcmp(message_.payload().data(), payload.data(), bytes) != 0) {
                errno = 0;
                give_up("a message came back changed");
            }
        }
    }

    /// Messages a second, posted in bursts, until the partner says that it has taken the last.
    double messages_per_second(std::size_t bytes, int count) {
        const std::vector<std::byte> payload(bytes);
        tell({kTake, count});
        good(lane_->receiver().receive(message_));  // it is awake
        const Ticks begin = ticks();
        for (int sent = 0; sent < count;) {
            int burst = 0;
            while (burst < kBurst && sent < count) {
                const auto posted = lane_->sender().post(payload);
                if (!posted) {
                    if (posted.error() != Error{Verdict::kFull}) {
                        good(posted);
                    }
                    good(lane_->sender().send(payload));
                }
                ++burst;
                ++sent;
            }
            lane_->sender().flush();
        }
        good(lane_->receiver().receive(message_));
        return count / seconds_since(begin);
    }

    double bare_per_second(int count) {
        tell({kBareTake, count});
        good(lane_->receiver().receive(message_));
        std::byte body[sizeof BareLane::Slot::body] = {};
        const Ticks begin = ticks();
        std::uint64_t seen = bare_.taken.load(std::memory_order_acquire);
        const std::uint64_t end = bare_at_ + static_cast<std::uint64_t>(count);
        for (; bare_at_ < end; ++bare_at_) {
            while (bare_at_ - seen >= BareLane::kSlots) {
                seen = bare_.taken.load(std::memory_order_acquire);
            }
            auto& slot = bare_.slots[bare_at_ % BareLane::kSlots];
            std::memcpy(slot.body, body, sizeof body);
            slot.position.store(bare_at_ + 1, std::memory_order_release);
        }
        good(lane_->receiver().receive(message_));
        return count / seconds_since(begin);
    }

    /// Bytes a second through the stream, copied in by us and out by the partner.
    double stream_bytes_per_second(int blocks) {
        const std::vector<std::byte> block(kBlock, std::byte{1});
        tell({kRead, blocks});
        good(lane_->receiver().receive(message_));
        const Ticks begin = ticks();
        for (int i = 0; i < blocks; ++i) {
            good(writer_->write(block));
        }
        good(lane_->receiver().receive(message_));
        return static_cast<double>(kBlock) * blocks / seconds_since(begin);
    }

    /// Bytes a second of memcpy of what the partner's core has just written: what any copy between the two
    /// pays.
    double crossing_bytes_per_second(int rounds) {
        std::vector<std::byte> block(kBlock);
        Ticks spent = 0;
        tell({kFill, rounds});
        good(lane_->receiver().receive(message_));
        for (int i = 0; i < rounds; ++i) {
            good(lane_->sender().send(std::span(block).first(1)));
            good(lane_->receiver().receive(message_));
            const Ticks begin = ticks();
            for (std::size_t at = 0; at < kStreamBytes; at += kBlock) {
                std::memcpy(block.data(), &filled_.as<std::byte>() + at, kBlock);
                asm volatile("" : : "r"(block.data()) : "memory");
            }
            spent += ticks() - begin;
        }
        good(lane_->receiver().receive(message_));
        return static_cast<double>(kStreamBytes) * rounds /
               (static_cast<double>(spent) * ns_per_tick() / 1e9);
    }

  private:
    static double seconds_since(Ticks begin) {
        return static_cast<double>(ticks() - begin) * ns_per_tick() / 1e9;
    }
    void tell(Command command) const {
        if (::write(commands_[1], &command, sizeof command) != sizeof command) {
            give_up("can't command the partner");
        }
    }

    void serve(const std::string& socket, const Ready& up) {
        Connection connection = good(Connection::open({.socket = socket}));
        good(connection.register_endpoint("partner"));
        up.tell();
        const auto spin = std::chrono::seconds(30);
        Lane lane = good(accept_lane(connection, good(connection.receive()), {.spin = spin}));
        StreamReader reader = good(accept_stream(connection, good(connection.receive()), {.spin = spin}));
        std::vector<std::byte> buffer(kBlock);
        LaneMessage message;
        const std::byte token[1] = {};
        Command command{};
        while (::read(commands_[0], &command, sizeof command) == sizeof command) {
            if (command.what != kEcho) {
                good(lane.sender().send(token));
            }
            switch (command.what) {
                case kEcho:
                    for (int i = 0; i < command.count; ++i) {
                        good(lane.receiver().receive(message));
                        good(lane.sender().send(message.payload()));
                    }
                    continue;
                case kTake:
                    for (int i = 0; i < command.count; ++i) {
                        good(lane.receiver().receive(message));
                    }
                    break;
                case kRead:
                    for (std::size_t left = kBlock * static_cast<std::size_t>(command.count); left != 0;) {
                        left -= good(reader.read(buffer));
                    }
                    break;
                case kFill:
                    for (int i = 0; i < command.count; ++i) {
                        good(lane.receiver().receive(message));
                        std::memset(&filled_.as<std::byte>(), i, kStreamBytes);
                        good(lane.sender().send(token));
                    }
                    break;
                default:
                    bare_take(command.count);
                    break;
            }
            good(lane.sender().send(token));
        }
    }

    void bare_take(int count) {
        std::byte body[sizeof BareLane::Slot::body];
        const std::uint64_t end = bare_at_ + static_cast<std::uint64_t>(count);
        for (; bare_at_ < end; ++bare_at_) {
            auto& slot = bare_.slots[bare_at_ % BareLane::kSlots];
            while (slot.position.load(std::memory_order_acquire) != bare_at_ + 1) {
                ring::NativeAtomics::pause();
            }
            std::memcpy(body, slot.body, sizeof body);
            asm volatile("" : : "r"(body) : "memory");
            if (bare_at_ % 64 == 63) {
                bare_.taken.store(bare_at_ + 1, std::memory_order_release);
            }
        }
        bare_.taken.store(end, std::memory_order_release);
    }

    SharedPages pages_;
    BareLane& bare_;
    SharedPages filled_;
    std::uint64_t bare_at_ = 0;
    std::string folder_;
    int commands_[2];
    std::unique_ptr<Child> router_;
    std::unique_ptr<Child> partner_;
    std::optional<Connection> connection_;
    std::optional<Lane> lane_;
    std::optional<StreamWriter> writer_;
    LaneMessage message_;
};

/// Bytes a second of memcpy in blocks of `block` from one buffer to another, of the size of the ring in
/// between.
double memcpy_bytes_per_second(std::size_t block, std::size_t ring, int blocks) {
    static std::vector<std::byte> from(ring, std::byte{1});
    static std::vector<std::byte> to(ring);
    from.resize(ring);
    to.resize(ring);
    const Ticks begin = ticks();
    for (int i = 0; i < blocks; ++i) {
        const std::size_t at = static_cast<std::size_t>(i) * block % ring;
        std::memcpy(to.data() + at, from.data() + at, block);
        asm volatile("" : : "r"(to.data()) : "memory");
    }
    return static_cast<double>(block) * blocks / (static_cast<double>(ticks() - begin) * ns_per_tick() / 1e9);
}

}  // namespace

void measure_channels(const CorePair& cores, const Effort& effort, Report& report) {
    PairFloors floors(cores.partner);
    ChannelPair pair(cores.partner);
    const std::string line = "bare cache-line hand-over, half of a round trip, both sides spinning";
    Figure p50_24{.name = "lane_oneway_24_p50",
                  .what = "24 bytes through a lane, half of a round trip, both spinning",
                  .unit = "ns",
                  .floor_what = line,
                  .reach = {.value = {}, .ratio = 1.3}};
    Figure p50_64{.name = "lane_oneway_64_p50",
                  .what = "64 bytes through a lane, half of a round trip, both spinning",
                  .unit = "ns",
                  .floor_what = line,
                  .reach = {.value = {}, .ratio = 2}};
    Figure throughput{.name = "lane_throughput_64",
                      .what = "messages of 64 bytes one way through a lane, posted in bursts of 32",
                      .unit = "msg/s",
                      .floor_what = "records of two lines one way through a ring that checks nothing",
                      .reach = {.value = 20e6, .ratio = {}, .at_least = true}};
    Figure copy{.name = "lane_copy_4096",
                .what = "messages of 4 KiB one way through a lane, copied in and out",
                .unit = "GB/s",
                .floor_what = "memcpy of 4 KiB within one process, over buffers of the ring's size",
                .reach = {.value = 8, .ratio = 0.5, .at_least = true}};
    Figure stream{.name = "stream_vs_memcpy",
                  .what = "writes of 64 KiB into a stream, copied in and out",
                  .unit = "GB/s",
                  .floor_what = "memcpy of 64 KiB within one process, over buffers of the ring's size",
                  .reach = {.value = {}, .ratio = 0.5, .at_least = true}};
    Figure crossing{.name = "core_to_core_copy",
                    .what =
                        "memcpy of 64 KiB that the other core has just written: the machine's own limit for "
                        "the two above",
                    .unit = "GB/s",
                    .floor_what = "memcpy of 64 KiB within one process, over buffers of the ring's size"};
    const int trips = effort.operations(200'000);
    const int messages = effort.operations(4'000'000);
    const int large = effort.operations(400'000);
    const int blocks = effort.operations(20'000);
    for (int i = -1; i < effort.repetitions; ++i) {
        Samples floor(static_cast<std::size_t>(trips));
        Samples with_24(static_cast<std::size_t>(trips));
        Samples with_64(static_cast<std::size_t>(trips));
        floors.line_round_trips(trips, floor);
        pair.round_trips(64, trips, with_64);
        pair.round_trips(24, trips, with_24);
        const double bare = pair.bare_per_second(messages);
        const double taken = pair.messages_per_second(64, messages);
        const double copied_4096 = memcpy_bytes_per_second(4096, kLaneBytes, large);
        const double through = 4096 * pair.messages_per_second(4096, large);
        const double copied = memcpy_bytes_per_second(kBlock, kStreamBytes, blocks);
        const double streamed = pair.stream_bytes_per_second(blocks);
        const double crossed = pair.crossing_bytes_per_second(effort.operations(2000));
        if (i < 0) {
            continue;  // the first warms up
        }
        p50_24.add(with_24.percentile(50) / 2, floor.percentile(50) / 2);
        p50_64.add(with_64.percentile(50) / 2, floor.percentile(50) / 2);
        throughput.add(taken, bare);
        copy.add(through / 1e9, copied_4096 / 1e9);
        stream.add(streamed / 1e9, copied / 1e9);
        crossing.add(crossed / 1e9, copied / 1e9);
    }
    for (Figure* figure : {&p50_24, &p50_64, &throughput, &copy, &stream, &crossing}) {
        report.add(std::move(*figure));
    }
}

}  // namespace keyway::bench
