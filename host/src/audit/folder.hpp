#pragma once

// Folds messages that are alike into runs, so that the log keeps up with the router: a million messages
// between the same two processes by the same capability with the same verdict are one record with a count,
// the first and last sequence number and the first and last time.
//
// A run is written when it is `kLongestRunNs` old, when another run needs its place, or at `flush`. What
// is delivered and carries a capability is never folded. Of replies, each of which has a capability of its
// own, a run remembers the last.
//
// Who is refused may have invented all that its header says, so such runs go by sender and verdict alone and
// remember the last message: a process that guesses makes a record a verdict in `kLongestRunNs`, however much
// it varies. The same holds for requests that are refused, or only look.
//
// Not thread-safe. Allocates only for a process's first refusal of a kind in a while.

#include <array>
#include <cstdint>
#include <unordered_map>

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
        if (is_anybodys_guess(verdict)) {
            note_guess(header, process, verdict, now_ns);
            return;
        }
        const bool reply = (header.flags() & flag::kReply) != 0 && verdict == Verdict::kDelivered;
        const Key key{.process = process,
                      .object = header.receiver(),
                      .capability = reply ? 0 : header.capability(),
                      .what = static_cast<std::uint32_t>(header.type()) |
                              static_cast<std::uint32_t>(header.flags()) << 8 |
                              static_cast<std::uint32_t>(verdict) << 16 |
                              static_cast<std::uint32_t>(header.priority()) << 24};
        const bool alone = header.carried() != 0 && verdict == Verdict::kDelivered;
        Run& run = alone ? alone_ : runs_[key.place()];
        if (run.count != 0 && run.key == key && !alone) {
            ++run.count;
            run.last_sequence = header.sequence();
            run.last_ns = now_ns;
            run.bytes += header.length();
            run.capability = header.capability();
            run.carried = header.carried();
            return;
        }
        if (run.count != 0) {
            write(run.record());
        }
        run = {.key = key,
               .capability = header.capability(),
               .carried = header.carried(),
               .count = 1,
               .first_sequence = header.sequence(),
               .last_sequence = header.sequence(),
               .first_ns = now_ns,
               .last_ns = now_ns,
               .bytes = header.length()};
        if (alone) {
            Record record = run.record();
            record.created = created;
            write(record);
            run.count = 0;
        }
    }

    /// A request that was refused, or only looked: the first of a process with this outcome is kept whole,
    /// with the count of all.
    void note_request(const Record& record) {
        const std::uint64_t key = std::uint64_t{record.process} << 32 | 1U << 16 |
                                  std::uint32_t{record.request} << 8 | record.verdict;
        Record& run = seldom_.try_emplace(key, record).first->second;
        ++run.count;
        run.last_ns = record.last_ns;
    }

    /// Writes the runs that are old enough.
    template <typename Write>
    void expire(std::uint64_t now_ns, Write&& write) {
        for (auto at = seldom_.begin(); at != seldom_.end();) {
            if (now_ns - at->second.first_ns >= kLongestRunNs) {
                write(at->second);
                at = seldom_.erase(at);
            } else {
                ++at;
            }
        }
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
        for (const auto& [key, record] : seldom_) {
            write(record);
        }
        seldom_.clear();
        for (Run& run : runs_) {
            if (run.count != 0) {
                write(run.record());
                run.count = 0;
            }
        }
    }

    static constexpr std::size_t kRuns = 256;

  private:
    /// Refused before, or because of, something that the sender may have made up.
    static bool is_anybodys_guess(Verdict verdict) noexcept {
        return verdict == Verdict::kMalformed || verdict == Verdict::kSpoofed ||
               verdict == Verdict::kNoSuchCapability || verdict == Verdict::kWrongObject ||
               verdict == Verdict::kNoSuchCarried;
    }

    void note_guess(const Header& header, std::uint32_t process, Verdict verdict, std::uint64_t now_ns) {
        const std::uint64_t key = std::uint64_t{process} << 32 | static_cast<std::uint32_t>(verdict);
        Record& run = seldom_
                          .try_emplace(key, Record{.kind = RecordKind::kMessage,
                                                   .verdict = static_cast<std::uint8_t>(verdict),
                                                   .process = process,
                                                   .first_sequence = header.sequence(),
                                                   .first_ns = now_ns})
                          .first->second;
        ++run.count;
        run.type = static_cast<std::uint8_t>(header.type());
        run.flags = header.flags();
        run.priority = header.priority();
        run.object = header.receiver();
        run.capability = header.capability();
        run.carried = header.carried();
        run.last_sequence = header.sequence();
        run.last_ns = now_ns;
        run.bytes += header.length();
    }

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
        std::uint32_t carried;
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
                    .carried = carried,
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
    /// By process, and request or verdict: at most one each, and gone after `kLongestRunNs`.
    std::unordered_map<std::uint64_t, Record> seldom_;
};

}  // namespace keyway::audit
