// The verilated bridge between a model of the FX2's slave FIFO, with a host behind it that speaks frames, and
// an echo that sends back every body that comes. The model can be unkind: see Unkind.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "Vbridge.h"
#include "bench.hpp"
#include "driver/credit.hpp"
#include "driver/frame.hpp"
#include "verilated.h"

namespace keyway::rtl {

using Bytes = std::vector<std::byte>;

/// Shares in percent, or one in so many bytes; 0 is never.
struct Unkind {
    unsigned late_flags = 0;  ///< clocks in which a flag shows its value of one clock ago
    std::uint32_t lose_out = 0, add_out = 0, change_out = 0;  ///< bytes to the FPGA
    std::uint32_t lose_in = 0, add_in = 0, change_in = 0;     ///< bytes from it
    unsigned host_stalls = 0;                                 ///< clocks in which the host takes no packet
    unsigned echo_stalls = 0;  ///< clocks in which the other side of the bridge is not ready
};

class BridgeBench {
  public:
    static constexpr std::uint8_t kWindow = 16;  // as the model was built
    static constexpr std::size_t kPacket = 512, kBuffers = 4;

    struct Got {
        ::keyway::Frame head;
        Bytes body;
    };

    explicit BridgeBench(std::uint64_t seed) : random_(seed) {
        context_->randSeed(static_cast<int>(seed));
        context_->randReset(2);
        model_ = std::make_unique<Vbridge>(context_.get());
        model_->rst_ni = 0;
        run(5);
        model_->rst_ni = 1;
        run(5);
    }
    ~BridgeBench() { model_->final(); }
    BridgeBench(const BridgeBench&) = delete;
    BridgeBench& operator=(const BridgeBench&) = delete;

    Unkind unkind;
    bool echo = true;             ///< false: bodies stay where they are
    device::CreditBook book{64};  ///< the host's
    device::FrameDecoder decoder;
    std::vector<Got> got;  ///< bodies from the device
    std::vector<LinkIdentity> hellos;
    std::uint64_t lost = 0;  ///< frames that the host found missing
    // What the bridge must never do.
    unsigned overruns = 0;             ///< bytes written while the chip was full
    unsigned early_strobes = 0;        ///< strobes sooner than 2 clocks after an address
    unsigned contentions = 0;          ///< both sides drive the bus
    std::vector<std::size_t> packets;  ///< sizes of packets to the host
    std::uint64_t clocks = 0;

    // ---- The host

    /// Bytes as they are.
    void send_raw(const Bytes& bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    void send(FrameKind kind, const Bytes& body) {
        Bytes wire;
        device::encode_frame(book.stamp(kind, 0), body, wire);
        send_raw(wire);
    }
    void say_hello(std::uint16_t first, std::uint32_t session) {
        book.restart(first);
        LinkIdentity identity;
        identity.set_magic(kMagic);
        identity.set_major(kVersionMajor);
        identity.set_minor(kVersionMinor);
        identity.set_role(static_cast<std::uint8_t>(LinkRole::kHost));
        identity.set_session(session);
        session_ = session;
        const auto bytes = std::as_bytes(std::span(identity.words));
        send(FrameKind::kHello, Bytes(bytes.begin(), bytes.end()));
    }
    bool open(std::uint16_t first = 0xFFF0, std::uint32_t session = 0x1234'5678) {
        say_hello(first, session);
        return run_until([&] { return book.is_open(); });
    }
    void ask() { send(FrameKind::kCredit, {}); }

    // ---- Time

    void tick() {
        drive_inputs();
        const Strobes strobes = sample();
        model_->clk_i = 0;
        model_->eval();
        echo_before_edge();
        model_->clk_i = 1;
        model_->eval();
        chip_edge(strobes);
        host_turn();
        ++clocks;
    }
    void run(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            tick();
        }
    }
    template <typename Done>
    bool run_until(const Done& done, unsigned limit = 20000) {
        for (unsigned i = 0; i < limit && !done(); ++i) {
            tick();
        }
        return done();
    }
    [[nodiscard]] Vbridge& model() { return *model_; }
    [[nodiscard]] bool bus_quiet() const { return out_.empty(); }
    [[nodiscard]] Random& random() { return random_; }

