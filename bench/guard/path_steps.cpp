// What a message costs in instructions on its way: through the router, and through a lane. One thread plays
// both ends, so nothing waits while it is counted. The router runs in a thread of its own; count.py counts it
// by its function.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <thread>

#include "clock.hpp"
#include "keyway/connection.hpp"
#include "keyway/lane.hpp"
#include "keyway/router.hpp"
#include "measured.hpp"

namespace keyway::bench {
namespace {

template <typename T>
T good(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "path_steps: %s\n", result.error().message().c_str());
        std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

constexpr int kMessages = 32;
/// Small rings, and no spinning: what is counted is the same each time.
ConnectOptions at_once() {
    return {.socket = {}, .submission_bytes = 64 * 1024, .spin = std::chrono::nanoseconds(0)};
}

void count_lane(Router& router, std::size_t bytes, const char* sending, const char* receiving) {
    Connection a = good(router.connect(at_once()));
    Connection b = good(router.connect(at_once()));
    good(b.register_endpoint("lane" + std::to_string(bytes)));
    const Capability to = good(a.lookup("lane" + std::to_string(bytes)));
    std::optional<Lane> far;
    std::thread accepting([&] { far.emplace(good(accept_lane(b, good(b.receive())))); });
    Lane near = good(open_lane(a, to));
    accepting.join();
    std::array<std::byte, 4096> payload{};
    LaneMessage message;
    const auto send = [&](std::size_t) { good(near.sender().send(std::span(payload).first(bytes))); };
    const auto receive = [&](std::size_t) { good(far->receiver().receive(message)); };
    for (int i = 0; i < 8; ++i) {
        send(0);
        receive(0);
    }
    count_step(sending, kMessages, send, 0);
    count_step(receiving, kMessages, receive, 0);
}

// Bursts, so that the router is woken seldom; it works while we wait for its verdicts, which is not counted
// here.
void count_routed(Router& router, std::size_t bytes, const char* posting, const char* receiving) {
    Connection connection = good(router.connect(at_once()));
    std::array<std::byte, 4096> payload{};
    const Outgoing message = Outgoing::to(connection.self(), std::span(payload).first(bytes));
    const auto post = [&](std::size_t) { good(connection.post(message)); };
    const auto receive = [&](std::size_t) { keep(good(connection.receive()).payload().size()); };
    const auto judged = [&] { good(connection.flush()); };
    for (int i = 0; i < 2 * kMessages; ++i) {  // the ring's first lap differs
        post(0);
        judged();
        receive(0);
    }
    count_step(posting, kMessages, post, 0);
    judged();
    count_step(receiving, kMessages, receive, 0);
}

/// Nothing of it is counted as a step: count.py counts what the router's thread does for so many messages.
void route_bursts(Router& router, int bursts) {
    Connection connection = good(router.connect(at_once()));
    const std::array<std::byte, 64> payload{};
    for (int i = 0; i < bursts; ++i) {
        for (int j = 0; j < 8; ++j) {
            good(connection.post(Outgoing::to(connection.self(), payload)));
        }
        good(connection.flush());
        for (int j = 0; j < 8; ++j) {
            keep(good(connection.receive()).payload().size());
        }
    }
}

}  // namespace
}  // namespace keyway::bench

int main(int argc, char** argv) {
    if (argc < 2) {
        keyway::bench::print_build();
    }
    keyway::Policy policy = keyway::Policy::permissive();
    policy.rules[0].lookup = {{.name = "*", .rights = keyway::right::kWrite | keyway::right::kDevice}};
    keyway::Router router({.policy = policy, .spin = std::chrono::nanoseconds(0)});
    if (!router.start()) {
        return 1;
    }
    if (argc > 1) {
        keyway::bench::route_bursts(router, static_cast<int>(std::strtol(argv[1], nullptr, 10)));
        return 0;
    }
    keyway::bench::count_lane(router, 64, "lane_send_64", "lane_receive_64");
    keyway::bench::count_lane(router, 1024, "lane_send_1024", "lane_receive_1024");
    keyway::bench::count_routed(router, 64, "routed_post_64", "routed_receive_64");
    keyway::bench::count_routed(router, 1024, "routed_post_1024", "routed_receive_1024");
    return 0;
}
