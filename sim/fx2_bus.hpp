// The FX2's slave FIFO as an FPGA sees it: one byte a clock each way, packets of 512 to the host, four
// buffers. It can be unkind: see Unkind. What it sees of the other side that a data sheet forbids, it counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "sim/random.hpp"

namespace keyway::sim {

using Bytes = std::vector<std::byte>;

/// Shares in percent, or one in so many bytes; 0 is never.
struct Unkind {
    unsigned late_flags = 0;  ///< clocks in which a flag shows its value of one clock ago
    std::uint32_t lose_out = 0, add_out = 0, change_out = 0;  ///< bytes to the FPGA
    std::uint32_t lose_in = 0, add_in = 0, change_in = 0;     ///< bytes from it
    unsigned host_stalls = 0;                                 ///< clocks in which the host takes no packet
    unsigned echo_stalls = 0;  ///< clocks in which the other side of the bridge is not ready
};

/// Model: a verilated module with the bridge's pins.
template <typename Model>
class Fx2Bus {
  public:
    static constexpr std::size_t kPacket = 512, kBuffers = 4;

    /// `lag`: clocks that registers in the FPGA's output pins take, 0 or 1.
    explicit Fx2Bus(Random& random, unsigned lag = 0) : random_(random), lag_(lag) {}

    Unkind unkind;
    unsigned overruns = 0;       ///< bytes written while the chip was full
    unsigned early_strobes = 0;  ///< strobes sooner than 2 clocks after an address
    unsigned contentions = 0;    ///< both sides drive the bus, or nobody does

    void push(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    [[nodiscard]] bool quiet() const { return out_.empty(); }
    /// Bytes that were pushed and not read yet.
    [[nodiscard]] std::size_t waiting() const { return out_.size(); }
    /// Packets for the host that are complete.
    [[nodiscard]] std::size_t packets() const { return in_.size(); }
    std::optional<Bytes> pop() {
        if (in_.empty()) {
            return std::nullopt;
        }
        Bytes packet = std::move(in_.front());
        in_.pop_front();
        return packet;
    }
    void clear() {
        out_.clear();
        in_.clear();
        current_.clear();
    }

    struct Strobes {
        bool read, write, end, out_enabled, driven;
        unsigned address;
        std::uint8_t data;
    };
    /// Before a rising edge: what the FPGA's inputs are, and what the chip will see of its outputs.
    Strobes before_edge(Model& model) {
        const Strobes given{model.slrd_no == 0, model.slwr_no == 0, model.pktend_no == 0,
                            model.sloe_no == 0, model.fd_oe_o != 0, model.fifoadr_o,
                            model.fd_o};
        const Strobes pins = lag_ != 0 ? last_ : given;
        last_ = given;
        const bool late = unkind.late_flags != 0 && random_.percent(unkind.late_flags);
        model.out_ready_i = flag_late(!out_.empty(), out_flag_, late);
        model.in_ready_i = flag_late(in_.size() < kBuffers, in_flag_, late);
        const bool shown = pins.out_enabled && pins.address == 0 && !out_.empty();
        model.fd_i =
            shown ? std::to_integer<std::uint8_t>(out_.front()) : static_cast<std::uint8_t>(random_.next());
        return pins;
    }
    void edge(const Strobes& now) {
        address_age_ = now.address == address_ ? address_age_ + 1 : 0;
        address_ = now.address;
        early_strobes += (now.read || now.write || now.end) && address_age_ < 2 ? 1 : 0;
        contentions += now.out_enabled && now.driven ? 1 : 0;
        contentions += now.write && !now.driven ? 1 : 0;
        if (now.read && now.address == 0 && !out_.empty()) {
            out_.pop_front();
            damage_out();
        }
        if (now.write && now.address == 2) {
            auto byte = static_cast<std::byte>(now.data);
            if (one_in(unkind.change_in)) {
                byte ^= static_cast<std::byte>(1 + random_.below(255));
            }
            if (!one_in(unkind.lose_in)) {
                take_in(byte);
            }
            if (one_in(unkind.add_in)) {
                take_in(static_cast<std::byte>(random_.next()));
            }
        }
        if (now.end && now.address == 2) {
            commit();
        }
    }

  private:
    static bool flag_late(bool now, bool& before, bool late) {
        const bool shown = late ? before : now;
        before = now;
        return shown;
    }
    bool one_in(std::uint32_t n) { return n != 0 && random_.one_in(n); }
    void damage_out() {
        if (out_.empty()) {
            return;
        }
        if (one_in(unkind.change_out)) {
            out_.front() ^= static_cast<std::byte>(1 + random_.below(255));
        }
        if (one_in(unkind.lose_out)) {
            out_.pop_front();
        }
        if (one_in(unkind.add_out)) {
            out_.push_front(static_cast<std::byte>(random_.next()));
        }
    }
    void take_in(std::byte byte) {
        if (in_.size() == kBuffers) {
            ++overruns;
            return;
        }
        current_.push_back(byte);
        if (current_.size() == kPacket) {
            commit();
        }
    }
    void commit() {
        if (in_.size() == kBuffers) {
            ++overruns;
            return;
        }
        in_.push_back(std::move(current_));
        current_.clear();
    }

    Random& random_;
    unsigned lag_;
    Strobes last_{};
    std::deque<std::byte> out_;  // EP2: from the host
    std::deque<Bytes> in_;       // EP6: packets that are complete
    Bytes current_;
    bool out_flag_ = false, in_flag_ = true;
    unsigned address_ = 0, address_age_ = 0;
};

}  // namespace keyway::sim
