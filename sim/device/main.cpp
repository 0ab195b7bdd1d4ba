// keyway-simdev: a board that is simulated, as a USB device behind a usbredir socket.

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "sim/core_fpga.hpp"
#include "sim/device/redir_device.hpp"
#ifdef KEYWAY_WITH_VERILATED
#include "sim/verilated_board.hpp"
#endif

namespace {

using namespace keyway;
using sim::RedirDevice;
using sim::SimulatedBoard;
using Clock = RedirDevice::Clock;

struct Options {
    std::string socket, fpga = "router", serial;
    bool connect = false, loaded = false;
    std::uint64_t seed = 1, latency_us = 0, rate = 0, unplug_after = 0;
    std::uint32_t lose = 0, change = 0, stall = 0, delay = 0, late_ms = 100;
};

std::unique_ptr<SimulatedBoard> make_board(const Options& options) {
    const auto power = options.loaded ? SimulatedBoard::Power::kRunning : SimulatedBoard::Power::kBlank;
#ifdef KEYWAY_WITH_VERILATED
    if (options.fpga == "router") {
        return std::make_unique<sim::VerilatedBoard>(options.seed, power, options.serial);
    }
#endif
    if (options.fpga == "core") {
        return std::make_unique<SimulatedBoard>(power, options.serial, std::make_unique<sim::CoreFpga>());
    }
    return std::make_unique<SimulatedBoard>(power, options.serial);
}

UniqueFd open_socket(const Options& options) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options.socket.size() >= sizeof address.sun_path) {
        fmt::print(stderr, "keyway-simdev: {}: the path is too long for a socket\n", options.socket);
        return {};
    }
    std::memcpy(address.sun_path, options.socket.c_str(), options.socket.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto* const where = reinterpret_cast<const sockaddr*>(&address);
    int done = -1;
    if (options.connect) {
        done = ::connect(socket.get(), where, sizeof address);
    } else {
        ::unlink(options.socket.c_str());
        done = ::bind(socket.get(), where, sizeof address) == 0 ? ::listen(socket.get(), 1) : -1;
    }
    if (done != 0) {
        fmt::print(stderr, "keyway-simdev: {}: {}\n", options.socket, std::strerror(errno));
        return {};
    }
    return socket;
}

/// One line of the standard input. False: it is time to end.
bool obey(const std::string& line, SimulatedBoard& board, RedirDevice& device) {
    std::istringstream words(line);
    std::string verb, what;
    words >> verb;
    std::uint64_t number = 0;
    const auto take = [&](auto& into) {
        if (!(words >> number) || number > 0xFFFFFFFFU) {
            return false;
        }
        into = static_cast<std::remove_reference_t<decltype(into)>>(number);
        return true;
    };
    bool known = true;
    if (verb == "quit") {
        return false;
    }
    if (verb == "unplug") {
        board.unplug();
    } else if (verb == "plug") {
        words >> what;
        board.plug_in(what == "loaded" ? SimulatedBoard::Power::kRunning : SimulatedBoard::Power::kBlank);
    } else if (verb == "halt") {
        words >> what;
        known = what == "in" || what == "out";
        device.halt(static_cast<std::uint8_t>(what == "in" ? usb::kEndpointIn : usb::kEndpointOut));
    } else if (verb == "lose") {
        known = take(board.faults.lose_out);
        board.faults.lose_in = board.faults.lose_out;
    } else if (verb == "change") {
        known = take(board.faults.change_out);
        board.faults.change_in = board.faults.change_out;
    } else if (verb == "stall") {
        known = take(device.faults.stall);
    } else if (verb == "delay") {
        std::uint32_t ms = 100;
        known = take(device.faults.delay);
        take(ms);
        device.faults.late = std::chrono::milliseconds(ms);
    } else if (verb == "latency") {
        std::uint32_t us = 0;
        known = take(us);
        device.pace.latency = std::chrono::microseconds(us);
    } else if (verb == "rate") {
        known = take(device.pace.bytes_per_second);
    } else if (verb == "status") {
        const auto& c = device.counters();
        fmt::print("plugged {} connects {} controls {} out {} in {} refused {} clocks {}\n", board.plugged(),
                   c.connects, c.controls, c.bytes_out, c.bytes_in, c.refused, board.fpga().clocks());
    } else {
        known = false;
    }
    fmt::print("{} {}\n", known ? "ok" : "unknown", line);
    std::fflush(stdout);
    return true;
}

