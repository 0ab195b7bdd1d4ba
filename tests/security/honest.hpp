#pragma once

// Two honest processes, each with a thread of its own: one calls the other and publishes, the other answers
// and subscribes. Everything that they hear is checked: content, order, sender, badge, and that nothing is
// missing.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "keyway/router.hpp"
#include "keyway/topic.hpp"
#include "keyway/wait_set.hpp"

namespace keyway::test {

class HonestPair {
  public:
    /// Registers "honest" and the topic "honest/news", and begins to talk.
    explicit HonestPair(const std::string& socket) : service_(open(socket)), client_(open(socket)) {
        endpoint_ = service_.register_endpoint("honest").value();
        to_service_ = client_.lookup("honest").value();
        topic_ = make_topic(client_, "honest/news", {.policy = TopicPolicy::kBlock}).value();
        news_.emplace(Subscription::open(service_, service_.lookup("honest/news").value()).value());
        answering_ = std::thread([this] { answer(); });
        talking_ = std::thread([this] { talk(); });
    }
    HonestPair(const HonestPair&) = delete;
    HonestPair& operator=(const HonestPair&) = delete;
    ~HonestPair() { stop(); }

    void stop() {
        stop_ = true;
        if (talking_.joinable()) {
            talking_.join();
        }
        finished_ = true;
        if (answering_.joinable()) {
            answering_.join();
        }
    }

    /// The first thing that was not as it should be; empty: all was.
    [[nodiscard]] std::string complaint() const {
        const std::lock_guard lock(mutex_);
        return complaint_;
    }
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    [[nodiscard]] std::uint64_t events() const { return events_heard_; }
    /// Forgets the latencies so far.
    void begin_measuring() { reset_ = true; }
    /// Microseconds within which 99 of 100 calls came back, since then. After stop().
    [[nodiscard]] double p99_us() {
        if (latencies_.empty()) {
            return 0;
        }
        const auto at = latencies_.begin() + static_cast<std::ptrdiff_t>(latencies_.size() * 99 / 100);
        std::ranges::nth_element(latencies_, at);
        return *at;
    }

  private:
    static Connection open(const std::string& socket) {
        return Connection::open({.socket = socket, .spin = std::chrono::microseconds(5)}).value();
    }
    void complain(const std::string& what) {
        const std::lock_guard lock(mutex_);
        if (complaint_.empty()) {
            complaint_ = what;
        }
        stop_ = true;
    }
    static std::vector<std::byte> numbered(std::uint64_t number) {
        std::vector<std::byte> bytes(8 + number * 37 % 4000);
        for (std::size_t i = 8; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::byte>(number * 31 + i);
        }
        std::memcpy(bytes.data(), &number, sizeof number);
        return bytes;
    }

    void talk() {
        while (!stop_) {
            const std::uint64_t number = calls_ + 1;
            const auto said = numbered(number);
            const auto before = std::chrono::steady_clock::now();
            const auto reply =
                client_.call(Outgoing::to(to_service_, said), Deadline::in(std::chrono::seconds(60)));
            const auto took = std::chrono::steady_clock::now() - before;
            if (!reply) {
                return complain("call " + std::to_string(number) + ": " + reply.error().message());
            }
            if (!std::ranges::equal(reply->payload(), said)) {
                return complain("call " + std::to_string(number) + " was answered with something else");
            }
            if (reset_.exchange(false)) {
                latencies_.clear();
            }
            latencies_.push_back(std::chrono::duration<double, std::micro>(took).count());
            calls_ = number;
            if (number % 8 == 0) {
                const auto published = publish(client_, topic_, std::as_bytes(std::span(&number, 1)),
                                               Deadline::in(std::chrono::seconds(60)));
                if (!published) {
                    return complain("event: " + published.error().message());
                }
                ++published_;
            }
        }
    }

    void answer() {
        std::uint64_t last = 0;
        while (!finished_ || events_heard_ < published_) {
            auto message = service_.receive(Deadline::in(std::chrono::milliseconds(20)));
            if (message) {
                if (message->sender() != client_.id()) {
                    continue;  // somebody else's, by a capability that the policy gave: nothing to us
                }
                std::uint64_t number = 0;
                if (message->payload().size() < sizeof number) {
                    return complain("a call without a number");
                }
                std::memcpy(&number, message->payload().data(), sizeof number);
                if (number != last + 1 || message->badge() != client_.id()) {
                    return complain("call " + std::to_string(number) + " after " + std::to_string(last));
                }
                last = number;
                if (const auto replied = service_.reply(*message, message->payload()); !replied) {
                    return complain("reply: " + replied.error().message());
                }
            } else if (message.error() != Error{Status::kTimeout}) {
                return complain("receive: " + message.error().message());
            }
            while (auto event = news_->try_next()) {
                std::uint64_t number = 0;
                if (event->payload.size() != sizeof number || event->sender() != client_.id()) {
                    return complain("a foreign event");
                }
                std::memcpy(&number, event->payload.data(), sizeof number);
                if (number != 8 * (events_heard_ + 1)) {
                    return complain("event " + std::to_string(number) + " after " +
                                    std::to_string(events_heard_));
                }
                ++events_heard_;
            }
            if (stop_ && !complaint().empty()) {
                return;
            }
        }
    }

    Connection service_;
    Connection client_;
    Endpoint endpoint_;
    Capability to_service_;
    Capability topic_;
    std::optional<Subscription> news_;
    std::vector<double> latencies_;
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> events_heard_{0};
    std::atomic<bool> stop_{false};
    std::atomic<bool> finished_{false};
    std::atomic<bool> reset_{false};
    mutable std::mutex mutex_;
    std::string complaint_;
    std::thread answering_;
    std::thread talking_;
};

}  // namespace keyway::test
