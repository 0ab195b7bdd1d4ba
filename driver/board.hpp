#pragma once

// Finding a board and bringing it up: firmware into the USB controller, bitstream into the FPGA, and the
// check that both sides speak the same contract.
//
//     device::LibusbBus usb;
//     auto board = device::open_board(usb, {.serial = ""});     // the only one that is there
//     if (!board) { std::cerr << board.error().message(); }     // "device_older: ... Next: ..."
//
// Functions here take the bus as an interface, block up to the stated times, and may be used by one thread at
// a time. Everything that the device says is checked for its size and magic before it is used.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "driver/transport.hpp"

namespace keyway::device {

/// Two contract versions compared, from this program's side.
enum class Compared : std::uint8_t { kSame, kUsable, kOlder, kNewer };
/// kUsable: the same major, another minor. Both are then used as far as the lower one goes.
[[nodiscard]] Compared compare(const LinkIdentity& identity) noexcept;

/// Who answers: kForeignDevice when the device refuses the request, answers with too little, or its magic is
/// not ours.
[[nodiscard]] Result<LinkIdentity> identify(Transport& transport);
/// kDeviceOlder or kDeviceNewer when the majors differ.
[[nodiscard]] Result<void> check_version(const LinkIdentity& identity);
[[nodiscard]] Result<BoardStatus> status_of(Transport& transport);
[[nodiscard]] Result<BoardStatistics> statistics_of(Transport& transport);

/// Which board is meant.
struct Wanted {
    std::string serial;  ///< or its place; empty: the only board there is
};
/// kNoDevice; kBadArgument when several fit and none was named.
[[nodiscard]] Result<Found> find_board(Usb& usb, const Wanted& wanted);

/// A board that runs firmware of this contract, opened. It is not changed.
[[nodiscard]] Result<std::unique_ptr<Transport>> open_board(Usb& usb, const Wanted& wanted);

struct Images {
    std::string_view firmware;             ///< Intel HEX; empty: the one that the driver carries
    std::span<const std::byte> bitstream;  ///< empty: the FPGA stays empty
    milliseconds patience{10000};          ///< for the device to come back with its firmware
};
/// What load_board() did.
struct Loaded {
    std::unique_ptr<Transport> transport;
    Found found;
    bool firmware = false;  ///< it was loaded; false: the same build ran already
    bool bitstream = false;
};
/// Brings a board up, whatever it runs now: loads the firmware unless the very same build runs already, waits
/// until the device is back, checks the version, and configures the FPGA. kBadImage for a file that is none,
/// kNotSupported when there is no firmware to load, kDeviceSilent when the device does not come back in time,
/// kFpgaEmpty when the FPGA does not take the bitstream.
[[nodiscard]] Result<Loaded> load_board(Usb& usb, const Wanted& wanted, const Images& images);

/// Empties the FIFOs and ends halts; with `fpga` it empties the FPGA too.
[[nodiscard]] Result<void> reset_board(Transport& transport, bool fpga);

}  // namespace keyway::device
