// The cursors of a stream, the code of the product, under the explorer.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "explorer.hpp"
#include "stream/stream_ring.hpp"

namespace keyway::model {
namespace {

using stream::Cursors;

struct Proven : ModelAtomics, stream::CursorOrders {};

constexpr std::uint64_t kCapacity = 2;  // in words: a "byte" of the stream is a word here
constexpr std::uint64_t kTotal = 4;

template <class Atomics>
struct StreamWorld : World {
    StreamWorld() {
        share(&cursors.writer, 16, 8, "writer");
        share(&cursors.reader, 8, 8, "read");
        share(data.data(), sizeof data, 8, "word");
    }

    void thread(unsigned index) override { index == 0 ? produce() : consume(); }

    void produce() {
        stream::Writer<Atomics> sut(cursors, kCapacity);
        for (std::uint64_t done = 0; done < kTotal;) {
            begin_turn(&sut, sizeof sut, done);
            const std::uint64_t room = sut.room(1);
            if (sut.corrupt()) {
                fail("the writer calls its peer corrupt");
            }
            if (room == 0) {
                wait_for_change();
                continue;
            }
            write(&data[sut.position() % kCapacity], ++done);
            sut.commit(1);
        }
        sut.end(stream::kEnded);
    }

    void consume() {
        stream::Reader<Atomics> sut(cursors, kCapacity);
        std::uint64_t got = 0;
        while (true) {
            begin_turn(&sut, sizeof sut, got);
            const std::uint64_t there = sut.available();
            if (there == 0) {
                if (sut.ended() != 0) {
                    break;
                }
                if (sut.corrupt()) {
                    fail("the reader calls its peer corrupt");
                }
                if (sut.available() == 0) {
                    wait_for_change();
                }
                continue;
            }
            for (std::uint64_t i = 0; i < there; ++i) {
                if (read(&data[(sut.position() + i) % kCapacity]) != ++got) {
                    fail("a byte that is not the one written");
                }
            }
            sut.release(there);
        }
        if (got != kTotal) {
            fail("an end before all was read");
        }
    }

    Cursors cursors{};
    std::array<std::uint64_t, kCapacity> data{};
};

template <class Atomics>
std::string explore_stream() {
    const Outcome outcome = explore(2, [] { return std::make_unique<StreamWorld<Atomics>>(); });
    std::printf("  %llu executions, %llu cut, %llu states%s\n",
                static_cast<unsigned long long>(outcome.executions),
                static_cast<unsigned long long>(outcome.cut), static_cast<unsigned long long>(outcome.states),
                outcome.broken.empty()
                    ? ""
                    : (", BROKEN: " + outcome.broken.substr(0, outcome.broken.find('\n'))).c_str());
    return outcome.broken.empty() && !outcome.exhausted ? "not all was seen" : outcome.broken;
}

TEST(StreamModel, DeliversAllInOrderAndThenTheEndInEveryExecution) {
    EXPECT_EQ(explore_stream<Proven>(), "");
}

// Each of these takes one order away that the cursors rely on, and must be found out.
struct RelaxedPublish : Proven {
    static constexpr std::memory_order kPublish = std::memory_order_relaxed;
};
struct RelaxedLook : Proven {
    static constexpr std::memory_order kLook = std::memory_order_relaxed;
};
struct RelaxedGiveBack : Proven {
    static constexpr std::memory_order kGiveBack = std::memory_order_relaxed;
};
struct RelaxedTakeBack : Proven {
    static constexpr std::memory_order kTakeBack = std::memory_order_relaxed;
};
struct RelaxedFinish : Proven {
    static constexpr std::memory_order kFinish = std::memory_order_relaxed;
};
struct RelaxedSeeEnd : Proven {
    static constexpr std::memory_order kSeeEnd = std::memory_order_relaxed;
};

TEST(StreamModelFindsOut, ACommitThatIsNotARelease) {
    EXPECT_NE(explore_stream<RelaxedPublish>(), "");
}
TEST(StreamModelFindsOut, ALookThatIsNotAnAcquire) {
    EXPECT_NE(explore_stream<RelaxedLook>(), "");
}
TEST(StreamModelFindsOut, RoomThatIsNotReleased) {
    EXPECT_NE(explore_stream<RelaxedGiveBack>(), "");
}
TEST(StreamModelFindsOut, RoomThatIsNotAcquired) {
    EXPECT_NE(explore_stream<RelaxedTakeBack>(), "");
}
TEST(StreamModelFindsOut, AnEndThatIsNotARelease) {
    EXPECT_NE(explore_stream<RelaxedFinish>(), "");
}
TEST(StreamModelFindsOut, AnEndThatIsNotSeenByAnAcquire) {
    EXPECT_NE(explore_stream<RelaxedSeeEnd>(), "");
}

}  // namespace
}  // namespace keyway::model
