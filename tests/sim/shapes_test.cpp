// The same library code on every parameter set that is verilated for the tests.
#include <gtest/gtest.h>

#include "keyway/sim/router.hpp"
#include "tests/rtl/shapes.hpp"

namespace keyway::sim {
namespace {

template <typename Shape>
class AnyRouter : public ::testing::Test {};
using Shapes = ::testing::Types<rtl::Wide, rtl::Board, rtl::Small, rtl::Middle>;
TYPED_TEST_SUITE(AnyRouter, Shapes);

TYPED_TEST(AnyRouter, DeliversToEveryDestinationWhateverItsParametersAre) {
    Simulated<typename TypeParam::Model> sut(1);
    ASSERT_EQ(sut.geometry().ports, TypeParam::kPorts);
    ASSERT_EQ(sut.geometry().data_bits, TypeParam::kDataBits);
    ASSERT_EQ(sut.geometry().destinations, 1U << TypeParam::kDestBits);
    const unsigned last_port = TypeParam::kPorts - 1;
    sut.bind(last_port, 5);
    Entry entry;
    entry.set_generation(1);
    entry.set_flags(entry_flag::kValid);
    entry.set_rights(right::kAll);
    entry.set_kind(static_cast<std::uint8_t>(Kind::kEndpoint));
    entry.set_owner(5);
    sut.start();
    for (std::uint16_t object = 1; object < sut.geometry().destinations; ++object) {
        entry.set_object(object);
        sut.route(object, object);
        sut.fill(object, entry);
        Header header;
        header.set_version(kVersionMajor);
        header.set_type(static_cast<std::uint8_t>(Type::kData));
        header.set_receiver(object);
        header.set_capability(capability_id(object, 1));
        header.set_sequence(object * 3U);
        sut.push(last_port, header);
        std::optional<Delivery> delivery;
        ASSERT_TRUE(
            sut.run_until([&] { return (delivery = sut.pop(object % TypeParam::kPorts)).has_value(); }, 500));
        EXPECT_EQ(delivery->destination, object);
        EXPECT_EQ(delivery->header.sequence(), object * 3U);
    }
}

}  // namespace
}  // namespace keyway::sim
