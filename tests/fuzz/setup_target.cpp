// Control requests of anything to the firmware of the board, natively. It answers or refuses every one, never
// sends more than was asked for, and is itself again after any of them.

#include "firmware/fx2.h"
#include "keyway/protocol.hpp"
#include "sim/fx2.hpp"
#include "target.hpp"

namespace keyway::fuzz {

void setup(Input input) {
    Reader reader(input);
    // Registers that the firmware may write; whatever else it wrote would be a stray pointer.
    sim::Fx2 chip([](bool special, std::uint16_t address, std::uint8_t) {
        KEYWAY_HOLDS(special || (address >= CPUCS && address < EP0BUF + 64));
    });
    for (int i = 0; i < 64 && !reader.empty(); ++i) {
        const std::uint8_t what = reader.take();
        if (what % 16 == 1) {
            chip.bus_reset();
            continue;
        }
        if (what % 16 == 2) {
            chip.suspend();
            continue;
        }
        auto bytes = reader.take<sim::Fx2::Setup>();
        bytes[7] %= 32;  // lengths around the largest that means something
        const std::size_t length = bytes[6] + std::size_t{bytes[7]} * 256;
        const bool to_host = (bytes[0] & 0x80U) != 0;
        const Input data = to_host ? Input{} : reader.take(length);
        const auto answer = chip.control(bytes, std::as_bytes(data));
        if (answer) {
            KEYWAY_HOLDS(answer->size() <= (to_host ? length : 0));
        }
    }
    KEYWAY_HOLDS(chip.hangs() == 0);
    constexpr std::uint8_t kIdentify = static_cast<std::uint8_t>(UsbRequest::kIdentify);
    const auto identity = chip.control({0xC0, kIdentify, 0, 0, 0, 0, 0xFF, 0});
    KEYWAY_HOLDS(identity && identity->size() == sizeof(LinkIdentity));
}

}  // namespace keyway::fuzz
