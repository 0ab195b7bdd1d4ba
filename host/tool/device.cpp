// keyway device: boards that the hardware router runs on.

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "driver/board.hpp"
#include "driver/firmware_image.hpp"
#include "driver/libusb_bus.hpp"
#include "tool/device.hpp"
#include "tool/session.hpp"
#include "tool/text.hpp"

namespace keyway::tool {

std::optional<std::string> content_of(Session& session, const std::string& path) {
    constexpr std::size_t kMost = std::size_t{8} << 20U;
    std::ifstream in(path, std::ios::binary);
    std::string bytes(kMost + 1, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad() || (!in.eof() && in.fail()) || bytes.empty() || bytes.size() > kMost) {
        session.fail_system(fmt::format("{} can't be read, is empty, or is larger than 8 MiB", path));
        return std::nullopt;
    }
    return bytes;
}

void fail_device(Session& session, const Error& error, std::string_view doing) {
    if (error == Status::kBadArgument) {
        return session.fail_usage(
            "several boards are plugged in; name one of `keyway device ls`, by serial number or place");
    }
    session.fail(error, doing);
}

void add_board_option(CLI::App& command, std::string& serial) {
    command.add_option("BOARD", serial,
                       "Its serial number or place; may be left out when there is one board");
}

namespace {

using nlohmann::json;

std::string version_of(const LinkIdentity& identity) {
    return fmt::format("{}.{}", identity.major(), identity.minor());
}

// What a board is, as far as it says so.
struct Shown {
    device::Found found;
    std::string state;
    std::optional<LinkIdentity> identity;
    std::optional<BoardStatus> status;
    std::optional<BoardStatistics> statistics;
};

Shown look_at(device::Usb& usb, const device::Found& found) {
    Shown shown{.found = found, .state = {}, .identity = {}, .status = {}, .statistics = {}};
    if (found.is_blank()) {
        shown.state = "blank";
        return shown;
    }
    auto opened = usb.open(found);
    if (!opened) {
        shown.state = opened.error().name();
        return shown;
    }
    const auto identity = device::identify(**opened);
    if (!identity) {
        shown.state = identity.error().name();
        return shown;
    }
    shown.identity = *identity;
    const auto fits = device::check_version(*identity);
    shown.state = fits ? std::string_view("ready") : fits.error().name();
    if (fits) {
        if (const auto status = device::status_of(**opened)) {
            shown.status = *status;
        }
        if (const auto statistics = device::statistics_of(**opened)) {
            shown.statistics = *statistics;
        }
    }
    return shown;
}

std::string fpga_of(const Shown& shown) {
    return shown.status ? std::string(name_of(FpgaState{shown.status->fpga()})) : "-";
}

json json_of(const Shown& shown) {
    json row{{"place", shown.found.place},
             {"serial", shown.found.serial},
             {"vendor", shown.found.vendor},
             {"product", shown.found.product},
             {"state", shown.state}};
    if (shown.identity) {
        row["contract"] = version_of(*shown.identity);
        row["build"] = fmt::format("{:016x}", shown.identity->build_hash());
        row["same_build"] = shown.identity->build_hash() == device::kFirmwareHash;
    }
    if (shown.status) {
        row["fpga"] = fpga_of(shown);
        row["high_speed"] = shown.status->high_speed() != 0;
        row["bus_mhz"] = shown.status->clock();
        row["halted"] = shown.status->halted();
    }
    if (shown.statistics) {
        row["requests"] = shown.statistics->setups();
        row["refused"] = shown.statistics->stalls();
        row["bus_resets"] = shown.statistics->bus_resets();
        row["suspends"] = shown.statistics->suspends();
        row["loads"] = shown.statistics->loads();
        row["bitstream_bytes"] = shown.statistics->bytes();
    }
    return row;
}

void list_devices(Session& session) {
    device::LibusbBus usb;
    const auto all = usb.list();
    if (!all) {
        return session.fail(all.error(), "looking for boards");
    }
    json rows = json::array();
    Table table({"PLACE", "SERIAL", "STATE", "CONTRACT", "FPGA"});
    for (const device::Found& found : *all) {
        const Shown shown = look_at(usb, found);
        rows.push_back(json_of(shown));
        table.add({found.place, found.serial.empty() ? "-" : found.serial, shown.state,
                   shown.identity ? version_of(*shown.identity) : "-", fpga_of(shown)});
    }
    if (session.json) {
        return Session::print({{"devices", rows}});
    }
    if (table.empty()) {
        fmt::print(stderr, "keyway: no boards are plugged in\n");
        return;
    }
    fmt::print("{}", table.text());
}

void show_device(Session& session, const std::string& serial) {
    device::LibusbBus usb;
    const auto found = device::find_board(usb, {.serial = serial});
    if (!found) {
        return fail_device(session, found.error(), "looking for the board");
    }
    const auto opened = device::open_board(usb, {.serial = serial});
    if (!opened) {
        return fail_device(session, opened.error(), fmt::format("opening the board at {}", found->place));
    }
    const Shown shown = [&] {
        Shown made{.found = *found, .state = "ready", .identity = {}, .status = {}, .statistics = {}};
        if (const auto identity = device::identify(**opened)) {
            made.identity = *identity;
        }
        if (const auto status = device::status_of(**opened)) {
            made.status = *status;
        }
        if (const auto statistics = device::statistics_of(**opened)) {
            made.statistics = *statistics;
        }
        return made;
    }();
    if (!shown.identity || !shown.status || !shown.statistics) {
        return session.fail(Status::kDeviceGarbled, "asking the board");
    }
    if (session.json) {
        return Session::print(json_of(shown));
    }
    const auto& identity = *shown.identity;
    const auto& statistics = *shown.statistics;
    fmt::print("place       {}\nserial      {}\n", found->place, found->serial.empty() ? "-" : found->serial);
    fmt::print("contract    {} (this program: {}.{})\n", version_of(identity), kVersionMajor, kVersionMinor);
    fmt::print("firmware    build {:016x}{}\n", identity.build_hash(),
               identity.build_hash() == device::kFirmwareHash ? ", the one of this program"
                                                              : ", not the one of this program");
    fmt::print("FPGA        {}\n", fpga_of(shown));
    fmt::print("bus         {} at {} MHz\n", shown.status->high_speed() != 0 ? "480 Mbit/s" : "12 Mbit/s",
               shown.status->clock());
    fmt::print("requests    {}, {} of them refused\n", statistics.setups(), statistics.stalls());
    fmt::print("USB         {} resets, {} suspends\n", statistics.bus_resets(), statistics.suspends());
    fmt::print("bitstreams  {}, {} bytes\n", statistics.loads(), statistics.bytes());
}

struct Files {
    std::string serial, firmware, bitstream;
};

void load_device(Session& session, const Files& files) {
    std::string firmware, bitstream;
    for (const auto& [path, into] :
         {std::pair{files.firmware, &firmware}, std::pair{files.bitstream, &bitstream}}) {
        if (!path.empty()) {
            auto content = content_of(session, path);
            if (!content) {
                return;
            }
            *into = std::move(*content);
        }
    }
    device::LibusbBus usb;
    const auto loaded =
        device::load_board(usb, {.serial = files.serial},
                           {.firmware = firmware, .bitstream = std::as_bytes(std::span(bitstream))});
    if (!loaded) {
        return fail_device(session, loaded.error(), "loading the board");
    }
    if (session.json) {
        return Session::print({{"place", loaded->found.place},
                               {"serial", loaded->found.serial},
                               {"firmware", loaded->firmware},
                               {"bitstream", loaded->bitstream}});
    }
    fmt::print("{} ({}): firmware {}, {}\n", loaded->found.serial, loaded->found.place,
               loaded->firmware ? "loaded" : "ran already",
               loaded->bitstream ? "FPGA configured" : "FPGA left as it is");
}

void reset_device(Session& session, const std::string& serial, bool fpga) {
    device::LibusbBus usb;
    auto opened = device::open_board(usb, {.serial = serial});
    if (!opened) {
        return fail_device(session, opened.error(), "opening the board");
    }
    if (const auto done = device::reset_board(**opened, fpga); !done) {
        return session.fail(done.error(), "resetting the board");
    }
}

}  // namespace

void add_device_commands(CLI::App& app, Session& session) {
    CLI::App* command = app.add_subcommand("device", "Boards that the hardware router runs on");
    command->require_subcommand(1);
    CLI::App* ls = command->add_subcommand("ls", "List boards and blank chips");
    ls->add_flag("--json", session.json, "JSON for programs");
    ls->callback([&session] { list_devices(session); });

    CLI::App* info = command->add_subcommand("info", "Show what a board is and what it counted");
    info->add_flag("--json", session.json, "JSON for programs");
    const auto shown = std::make_shared<std::string>();
    add_board_option(*info, *shown);
    info->callback([&session, shown] { show_device(session, *shown); });

    CLI::App* load = command->add_subcommand("load", "Load firmware and bitstream into a board");
    load->add_flag("--json", session.json, "JSON for programs");
    const auto files = std::make_shared<Files>();
    add_board_option(*load, files->serial);
    load->add_option("--firmware", files->firmware,
                     "Intel HEX, in place of the firmware that this program carries");
    load->add_option("--bitstream", files->bitstream, "For the FPGA; without it the FPGA stays as it is");
    load->callback([&session, files] { load_device(session, *files); });

    CLI::App* reset = command->add_subcommand("reset", "Empty a board's FIFOs and end halts");
    const auto which = std::make_shared<std::string>();
    const auto fpga = std::make_shared<bool>(false);
    add_board_option(*reset, *which);
    reset->add_flag("--fpga", *fpga, "Empty the FPGA, too");
    reset->callback([&session, which, fpga] { reset_device(session, *which, *fpga); });
    add_device_frame_commands(*command, session);
    command->footer(
        "Needs the right to open the board: the udev rule of keywayd gives it to the group keyway.\n"
        "Nothing on the board is kept without power: after plugging it in, load it.");
}

}  // namespace keyway::tool
