#include "platform.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <systemc>

#include "host.hpp"
#include "router_module.hpp"

namespace keyway::sim {

namespace {

constexpr std::size_t kMostWaiting = 8;  // frames before a port; a sender waits until there is room
constexpr std::uint64_t kQuietClocks = 64;
// What sim/CMakeLists.txt verilates.
constexpr Geometry kGeometry{.ports = kPlatformPorts,
                             .data_bits = 64,
                             .rows = kTableRows,
                             .destinations = kPlatformDestinations,
                             .queue_slots = 4 * limit::kPriorities * kPlatformDestinations};

class Platform {
  public:
    Platform(const Scenario& scenario, std::uint64_t distort)
        : scenario_(scenario),
          distort_(distort),
          period_ns_(1000 / scenario.clock_mhz),
          clock_("clock", sc_core::sc_time(period_ns_, sc_core::SC_NS)),
          router_("router"),
          memory_("memory", std::size_t{kTableRows} * sizeof(Entry), sc_core::sc_time(20, sc_core::SC_NS)),
          bus_("bus"),
          host_("host", scenario),
          scoreboard_(scenario, kGeometry),
          random_(scenario.seed),
          senders_(scenario.traffic.size()) {
        router_.clock(clock_);
        host_.socket.bind(bus_.from_host);
        bus_.to_memory.bind(memory_.socket);
        bus_.to_router.bind(router_.registers);
        router_.driver().set_geometry(kGeometry);
        host_.connect(router_.driver(), scoreboard_);
        router_.on_clock = [this] { on_clock(); };
        router_.driver().on_taken = [this](unsigned port, const Header&, std::uint64_t first,
                                           std::uint64_t last) { scoreboard_.taken(port, first, last); };
    }

    Result run(const std::string& waveform) {
        sc_core::sc_start(sc_core::SC_ZERO_TIME);
        if (!waveform.empty()) {
            router_.open_waveform(waveform);
        }
        sc_core::sc_start(sc_core::sc_time(scenario_.limit_us, sc_core::SC_US));
        router_.close_waveform();
        Result result{.totals = scoreboard_.totals(),
                      .faults = scoreboard_.differences(),
                      .clocks = router_.driver().cycle(),
                      .misses = host_.misses(),
                      .fills = host_.fills(),
                      .recalls = host_.recalls(),
                      .host_accesses = host_.accesses(),
                      .sent = sent_,
                      .simulated_us = sc_core::sc_time_stamp().to_seconds() * 1e6};
        if (quiet_ < kQuietClocks && result.faults.empty()) {
            result.faults.push_back("the run did not come to an end within limit_us");
        }
        compare_with_expected(result);
        return result;
    }

  private:
    struct Sender {
        bool begun = false;
        double next_ns = 0;
        std::uint32_t sent = 0;
    };

    void compare_with_expected(Result& result) const {
        const Scoreboard::Totals& totals = result.totals;
        const auto most = [](const Histogram& histogram) {
            return histogram.empty() ? 0 : histogram.rbegin()->first;
        };
        for (const auto& [name, count] : scenario_.expect) {
            std::uint64_t got = 0;
            bool good = false;
            if (name == "verdict_clocks_most" || name == "through_clocks_most") {
                got = most(name == "verdict_clocks_most" ? totals.verdict_clocks : totals.through_clocks);
                good = got <= count;
            } else {
                const auto found = totals.verdicts.find(name);
                got = name == "copies"                 ? totals.copies
                      : name == "replies"              ? totals.replies
                      : found == totals.verdicts.end() ? 0
                                                       : found->second;
                good = got == count;
            }
            if (!good) {
                result.faults.push_back("expected: " + name + " = " + std::to_string(count) + ", got " +
                                        std::to_string(got));
            }
        }
    }

    bool percent(unsigned share) { return random_() % 100 < share; }

