#pragma once

// A simulated board as a device on somebody else's USB: the device's side of usbredir, over a stream socket.
// QEMU's usb-redir shows it to the guest's kernel as a device that was plugged in.
//
// The other side is not trusted: whatever it sends, this side answers, refuses, or hangs up. Granularity is a
// transfer. Its bytes move in packets of 512 as the chip's FIFOs do, but there are no microframes, no data
// toggles and no CRC of the bus.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "sim/simulated_board.hpp"

struct usbredirparser;

namespace keyway::sim {

/// What the link between host and board is like. Times are those of the wall clock.
struct Pace {
    std::chrono::microseconds latency{0};  ///< from the end of a transfer to the host hearing of it
    std::uint64_t bytes_per_second = 0;    ///< both directions together; 0: as fast as it goes
};

/// What goes wrong. One in so many, 0 never; SimulatedBoard::Faults has more.
struct RedirFaults {
    std::uint32_t stall = 0;  ///< bulk transfers that halt their endpoint
    std::uint32_t delay = 0;  ///< transfers that are late
    std::chrono::milliseconds late{100};
    std::uint64_t unplug_after = 0;  ///< bytes of bulk transfers, then the cable is out
};

/// Not thread-safe; works when serve() is called, and never waits.
class RedirDevice {
  public:
    using Clock = std::chrono::steady_clock;

    /// The board must outlive it.
    RedirDevice(SimulatedBoard& board, std::uint64_t seed);
    ~RedirDevice();
    RedirDevice(const RedirDevice&) = delete;
    RedirDevice& operator=(const RedirDevice&) = delete;

    /// A host on a connected stream socket, which becomes non-blocking. The one before is hung up on.
    void attach(UniqueFd socket);
    [[nodiscard]] bool attached() const { return static_cast<bool>(socket_); }
    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool wants_write() const;

    /// Reads what came, lets the board work for a moment, and sends what is due. True: there is more to do at
    /// once.
    bool serve();
    /// When an answer that waits for its time is due; Clock::time_point::max() when there is none.
    [[nodiscard]] Clock::time_point due() const;

    Pace pace;
    RedirFaults faults;
    /// Halts an endpoint (0x02 or 0x86), as a chip in trouble does; the host ends it.
    void halt(std::uint8_t endpoint);

    struct Counters {
        std::uint64_t controls = 0, transfers_out = 0, transfers_in = 0, bytes_out = 0, bytes_in = 0;
        std::uint64_t refused = 0;   ///< requests of the other side that make no sense
        std::uint64_t connects = 0;  ///< times that the device appeared on the bus
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }

  private:
    struct Transfer {
        std::uint64_t id = 0;
        std::uint8_t endpoint = 0;
        std::size_t length = 0;  ///< as the host asked for
        std::size_t done = 0;    ///< of `bytes`, outwards
        std::vector<std::byte> bytes;
    };
    struct Answer {
        std::uint64_t id = 0;
        std::uint8_t status = 0;
        Transfer transfer;            ///< of a bulk endpoint
        std::vector<std::byte> head;  ///< of a control transfer, as the parser wants it
    };
    struct Callbacks;

    void hang_up();
    bool read();
    void follow_board();
    void connect();
    void send_shape();
    void move();
    bool move_out(Transfer& transfer);
    bool move_in(Transfer& transfer);
    void take_control(std::uint64_t id, std::span<const std::byte> head, std::span<const std::byte> out);
    void take_bulk(std::uint64_t id, std::uint8_t endpoint, std::size_t length,
                   std::span<const std::byte> out);
    void cancel(std::uint64_t id);
    void finish(Transfer&& transfer, std::uint8_t status);
    void send(const Answer& answer);
    void put_off(Answer&& answer, std::size_t bytes);
    [[nodiscard]] bool is_halted(std::uint8_t endpoint) const;
    bool one_in(std::uint32_t n) { return n != 0 && random_() % n == 0; }

    SimulatedBoard& board_;
    std::mt19937_64 random_;
    UniqueFd socket_;
    std::unique_ptr<usbredirparser, void (*)(usbredirparser*)> parser_;
    bool greeted_ = false;     ///< the other side has said hello
    bool shown_ = false;       ///< the other side has been told of the device
    bool leaving_ = false;     ///< it has not confirmed yet that the device is gone
    unsigned generation_ = 0;  ///< of the board that it was told of
    std::deque<Transfer> out_, in_;
    std::size_t waiting_bytes_ = 0;  ///< in out_
    std::multimap<Clock::time_point, Answer> later_;
    Clock::time_point line_free_{};
    std::map<std::uint8_t, Clock::time_point> last_;  ///< answers of an endpoint keep their order
    std::uint8_t halts_ = 0;                          ///< by halt(): bit 0 out, bit 1 in
    std::uint64_t carried_ = 0;
    Counters counters_;
};

}  // namespace keyway::sim
