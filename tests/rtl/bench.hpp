// Drives one verilated router: streams with stalls in and out, AXI4-Lite, and what the tests may see of its
// inside.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "coverage.hpp"
#include "keyway/protocol.hpp"
#include "sim/random.hpp"
#include "verilated.h"

namespace keyway::rtl {

using sim::Random;

// Verilated signals are integers up to 64 bits and arrays of 32-bit words above. These see all of them as
// bits.
template <typename Signal>
void put_word(Signal& signal, unsigned bit, unsigned width, std::uint32_t value) {
    if constexpr (std::is_integral_v<Signal>) {
        const std::uint64_t mask = (width >= 64 ? ~0ULL : (1ULL << width) - 1) << bit;
        const std::uint64_t now = (std::uint64_t{signal} & ~mask) | ((std::uint64_t{value} << bit) & mask);
        signal = static_cast<Signal>(now);
    } else {
        const std::uint32_t mask = (width >= 32 ? ~0U : (1U << width) - 1) << (bit % 32);
        signal[bit / 32] = (signal[bit / 32] & ~mask) | ((value << (bit % 32)) & mask);
    }
}
template <typename Signal>
std::uint32_t get_word(const Signal& signal, unsigned bit, unsigned width) {
    const std::uint32_t mask = width >= 32 ? ~0U : (1U << width) - 1;
    if constexpr (std::is_integral_v<Signal>) {
        return static_cast<std::uint32_t>(std::uint64_t{signal} >> bit) & mask;
    } else {
        // Fields of the tests never straddle a word by more than one.
        std::uint64_t two = signal[bit / 32];
        if (bit % 32 + width > 32) {
            two |= std::uint64_t{signal[bit / 32 + 1]} << 32;
        }
        return static_cast<std::uint32_t>(two >> (bit % 32)) & mask;
    }
}

/// 256 bits as they stand in a signal.
template <typename Signal>
Header header_of(const Signal& signal) {
    Header header;
    for (unsigned word = 0; word < 4; ++word) {
        header.words[word] =
            get_word(signal, word * 64, 32) | std::uint64_t{get_word(signal, word * 64 + 32, 32)} << 32;
    }
    return header;
}
inline std::uint32_t word_of(const Header& header, unsigned word) {
    return static_cast<std::uint32_t>(header.words[word / 2] >> (word % 2 * 32));
}

/// A frame as a test sends it: `beats` other than the header's own make it short or long.
struct Frame {
    Header header;
    unsigned beats = 0;
};
struct Received {
    Header header;
    unsigned destination = 0;
    std::uint64_t first_cycle = 0;  ///< in which its first beat was taken
};

/// What the router's inside showed in one clock.
struct Inside {
    bool verdict_valid = false, push = false, depart = false, arrive = false, command_done = false;
    Verdict verdict = Verdict::kMalformed;
    std::uint32_t tick = 0;
    unsigned port = 0;
    unsigned destination = 0, level = 0;                ///< of what departs
    unsigned arrive_destination = 0, arrive_level = 0;  ///< of what arrives
    Header original, pushed;
};

template <typename Shape>
class Bench {
  public:
    static constexpr unsigned kBeats = Shape::kDataBits >= 256 ? 1 : 256 / Shape::kDataBits;
    static constexpr unsigned kDests = 1U << Shape::kDestBits;

    explicit Bench(std::uint64_t seed = 1) : random_(seed), context_(std::make_unique<VerilatedContext>()) {
        context_->randSeed(static_cast<int>(seed % 0x7FFFFFFF) + 1);
        // What has no reset starts with any value; beside a netlist with that of the chip.
        context_->randReset(kShadowed ? 0 : 2);
        model_ = std::make_unique<typename Shape::Model>(context_.get());
        shadow_ = std::make_unique<Shadow>(context_.get());
        model_->rst_ni = 0;
        model_->audit_ready_i = 1;
        for (int i = 0; i < 8; ++i) {
            if (i == 4) {
                begin_coverage(*context_);
            }
            tick();
        }
        model_->rst_ni = 1;
        tick();
    }
    ~Bench() {
        model_->final();
        write_coverage(*context_);
        if constexpr (kShadowed) {
            shadow_->final();
        }
    }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    // ---- Stimulus

    void send(unsigned port, const Header& header, unsigned beats = kBeats) {
        in_[port].frames.push_back({header, beats});
    }
    [[nodiscard]] std::size_t waiting(unsigned port) const { return in_[port].frames.size(); }
    /// Probabilities in percent, per clock.
    unsigned valid_share = 100, ready_share = 100, audit_ready_share = 100;
    /// Called before each clock edge with what the inside shows.
    std::function<void(const Inside&)> on_clock = [](const Inside&) {};
    std::array<std::deque<Received>, Shape::kPorts> received;
    std::deque<std::array<std::uint32_t, 5>> audit;
    std::uint64_t compared = 0,
                  differs_at = 0;  ///< clocks in which a netlist was compared; the first that differed
    bool stalled_stable = true;    ///< AXI4-Stream: what is offered stays until it is taken