int run(const Options& options) {
    const auto board = make_board(options);
    RedirDevice device(*board, options.seed);
    board->faults.lose_out = board->faults.lose_in = options.lose;
    board->faults.change_out = board->faults.change_in = options.change;
    device.faults = {.stall = options.stall,
                     .delay = options.delay,
                     .late = std::chrono::milliseconds(options.late_ms),
                     .unplug_after = options.unplug_after};
    device.pace = {.latency = std::chrono::microseconds(options.latency_us),
                   .bytes_per_second = options.rate};
    UniqueFd listener = open_socket(options);
    if (!listener) {
        return 6;
    }
    if (options.connect) {
        device.attach(std::move(listener));
    }
    fmt::print("ready {}\n", options.socket);
    std::fflush(stdout);
    std::string typed;
    bool input_open = true;
    bool busy = false;
    for (;;) {
        const auto wait =
            device.due() == Clock::time_point::max()
                ? std::chrono::milliseconds(-1)
                : std::max(std::chrono::milliseconds(0),
                           std::chrono::ceil<std::chrono::milliseconds>(device.due() - Clock::now()));
        std::array<pollfd, 3> fds{
            pollfd{input_open ? STDIN_FILENO : -1, POLLIN, 0},
            pollfd{listener ? listener.get() : -1, POLLIN, 0},
            pollfd{device.fd(), static_cast<short>(device.wants_write() ? POLLIN | POLLOUT : POLLIN), 0}};
        if (::poll(fds.data(), fds.size(), busy ? 0 : static_cast<int>(wait.count())) < 0 && errno != EINTR) {
            return 6;
        }
        if (fds[0].revents != 0) {
            std::array<char, 512> bytes{};
            const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
            input_open = got > 0;
            typed.append(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
            for (std::size_t end = 0; (end = typed.find('\n')) != std::string::npos;
                 typed.erase(0, end + 1)) {
                if (!obey(typed.substr(0, end), *board, device)) {
                    return 0;
                }
            }
        }
        if (fds[1].revents != 0) {
            UniqueFd host(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (host) {
                device.attach(std::move(host));
            }
        }
        busy = device.serve();
        if (options.connect && !device.attached()) {
            fmt::print(stderr, "keyway-simdev: the other side has hung up\n");
            return 0;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        std::signal(SIGPIPE, SIG_IGN);
        Options options;
        CLI::App app(
            "A simulated board as a USB device: firmware, FIFO bus and hardware router behind a usbredir "
            "socket, "
            "as QEMU's -device usb-redir takes it.",
            "keyway-simdev");
        app.add_option("SOCKET", options.socket, "Unix socket to listen at")->required();
        app.add_flag("--connect", options.connect,
                     "Connect to the socket instead, and end with the connection");
        app.add_flag("--loaded", options.loaded, "The firmware runs already; else the chip is blank");
        app.add_option("--serial", options.serial, "Serial number of the board");
        app.add_option(
               "--fpga", options.fpga,
               "router (verilated); core, a program with room for more; echo, which sends bodies back")
            ->check(CLI::IsMember({"router", "core", "echo"}));
        app.add_option("--seed", options.seed, "Of everything random");
        app.add_option("--latency", options.latency_us,
                       "Microseconds until the host hears of a transfer's end");
        app.add_option("--rate", options.rate, "Bytes a second that the cable carries, both ways together");
        app.add_option("--lose", options.lose, "Lose one byte in so many, each way");
        app.add_option("--change", options.change, "Change one byte in so many, each way");
        app.add_option("--stall", options.stall, "Halt the endpoint at one bulk transfer in so many");
        app.add_option("--delay", options.delay, "One transfer in so many is late");
        app.add_option("--late", options.late_ms, "So late, in milliseconds")->capture_default_str();
        app.add_option("--unplug-after", options.unplug_after,
                       "Bytes of bulk transfers, then the cable is out");
        app.footer(
            "Lines on the standard input: unplug, plug [loaded], halt out|in, lose N, change N, stall N, "
            "delay N "
            "[MS],\nlatency US, rate BYTES, status, quit. Each is answered by a line.");
        CLI11_PARSE(app, argc, argv);
#ifndef KEYWAY_WITH_VERILATED
        options.fpga = options.fpga == "router" ? "echo" : options.fpga;
#endif
        return run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "keyway-simdev: {}\n", error.what());
        return 6;
    }
}
