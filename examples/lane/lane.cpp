// A sensor sends readings to a recorder over a lane: one hop, no router in between.
//
//     example_lane
//
// Two processes. The parent is the recorder, and runs a router for the two of them; the child is the sensor.

#include <sys/wait.h>
#include <unistd.h>
#include <keyway/lane.hpp>
#include <keyway/router.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

using namespace std::chrono_literals;

namespace {

constexpr int kReadings = 100'000;

struct Reading {
    int number;
    double celsius;
};

int sensor(const std::string& socket) {
    keyway::Connection connection = keyway::Connection::open({.socket = socket}).value();
    // The policy gives DEVICE on "recorder"; without it this says insufficient_rights.
    const keyway::Capability recorder = connection.lookup("recorder").value();
    keyway::Lane lane = keyway::open_lane(connection, recorder, {}, keyway::Deadline::in(10s)).value();
    for (int i = 0; i < kReadings; ++i) {
        const Reading reading{.number = i, .celsius = 20 + i % 10 * 0.1};
        lane.sender().send(std::as_bytes(std::span(&reading, 1)), keyway::Deadline::in(10s)).value();
    }
    keyway::LaneMessage thanks;  // a lane goes both ways
    lane.receiver().receive(thanks, keyway::Deadline::in(10s)).value();
    std::printf("sensor: the recorder said \"%.*s\"\n", static_cast<int>(thanks.text().size()),
                thanks.text().data());
    return 0;
}

int recorder(keyway::Connection& connection) {
    const keyway::Received offer = connection.receive(keyway::Deadline::in(10s)).value();
    const auto offered = keyway::offered_channel(offer);
    if (!offered) {
        return 1;
    }
    std::printf("recorder: process %u asks for a lane\n", offered->opener);
    keyway::Lane lane = keyway::accept_lane(connection, offer).value();
    keyway::LaneMessage message;
    double sum = 0;
    for (int i = 0; i < kReadings; ++i) {
        lane.receiver().receive(message, keyway::Deadline::in(10s)).value();
        Reading reading{};
        if (message.payload().size() != sizeof reading) {
            return 1;  // what is in a payload is the sender's word
        }
        std::memcpy(&reading, message.payload().data(), sizeof reading);
        if (reading.number != i) {
            return 1;
        }
        sum += reading.celsius;
    }
    std::printf("recorder: %d readings, %.2f degrees on average\n", kReadings, sum / kReadings);
    lane.sender().send("thank you").value();
    // The sensor goes when it has read that.
    return lane.receiver().receive(message, keyway::Deadline::in(10s)).error() ==
                   keyway::Error{keyway::Status::kPeerGone}
               ? 0
               : 1;
}

}  // namespace

int main() {
    std::string folder = (std::filesystem::temp_directory_path() / "keyway-lane-XXXXXX").string();
    int ready[2];
    if (::mkdtemp(folder.data()) == nullptr || ::pipe(ready) != 0) {
        std::perror("example_lane");
        return 1;
    }
    const std::string socket = folder + "/router.sock";
    const pid_t child = ::fork();  // before there are threads
    if (child == 0) {
        ::close(ready[1]);
        char token = 0;
        const int code = ::read(ready[0], &token, 1) == 1 ? sensor(socket) : 1;
        std::fflush(stdout);
        ::_exit(code);
    }
    int result = 1;
    {
        keyway::Policy policy = keyway::Policy::permissive();
        policy.rules[0].lookup = {{.name = "recorder", .rights = keyway::right::kDevice}};
        keyway::Router router({.policy = policy, .socket = socket});
        router.start().value();
        keyway::Connection connection = router.connect().value();
        connection.register_endpoint("recorder").value();
        if (::write(ready[1], "x", 1) == 1) {
            result = recorder(connection);
        }
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    std::filesystem::remove_all(folder);
    return status == 0 ? result : 1;
}
