#pragma once

// Folds messages that are alike into runs, so that the log keeps up with the router: a million messages
// between the same two processes by the same capability with the same verdict are one record with a count,
// the first and last sequence number and the first and last time.
//
// A run is written when it is `kLongestRunNs` old, when another run needs its place, or at `flush`. What
// carries a capability is never folded. Of replies, each of which has a capability of its own, a run
// remembers the last.
//
// Not thread-safe, does not allocate.

#include <array>
#include <cstdint>

#include "audit/record.hpp"
#include "keyway/protocol.hpp"

namespace keyway::audit {

class RunFolder {
  public:
    static constexpr std::uint64_t kLongestRunNs = 100'000'000;

    /// A judged message. `write` takes finished records.
    template <typename Write>
    void note(const Header& header, std::uint32_t process, Verdict verdict, std::uint32_t created,
              std::uint64_t now_ns, Write&& write) {
        const bool reply = (header.flags() & flag::kReply) != 0 && verdict == Verdict::kDelivered;
        const Key key{.process = process,
                      .object = header.receiver(),
                      .capability = reply ? 0 : header.capability(),
                      .what = static_cast<std::uint32_t>(header.type()) |
                              static_cast<std::uint32_t>(header.flags()) << 8 |
                              static_cast<std::uint32_t>(verdict) << 16 |
                              static_cast<std::uint32_t>(header.priority()) << 24};
        const bool alone = header.carried() != 0;
        Run& run = alone ? alone_ : runs_[key.place()];
        if (run.count != 0 && run.key == key && !alone) {
            ++run.count;
            run.last_sequence = header.sequence();
            run.last_ns = now_ns;
            run.bytes += header.length();
            run.capability = header.capability();
            return;
        }
        if (run.count != 0) {
            write(run.record());
        }
        run = {.key = key,
               .capability = header.capability(),
               .count = 1,
               .first_sequence = header.sequence(),
               .last_sequence = header.sequence(),
               .first_ns = now_ns,
               .last_ns = now_ns,
               .bytes = header.length()};
        if (alone) {
            Record record = run.record();
            record.carried = header.carried();
            record.created = created;
            write(record);
            run.count = 0;
        }
    }

    /// Writes the runs that are old enough.
    template <typename Write>
    void expire(std::uint64_t now_ns, Write&& write) {
        for (Run& run : runs_) {
            if (run.count != 0 && now_ns - run.first_ns >= kLongestRunNs) {
                write(run.record());
                run.count = 0;
            }
        }
    }
    /// Writes all runs.
    template <typename Write>
    void flush(Write&& write) {
        for (Run& run : runs_) {
            if (run.count != 0) {
                write(run.record());
                run.count = 0;
            }
        }
    }

    static constexpr std::size_t kRuns = 256;

  private:
    struct Key {
        std::uint32_t process;
        std::uint32_t object;
        std::uint32_t capability;
        std::uint32_t what;

        friend bool operator==(const Key&, const Key&) = default;
        [[nodiscard]] std::size_t place() const {
            const std::uint64_t mixed = (std::uint64_t{process} << 32 ^ std::uint64_t{capability} << 8 ^
                                         std::uint64_t{object} << 20 ^ what) *
                                        0x9E3779B97F4A7C15U;
            return mixed >> 56;
        }
    };
    static_assert(kRuns == 256);

    struct Run {
        Key key;
        std::uint32_t capability;
        std::uint32_t count;
        std::uint32_t first_sequence;
        std::uint32_t last_sequence;
        std::uint64_t first_ns;
        std::uint64_t last_ns;
        std::uint64_t bytes;

        [[nodiscard]] Record record() const {
            return {.kind = RecordKind::kMessage,
                    .type = static_cast<std::uint8_t>(key.what),
                    .flags = static_cast<std::uint8_t>(key.what >> 8),
                    .verdict = static_cast<std::uint8_t>(key.what >> 16),
                    .process = key.process,
                    .object = key.object,
                    .capability = capability,
                    .count = count,
                    .first_sequence = first_sequence,
                    .last_sequence = last_sequence,
                    .first_ns = first_ns,
                    .last_ns = last_ns,
                    .bytes = bytes,
                    .priority = static_cast<std::uint8_t>(key.what >> 24)};
        }
    };

    std::array<Run, kRuns> runs_{};
    Run alone_{};
};

}  // namespace keyway::audit
