// keyway device test, record, replay: frames of a board's link.

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "driver/board.hpp"
#include "driver/libusb_bus.hpp"
#include "driver/recording.hpp"
#include "driver/self_test.hpp"
#include "tool/device.hpp"

namespace keyway::tool {

namespace {

using nlohmann::json;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// A board whose FPGA is configured; nothing, after the session was told why.
std::unique_ptr<device::Transport> ready_board(Session& session, const std::string& serial) {
    device::LibusbBus usb;
    auto opened = device::open_board(usb, {.serial = serial});
    if (!opened) {
        fail_device(session, opened.error(), "opening the board");
        return nullptr;
    }
    const auto status = device::status_of(**opened);
    if (!status || FpgaState{status->fpga()} != FpgaState::kReady) {
        session.fail(status ? Error(Status::kFpgaEmpty) : status.error(), "asking the board");
        return nullptr;
    }
    return std::move(*opened);
}

void show_test(Session& session, const device::SelfTest& report) {
    if (session.json) {
        json checks = json::array();
        for (const auto& check : report.checks) {
            checks.push_back({{"what", check.what}, {"good", check.good}, {"why", check.why}});
        }
        Session::print({{"good", report.good()},
                        {"checks", checks},
                        {"table_rows", report.table_rows},
                        {"round_trip_us", report.round_trip_us},
                        {"slowest_us", report.slowest_us},
                        {"messages_per_second", report.messages_per_second}});
    } else {
        for (const auto& check : report.checks) {
            fmt::print("{:<5} {}\n", check.good ? "ok" : "FAIL", check.what);
        }
        if (report.good()) {
            fmt::print(
                "{} table rows; {:.0f} us from message to verdict (slowest {:.0f}), {:.0f} messages a "
                "second\n",
                report.table_rows, report.round_trip_us, report.slowest_us, report.messages_per_second);
        }
    }
    if (!report.good()) {
        session.exit = exit_code::kSystem;
        fmt::print(stderr, "keyway: {}: {}\n", report.checks.back().what, report.checks.back().why);
    }
}

struct Choice {
    std::string serial, file;
    std::uint32_t messages = 2000;
};

void test_device(Session& session, const Choice& choice) {
    const auto board = ready_board(session, choice.serial);
    if (board) {
        show_test(session, device::test_board(*board, {.together = choice.messages}));
    }
}

void record_device(Session& session, const Choice& choice) {
    const auto board = ready_board(session, choice.serial);
    if (!board) {
        return;
    }
    const File file(std::fopen(choice.file.c_str(), "wbe"), &std::fclose);
    if (!file) {
        return session.fail_system(
            fmt::format("can't write {}: {}; give another file", choice.file, std::strerror(errno)));
    }
    device::Recorder recorder(file.get(), "keyway " KEYWAY_VERSION);
    device::RecordingTransport recording(*board, recorder);
    const auto report = device::test_board(recording, {.together = choice.messages});
    if (!recorder.good() || std::fflush(file.get()) != 0) {
        return session.fail_system("the recording can't be written; is the disk full?");
    }
    show_test(session, report);
    fmt::print(stderr, "keyway: {} frames in {}\n", recorder.frames(), choice.file);
}

void replay_device(Session& session, const Choice& choice) {
    const auto content = content_of(session, choice.file);
    if (!content) {
        return;
    }
    const auto recording = device::read_recording(std::as_bytes(std::span(*content)));
    if (!recording) {
        return session.fail_system(
            fmt::format("{} is no recording of frames; `keyway device record` makes one", choice.file));
    }
    const auto board = ready_board(session, choice.serial);
    if (!board) {
        return;
    }
    const auto done = device::replay(*board, *recording);
    if (!done) {
        return session.fail(done.error(), "replaying");
    }
    if (session.json) {
        Session::print({{"sessions", done->sessions},
                        {"given", done->given},
                        {"answers", done->answers},
                        {"expected", done->expected},
                        {"differences", done->differences},
                        {"first", done->first}});
    } else {
        fmt::print("{} frames in {} sessions; {} answers came, {} when it was recorded; {} differ\n",
                   done->given, done->sessions, done->answers, done->expected, done->differences);
    }
    if (done->differences != 0) {
        session.exit = exit_code::kRefused;
        fmt::print(stderr, "keyway: {}\n", done->first);
    }
}

}  // namespace

void add_device_frame_commands(CLI::App& device, Session& session) {
    const auto with = [&](const char* name, const char* what, const char* file) {
        CLI::App* sub = device.add_subcommand(name, what);
        auto choice = std::make_shared<Choice>();
        if (file != nullptr) {
            sub->add_option("FILE", choice->file, file)->required();
        }
        add_board_option(*sub, choice->serial);
        sub->add_flag("--json", session.json, "JSON for programs");
        return std::pair(sub, choice);
    };
    const auto with_messages = [](CLI::App& sub, Choice& choice) {
        sub.add_option("--messages", choice.messages, "How many are given as fast as it goes")
            ->check(CLI::Range(1, 1000000))
            ->capture_default_str();
    };
    const auto [test, tested] =
        with("test", "Try everything that the engine needs of a board, and take its times", nullptr);
    with_messages(*test, *tested);
    test->callback([&session, choice = tested] { test_device(session, *choice); });

    const auto [record, recorded] = with(
        "record", "Test a board, and write every frame to a file for Wireshark", "File to write, in pcapng");
    with_messages(*record, *recorded);
    record->callback([&session, choice = recorded] { record_device(session, *choice); });

    const auto [replay, replayed] =
        with("replay", "Give a board what was recorded, and compare what it answers",
             "What `keyway device record` wrote");
    replay->callback([&session, choice = replayed] { replay_device(session, *choice); });
    for (CLI::App* each : {test, record, replay}) {
        each->footer(
            "The board has to be loaded, and free: end keywayd before. Its table is empty\n"
            "afterwards.");
    }
}

}  // namespace keyway::tool
