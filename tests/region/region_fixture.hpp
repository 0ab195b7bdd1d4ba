#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "client/connection_impl.hpp"
#include "keyway/region.hpp"
#include "tests/client/router_fixture.hpp"

namespace keyway::test {

using namespace std::chrono_literals;

/// Alice, who makes regions, and Bob and Carol, who get them.
class Regions : public RouterFixture {
  protected:
    Regions() : Regions(all_observe()) {}
    static RouterOptions all_observe() {
        RouterOptions options = quick_options();
        options.policy.rules[0].observe = true;
        return options;
    }
    explicit Regions(RouterOptions options)
        : RouterFixture(std::move(options)), alice_(connect()), bob_(connect()), carol_(connect()) {
        bob_home_ = bob_.register_endpoint("bob").value();
        carol_home_ = carol_.register_endpoint("carol").value();
        to_bob_ = alice_.lookup("bob").value();
        to_carol_ = alice_.lookup("carol").value();
    }

    static void fill(std::span<std::byte> bytes, char with) {
        std::ranges::fill(bytes, static_cast<std::byte>(with));
    }
    static bool is_all(std::span<const std::byte> bytes, char what) {
        return std::ranges::all_of(bytes, [what](std::byte b) { return b == static_cast<std::byte>(what); });
    }
    /// What `region.read` gives for a few bytes, or the error's name.
    template <typename Region>
    static std::string read(Region& region, std::uint64_t offset = 0, std::size_t count = 4) {
        std::string text(count, '?');
        const auto done = region.read(offset, std::as_writable_bytes(std::span(text)));
        return done ? text : error_of(done);
    }
    template <typename Region>
    static std::string write(Region& region, std::string_view text, std::uint64_t offset = 0) {
        return error_of(region.write(offset, std::as_bytes(std::span(text.data(), text.size()))));
    }
    static Received next(Connection& connection) { return connection.receive(Deadline::in(10s)).value(); }

    /// How many regions the router has in its books.
    std::size_t regions() { return state().size(); }
    /// How many have one mapped, of all regions together.
    std::size_t holders() {
        std::size_t count = 0;
        for (const auto& region : state()) {
            count += region.at("mapped").get<std::size_t>();
        }
        return count;
    }
    nlohmann::json state() { return nlohmann::json::parse(alice_.list().value()).at("regions"); }
    /// What the router answers who asks for a region's descriptor without the library.
    static Result<link::ReceivedControl> ask(Connection& connection, Request what, std::uint32_t capability,
                                             std::uint8_t rights = right::kRead) {
        link::ControlMessage request;
        request.request = static_cast<std::uint8_t>(what);
        request.capability = capability;
        request.rights = rights;
        return connection.impl().request(request);
    }

    Connection alice_;
    Connection bob_;
    Connection carol_;
    Endpoint bob_home_;
    Endpoint carol_home_;
    Capability to_bob_;
    Capability to_carol_;
};

}  // namespace keyway::test
