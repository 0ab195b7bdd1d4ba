// Plays a script to the natively compiled firmware and prints every register that it writes. The script, by
// lines: `setup BYTES [DATA]` a control transfer, `reset`, `suspend`, `idle`. firmware_test.py plays the same
// to the .ihx.

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "sim/fx2.hpp"

namespace {

std::vector<std::byte> bytes_of(const std::string& hex) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

}  // namespace

int main() {
    const auto print = [](bool special, std::uint16_t address, std::uint8_t value) {
        std::printf("%s %04x %02x\n", special ? "sfr" : "xram", address, value);
    };
    keyway::sim::Fx2 chip(print);
    std::printf("end\n");
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string verb, first, second;
        words >> verb >> first >> second;
        if (verb == "setup") {
            keyway::sim::Fx2::Setup setup{};
            const auto given = bytes_of(first);
            for (std::size_t i = 0; i < setup.size() && i < given.size(); ++i) {
                setup[i] = std::to_integer<std::uint8_t>(given[i]);
            }
            const auto data = bytes_of(second);
            chip.control(setup, data);
        } else if (verb == "reset") {
            chip.bus_reset();
        } else if (verb == "suspend") {
            chip.suspend();
        } else {
            chip.idle();
        }
        std::printf("end\n");
    }
    return chip.hangs() == 0 ? 0 : 1;
}
