#include "daemon/openmetrics.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

#include "base/wall_clock.hpp"

namespace keyway::daemon {

namespace {

constexpr double kNsPerSecond = 1e9;

/// A label's value: backslash, quote and newline escaped, other control characters and what is no ASCII
/// replaced, since a process chooses its own name.
std::string label(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '\\' || c == '"') {
            safe += '\\';
        }
        safe += c < ' ' || c > '~' ? '?' : c;
    }
    return safe;
}

class Text {
  public:
    explicit Text(Exposition form) : form_(form) {}

    void counter(std::string_view name, std::string_view help) { declare(name, "counter", help, "_total"); }
    void gauge(std::string_view name, std::string_view help) { declare(name, "gauge", help, ""); }
    void histogram(std::string_view name, std::string_view help) { declare(name, "histogram", help, ""); }

    template <class Number>
    void total(std::string_view labels, Number value) {
        sample("_total", labels, value);
    }
    template <class Number>
    void sample(std::string_view suffix, std::string_view labels, Number value) {
        if (labels.empty()) {
            fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, suffix, value);
        } else {
            fmt::format_to(std::back_inserter(text_), "{}{}{{{}}} {}\n", name_, suffix, labels, value);
        }
    }
    /// Only bounds in which there is something, and the last: the others say nothing new.
    void buckets(std::string_view labels, const Latency& latency) {
        std::uint64_t below = 0;
        for (std::size_t i = 0; i + 1 < Latency::kBuckets; ++i) {
            below += latency.count[i];
            if (i % 4 == 0) {  // two octaves a bucket: fourteen lines an endpoint
                sample("_bucket",
                       fmt::format("{},le=\"{}\"", labels,
                                   static_cast<double>(Latency::bound(i)) / kNsPerSecond),
                       below);
            }
        }
        sample("_bucket", fmt::format("{},le=\"+Inf\"", labels), latency.total());
        sample("_sum", labels, static_cast<double>(latency.sum_ns) / kNsPerSecond);
        sample("_count", labels, latency.total());
    }
    std::string take() {
        if (form_ == Exposition::kOpenMetrics) {
            text_ += "# EOF\n";
        }
        return std::move(text_);
    }

  private:
    void declare(std::string_view name, std::string_view type, std::string_view help,
                 std::string_view suffix) {
        name_ = name;
        const std::string_view ending = form_ == Exposition::kPrometheus ? suffix : "";
        fmt::format_to(std::back_inserter(text_), "# HELP {0}{1} {2}\n# TYPE {0}{1} {3}\n", name, ending,
                       help, type);
    }
    Exposition form_;
    std::string name_;
    std::string text_;
};

void add_router(Text& out, const RouterFigures& router) {
    out.counter("keyway_messages", "Messages that the router judged, by verdict.");
    for (std::size_t i = 0; i < kVerdictCount; ++i) {
        out.total(fmt::format("verdict=\"{}\"", name_of(static_cast<Verdict>(i))), router.verdict[i]);
    }
    out.gauge("keyway_start_time_seconds", "When the router started, in seconds since 1970.");
    out.sample("", "",
               static_cast<double>(wall_clock_ns() - (Deadline::clock_ns() - router.published_ns) -
                                   router.uptime_ns) /
                   kNsPerSecond);
    out.gauge("keyway_engine_info", "What makes the verdicts.");
    out.sample("", fmt::format("engine=\"{}\"", name_of(router.engine)), 1);
    out.gauge("keyway_processes", "Connected processes.");
    out.sample("", "", router.processes);
    out.gauge("keyway_endpoints", "Named endpoints and topics.");
    out.sample("", "", router.endpoints);
    out.gauge("keyway_channels", "Lanes and streams.");
    out.sample("", "", router.channels);
    out.gauge("keyway_qubits", "Qubits.");
    out.sample("", "", router.qubits);
    out.gauge("keyway_capabilities", "Capabilities in use.");
    out.sample("", "", router.capabilities);
    out.gauge("keyway_capability_slots", "Capabilities that the table can hold.");
    out.sample("", "", router.capability_slots);
    out.counter("keyway_connections_opened", "Connections since the start.");
    out.total("", router.links_opened);
    out.counter("keyway_connections_closed", "Connections that ended.");
    out.total("", router.links_closed);
    out.counter("keyway_connections_quarantined", "Connections closed for something impossible in a ring.");
    out.total("", router.links_quarantined);
    out.counter("keyway_sleeps", "Times the router's thread went to sleep.");
    out.total("", router.sleeps);
    out.gauge("keyway_audit_writable",
              "1: the audit log takes records; 0: it can't be written, or there is none.");
    out.sample("", "", router.audit_open == 1 ? 1 : 0);
}

