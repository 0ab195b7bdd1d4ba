#include "Vdevice.h"
#include "sim/verilated_board.hpp"

namespace keyway::sim {

namespace {

constexpr unsigned kQuiet = 8000;  // clocks: any answer of the router is out by then

}  // namespace

struct VerilatedFpga::Parts {
    explicit Parts(std::uint64_t seed) : random(seed) {
        context.randSeed(static_cast<int>(seed));
        context.randReset(2);
        model = std::make_unique<Vdevice>(&context);
    }
    ~Parts() { model->final(); }
    Parts(const Parts&) = delete;
    Parts& operator=(const Parts&) = delete;

    void clock() {
        const auto strobes = bus.before_edge(*model);
        model->clk_i = 0;
        model->eval();
        model->clk_i = 1;
        model->eval();
        if (model->rst_ni != 0) {
            bus.edge(strobes);
            quiet = strobes.read || strobes.write || strobes.end ? 0 : quiet + 1;
        }
        ++clocks;
    }

    Random random;
    VerilatedContext context;
    std::unique_ptr<Vdevice> model;
    Fx2Bus<Vdevice> bus{random, 1};  // as on a board, whose pins have registers
    std::uint64_t clocks = 0;
    unsigned quiet = 0;
};

VerilatedFpga::VerilatedFpga(std::uint64_t seed) : parts_(std::make_unique<Parts>(seed)) {
    set_running(false);
}

VerilatedFpga::~VerilatedFpga() = default;

void VerilatedFpga::set_running(bool running) {
    if (parts_->model->rst_ni == running && parts_->clocks != 0) {
        return;
    }
    parts_->model->rst_ni = 0;
    for (int i = 0; i < 5; ++i) {
        parts_->clock();
    }
    parts_->model->rst_ni = running;
    parts_->quiet = 0;
}

void VerilatedFpga::clear() {
    parts_->bus.clear();
}

std::size_t VerilatedFpga::room() const {
    const std::size_t waiting = parts_->bus.waiting();
    return waiting < kHolds ? kHolds - waiting : 0;
}

void VerilatedFpga::take(std::span<const std::byte> bytes) {
    parts_->bus.push(bytes);
    parts_->quiet = 0;
}

std::optional<std::vector<std::byte>> VerilatedFpga::give() {
    parts_->quiet = parts_->bus.packets() != 0 ? 0 : parts_->quiet;
    return parts_->bus.pop();
}

bool VerilatedFpga::run(unsigned clocks) {
    for (unsigned i = 0; i < clocks; ++i) {
        parts_->clock();
    }
    return parts_->model->rst_ni != 0 && parts_->quiet < kQuiet;
}

std::uint64_t VerilatedFpga::clocks() const {
    return parts_->clocks;
}

Unkind& VerilatedFpga::unkind() {
    return parts_->bus.unkind;
}

unsigned VerilatedFpga::rules_broken() const {
    return parts_->bus.overruns + parts_->bus.early_strobes + parts_->bus.contentions;
}

}  // namespace keyway::sim
