// The verilated bridge between a model of the FX2's slave FIFO, with a host behind it that speaks frames, and
// an echo that sends back every body that comes. The model can be unkind: see Unkind.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "Vbridge.h"
#include "driver/credit.hpp"
#include "driver/frame.hpp"
#include "sim/fx2_bus.hpp"
#include "verilated.h"

namespace keyway::rtl {

using sim::Bytes;
using sim::Fx2Bus;
using sim::Random;
using sim::Unkind;

class BridgeBench {
    Random random_;  // before what uses it

  public:
    static constexpr std::uint8_t kWindow = 16;  // as the model was built
    static constexpr std::size_t kPacket = Fx2Bus<Vbridge>::kPacket;

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

    Fx2Bus<Vbridge> bus{random_};
    bool echo = true;             ///< false: bodies stay where they are
    device::CreditBook book{64};  ///< the host's
    device::FrameDecoder decoder;
    std::vector<Got> got;  ///< bodies from the device
    std::vector<LinkIdentity> hellos;
    std::uint64_t lost = 0;            ///< frames that the host found missing
    std::vector<std::size_t> packets;  ///< sizes of packets to the host
    std::uint64_t clocks = 0;

    // ---- The host

    /// Bytes as they are.
    void send_raw(const Bytes& bytes) { bus.push(bytes); }
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
        const auto strobes = bus.before_edge(*model_);
        model_->clk_i = 0;
        model_->eval();
        echo_before_edge();
        model_->clk_i = 1;
        model_->eval();
        if (model_->rst_ni != 0) {
            bus.edge(strobes);
        }
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
    [[nodiscard]] Random& random() { return random_; }

  private:
    void host_turn() {
        if (bus.unkind.host_stalls != 0 && random_.percent(bus.unkind.host_stalls)) {
            return;
        }
        if (const auto packet = bus.pop()) {
            packets.push_back(packet->size());
            decoder.take(*packet, [&](const device::FrameDecoder::View& view) { judge(view); });
        }
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
        const bool stalled = bus.unkind.echo_stalls != 0 && random_.percent(bus.unkind.echo_stalls);
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

    std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vbridge> model_;
    std::uint32_t session_ = 0;
    std::deque<std::pair<std::uint32_t, bool>> waiting_;
};

}  // namespace keyway::rtl
