// The routing core beside the naive model, both from a fresh world for each input: what differs ends the
// program.

#include <exception>

#include "target.hpp"
#include "tests/core/twins.hpp"

namespace keyway::fuzz {

namespace {

constexpr core::Geometry kGeometry{.slots = 24, .ids = 14, .depth = 2, .process_limit = 12, .user_limit = 20};
constexpr std::size_t kMostSteps = 256;

}  // namespace

// Whole headers of anything, from any process, in a world that has been lived in for some steps.
void header(Input input) {
    Reader reader(input);
    core::Tally tally;
    try {
        core::Twins sut(kGeometry, tally);
        const std::uint8_t before = reader.take();
        core::Random random(before);
        for (unsigned i = 0; i < before % 16; ++i) {
            sut.step(random.below(core::Twins::kStepKinds), random.next());
        }
        for (std::size_t i = 0; i < kMostSteps && !reader.empty(); ++i) {
            const std::uint8_t sender = reader.take();
            sut.judge_any(sender, reader.take<Header>());
        }
        sut.compare_deeply();
    } catch (const std::exception& difference) {
        broken(difference.what(), __FILE__, __LINE__);
    }
}

// Every operation that there is: making, deriving, moving, revoking, sending, taking, dying, and time.
void capability(Input input) {
    Reader reader(input);
    core::Tally tally;
    try {
        core::Geometry geometry = kGeometry;
        geometry.slots = 2 + reader.take() % 46U;
        geometry.ids = 2 + reader.take() % 22U;
        geometry.depth = reader.take() % 4U;
        geometry.process_limit = reader.take() % 24U;
        geometry.user_limit = reader.take() % 40U;
        core::Twins sut(geometry, tally);
        for (std::size_t i = 0; i < kMostSteps && !reader.empty(); ++i) {
            const std::uint8_t what = reader.take();
            sut.step(what % core::Twins::kStepKinds, reader.take<std::uint32_t>());
        }
        sut.compare_deeply();
    } catch (const std::exception& difference) {
        broken(difference.what(), __FILE__, __LINE__);
    }
}

}  // namespace keyway::fuzz