  private:
    struct Strobes {
        bool read, write, end, out_enabled, driven;
        unsigned address;
        std::uint8_t data;
    };

    static bool flag_late(bool now, bool& before, bool late) {
        const bool shown = late ? before : now;
        before = now;
        return shown;
    }
    void drive_inputs() {
        const bool late = unkind.late_flags != 0 && random_.percent(unkind.late_flags);
        model_->out_ready_i = flag_late(!out_.empty(), out_flag_, late);
        model_->in_ready_i = flag_late(
            in_.size() < kBuffers - (current_.empty() ? 0 : 1) || !current_.empty(), in_flag_, late);
        const bool shown = model_->sloe_no == 0 && model_->fifoadr_o == 0 && !out_.empty();
        model_->fd_i =
            shown ? std::to_integer<std::uint8_t>(out_.front()) : static_cast<std::uint8_t>(random_.next());
    }
    Strobes sample() const {
        return {model_->slrd_no == 0, model_->slwr_no == 0, model_->pktend_no == 0,
                model_->sloe_no == 0, model_->fd_oe_o != 0, model_->fifoadr_o,
                model_->fd_o};
    }
    void chip_edge(const Strobes& now) {
        if (model_->rst_ni == 0) {
            return;
        }
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
    void host_turn() {
        if (in_.empty() || (unkind.host_stalls != 0 && random_.percent(unkind.host_stalls))) {
            return;
        }
        packets.push_back(in_.front().size());
        decoder.take(in_.front(), [&](const device::FrameDecoder::View& view) { judge(view); });
        in_.pop_front();
    }
    void judge(const device::FrameDecoder::View& view) {
        const FrameKind kind{view.head.kind()};
        if (kind == FrameKind::kHello) {
            LinkIdentity identity;
            if (view.body.size() == sizeof identity) {
                std::memcpy(identity.words.data(), view.body.data(), sizeof identity);
                hellos.push_back(identity);
                if (identity.session() == session_ && !book.is_open()) {
                    (void)book.open(view.head);
                }
            }
            return;
        }
        unsigned missing = 0;
        const device::Arrival arrival = book.take(view.head, missing);
        lost += missing;
        if (arrival > device::Arrival::kAfterGap || kind == FrameKind::kCredit) {
            return;
        }
        got.push_back({view.head, Bytes(view.body.begin(), view.body.end())});
        book.release();
        if (got.size() % 32 == 0) {
            ask();
        }
    }

    // ---- The other side of the bridge: words come back as they are, kind and sequence beside them.
    void echo_before_edge() {
        const bool stalled = unkind.echo_stalls != 0 && random_.percent(unkind.echo_stalls);
        model_->m_axis_tready_i = echo && waiting_.size() < 16 && !stalled;
        model_->s_axis_tvalid_i = !waiting_.empty();
        if (!waiting_.empty()) {
            model_->s_axis_tdata_i = waiting_.front().first;
            model_->s_axis_tlast_i = waiting_.front().second;
            model_->s_axis_kind_i = static_cast<std::uint8_t>(FrameKind::kDelivery);
        }
        model_->eval();
        const bool opened = model_->opened_o != 0;
        const bool taken =
            model_->m_axis_tvalid_o != 0 && model_->m_axis_tready_i != 0 && model_->rst_ni != 0;
        const bool given = !waiting_.empty() && model_->s_axis_tready_o != 0 && model_->rst_ni != 0;
        const std::pair word{model_->m_axis_tdata_o, model_->m_axis_tlast_o != 0};
        if (given) {
            waiting_.pop_front();
        }
        if (taken) {
            waiting_.emplace_back(word);
        }
        if (opened) {
            waiting_.clear();
        }
    }

    Random random_;
    std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vbridge> model_;
    std::deque<std::byte> out_;  // EP2: from the host
    std::deque<Bytes> in_;       // EP6: packets that are complete
    Bytes current_;
    bool out_flag_ = false, in_flag_ = true;
    unsigned address_ = 0, address_age_ = 0;
    std::uint32_t session_ = 0;
    std::deque<std::pair<std::uint32_t, bool>> waiting_;
};

}  // namespace keyway::rtl
