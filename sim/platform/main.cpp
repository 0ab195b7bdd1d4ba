// keyway-sim: one scenario through the hardware router in a virtual platform. docs/simulation.md.
#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>

#include <systemc>

#include "platform.hpp"
#include "report.hpp"
#include "scenario.hpp"

namespace {

void write(const std::filesystem::path& path, const std::string& content) {
    std::ofstream file(path, std::ios::binary);
    file << content;
    file.close();
    if (!file) {
        throw std::runtime_error(path.string() + ": can't be written");
    }
}

}  // namespace

// SystemC's library brings a main() of its own, which is not used: this program's comes first.
int main(int argc, char** argv) {
    CLI::App app{"One scenario through the hardware router in a virtual platform"};
    std::string file, out = "build/sim";
    bool no_waveform = false;
    app.add_option("SCENARIO", file, "a scenario file (TOML)")->required();
    app.add_option("--out", out, "folder for waveform.fst, latency.csv, summary.txt and summary.json");
    app.add_flag("--no-waveform", no_waveform, "write no waveform, which takes most of the time");
    std::uint64_t distort = 0;
    app.add_option("--distort", distort,
                   "change the verdict of message N before it is compared: the run fails");
    CLI11_PARSE(app, argc, argv);
    try {
        const keyway::sim::Scenario scenario = keyway::sim::read_scenario(file);
        const std::filesystem::path folder = out;
        std::filesystem::create_directories(folder);
        const keyway::sim::Result result = keyway::sim::run_scenario(
            scenario, no_waveform ? std::string() : (folder / "waveform.fst").string(), distort);
        const std::string text = keyway::sim::summary_text(scenario, result);
        write(folder / "summary.txt", text);
        write(folder / "summary.json", keyway::sim::summary_json(scenario, result));
        write(folder / "latency.csv", keyway::sim::latency_csv(result));
        std::cout << text;
        return result.faults.empty() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
}

// The library asks for it; main() above never calls it.
[[gnu::visibility("default")]] int sc_main(int, char**) {
    return 2;
}
