#include "matrix.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

#include "matrix_sides.hpp"

namespace keyway::bench {

namespace {

struct Placed {
    std::string waiting;
    std::string placement;
    Setting setting;
};

// Who spins on the core that its partner needs only wastes its own turn, so that is not measured.
std::vector<Placed> settings_of(const CorePair& cores) {
    const std::vector<int> usable = usable_cores();
    int helper = cores.partner;
    for (const int core : usable) {
        if (core != cores.ours && core != cores.partner) {
            helper = core;
            break;
        }
    }
    const Setting two{.client_core = cores.ours, .partner_core = cores.partner, .helper_core = helper};
    Setting sleeping = two;
    sleeping.waiting = Waiting::kBlocking;
    const Setting one{.waiting = Waiting::kBlocking,
                      .client_core = cores.ours,
                      .partner_core = cores.ours,
                      .helper_core = cores.ours};
    return {
        {"spinning", "two cores", two}, {"blocking", "two cores", sleeping}, {"blocking", "same core", one}};
}

/// What is to be measured of one system in one setting, while its processes are there.
struct Running {
    std::size_t system = 0;
    std::unique_ptr<Sides> sides;
    std::string absent;
    Cell cell{};
    std::uint64_t trips = 0;
    std::uint64_t stream = 0;
};

std::string why_absent(const System& system, const Setting& setting) {
    if (!system.make) {
        return "not installed (" + system.package + ")";
    }
    if (setting.spins() && !system.spinning) {
        return "does not spin";
    }
    if (!setting.spins() && !system.blocking) {
        return "does not sleep";
    }
    return "";
}

std::uint64_t fitting(double seconds, double each, std::uint64_t least, std::uint64_t most) {
    const double count = each > 0 ? seconds / each : static_cast<double>(most);
    return std::clamp(static_cast<std::uint64_t>(count), least, most);
}

// How many fit the time; warms up on the way.
void calibrate(Running& one, const MatrixEffort& effort) {
    constexpr std::uint64_t kMostTrips = 1'000'000;
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
    Sides& sides = *one.sides;
    const auto each = [&](std::uint64_t count) {
        return sides.result().seconds / static_cast<double>(count);
    };
    sides.round_trips(2);
    const std::uint64_t some = fitting(effort.seconds / 10, each(2), 2, kMostTrips);
    sides.round_trips(some);
    one.trips = fitting(effort.seconds, each(some), 3, kMostTrips);
    const std::uint64_t most = std::max<std::uint64_t>(kMostBytes / one.cell.bytes, 4);
    const std::uint64_t warm =
        fitting(effort.seconds / 10, each(some) / 2, 2, std::min<std::uint64_t>(most, 4096));
    sides.one_way(warm);
    one.stream = fitting(effort.seconds, each(warm), 4, std::min<std::uint64_t>(most, 20'000'000));
}

void measure_once(Running& one) {
    Sides& sides = *one.sides;
    Cell& cell = one.cell;
    double before = sides.cpu_ns();
    sides.round_trips(one.trips);
    double after = sides.cpu_ns();
    if (!sides.fault().empty()) {
        return;
    }
    cell.round_trip.merge(sides.result().round_trip);
    cell.one_way.merge(sides.result().one_way);
    cell.round_trip_p50.push_back(sides.result().round_trip.percentile(50));
    cell.cpu_round_trip.push_back((after - before) / static_cast<double>(2 * one.trips));
    before = after;
    sides.one_way(one.stream);
    after = sides.cpu_ns();
    if (sides.fault().empty()) {
        cell.messages_per_second.push_back(static_cast<double>(one.stream) / sides.result().seconds);
        cell.cpu_one_way.push_back((after - before) / static_cast<double>(one.stream));
    }
}

void count_calls(Running& one) {
    // Few of the large ones: a daemon that reads in small pieces makes thousands of calls for each.
    const std::uint64_t trips = one.cell.bytes <= 4096 ? 64 : one.cell.bytes <= (64U << 10) ? 16 : 1;
    if (const auto calls = one.sides->system_calls(trips)) {
        one.cell.system_calls = *calls / static_cast<double>(2 * trips);
    }
}

void measure_size(std::vector<Running>& all, const Matrix& matrix, const Placed& placed, std::size_t bytes,
                  const MatrixEffort& effort) {
    const auto measured = [](const Running& one) { return one.cell.skipped.empty(); };
    const auto with = [&](Running& one, auto&& action) {
        if (!measured(one)) {
            return;
        }
        one.sides->resume();
        action(one);
        if (!one.sides->fault().empty()) {
            one.absent = "FAILED: " + one.sides->fault();
            if (one.cell.memory == 0) {  // else all but the system calls is there
                one.cell.skipped = one.absent;
            }
            std::cerr << "  " << matrix.systems[one.system].name << ", " << bytes << " bytes: " << one.absent
                      << '\n';
        } else {
            one.sides->rest();
        }
    };
    for (Running& one : all) {
        one.cell = Cell{.system = one.system,
                        .bytes = bytes,
                        .waiting = placed.waiting,
                        .placement = placed.placement,
                        .skipped = one.absent};
        with(one, [&](Running& each) {
            if (!each.sides->prepare(bytes)) {
                each.cell.skipped = "takes no message of this size";
                each.sides->rest();
                return;
            }
            each.cell.alone = each.sides->alone();
            calibrate(each, effort);
        });
    }
    for (int i = 0; i < effort.repetitions; ++i) {
        for (Running& one : all) {
            with(one, measure_once);
        }
    }
    for (Running& one : all) {
        with(one, [](Running& each) { each.cell.memory = each.sides->memory(); });
        with(one, count_calls);
    }
}

}  // namespace

Matrix measure_matrix(const CorePair& cores, const MatrixEffort& effort) {
    Matrix matrix{.systems = all_systems(), .cells = {}};
    if (!effort.systems.empty()) {
        std::erase_if(matrix.systems, [&](const System& system) {
            return std::ranges::find(effort.systems, system.name) == effort.systems.end();
        });
    }
    const std::size_t greatest = *std::ranges::max_element(effort.sizes);
    for (const Placed& placed : settings_of(cores)) {
        std::cerr << "  " << placed.waiting << ", " << placed.placement << " ...\n";
        std::vector<Running> all;
        for (std::size_t i = 0; i < matrix.systems.size(); ++i) {
            const System& system = matrix.systems[i];
            Running one{.system = i, .sides = {}, .absent = why_absent(system, placed.setting)};
            if (one.absent.empty()) {
                one.sides = std::make_unique<Sides>(system, placed.setting, greatest);
                if (!one.sides->fault().empty()) {
                    one.absent = "FAILED: " + one.sides->fault();
                    std::cerr << "  " << system.name << ": " << one.absent << '\n';
                } else {
                    one.sides->rest();
                }
            }
            all.push_back(std::move(one));
        }
        for (const std::size_t bytes : effort.sizes) {
            measure_size(all, matrix, placed, bytes, effort);
            for (Running& one : all) {
                matrix.cells.push_back(std::move(one.cell));
            }
        }
    }
    return matrix;
}

const Cell* Matrix::find(std::size_t system, const Cell& like) const {
    const auto found = std::ranges::find_if(cells, [&](const Cell& cell) {
        return cell.system == system && cell.bytes == like.bytes && cell.waiting == like.waiting &&
               cell.placement == like.placement;
    });
    return found != cells.end() && found->skipped.empty() ? &*found : nullptr;
}

}  // namespace keyway::bench
