// What synthesis made of the router (its netlist for an iCE40 HX8K, in the models of the chip's cells) beside
// the router as it is written, which itself runs beside the software core: in every clock all three must
// agree.

#include <gtest/gtest.h>

#include <iostream>

#include "Vrouter_hx8k.h"
#include "Vrouter_hx8k___024root.h"
#include "Vrouter_netlist.h"
#include "world.hpp"

namespace keyway::rtl {
namespace {

// The numbers are those of BLOCK in constraints/synth.py.
struct Hx8k {
    using Model = Vrouter_hx8k;
    using Shadow = Vrouter_netlist;
    static constexpr unsigned kDataBits = 32, kPorts = 1, kIndexBits = 8, kDestBits = 3, kDepth = 4,
                              kFreeIds = 2;
    static constexpr bool kVerdictCounters = false, kDualRead = false, kNarrow = true;
};

TEST(Netlist, SaysWhatItIs) {
    Bench<Hx8k> bench;
    EXPECT_EQ(bench.read(0x0), kMagic);
    EXPECT_EQ(bench.read(0x14), Hx8k::kDataBits);
    EXPECT_GT(bench.compared, 10U);
    EXPECT_EQ(bench.differs_at, 0U);
}

TEST(Netlist, IsTheRouterOnEveryClockOfRandomTraffic) {
    constexpr std::uint64_t kMessages = 10000;
    std::uint64_t messages = 0, clocks = 0;
    for (std::uint64_t seed = 1; messages < kMessages; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Bench<Hx8k> bench(seed);
        Random random(seed);
        try {
            World<Hx8k> sut(bench, seed);
            for (std::uint64_t step = 0; sut.tally.messages < kMessages / 4; ++step) {
                if (step % 300 == 0) {
                    bench.valid_share = random.one_in(2) ? 100 : 20 + random.below(80);
                    bench.ready_share = random.one_in(3) ? 100 : random.below(100);
                    bench.audit_ready_share = random.one_in(2) ? 100 : random.below(100);
                    sut.traffic_share = random.one_in(3) ? 100 : 5 + random.below(95);
                }
                sut.step();
                ASSERT_EQ(bench.differs_at, 0U);
            }
            sut.finish();
            messages += sut.tally.messages;
            clocks += bench.compared;
            ASSERT_EQ(bench.differs_at, 0U);
        } catch (const std::exception& failure) {
            FAIL() << failure.what();
        }
    }
    std::cout << messages << " messages, the same in " << clocks << " clocks\n";
}

}  // namespace
}  // namespace keyway::rtl
