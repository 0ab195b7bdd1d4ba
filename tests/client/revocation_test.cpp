// Revocation against senders at full speed: whatever was revoked delivers nothing after the revocation's
// answer. KEYWAY_SEED=n gives the same choices again; the interleaving is the machine's.

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "tests/client/router_fixture.hpp"
#include "tests/run_length.hpp"

using namespace std::chrono_literals;

namespace keyway::test {
namespace {

#ifdef KEYWAY_SANITIZED
constexpr std::uint64_t kShare = 20;
#else
constexpr std::uint64_t kShare = 1;
#endif
constexpr std::uint32_t kOwnBadge = 0;  ///< of the owner's markers

std::uint64_t seed_of_this_run() {
    const char* given = std::getenv("KEYWAY_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

}  // namespace

class Revocation : public RouterFixture {
  protected:
    static constexpr std::size_t kSenders = 2;

    /// Sends with whatever it was given, and passes some of it on to the other sender, until it is stopped.
    /// All that descends from one gift of the owner has the gift's badge.
    void send_until_stopped(std::size_t self, std::uint64_t seed) {
        Connection& connection = *senders_.at(self);
        std::mt19937_64 random(seed);
        std::vector<Capability> held;
        const Capability other = connection.lookup(self == 0 ? "sender1" : "sender0").value();
        while (!stop_) {
            for (auto message = connection.try_receive(); message; message = connection.try_receive()) {
                if (message->carried() != 0) {
                    // Ours already no more, if it was revoked on the way.
                    if (auto gift = connection.inspect(message->carried())) {
                        held.push_back(*gift);
                    }
                }
            }
            if (held.empty()) {
                std::this_thread::yield();
                continue;
            }
            const std::size_t chosen = random() % held.size();
            if (random() % 64 == 0) {
                const Capability& from = held[chosen];
                const Terms terms{.rights = from.rights,
                                  .badge = from.badge,
                                  .uses = random() % 2 == 0 ? 0U : static_cast<std::uint32_t>(random() % 50)};
                [[maybe_unused]] const auto passed =
                    connection.give(from, other, terms, {}, Deadline::in(1s));
            }
            for (int i = 0; i < 16; ++i) {
                [[maybe_unused]] const auto posted =
                    connection.post(Outgoing::to(held[chosen], "x"), Deadline::in(1s), Deadline::in(1s));
            }
            bool gone = false;
            while (const auto refusal = connection.next_refusal()) {
                gone |= refusal->reason == Error{Verdict::kNoSuchCapability};
            }
            if (gone) {
                std::erase_if(held, [&](const Capability& c) { return !connection.inspect(c.id); });
            }
        }
        [[maybe_unused]] const auto flushed = connection.flush(Deadline::in(30s));
    }

    std::array<std::optional<Connection>, kSenders> senders_;
    std::atomic<bool> stop_{false};
};

TEST_F(Revocation, nothing_revoked_is_delivered_later_however_senders_hurry) {
    const auto messages = ordinary_or_long<std::uint64_t>(300'000, 10'000'000) / kShare;
    const std::uint64_t seed = seed_of_this_run();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    Connection owner = connect({.delivery_bytes = 256 * 1024});
    const Endpoint vault = owner.register_endpoint("vault").value();
    std::vector<Capability> to_sender;
    for (std::size_t i = 0; i < kSenders; ++i) {
        senders_.at(i).emplace(connect());
        const std::string name = "sender" + std::to_string(i);
        ASSERT_TRUE(succeeded(senders_.at(i)->register_endpoint(name)));
        to_sender.push_back(owner.lookup(name).value());
    }
    std::atomic<std::uint64_t> delivered{0};
    std::uint64_t late = 0;
    std::thread receiving([&] {
        std::set<std::uint32_t> revoked;
        while (true) {
            auto message = owner.receive(Deadline::in(60s));
            ASSERT_TRUE(succeeded(message));
            if (message->badge() == kOwnBadge) {
                std::uint32_t badge = 0;
                std::memcpy(&badge, message->payload().data(), sizeof badge);
                if (badge == 0) {
                    return;
                }
                revoked.insert(badge);
                continue;
            }
            late += revoked.contains(message->badge()) ? 1U : 0U;
            delivered.fetch_add(1, std::memory_order_relaxed);
        }
    });
    const auto mark = [&](std::uint32_t badge) {
        ASSERT_TRUE(
            succeeded(owner.send(Outgoing::to(vault.capability, std::as_bytes(std::span(&badge, 1))))));
    };
    std::vector<std::thread> sending;
    for (std::size_t i = 0; i < kSenders; ++i) {
        sending.emplace_back([this, i, seed] { send_until_stopped(i, seed + 1 + i); });
    }
    std::mt19937_64 random(seed);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> given;  // badge, id
    std::uint32_t next_badge = 1;
    std::uint64_t ended = 0;
    std::uint64_t revocations = 0;
    std::uint64_t seen = 0;
    // On a busy machine more pass between two revocations.
    while (delivered < messages || revocations < messages / 5000) {
        while (given.size() < 6) {
            const std::uint32_t badge = next_badge++;
            auto gift = owner.give(vault.capability, to_sender[random() % kSenders],
                                   Terms{.rights = right::kWrite | right::kGrant, .badge = badge}, {},
                                   Deadline::in(10s));
            ASSERT_TRUE(succeeded(gift));
            given.emplace_back(badge, *gift);
        }
        // Between two revocations some hundreds of messages pass, so that what is revoked is in use.
        const std::uint64_t pause = random() % 2000;
        for (seen = delivered; delivered < seen + pause;) {
            std::this_thread::yield();
        }
        const std::size_t chosen = random() % given.size();
        const auto [badge, id] = given[chosen];
        const auto count = owner.revoke(vault.capability, id);
        mark(badge);  // whatever stands behind it in the ring was accepted after the answer
        given.erase(given.begin() + static_cast<std::ptrdiff_t>(chosen));
        if (count) {
            ended += *count;
            ++revocations;
        }
    }
    stop_ = true;
    for (std::thread& thread : sending) {
        thread.join();
    }
    mark(0);
    receiving.join();
    std::printf("%llu messages, %llu revocations, %llu capabilities ended by them, %llu late\n",
                static_cast<unsigned long long>(delivered.load()),
                static_cast<unsigned long long>(revocations), static_cast<unsigned long long>(ended),
                static_cast<unsigned long long>(late));
    EXPECT_EQ(late, 0U);
    EXPECT_GT(ended, revocations) << "no capability that was revoked had been passed on";
}

}  // namespace keyway::test