void add_processes(Text& out, const std::vector<ProcessFigures>& processes) {
    const auto name = [](const ProcessFigures& p) {
        return fmt::format("process=\"{}\",pid=\"{}\",uid=\"{}\",name=\"{}\"", p.id, p.pid, p.uid,
                           label(p.get_name()));
    };
    out.counter("keyway_process_sent", "Messages of a process that were judged.");
    for (const ProcessFigures& p : processes) {
        out.total(name(p), p.sent);
    }
    out.counter("keyway_process_refused", "Messages of a process that were refused, by verdict.");
    for (const ProcessFigures& p : processes) {
        for (std::size_t i = 1; i < kVerdictCount; ++i) {
            if (p.verdict[i] != 0) {
                out.total(fmt::format("{},verdict=\"{}\"", name(p), name_of(static_cast<Verdict>(i))),
                          p.verdict[i]);
            }
        }
    }
    out.counter("keyway_process_received", "Messages put into a process's queues.");
    for (const ProcessFigures& p : processes) {
        out.total(name(p), p.received);
    }
    out.gauge("keyway_process_waiting", "1 while a message of the process waits for room at its receiver.");
    for (const ProcessFigures& p : processes) {
        out.sample("", name(p), p.waiting);
    }
    out.gauge("keyway_process_region_bytes", "Bytes of regions that a process pays for.");
    for (const ProcessFigures& p : processes) {
        out.sample("", name(p), p.region_bytes);
    }
    const auto queues = [&](auto&& value) {
        for (const ProcessFigures& p : processes) {
            for (std::size_t i = 0; i < limit::kPriorities; ++i) {
                out.sample("", fmt::format("{},priority=\"{}\"", name(p), i), value(p, i));
            }
        }
    };
    out.gauge("keyway_queue_bytes", "Bytes that wait in a queue of a process, by priority.");
    queues([](const ProcessFigures& p, std::size_t i) { return p.queues[i].used_bytes; });
    out.gauge("keyway_queue_high_water_bytes", "The most bytes that ever waited there.");
    queues([](const ProcessFigures& p, std::size_t i) { return p.queues[i].high_water_bytes; });
    out.gauge("keyway_queue_size_bytes", "Bytes that a queue can hold.");
    queues([](const ProcessFigures& p, std::size_t) { return p.queue_bytes; });
}

void add_endpoints(Text& out, const std::vector<EndpointFigures>& endpoints) {
    const auto name = [](const EndpointFigures& e) {
        return fmt::format("endpoint=\"{}\",kind=\"{}\"", label(e.get_name()), name_of(e.kind));
    };
    out.counter("keyway_endpoint_messages", "Messages delivered to an endpoint, or events of a topic.");
    for (const EndpointFigures& e : endpoints) {
        out.total(name(e), e.messages);
    }
    out.counter("keyway_endpoint_payload_bytes", "Bytes of their payloads.");
    for (const EndpointFigures& e : endpoints) {
        out.total(name(e), e.bytes);
    }
    out.counter("keyway_endpoint_calls", "Calls delivered to an endpoint.");
    for (const EndpointFigures& e : endpoints) {
        out.total(name(e), e.calls);
    }
    out.gauge("keyway_topic_subscribers", "Subscribers of a topic.");
    for (const EndpointFigures& e : endpoints) {
        if (e.kind == Kind::kTopic) {
            out.sample("", name(e), e.subscribers);
        }
    }
    out.histogram("keyway_call_seconds", "From the delivery of a call to that of its reply.");
    for (const EndpointFigures& e : endpoints) {
        if (e.kind == Kind::kEndpoint) {
            out.buckets(name(e), e.latency);
        }
    }
}

void add_regions(Text& out, const std::vector<RegionFigures>& regions) {
    out.gauge("keyway_region_bytes", "Bytes of a shared region.");
    for (const RegionFigures& region : regions) {
        out.sample("", fmt::format("region=\"{}\",owner=\"{}\"", region.id, region.owner), region.bytes);
    }
    out.gauge("keyway_region_mappings", "Processes that have a region mapped.");
    for (const RegionFigures& region : regions) {
        out.sample("", fmt::format("region=\"{}\",owner=\"{}\"", region.id, region.owner), region.mapped);
    }
}

}  // namespace

std::string exposition_of(const Snapshot& snapshot, Exposition form) {
    Text out(form);
    add_router(out, snapshot.router);
    add_processes(out, snapshot.processes);
    add_endpoints(out, snapshot.endpoints);
    add_regions(out, snapshot.regions);
    return out.take();
}

const char* content_type_of(Exposition form) {
    return form == Exposition::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace keyway::daemon