    void tick() {
        drive();
        clock(0);
        observe();
        clock(1);
        context_->timeInc(1);
        ++cycle_;
    }
    void run(unsigned clocks) {
        for (unsigned i = 0; i < clocks; ++i) {
            tick();
        }
    }
    /// False when `done` did not come true within `limit` clocks.
    template <typename Done>
    bool run_until(const Done& done, unsigned limit = 5000) {
        for (unsigned i = 0; i < limit && !done(); ++i) {
            tick();
        }
        return done();
    }
    [[nodiscard]] std::uint64_t cycle() const { return cycle_; }
    [[nodiscard]] std::uint64_t taken_cycle(unsigned port) const { return in_[port].last_taken; }
    [[nodiscard]] std::uint64_t taken_beats(unsigned port) const { return in_[port].taken; }
    [[nodiscard]] typename Shape::Model& model() { return *model_; }

    // ---- AXI4-Lite

    struct Access {
        bool write = false;
        std::uint32_t address = 0, data = 0;
        std::function<void(std::uint32_t)> done;
    };
    void queue_write(std::uint32_t address, std::uint32_t data,
                     std::function<void(std::uint32_t)> done = {}) {
        bus_.push_back({true, address, data, std::move(done)});
    }
    void queue_read(std::uint32_t address, std::function<void(std::uint32_t)> done) {
        bus_.push_back({false, address, 0, std::move(done)});
    }
    [[nodiscard]] bool bus_idle() const { return bus_.empty(); }
    void write(std::uint32_t address, std::uint32_t data) {
        queue_write(address, data);
        run_until([&] { return bus_idle(); });
    }
    std::uint32_t read(std::uint32_t address) {
        std::uint32_t value = 0;
        queue_read(address, [&](std::uint32_t v) { value = v; });
        run_until([&] { return bus_idle(); });
        return value;
    }

    // ---- The host's usual handles, synchronous

    void open_port(unsigned port, std::uint16_t sender) {
        write(kPortSelect, port);
        write(kPortSender, sender);
        write(kPortControl, 1);
    }
    void start() {
        write(kControl, 1);
        run(4U << (Shape::kDestBits + 4));  // the free list fills itself
    }
    void route(unsigned object, std::uint16_t owner, std::uint64_t mask) {
        write(kRouteIndex, object);
        write(kRouteOwner, owner);
        write(kRouteMask0, static_cast<std::uint32_t>(mask));
        write(kRouteMask1, static_cast<std::uint32_t>(mask >> 32));
    }
    void queue_command(std::uint32_t slot, unsigned command, const Entry* entry = nullptr) {
        queue_write(kTableIndex, slot);
        if (entry != nullptr) {
            for (unsigned i = 0; i < 4; ++i) {
                queue_write(kTableData0 + 4 * i,
                            static_cast<std::uint32_t>(entry->words[i / 2] >> (i % 2 * 32)));
            }
        }
        queue_write(kTableCommand, command);
    }
    void command(std::uint32_t slot, unsigned number, const Entry* entry = nullptr) {
        queue_command(slot, number, entry);
        run_until([&] { return bus_idle(); });
        run_until([&] { return read(kTableCommand) == 0; });
    }

    static constexpr std::uint32_t kControl = 0x20, kEpoch = 0x24, kTick = 0x28, kPortSelect = 0x2C,
                                   kPortControl = 0x30, kPortSender = 0x34, kPortStatus = 0x38,
                                   kTableIndex = 0x40, kTableData0 = 0x44, kTableCommand = 0x54,
                                   kTableErrors = 0x5C, kTableLive = 0x58, kFreeId = 0x60, kRouteIndex = 0x64,
                                   kRouteOwner = 0x68, kRouteMask0 = 0x6C, kRouteMask1 = 0x70,
                                   kAccepted = 0x80, kRefused = 0x84, kMissed = 0x88, kDropped = 0x8C,
                                   kVerdicts = 0x100;

  private:
    // A shape may name a netlist of the same router as its Shadow: it gets the same inputs, and what it shows
    // must be the same in every clock.
    static constexpr bool kShadowed = requires { typename Shape::Shadow; };
    struct None {
        explicit None(VerilatedContext*) {}
    };
    template <typename S, bool>
    struct ShadowOf {
        using type = None;
    };
    template <typename S>
    struct ShadowOf<S, true> {
        using type = typename S::Shadow;
    };
    using Shadow = typename ShadowOf<Shape, kShadowed>::type;

