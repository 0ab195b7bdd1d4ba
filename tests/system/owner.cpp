// Owns one of everything that `keyway ls` lists, until its standard input ends; for topic_test.py.

#include <iostream>
#include <string>
#include <thread>

#include "keyway/lane.hpp"
#include "keyway/quantum.hpp"
#include "keyway/region.hpp"
#include "keyway/topic.hpp"

int main() {
    using namespace keyway;
    auto owner = Connection::open().value();
    auto other = Connection::open().value();
    const Capability topic =
        make_topic(owner, "weather", {.policy = TopicPolicy::kBlock, .keep = 16}).value();
    const Subscription subscription = Subscription::open(other, other.lookup("weather").value()).value();
    publish(owner, topic, "it rains").value();
    const StableRegion region = StableRegion::create(owner, 12345).value();
    const Qubit qubit =
        Qubit::prepare(owner, {.coherence = std::chrono::hours(1), .fidelity = 0.5, .width = 3}).value();
    owner.register_endpoint("recorder").value();
    std::thread accepting([&] {
        const Received offer = owner.receive().value();
        Lane lane = accept_lane(owner, offer).value();
        LaneMessage message;
        // Until the other end goes.
        while (lane.receiver().receive(message)) {
        }
    });
    {
        const Lane lane = open_lane(other, other.lookup("recorder").value()).value();
        std::cout << "ready" << std::endl;
        std::string line;
        std::getline(std::cin, line);
    }
    accepting.join();
}
