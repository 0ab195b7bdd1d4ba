// The figures of `./dev bench`: the routing core and the queues in this process, then messages through a
// router in a process of its own. Each figure is measured in turns with the machine's own floor, because the
// speed of a machine drifts while one looks.

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "channel_figures.hpp"
#include "core_figures.hpp"
#include "growth.hpp"
#include "machine.hpp"
#include "matrix.hpp"
#include "processes.hpp"
#include "region_figures.hpp"
#include "report.hpp"
#include "routed_figures.hpp"

namespace {

constexpr unsigned kPatienceSeconds = 1800;

void out_of_patience(int) {
    constexpr char kText[] = "keyway_bench: no end in sight, giving up\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
    ::_exit(1);
}

void measure_figures(const keyway::bench::CorePair& cores, const keyway::bench::Effort& effort,
                     keyway::bench::Report& report) {
    keyway::bench::pin_to(cores.ours);
    std::cerr << "measuring the routing core and the queues ...\n";
    keyway::bench::measure_core(effort, report);
    std::cerr << "measuring messages through a router ...\n";
    keyway::bench::measure_routed(cores, effort, report);
    std::cerr << "measuring lanes and streams ...\n";
    keyway::bench::measure_channels(cores, effort, report);
    std::cerr << "measuring shared regions ...\n";
    keyway::bench::measure_regions(cores, effort, report);
}

}  // namespace

// Out of memory, or a bug of ours, ends it on the spot.
// NOLINTNEXTLINE(bugprone-exception-escape): as it should be
int main(int argc, char** argv) {
    CLI::App app("Figures of Keyway, each beside the machine's own floor.", "keyway_bench");
    bool quick = false;
    keyway::bench::Effort effort;
    std::string json_file;
    app.add_flag("--quick", quick, "Fewer repetitions, and less of everything: done in under three minutes");
    app.add_option("--json", json_file,
                   "Write the figures to this file too ('-': to standard output, without table)");
    auto* repetitions = app.add_option("--repetitions", effort.repetitions, "Turns of floor and figure (15)")
                            ->check(CLI::Range(1, 1000));
    auto* scale = app.add_option("--scale", effort.scale, "Operations in a repetition, as a factor (1.0)")
                      ->check(CLI::Range(0.0001, 100.0));
    bool realtime = false;
    app.add_flag(
        "--realtime", realtime,
        "Run before everything else on the machine (SCHED_FIFO, for root): other work disturbs less, and is "
        "disturbed more");
    std::set<std::string> parts{"figures", "matrix", "growth"};
    app.add_option("--parts", parts, "What is measured: figures, matrix, growth (all)")
        ->delimiter(',')
        ->check(CLI::IsMember({"figures", "matrix", "growth"}));
    keyway::bench::MatrixEffort matrix_effort;
    app.add_option("--systems", matrix_effort.systems,
                   "Systems of the matrix, by their names in its table (all)")
        ->delimiter(',');
    bool smoke = false;
    app.add_flag("--smoke", smoke, "Only shows that it works: its figures mean nothing");
    CLI11_PARSE(app, argc, argv);
    if (quick || smoke) {
        effort.repetitions = repetitions->empty() ? 5 : effort.repetitions;
        effort.scale = scale->empty() ? 0.25 : effort.scale;
        matrix_effort.repetitions = 3;
        matrix_effort.seconds = 0.01;
    }
    if (smoke) {
        effort = {.repetitions = 1, .scale = 0.001};
        matrix_effort.repetitions = 2;
        matrix_effort.seconds = 0.001;
        matrix_effort.sizes = {8, 4096, 64 << 10, 1 << 20};
    }

    std::ofstream json;
    if (!json_file.empty() && json_file != "-") {
        json.open(json_file);
        if (!json) {
            std::cerr << "keyway_bench: can't write " << json_file << '\n';
            return 1;
        }
    }
    const keyway::bench::CorePair cores = keyway::bench::choose_cores();
    if (cores.ours == cores.partner) {
        std::cerr
            << "keyway_bench: two processes are measured against each other: that takes two cores, and this "
               "process may use one only\n";
        return 2;
    }
    ::signal(SIGALRM, out_of_patience);
    ::alarm(kPatienceSeconds);

    if (realtime) {
        const sched_param priority{.sched_priority = 10};
        if (::sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {  // children inherit it
            keyway::bench::give_up("--realtime");
        }
    }

    keyway::bench::Report report(keyway::bench::this_machine());
    keyway::bench::Matrix matrix;
    if (parts.contains("matrix")) {
        std::cerr << "measuring every system beside the others ...\n";
        matrix = keyway::bench::measure_matrix(cores, matrix_effort);
    }
    if (parts.contains("figures")) {
        measure_figures(cores, effort, report);
    }

    keyway::bench::Growth growth;
    if (parts.contains("growth")) {
        std::cerr << "measuring what it costs as it grows ...\n";
        keyway::bench::pin_to(cores.ours);
        growth = keyway::bench::measure_growth(cores, smoke ? 0.01 : quick ? 0.1 : 1);
    }

    report.note("placement: client on core " + std::to_string(cores.ours) +
                ", router (and the floors' partner) on core " + std::to_string(cores.partner) +
                (cores.siblings ? ", which are threads of ONE core" : ""));
    report.note(std::to_string(effort.repetitions) +
                " repetitions, medians; from..to is the ratio's range over them");
    if (realtime) {
        report.note("all of it ran with real-time priority");
    }
    nlohmann::ordered_json all = report.json();
    all["systems"] = matrix.systems_json();
    all["matrix"] = matrix.cells_json();
    all["growth"] = growth.json();
    for (auto& row : matrix.ratios_json()) {
        all["metrics"].push_back(std::move(row));
    }
    const std::string text = all.dump(1);
    if (json_file == "-") {
        std::cout << text << '\n';
        return 0;
    }
    if (!matrix.cells.empty()) {
        matrix.print();
    }
    if (!growth.steps.empty()) {
        growth.print();
    }
    if (parts.contains("figures")) {
        report.print();
    }
    if (json.is_open()) {
        json << text << '\n';
        if (!json.flush()) {
            std::cerr << "keyway_bench: can't write " << json_file << '\n';
            return 1;
        }
    }
    return 0;
}
