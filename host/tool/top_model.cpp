#include "tool/top_model.hpp"

#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "tool/text.hpp"

namespace keyway::tool {

namespace {

constexpr std::size_t kAll = SIZE_MAX;

// The columns that a list can be sorted by, in the order in which `s` goes through them.
constexpr std::string_view kProcessSorts[] = {"sent/s", "refused", "queued", "id"};
constexpr std::string_view kEndpointSorts[] = {"msg/s", "calls/s", "p99", "name"};

std::string user_name(std::uint32_t uid) {
    static std::map<std::uint32_t, std::string> known;
    auto [at, fresh] = known.try_emplace(uid);
    if (fresh) {
        const passwd* const entry = ::getpwuid(uid);
        at->second = entry != nullptr ? printable(entry->pw_name) : fmt::format("{}", uid);
    }
    return at->second;
}

std::string cut(std::string text, std::size_t width) {
    if (text.size() > width) {
        text.resize(width - 1);
        text += '~';
    }
    return text;
}

std::uint64_t queued(const ProcessFigures& p) {
    std::uint64_t sum = 0;
    for (const QueueFigures& queue : p.queues) {
        sum += queue.used_bytes;
    }
    return sum;
}

std::uint32_t high_water(const ProcessFigures& p) {
    std::uint32_t most = 0;
    for (const QueueFigures& queue : p.queues) {
        most = std::max(most, queue.high_water_bytes);
    }
    return most;
}

std::string bar(double part, std::size_t width) {
    const auto full = static_cast<std::size_t>(std::lround(part * static_cast<double>(width)));
    return std::string(std::min(full, width), '#') + std::string(width - std::min(full, width), '.');
}

std::string uptime(std::uint64_t ns) {
    const std::uint64_t s = ns / 1'000'000'000;
    return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                    : fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
}

}  // namespace

std::string short_number(double value) {
    if (value < 9.95 && value > 0 && value != static_cast<double>(static_cast<std::uint64_t>(value))) {
        return fmt::format("{:.1f}", value);
    }
    for (const auto& [scale, unit] : {std::pair(1e9, 'G'), std::pair(1e6, 'M'), std::pair(1e4, 'k')}) {
        if (value >= scale) {
            return fmt::format("{:.1f}{}", value / (unit == 'k' ? 1e3 : scale), unit);
        }
    }
    return fmt::format("{:.0f}", value);
}

std::string short_duration(std::uint64_t ns) {
    if (ns == 0) {
        return "-";
    }
    if (ns == UINT64_MAX) {
        return ">30s";
    }
    const auto value = static_cast<double>(ns);
    if (ns < 1000) {
        return fmt::format("{}ns", ns);
    }
    for (const auto& [scale, unit] : {std::pair(1e3, "us"), std::pair(1e6, "ms"), std::pair(1e9, "s")}) {
        if (value < scale * 1e3 || scale > 5e8) {
            return value / scale < 9.95 ? fmt::format("{:.1f}{}", value / scale, unit)
                                        : fmt::format("{:.0f}{}", value / scale, unit);
        }
    }
    return "-";
}

void TopModel::take(Snapshot snapshot, std::uint64_t now_ns) {
    before_ = std::exchange(now_, std::move(snapshot));
    seconds_ = taken_ns_ != 0 ? static_cast<double>(now_ns - taken_ns_) / 1e9 : 0;
    taken_ns_ = now_ns;
}

double TopModel::rate(std::uint64_t now, std::uint64_t before) const {
    return seconds_ > 0 && now > before ? static_cast<double>(now - before) / seconds_ : 0;
}

bool TopModel::matches(std::string_view name) const {
    return filter.empty() || name.find(filter) != std::string_view::npos;
}

// ---- rows ----

std::vector<TopModel::ProcessRow> TopModel::processes() const {
    std::map<std::pair<std::uint32_t, std::uint32_t>, const ProcessFigures*> earlier;
    for (const ProcessFigures& p : before_.processes) {
        earlier[{p.id, p.serial}] = &p;
    }
    std::vector<ProcessRow> rows;
    for (const ProcessFigures& p : now_.processes) {
        if (!matches(p.get_name())) {
            continue;
        }
        ProcessRow row{.now = p};
        const auto found = earlier.find({p.id, p.serial});
        const ProcessFigures none;
        const ProcessFigures& was = found != earlier.end() ? *found->second : none;
        row.sent_rate = rate(p.sent, was.sent);
        row.received_rate = rate(p.received, was.received);
        row.refused_rate = rate(p.refused, was.refused);
        rows.push_back(row);
    }
    const auto key = [this](const ProcessRow& row) {
        switch (sort % std::size(kProcessSorts)) {
            case 0:
                return row.sent_rate + row.received_rate;
            case 1:
                return static_cast<double>(row.now.refused);
            case 2:
                return static_cast<double>(queued(row.now));
            default:
                return -static_cast<double>(row.now.id);
        }
    };
    std::ranges::stable_sort(rows, std::greater(), key);
    if (reversed) {
        std::ranges::reverse(rows);
    }
    return rows;
}

std::vector<TopModel::EndpointRow> TopModel::endpoints() const {
    std::map<std::pair<std::uint32_t, std::string_view>, const EndpointFigures*> earlier;
    for (const EndpointFigures& e : before_.endpoints) {
        earlier[{e.id, e.get_name()}] = &e;
    }
    std::vector<EndpointRow> rows;
    for (const EndpointFigures& e : now_.endpoints) {
        if (!matches(e.get_name())) {
            continue;
        }
        EndpointRow row{.now = e};
        const auto found = earlier.find({e.id, e.get_name()});
        const EndpointFigures none;
        const EndpointFigures& was = found != earlier.end() ? *found->second : none;
        row.message_rate = rate(e.messages, was.messages);
        row.byte_rate = rate(e.bytes, was.bytes);
        row.call_rate = rate(e.calls, was.calls);
        rows.push_back(row);
    }
    std::ranges::sort(rows, std::less(), [](const EndpointRow& row) { return row.now.get_name(); });
    const auto key = [this](const EndpointRow& row) {
        switch (sort % std::size(kEndpointSorts)) {
            case 0:
                return row.message_rate;
            case 1:
                return row.call_rate;
            case 2:
                return static_cast<double>(row.now.latency.quantile(0.99));
            default:
                return 0.0;
        }
    };
    std::ranges::stable_sort(rows, std::greater(), key);
    if (reversed) {
        std::ranges::reverse(rows);
    }
    return rows;
}

std::vector<RegionFigures> TopModel::regions() const {
    std::vector<RegionFigures> rows = now_.regions;
    std::ranges::stable_sort(rows, std::greater(), &RegionFigures::bytes);
    if (reversed) {
        std::ranges::reverse(rows);
    }
    return rows;
}

// ---- choices ----

void TopModel::turn(int by) {
    constexpr int kViews = 5;
    const int at = view <= TopView::kRefusals ? static_cast<int>(view) : 0;
    view = static_cast<TopView>((at + by + kViews) % kViews);
    selected = 0;
    sort = 0;
}

void TopModel::next_sort() {
    ++sort;
    selected = 0;
}

void TopModel::move(int by) {
    const std::size_t rows = view == TopView::kProcesses ? processes().size()
                             : view == TopView::kRegions ? now_.regions.size()
                                                         : endpoints().size();
    if (by < 0) {
        selected -= std::min<std::size_t>(selected, static_cast<std::size_t>(-by));
    } else {
        selected = std::min(selected + static_cast<std::size_t>(by), rows == 0 ? 0 : rows - 1);
    }
}

std::optional<std::string> TopModel::selected_endpoint() const {
    const auto rows = endpoints();
    if ((view != TopView::kOverview && view != TopView::kEndpoints) || selected >= rows.size()) {
        return std::nullopt;
    }
    return std::string(rows[selected].now.get_name());
}

std::size_t TopModel::first_shown(std::size_t rows, std::size_t most) const {
    return most >= rows || selected < most ? 0 : std::min(selected - most + 1, rows - most);
}

// ---- lines ----

void TopModel::add_head(std::vector<TopLine>& lines) const {
    const RouterFigures& r = now_.router;
    const RouterFigures& was = before_.router;
    lines.push_back({fmt::format("{}router {}  up {}  engine {} ({})  {} processes  {} endpoints",
                                 paused ? "PAUSED  " : "", r.pid, uptime(r.uptime_ns), name_of(r.engine),
                                 r.awake != 0 ? "awake" : "asleep", r.processes, r.endpoints),
                     TopStyle::kTitle});
    lines.push_back({fmt::format(
        "sent {} ({}/s)  refused {} ({}/s)  expired {}  capabilities {}/{}",
        short_number(static_cast<double>(r.sent())), short_number(rate(r.sent(), was.sent())),
        short_number(static_cast<double>(r.refused())), short_number(rate(r.refused(), was.refused())),
        short_number(static_cast<double>(r.expired())), r.capabilities, r.capability_slots)});
    const std::string calls =
        r.latency.total() == 0
            ? std::string("calls -")
            : fmt::format("calls p50 {} p90 {} p99 {}", short_duration(r.latency.quantile(0.5)),
                          short_duration(r.latency.quantile(0.9)), short_duration(r.latency.quantile(0.99)));
    lines.push_back({fmt::format("{}  regions {}  channels {}  qubits {}  audit {}", calls, r.regions,
                                 r.channels, r.qubits,
                                 r.audit_open == 0   ? "off"
                                 : r.audit_open == 1 ? "on"
                                                     : "CAN'T BE WRITTEN")});
    if (r.everything == 0) {
        lines.push_back({"only what is yours: the policy doesn't let you observe", TopStyle::kBad});
    } else if (now_.more) {
        lines.push_back({"there is more than can be shown", TopStyle::kBad});
    }
}

void TopModel::add_processes(std::vector<TopLine>& lines, std::size_t most, bool selectable) const {
    const auto rows = processes();
    lines.push_back({fmt::format("{:>6} {:>7} {:<9} {:<15} {:>8} {:>8} {:>7} {:>7} {:>4}", "PROC", "PID",
                                 "USER", "NAME", "SENT/s", "RECV/s", "REFUSED", "QUEUED", "HIGH"),
                     TopStyle::kTitle});
    const std::size_t shown = most == kAll ? rows.size() : most - 1;
    const std::size_t first = selectable ? first_shown(rows.size(), shown) : 0;
    for (std::size_t i = first; i < rows.size() && i - first < shown; ++i) {
        const ProcessRow& row = rows[i];
        const ProcessFigures& p = row.now;
        const double full = p.queue_bytes != 0 ? 100.0 * high_water(p) / p.queue_bytes : 0;
        const std::string waits = p.waiting != 0 ? "  waits for room" : "";
        lines.push_back({fmt::format("{:>6} {:>7} {:<9} {:<15} {:>8} {:>8} {:>7} {:>7} {:>3.0f}%{}", p.id,
                                     p.pid, cut(user_name(p.uid), 9), cut(printable(p.get_name()), 15),
                                     short_number(row.sent_rate), short_number(row.received_rate),
                                     short_number(static_cast<double>(p.refused)),
                                     short_number(static_cast<double>(queued(p))), full, waits),
                         selectable && i == selected ? TopStyle::kSelected
                         : row.refused_rate > 0      ? TopStyle::kBad
                                                     : TopStyle::kPlain});
    }
}

void TopModel::add_endpoints(std::vector<TopLine>& lines, std::size_t most, bool selectable) const {
    const auto rows = endpoints();
    lines.push_back({fmt::format("{:>6} {:<22} {:>5} {:>8} {:>8} {:>8} {:>7} {:>7}", "ENDPT", "NAME", "OWNER",
                                 "MSG/s", "BYTES/s", "CALLS/s", "P50", "P99"),
                     TopStyle::kTitle});
    const std::size_t shown = most == kAll ? rows.size() : most - 1;
    const std::size_t first = selectable ? first_shown(rows.size(), shown) : 0;
    for (std::size_t i = first; i < rows.size() && i - first < shown; ++i) {
        const EndpointRow& row = rows[i];
        const EndpointFigures& e = row.now;
        const bool topic = e.kind == Kind::kTopic;
        lines.push_back(
            {fmt::format("{:>6} {:<22} {:>5} {:>8} {:>8} {:>8} {:>7} {:>7}", e.id,
                         cut(printable(e.get_name()), 22), e.owner, short_number(row.message_rate),
                         short_number(row.byte_rate),
                         topic ? fmt::format("{} subs", e.subscribers) : short_number(row.call_rate),
                         topic ? "topic" : short_duration(e.latency.quantile(0.5)),
                         topic ? "" : short_duration(e.latency.quantile(0.99))),
             selectable && i == selected ? TopStyle::kSelected : TopStyle::kPlain});
    }
}

void TopModel::add_regions(std::vector<TopLine>& lines, std::size_t most) const {
    const auto rows = regions();
    lines.push_back(
        {fmt::format("{:>6} {:>6} {:>12} {:>10} {:>9}", "REGION", "OWNER", "BYTES", "MAPPED BY", "KIND"),
         TopStyle::kTitle});
    const std::size_t shown = most == kAll ? rows.size() : most - 1;
    const std::size_t first = first_shown(rows.size(), shown);
    for (std::size_t i = first; i < rows.size() && i - first < shown; ++i) {
        const RegionFigures& r = rows[i];
        lines.push_back(
            {fmt::format("{:>6} {:>6} {:>12} {:>10} {:>9}", r.id, r.owner, r.bytes, r.mapped,
                         r.revocable != 0 ? "revocable" : "stable"),
             view == TopView::kRegions && i == selected ? TopStyle::kSelected : TopStyle::kPlain});
    }
}

void TopModel::add_refusals(std::vector<TopLine>& lines, std::size_t most) const {
    lines.push_back({fmt::format("{:<20} {:>9} {:>8}  {}", "REFUSED BECAUSE", "MESSAGES", "NOW/s", "NEXT"),
                     TopStyle::kTitle});
    std::size_t left = most == kAll ? kAll : most - 1;
    for (std::size_t i = 1; i < kVerdictCount && left != 0; ++i) {
        const std::uint64_t count = now_.router.verdict[i];
        if (count == 0) {
            continue;
        }
        --left;
        const double now = rate(count, before_.router.verdict[i]);
        lines.push_back({fmt::format("{:<20} {:>9} {:>8}  {}", name_of(static_cast<Verdict>(i)), count,
                                     short_number(now), remedy_of(static_cast<Verdict>(i))),
                         now > 0 ? TopStyle::kBad : TopStyle::kPlain});
    }
}

void TopModel::add_detail(std::vector<TopLine>& lines, std::size_t most) const {
    const std::size_t start = lines.size();
    const auto rows = [&] {
        TopModel unfiltered = *this;
        unfiltered.filter.clear();
        return unfiltered.endpoints();
    }();
    const auto found =
        std::ranges::find_if(rows, [&](const EndpointRow& row) { return row.now.get_name() == detail; });
    if (found == rows.end()) {
        lines.push_back({fmt::format("\"{}\" is gone", detail), TopStyle::kBad});
        return;
    }
    const EndpointFigures& e = found->now;
    const auto owner = std::ranges::find(now_.processes, e.owner, &ProcessFigures::id);
    lines.push_back(
        {fmt::format("{} \"{}\" ({})  owner {} ({})", name_of(e.kind), printable(e.get_name()), e.id, e.owner,
                     owner != now_.processes.end() ? printable(owner->get_name()) : "?"),
         TopStyle::kTitle});
    lines.push_back(
        {fmt::format("messages {} ({}/s)  bytes {} ({}/s)  calls {} ({}/s)  replies {}", e.messages,
                     short_number(found->message_rate), short_number(static_cast<double>(e.bytes)),
                     short_number(found->byte_rate), e.calls, short_number(found->call_rate), e.replies)});
    if (owner != now_.processes.end() && owner->queue_bytes != 0) {
        for (std::size_t priority = limit::kPriorities; priority-- > 0;) {
            const QueueFigures& queue = owner->queues[priority];
            lines.push_back({fmt::format("owner's queue {} [{}] {} of {} bytes, at most {}", priority,
                                         bar(static_cast<double>(queue.used_bytes) / owner->queue_bytes, 20),
                                         queue.used_bytes, owner->queue_bytes, queue.high_water_bytes)});
        }
    }
    const std::uint64_t total = e.latency.total();
    if (total != 0) {
        lines.push_back({"time from call to reply", TopStyle::kTitle});
        std::size_t first = 0;
        std::size_t last = 0;
        std::uint64_t most_in_one = 0;
        for (std::size_t i = 0; i < Latency::kBuckets; ++i) {
            first = most_in_one == 0 ? i : first;
            last = e.latency.count[i] != 0 ? i : last;
            most_in_one = std::max(most_in_one, e.latency.count[i]);
        }
        constexpr std::size_t kRows = 9;  // several buckets a row, if need be, so that it fits
        const std::size_t a_row = (last - first) / kRows + 1;
        for (std::size_t i = first; i <= last; i += a_row) {
            std::uint64_t count = 0;
            const std::size_t end = std::min(i + a_row - 1, last);
            for (std::size_t j = i; j <= end; ++j) {
                count += e.latency.count[j];
            }
            const double part = static_cast<double>(count) / static_cast<double>(total);
            lines.push_back(
                {fmt::format("{:>8} {:>9} {}", "<" + short_duration(Latency::bound(end)), count,
                             std::string(static_cast<std::size_t>(std::lround(part * 50)), '#'))});
        }
    }
    if (!holders.empty()) {
        lines.push_back({fmt::format("{:<10} {:>6} {:<32} {:>10}", "CAPABILITY", "OWNER", "RIGHTS", "BADGE"),
                         TopStyle::kTitle});
        for (const auto& holder : holders) {
            std::string rights;
            for (const auto& right : holder.at("rights")) {
                rights += (rights.empty() ? "" : ",") + right.get<std::string>();
            }
            lines.push_back({fmt::format("{:#010x} {:>6} {:<32} {:>10}", holder.at("id").get<std::uint32_t>(),
                                         holder.at("owner").get<std::uint32_t>(), cut(printable(rights), 32),
                                         holder.at("badge").get<std::uint32_t>())});
        }
    }
    if (most != kAll && lines.size() > start + most) {
        lines.resize(start + most);
    }
}

void TopModel::add_help(std::vector<TopLine>& lines) {
    for (const std::string_view line :
         {"1 to 5, Tab     overview, processes, endpoints, regions, refusals",
          "Up, Down, j, k  choose a row; PgUp and PgDn by ten",
          "Enter           look into the chosen endpoint", "Esc             back",
          "s, r            sort by the next column; the other way round",
          "/               show only names with this in it; Enter ends, Esc drops it",
          "p, space        pause", "q               quit", "",
          "SENT/s, RECV/s  messages of the process judged, and put into its queues",
          "QUEUED          bytes that wait for it; HIGH: the most ever, of the room",
          "P50, P99        from a call's delivery to its reply's, right to within 50 %",
          "Red             something was refused just now"}) {
        lines.push_back({std::string(line)});
    }
}

std::string TopModel::foot() const {
    if (types) {
        return "/" + typing + "_   Enter: show only these, Esc: drop";
    }
    if (!note.empty()) {
        return note;
    }
    if (view == TopView::kDetail || view == TopView::kHelp) {
        return "Esc back  1-5 view  p pause  q quit";
    }
    std::string text = "1-5 view  s sort";
    if (view == TopView::kProcesses || view == TopView::kOverview) {
        text += fmt::format(":{}", kProcessSorts[sort % std::size(kProcessSorts)]);
    } else if (view == TopView::kEndpoints) {
        text += fmt::format(":{}", kEndpointSorts[sort % std::size(kEndpointSorts)]);
    }
    text += filter.empty() ? "  / filter" : "  / filter:" + filter;
    return text + "  Enter endpoint  p pause  h help  q quit";
}

std::vector<TopLine> TopModel::screen(std::size_t width, std::size_t height) const {
    std::vector<TopLine> lines;
    add_head(lines);
    lines.push_back({""});
    const std::size_t room = height == 0 ? kAll : height > lines.size() + 3 ? height - lines.size() - 1 : 2;
    switch (view) {
        case TopView::kOverview: {
            // Endpoints get what they need, up to half; processes the rest; regions and refusals have views.
            const std::size_t wanted = endpoints().size() + 1;
            const std::size_t of_endpoints = room == kAll ? kAll : std::min(wanted, room / 2);
            add_processes(lines, room == kAll ? kAll : room - of_endpoints - 1, false);
            lines.push_back({""});
            add_endpoints(lines, of_endpoints, height != 0);
            if (room == kAll) {
                if (!now_.regions.empty()) {
                    lines.push_back({""});
                    add_regions(lines, kAll);
                }
                lines.push_back({""});
                add_refusals(lines, kAll);
            }
            break;
        }
        case TopView::kProcesses:
            add_processes(lines, room, height != 0);
            break;
        case TopView::kEndpoints:
            add_endpoints(lines, room, height != 0);
            break;
        case TopView::kRegions:
            add_regions(lines, room);
            break;
        case TopView::kRefusals:
            add_refusals(lines, room);
            break;
        case TopView::kDetail:
            add_detail(lines, room);
            break;
        case TopView::kHelp:
            add_help(lines);
            break;
    }
    if (height != 0) {
        lines.resize(height - 1);
        lines.push_back({foot(), TopStyle::kDim});
    }
    for (TopLine& line : lines) {
        if (width != 0 && line.text.size() > width) {
            line.text.resize(width);
        }
    }
    return lines;
}

}  // namespace keyway::tool
