// Publish and subscribe: publish publish COUNT | publish subscribe COUNT
#include <keyway/topic.hpp>

#include <iostream>
#include <string>

// [publish]
keyway::Result<void> publish(keyway::Connection& connection, int count) {
    auto topic = keyway::make_topic(connection, "recipe/ticks", {.keep = 64});  // late ones get the last 64
    if (!topic) {
        return topic.error();
    }
    for (int i = 1; i <= count; ++i) {  // one write each, however many subscribe
        if (auto published = keyway::publish(connection, *topic, "tick " + std::to_string(i)); !published) {
            return published.error();
        }
    }
    std::cout << "published" << std::endl;
    std::cin.get();  // the topic ends with its owner, so stay until told
    return {};
}
// [end]

// [subscribe]
keyway::Result<void> subscribe(keyway::Connection& connection, int count) {
    auto topic = connection.lookup("recipe/ticks");  // policy: READ
    if (!topic) {
        return topic.error();
    }
    auto ticks = keyway::Subscription::open(connection, *topic);
    if (!ticks) {
        return ticks.error();
    }
    for (; count > 0; --count) {
        auto event = ticks->next();
        if (!event) {
            return event.error();
        }
        std::cout << event->text() << '\n';
    }
    if (ticks->lost() != 0) {
        std::cerr << ticks->lost() << " events were lost: we are too slow\n";
    }
    return {};
}
// [end]

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: publish publish COUNT | publish subscribe COUNT\n";
        return 2;
    }
    auto connection = keyway::Connection::open();
    if (!connection) {
        std::cerr << connection.error().message() << '\n';
        return 1;
    }
    const int count = std::stoi(argv[2]);
    auto done =
        std::string(argv[1]) == "publish" ? publish(*connection, count) : subscribe(*connection, count);
    if (!done) {
        std::cerr << done.error().message() << '\n';
    }
    return done ? 0 : 1;
}
