#include "core/directory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <vector>

namespace keyway::core {
namespace {

using What = Directory::What;

std::vector<ObjectId> subscribers(const Directory& directory, ObjectId topic) {
    const auto all = directory.subscribers(topic);
    return {all.begin(), all.end()};
}

TEST(DirectoryTest, AProcessOwnsItselfAndItsEndpoints) {
    Directory sut(8);

    const ObjectId process = sut.open(What::kEndpoint, 0);
    const ObjectId endpoint = sut.open(What::kEndpoint, process);
    const ObjectId topic = sut.open(What::kTopic, process);

    EXPECT_EQ(sut.owner(process), process);
    EXPECT_EQ(sut.owner(endpoint), process);
    EXPECT_EQ(sut.owner(topic), process);
    EXPECT_EQ(sut.what(endpoint), What::kEndpoint);
    EXPECT_EQ(sut.what(topic), What::kTopic);
    EXPECT_EQ(sut.what(0), What::kFree);
    EXPECT_EQ(sut.in_use(), 3U);
}

TEST(DirectoryTest, IdsComeBackOldestFirst) {
    Directory sut(5);
    for (ObjectId expected = 1; expected <= 4; ++expected) {
        EXPECT_EQ(sut.open(What::kEndpoint, 0), expected);
    }
    EXPECT_EQ(sut.open(What::kEndpoint, 0), 0) << "all in use";

    sut.close(3);
    sut.close(1);

    EXPECT_EQ(sut.open(What::kTopic, 2), 3);
    EXPECT_EQ(sut.open(What::kTopic, 2), 1);
    EXPECT_EQ(sut.open(What::kTopic, 2), 0);
    EXPECT_EQ(sut.in_use(), 4U);
}

TEST(DirectoryTest, AllIdsOfTheContractCanBeUsed) {
    Directory sut(limit::kIds);
    std::set<ObjectId> seen;
    for (std::uint32_t i = 1; i < limit::kIds; ++i) {
        seen.insert(sut.open(What::kEndpoint, 0));
    }
    EXPECT_EQ(seen.size(), limit::kIds - 1);
    EXPECT_FALSE(seen.contains(0));
    EXPECT_EQ(sut.open(What::kEndpoint, 0), 0);
    sut.close(65535);
    EXPECT_EQ(sut.open(What::kEndpoint, 0), 65535);
}

TEST(DirectoryTest, SizesOutsideTheContractAreRefused) {
    EXPECT_THROW(Directory(1), std::invalid_argument);
    EXPECT_THROW(Directory(limit::kIds + 1), std::invalid_argument);
}

TEST(DirectoryTest, AClosedObjectLeavesNothingToTheNextHolderOfItsId) {
    Directory sut(3);
    const ObjectId topic = sut.open(What::kTopic, 1);
    const ObjectId endpoint = sut.open(What::kEndpoint, 0);
    sut.set_root(topic, 9);
    sut.subscribe(topic, endpoint);

    sut.close(topic);

    const ObjectId next = sut.open(What::kTopic, 2);
    ASSERT_EQ(next, topic);
    EXPECT_EQ(sut.root(next), 0U);
    EXPECT_EQ(sut.owner(next), 2);
    EXPECT_TRUE(sut.subscribers(next).empty());
}

TEST(DirectoryTest, AnEndpointSubscribesOnceAndCanLeave) {
    Directory sut(8);
    const ObjectId topic = sut.open(What::kTopic, 1);
    const ObjectId a = sut.open(What::kEndpoint, 0);
    const ObjectId b = sut.open(What::kEndpoint, 0);

    EXPECT_TRUE(sut.subscribe(topic, a));
    EXPECT_FALSE(sut.subscribe(topic, a));
    EXPECT_TRUE(sut.subscribe(topic, b));
    EXPECT_EQ(subscribers(sut, topic), (std::vector{a, b}));
    EXPECT_TRUE(sut.unsubscribe(topic, a));
    EXPECT_FALSE(sut.unsubscribe(topic, a));
    EXPECT_EQ(subscribers(sut, topic), std::vector{b});
}

TEST(DirectoryTest, AClosedEndpointsSubscriptionsEndSoThatItsIdReceivesNothingLater) {
    Directory sut(8);
    const ObjectId news = sut.open(What::kTopic, 1);
    const ObjectId weather = sut.open(What::kTopic, 1);
    const ObjectId gone = sut.open(What::kTopic, 1);
    const ObjectId leaves = sut.open(What::kEndpoint, 0);
    const ObjectId stays = sut.open(What::kEndpoint, 0);
    for (const ObjectId topic : {news, weather, gone}) {
        sut.subscribe(topic, leaves);
        sut.subscribe(topic, stays);
    }
    sut.close(gone);

    sut.close(leaves);

    EXPECT_EQ(subscribers(sut, news), std::vector{stays});
    EXPECT_EQ(subscribers(sut, weather), std::vector{stays});
    EXPECT_TRUE(sut.subscribe(news, leaves)) << "a new holder of the id may subscribe";
}

TEST(DirectoryDeathTest, MisuseByTheRouterIsAsserted) {
    Directory sut(4);
    EXPECT_DEATH(sut.close(1), "internal error") << "not open";
    EXPECT_DEATH(static_cast<void>(sut.owner(4)), "internal error") << "out of range";
    EXPECT_DEATH(sut.subscribe(1, 4), "internal error") << "out of range";
}

}  // namespace
}  // namespace keyway::core
