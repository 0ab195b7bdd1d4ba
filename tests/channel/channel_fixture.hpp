#pragma once

#include <future>
#include <optional>

#include "keyway/lane.hpp"
#include "keyway/stream.hpp"
#include "tests/client/router_fixture.hpp"

namespace keyway::test {

using namespace std::chrono_literals;

/// A service that others may open lanes and streams to, and a client that may.
class ChannelFixture : public RouterFixture {
  protected:
    static RouterOptions options_with(std::uint8_t rights) {
        RouterOptions options = quick_options();
        options.policy.rules[0].lookup = {{.name = "*", .rights = rights, .badge = 77}};
        options.policy.rules[0].observe = true;
        options.policy.rules[0].administer = true;
        return options;
    }
    static constexpr std::uint8_t kLaneRights = right::kWrite | right::kExecute | right::kDevice;

    ChannelFixture() : ChannelFixture(options_with(kLaneRights)) {}
    explicit ChannelFixture(RouterOptions options)
        : RouterFixture(std::move(options)), service_(connect()), client_(connect()) {
        endpoint_ = service_.register_endpoint("service").value();
        to_service_ = client_.lookup("service").value();
    }

    /// The next offer to the service.
    Received offer() {
        auto message = service_.receive(Deadline::in(30s));
        EXPECT_TRUE(succeeded(message));
        return std::move(*message);
    }
    struct Lanes {
        Lane client;
        Lane service;
    };
    Lanes lanes(std::uint32_t bytes = 16 * 1024) {
        const LaneOptions options{.bytes = bytes, .spin = 5us};
        auto opening = std::async(std::launch::async, [&] {
            return open_lane(client_, to_service_, options, Deadline::in(30s)).value();
        });
        Lane service = accept_lane(service_, offer(), options).value();
        return {opening.get(), std::move(service)};
    }
    struct Streams {
        StreamWriter writer;
        StreamReader reader;
    };
    Streams streams(bool records = false, std::uint32_t bytes = 64 * 1024) {
        const StreamOptions options{.bytes = bytes, .records = records, .spin = 5us};
        auto opening = std::async(std::launch::async, [&] {
            return open_stream(client_, to_service_, options, Deadline::in(30s)).value();
        });
        StreamReader reader = accept_stream(service_, offer(), options).value();
        return {opening.get(), std::move(reader)};
    }

    Connection service_;
    Connection client_;
    Endpoint endpoint_;
    Capability to_service_;
};

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace keyway::test
