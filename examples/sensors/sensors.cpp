// Sensors to many readers: what is measured is written once, however many look at it, and a reader that is
// slow or dead harms itself only.
//
//     sensors measure COUNT              publishes COUNT readings of two sensors, and as many at each Enter
//     sensors show COUNT                 prints COUNT readings
//     sensors alarm LIMIT                prints the first reading above LIMIT (in 1/1000 degrees)
//     sensors latest                     prints the last reading of each sensor, with what came before it
//     joined
//
// The topic drops the oldest: a sensor never waits for anybody. Each reader learns exactly how many it
// missed. `keep` gives a reader that comes late the last few readings at once, so that a display is never
// empty.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "keyway/topic.hpp"

using namespace std::chrono_literals;
using keyway::Deadline;

namespace {

constexpr const char* kTopic = "sensors/temperature";

// What goes over the wire: little-endian, of a fixed size, with a version so that it can grow.
struct Reading {
    std::uint16_t version = 1;
    std::uint16_t sensor = 0;
    std::int32_t millidegrees = 0;
    std::uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC, when it was measured
};
static_assert(sizeof(Reading) == 16, "no padding on the wire");

// A publisher is trusted to publish, not to make sense: size and version are looked at first.
std::optional<Reading> reading_of(const keyway::Event& event) {
    Reading reading;
    if (event.payload.size() != sizeof reading) {
        return std::nullopt;
    }
    std::memcpy(&reading, event.payload.data(), sizeof reading);
    return reading.version == 1 ? std::optional(reading) : std::nullopt;
}

int fail(const char* what, const keyway::Error& error) {
    std::fprintf(stderr, "sensors: %s: %s\n", what, error.message().c_str());
    return 1;
}

int measure(keyway::Connection& connection, int count) {
    const auto topic = keyway::make_topic(
        connection, kTopic, {.policy = keyway::TopicPolicy::kDropOldest, .keep = 2, .ring_bytes = 16 * 1024});
    if (!topic) {
        return fail("the topic", topic.error());
    }
    int measured = 0;
    do {
        for (int i = 0; i < count; ++i, ++measured) {
            const Reading reading{.sensor = static_cast<std::uint16_t>(measured % 2),
                                  .millidegrees = 20'000 + measured * 10,
                                  .time_ns = Deadline::clock_ns()};
            const auto bytes = std::as_bytes(std::span(&reading, 1));
            if (auto published = keyway::publish(connection, *topic, bytes); !published) {
                return fail("publishing", published.error());
            }
        }
        std::printf("measured %d\n", measured);
    } while (std::getchar() != EOF);  // the topic ends with its owner
    return 0;
}

// Calls `each` with every reading until it says false.
template <typename Each>
int read(keyway::Connection& connection, Each&& each) {
    const auto topic = connection.lookup(kTopic);
    if (!topic) {
        return fail("looking the topic up", topic.error());
    }
    auto readings = keyway::Subscription::open(connection, *topic);
    if (!readings) {
        return fail("subscribing", readings.error());
    }
    std::fputs("watching\n", stderr);
    std::uint64_t lost = 0;
    while (true) {
        const auto event = readings->next(Deadline::in(30s));
        if (!event) {
            return fail("reading", event.error());
        }
        if (readings->lost() != lost) {
            std::printf("missed %llu\n", static_cast<unsigned long long>(readings->lost() - lost));
            lost = readings->lost();
        }
        if (const auto reading = reading_of(*event)) {
            if (!each(*reading)) {
                return 0;
            }
        }
    }
}

void print(const Reading& reading) {
    std::printf("sensor %u: %d.%03d\n", unsigned{reading.sensor}, reading.millidegrees / 1000,
                std::abs(reading.millidegrees % 1000));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 1 ? argv[1] : "";
    const int number = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 0;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    auto connection = keyway::Connection::open();
    if (!connection) {
        return fail("connecting", connection.error());
    }
    if (role == "measure" && number > 0) {
        return measure(*connection, number);
    }
    if (role == "show" && number > 0) {
        return read(*connection, [left = number](const Reading& reading) mutable {
            print(reading);
            return --left > 0;
        });
    }
    if (role == "alarm") {
        return read(*connection, [number](const Reading& reading) {
            if (reading.millidegrees > number) {
                print(reading);
            }
            return reading.millidegrees <= number;
        });
    }
    if (role == "latest") {
        std::map<unsigned, Reading> latest;
        const int ended = read(*connection, [&latest](const Reading& reading) {
            latest[reading.sensor] = reading;
            return latest.size() < 2;
        });
        for (const auto& [sensor, reading] : latest) {
            print(reading);
        }
        return ended;
    }
    std::fputs("usage: sensors measure COUNT | show COUNT | alarm LIMIT | latest\n", stderr);
    return 2;
}