    void clock(CData level) {
        model_->clk_i = level;
        model_->eval();
        if constexpr (kShadowed) {
            shadow_->rst_ni = model_->rst_ni;
            shadow_->s_axis_tvalid_i = model_->s_axis_tvalid_i;
            shadow_->s_axis_tdata_i = model_->s_axis_tdata_i;
            shadow_->s_axis_tlast_i = model_->s_axis_tlast_i;
            shadow_->m_axis_tready_i = model_->m_axis_tready_i;
            shadow_->audit_ready_i = model_->audit_ready_i;
            shadow_->s_axil_awvalid_i = model_->s_axil_awvalid_i;
            shadow_->s_axil_awaddr_i = model_->s_axil_awaddr_i;
            shadow_->s_axil_wvalid_i = model_->s_axil_wvalid_i;
            shadow_->s_axil_wdata_i = model_->s_axil_wdata_i;
            shadow_->s_axil_bready_i = model_->s_axil_bready_i;
            shadow_->s_axil_arvalid_i = model_->s_axil_arvalid_i;
            shadow_->s_axil_araddr_i = model_->s_axil_araddr_i;
            shadow_->s_axil_rready_i = model_->s_axil_rready_i;
            shadow_->clk_i = level;
            shadow_->eval();
        }
    }

    /// Data count where they are valid.
    void compare() {
        if constexpr (kShadowed) {
            const auto& a = *model_;
            const auto& b = *shadow_;
            bool same = a.s_axis_tready_o == b.s_axis_tready_o && a.m_axis_tvalid_o == b.m_axis_tvalid_o &&
                        a.audit_valid_o == b.audit_valid_o && a.s_axil_awready_o == b.s_axil_awready_o &&
                        a.s_axil_wready_o == b.s_axil_wready_o && a.s_axil_bvalid_o == b.s_axil_bvalid_o &&
                        a.s_axil_arready_o == b.s_axil_arready_o && a.s_axil_rvalid_o == b.s_axil_rvalid_o;
            if (a.m_axis_tvalid_o != 0) {
                same = same && a.m_axis_tdata_o == b.m_axis_tdata_o && a.m_axis_tdest_o == b.m_axis_tdest_o &&
                       a.m_axis_tlast_o == b.m_axis_tlast_o;
            }
            if (a.audit_valid_o != 0) {
                for (unsigned i = 0; i < 5; ++i) {
                    same = same && a.audit_event_o[i] == b.audit_event_o[i];
                }
            }
            if (a.s_axil_rvalid_o != 0) {
                same = same && a.s_axil_rdata_o == b.s_axil_rdata_o;
            }
            ++compared;
            if (!same && differs_at == 0) {
                differs_at = cycle_;
            }
        }
    }

    struct In {
        std::deque<Frame> frames;
        unsigned beat = 0;
        bool offering = false;
        std::uint64_t last_taken = 0, taken = 0;
    };
    struct Out {
        Header header;
        unsigned beat = 0;
        std::uint64_t first_cycle = 0;
        bool stalled = false;
        std::array<std::uint32_t, 16> data{};
    };

    void drive() {
        for (unsigned port = 0; port < Shape::kPorts; ++port) {
            In& in = in_[port];
            // An offered beat stays until it is taken.
            in.offering = !in.frames.empty() && (in.offering || random_.percent(valid_share));
            put_word(model_->s_axis_tvalid_i, port, 1, in.offering ? 1 : 0);
            if (in.offering) {
                const Frame& frame = in.frames.front();
                put_word(model_->s_axis_tlast_i, port, 1, in.beat + 1 >= frame.beats ? 1 : 0);
                for (unsigned word = 0; word < Shape::kDataBits / 32; ++word) {
                    const unsigned at = in.beat * (Shape::kDataBits / 32) + word;
                    put_word(model_->s_axis_tdata_i, port * Shape::kDataBits + word * 32, 32,
                             at < 8 ? word_of(frame.header, at) : 0xDEADBEEF);
                }
            }
            put_word(model_->m_axis_tready_i, port, 1, random_.percent(ready_share) ? 1 : 0);
        }
        model_->audit_ready_i = random_.percent(audit_ready_share) ? 1 : 0;
        const bool writing = !bus_.empty() && bus_.front().write;
        const bool reading = !bus_.empty() && !bus_.front().write;
        model_->s_axil_awvalid_i = writing && !address_done_;
        model_->s_axil_wvalid_i = writing && !data_done_;
        model_->s_axil_arvalid_i = reading && !address_done_;
        if (!bus_.empty()) {
            model_->s_axil_awaddr_i = model_->s_axil_araddr_i = static_cast<SData>(bus_.front().address);
            model_->s_axil_wdata_i = bus_.front().data;
        }
        model_->s_axil_bready_i = model_->s_axil_rready_i = 1;
    }