    // A rising edge: what it takes is known, what comes after it is not driven yet.
    void on_clock() {
        Driver& driver = router_.driver();
        while (auto event = driver.pop_event()) {
            if (scoreboard_.totals().messages + 1 == distort_) {
                event->verdict =
                    event->verdict == Verdict::kDelivered ? Verdict::kSpoofed : Verdict::kDelivered;
            }
            scoreboard_.judged(*event);
            host_.wake();  // an id may have been used, or have become free
        }
        for (unsigned port = 0; port < kPlatformPorts; ++port) {
            while (const auto delivery = driver.pop(port)) {
                receive(*delivery);
            }
            const auto consumer = scenario_.ready_percent.find(port);
            driver.set_ready(port, consumer == scenario_.ready_percent.end() || percent(consumer->second));
        }
        if (!host_.ready()) {
            return;
        }
        if (begin_cycle_ == 0) {
            begin_cycle_ = driver.cycle();
        }
        bool all = true;
        for (std::size_t i = 0; i < senders_.size(); ++i) {
            send(scenario_.traffic[i], senders_[i]);
            all = all && senders_[i].sent == scenario_.traffic[i].count;
        }
        quiet_ = all && scoreboard_.settled() && host_.idle() ? quiet_ + 1 : 0;
        if (quiet_ == kQuietClocks || scoreboard_.differences().size() >= 10) {
            sc_core::sc_stop();
        }
    }

    void receive(const Delivery& delivery) {
        scoreboard_.left(delivery);
        const Header& header = delivery.header;
        if (delivery.destination == 0) {
            host_.take(header);
            return;
        }
        if ((header.flags() & flag::kExpectsReply) == 0) {
            return;
        }
        const auto object = std::ranges::find(scenario_.objects, delivery.destination, &Object::id);
        if (object == scenario_.objects.end()) {
            return;
        }
        const auto owner = std::ranges::find(scenario_.processes, object->owner, &Process::id);
        if (owner == scenario_.processes.end() || !owner->port) {
            return;
        }
        Header reply;
        reply.set_version(kVersionMajor);
        reply.set_type(static_cast<std::uint8_t>(Type::kData));
        reply.set_flags(flag::kReply);
        reply.set_priority(header.priority());
        reply.set_receiver(header.sender());
        reply.set_capability(header.carried());
        reply.set_sequence(header.sequence());
        push(*owner->port, reply, false);
    }

    void push(unsigned port, const Header& header, bool torn) {
        scoreboard_.sent(port, header, torn);
        router_.driver().push(port, header, torn ? 1 : 0);
        ++sent_;
    }

    void send(const Traffic& traffic, Sender& sender) {
        Driver& driver = router_.driver();
        const double now = static_cast<double>(driver.cycle() - begin_cycle_) * period_ns_;
        if (!sender.begun) {
            sender.begun = true;
            sender.next_ns = traffic.start_ns;
        }
        while (sender.sent < traffic.count && sender.next_ns <= now &&
               driver.waiting(traffic.port) < kMostWaiting) {
            Header header = traffic.header;
            header.set_sequence(++sequence_);
            if (traffic.guess) {
                header.set_capability(
                    capability_id(1 + static_cast<std::uint32_t>(random_() % (2 * kTableRows)),
                                  static_cast<std::uint16_t>(1 + random_() % 4095)));
            }
            push(traffic.port, header, traffic.torn_percent != 0 && percent(traffic.torn_percent));
            ++sender.sent;
            switch (traffic.pattern) {
                case Pattern::kSteady:
                    sender.next_ns += traffic.gap_ns;
                    break;
                case Pattern::kRandom:
                    sender.next_ns +=
                        -std::log1p(-std::generate_canonical<double, 53>(random_)) * traffic.gap_ns;
                    break;
                case Pattern::kBurst:
                    sender.next_ns += sender.sent % traffic.burst == 0 ? traffic.gap_ns * traffic.burst : 0;
                    break;
            }
        }
    }

    const Scenario& scenario_;
    std::uint64_t distort_;
    double period_ns_;
    sc_core::sc_clock clock_;
    RouterModule router_;
    Memory memory_;
    Bus bus_;
    Host host_;
    Scoreboard scoreboard_;
    std::mt19937_64 random_;
    std::vector<Sender> senders_;
    std::uint32_t sequence_ = 0;
    std::uint64_t begin_cycle_ = 0, quiet_ = 0, sent_ = 0;
};

}  // namespace

Result run_scenario(const Scenario& scenario, const std::string& waveform, std::uint64_t distort) {
    // A stop takes effect at once, so that the last clock is the one that was counted.
    sc_core::sc_set_stop_mode(sc_core::SC_STOP_FINISH_DELTA);
    // Faults come out as exceptions; SystemC's own notices are not for people who look at a summary.
    sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
    Platform platform(scenario, distort);
    return platform.run(waveform);
}

}  // namespace keyway::sim