    void observe() {
        if (model_->rst_ni == 0) {
            return;
        }
        for (unsigned port = 0; port < Shape::kPorts; ++port) {
            In& in = in_[port];
            if (in.offering && get_word(model_->s_axis_tready_o, port, 1) != 0) {
                in.last_taken = cycle_;
                ++in.taken;
                in.offering = false;
                if (++in.beat >= in.frames.front().beats) {
                    in.frames.pop_front();
                    in.beat = 0;
                }
            }
            observe_out(port);
        }
        if (model_->audit_valid_o != 0 && model_->audit_ready_i != 0) {
            std::array<std::uint32_t, 5> event{};
            for (unsigned i = 0; i < 5; ++i) {
                event[i] = model_->audit_event_o[i];
            }
            audit.push_back(event);
        }
        const auto& root = *model_->rootp;
        Inside inside;
        inside.verdict_valid = root.keyway_router__DOT__verdict_valid != 0;
        inside.push = root.keyway_router__DOT__push != 0;
        inside.depart = root.keyway_router__DOT__depart != 0;
        inside.command_done = root.keyway_router__DOT__cmd_done != 0;
        if (inside.verdict_valid || inside.push) {
            inside.verdict = Verdict{root.keyway_router__DOT__verdict};
            inside.port = root.keyway_router__DOT__port;
            inside.tick = root.keyway_router__DOT__u_pipeline__DOT__v_tick;
            inside.original = header_of(root.keyway_router__DOT__original);
            inside.pushed = header_of(root.keyway_router__DOT__push_header);
        }
        inside.destination = root.keyway_router__DOT__depart_dest;
        inside.level = root.keyway_router__DOT__depart_level;
        inside.arrive = root.keyway_router__DOT__arrive != 0;
        inside.arrive_destination = root.keyway_router__DOT__arrive_dest;
        inside.arrive_level = root.keyway_router__DOT__arrive_level;
        on_clock(inside);
        observe_bus();
        compare();
    }

    void observe_out(unsigned port) {
        Out& out = out_[port];
        const bool valid = get_word(model_->m_axis_tvalid_o, port, 1) != 0;
        std::array<std::uint32_t, 16> data{};
        for (unsigned word = 0; word < Shape::kDataBits / 32; ++word) {
            data[word] = get_word(model_->m_axis_tdata_o, port * Shape::kDataBits + word * 32, 32);
        }
        if (out.stalled && (!valid || data != out.data)) {
            stalled_stable = false;
        }
        const bool ready = get_word(model_->m_axis_tready_i, port, 1) != 0;
        out.stalled = valid && !ready;
        out.data = data;
        if (!valid || !ready) {
            return;
        }
        if (out.beat == 0) {
            out.first_cycle = cycle_;
            out.header = {};
        }
        for (unsigned word = 0; word < Shape::kDataBits / 32 && out.beat * (Shape::kDataBits / 32) + word < 8;
             ++word) {
            const unsigned at = out.beat * (Shape::kDataBits / 32) + word;
            out.header.words[at / 2] |= std::uint64_t{data[word]} << (at % 2 * 32);
        }
        const bool last = get_word(model_->m_axis_tlast_o, port, 1) != 0;
        if (last != (out.beat + 1 == kBeats)) {
            stalled_stable = false;
        }
        if (++out.beat == kBeats) {
            out.beat = 0;
            received[port].push_back(
                {out.header, get_word(model_->m_axis_tdest_o, port * Shape::kDestBits, Shape::kDestBits),
                 out.first_cycle});
        }
    }

    void observe_bus() {
        if (bus_.empty()) {
            return;
        }
        Access& access = bus_.front();
        bool done = false;
        std::uint32_t value = 0;
        if (access.write) {
            done = model_->s_axil_bvalid_o != 0;
            address_done_ = address_done_ || (model_->s_axil_awvalid_i != 0 && model_->s_axil_awready_o != 0);
            data_done_ = data_done_ || (model_->s_axil_wvalid_i != 0 && model_->s_axil_wready_o != 0);
        } else {
            done = model_->s_axil_rvalid_o != 0;
            value = model_->s_axil_rdata_o;
            address_done_ = address_done_ || (model_->s_axil_arvalid_i != 0 && model_->s_axil_arready_o != 0);
        }
        if (done) {
            address_done_ = data_done_ = false;
            const auto call = std::move(access.done);
            bus_.pop_front();
            if (call) {
                call(value);
            }
        }
    }

    Random random_;
    std::unique_ptr<VerilatedContext> context_;
    std::unique_ptr<typename Shape::Model> model_;
    std::unique_ptr<Shadow> shadow_;
    std::array<In, Shape::kPorts> in_;
    std::array<Out, Shape::kPorts> out_;
    std::deque<Access> bus_;
    bool address_done_ = false, data_done_ = false;
    std::uint64_t cycle_ = 0;
};

}  // namespace keyway::rtl
