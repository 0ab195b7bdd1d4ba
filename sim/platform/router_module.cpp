#include "router_module.hpp"

#include <array>
#include <cstring>

#include "Vsim_platform.h"
#include "verilated_fst_sc.h"

namespace keyway::sim {

namespace {

constexpr unsigned kRegisterBytes = 0x1000;

// A pin as the Driver sees it: bytes that stand for the signal between two clocks.
struct Shadow {
    std::array<unsigned char, 32> bytes{};
    [[nodiscard]] Bits bits() { return {bytes.data(), bytes.size()}; }
};

template <typename T>
void load(Shadow& shadow, const sc_core::sc_signal<T>& signal) {
    const T value = signal.read();
    std::memcpy(shadow.bytes.data(), &value, sizeof value);
}
template <int W>
void load(Shadow& shadow, const sc_core::sc_signal<sc_dt::sc_bv<W>>& signal) {
    const sc_dt::sc_bv<W>& value = signal.read();
    for (int word = 0; word < value.size(); ++word) {
        const std::uint32_t bits = value.get_word(word);
        std::memcpy(shadow.bytes.data() + 4 * word, &bits, sizeof bits);
    }
}
template <typename T>
void store(const Shadow& shadow, sc_core::sc_signal<T>& signal) {
    T value{};
    std::memcpy(&value, shadow.bytes.data(), sizeof value);
    signal.write(value);
}
void store(const Shadow& shadow, sc_core::sc_signal<bool>& signal) {
    signal.write((shadow.bytes[0] & 1) != 0);
}
template <int W>
void store(const Shadow& shadow, sc_core::sc_signal<sc_dt::sc_bv<W>>& signal) {
    sc_dt::sc_bv<W> value;
    for (int word = 0; word < value.size(); ++word) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, shadow.bytes.data() + 4 * word, sizeof bits);
        value.set_word(word, bits);
    }
    signal.write(value);
}

}  // namespace

// X(name of the Driver's pin, name of the RTL's port, type)
#define KEYWAY_INPUTS(X)                          \
    X(s_tvalid, s_axis_tvalid_i, std::uint32_t)   \
    X(s_tdata, s_axis_tdata_i, sc_dt::sc_bv<256>) \
    X(s_tlast, s_axis_tlast_i, std::uint32_t)     \
    X(m_tready, m_axis_tready_i, std::uint32_t)   \
    X(audit_ready, audit_ready_i, bool)           \
    X(awvalid, s_axil_awvalid_i, bool)            \
    X(awaddr, s_axil_awaddr_i, std::uint32_t)     \
    X(wvalid, s_axil_wvalid_i, bool)              \
    X(wdata, s_axil_wdata_i, std::uint32_t)       \
    X(bready, s_axil_bready_i, bool)              \
    X(arvalid, s_axil_arvalid_i, bool)            \
    X(araddr, s_axil_araddr_i, std::uint32_t)     \
    X(rready, s_axil_rready_i, bool)
#define KEYWAY_OUTPUTS(X)                            \
    X(s_tready, s_axis_tready_o, std::uint32_t)      \
    X(m_tvalid, m_axis_tvalid_o, std::uint32_t)      \
    X(m_tdata, m_axis_tdata_o, sc_dt::sc_bv<256>)    \
    X(m_tdest, m_axis_tdest_o, std::uint32_t)        \
    X(m_tlast, m_axis_tlast_o, std::uint32_t)        \
    X(audit_valid, audit_valid_o, bool)              \
    X(audit_event, audit_event_o, sc_dt::sc_bv<160>) \
    X(awready, s_axil_awready_o, bool)               \
    X(wready, s_axil_wready_o, bool)                 \
    X(bvalid, s_axil_bvalid_o, bool)                 \
    X(bresp, s_axil_bresp_o, std::uint32_t)          \
    X(arready, s_axil_arready_o, bool)               \
    X(rvalid, s_axil_rvalid_o, bool)                 \
    X(rdata, s_axil_rdata_o, std::uint32_t)          \
    X(rresp, s_axil_rresp_o, std::uint32_t)

struct RouterModule::Signals {
    Vsim_platform model{"rtl"};
    sc_core::sc_signal<bool> rst_n{"rst_n"};
    std::unique_ptr<VerilatedFstSc> wave;
#define KEYWAY_SIGNAL(pin, port, type)  \
    sc_core::sc_signal<type> pin{#pin}; \
    Shadow pin##_shadow;
    KEYWAY_INPUTS(KEYWAY_SIGNAL)
    KEYWAY_OUTPUTS(KEYWAY_SIGNAL)
#undef KEYWAY_SIGNAL

    Signals() {
        model.rst_ni(rst_n);
#define KEYWAY_BIND(pin, port, type) model.port(pin);
        KEYWAY_INPUTS(KEYWAY_BIND)
        KEYWAY_OUTPUTS(KEYWAY_BIND)
#undef KEYWAY_BIND
    }
    static std::unique_ptr<Signals> make() {
        VerilatedContext& context = *::Verilated::threadContextp();
        context.traceEverOn(true);
        // Registers that no reset clears begin with anything, as in hardware, and with the same each time.
        context.randReset(2);
        context.randSeed(1);
        return std::make_unique<Signals>();
    }
    Pins pins() {
        Pins pins;
#define KEYWAY_PIN(pin, port, type) pins.pin = pin##_shadow.bits();
        KEYWAY_INPUTS(KEYWAY_PIN)
        KEYWAY_OUTPUTS(KEYWAY_PIN)
#undef KEYWAY_PIN
        return pins;
    }
    void load_outputs() {
#define KEYWAY_LOAD(pin, port, type) load(pin##_shadow, pin);
        KEYWAY_OUTPUTS(KEYWAY_LOAD)
#undef KEYWAY_LOAD
    }
    void store_inputs() {
#define KEYWAY_STORE(pin, port, type) store(pin##_shadow, pin);
        KEYWAY_INPUTS(KEYWAY_STORE)
#undef KEYWAY_STORE
    }
};

RouterModule::RouterModule(const sc_core::sc_module_name& name)
    : sc_module(name), signals_(Signals::make()), driver_(signals_->pins()) {
    SC_HAS_PROCESS(RouterModule);
    signals_->model.clk_i(clock);
    registers.register_b_transport(this, &RouterModule::b_transport);
    SC_METHOD(rising_edge);
    dont_initialize();
    sensitive << clock.pos();
}

RouterModule::~RouterModule() = default;

void RouterModule::open_waveform(const std::string& file) {
    signals_->wave = std::make_unique<VerilatedFstSc>();
    signals_->model.trace(signals_->wave.get(), 99);
    signals_->wave->open(file.c_str());
}

void RouterModule::close_waveform() {
    if (signals_->wave) {
        signals_->wave->close();
    }
}

void RouterModule::rising_edge() {
    // Signals still have the values from before the edge, which are those that the router takes.
    if (in_reset_ != 0) {
        --in_reset_;
        signals_->rst_n.write(in_reset_ == 0);
        return;
    }
    signals_->load_outputs();
    driver_.observe();
    if (on_clock) {
        on_clock();
    }
    driver_.drive();
    signals_->store_inputs();
}

void RouterModule::b_transport(tlm::tlm_generic_payload& access, sc_core::sc_time& delay) {
    const std::uint64_t address = access.get_address();
    if (address >= kRegisterBytes || address % 4 != 0) {
        access.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
        return;
    }
    if (access.get_data_length() != 4 || access.get_byte_enable_ptr() != nullptr) {
        access.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
        return;
    }
    if (access.get_command() == tlm::TLM_IGNORE_COMMAND) {
        access.set_response_status(tlm::TLM_COMMAND_ERROR_RESPONSE);
        return;
    }
    sc_core::wait(delay);
    delay = sc_core::SC_ZERO_TIME;
    std::uint32_t value = 0;
    sc_core::sc_event answered;
    const auto done = [&](std::uint32_t read) {
        value = read;
        answered.notify(sc_core::SC_ZERO_TIME);
    };
    if (access.is_write()) {
        std::memcpy(&value, access.get_data_ptr(), sizeof value);
        driver_.queue_write(static_cast<std::uint32_t>(address), value, done);
        sc_core::wait(answered);
    } else {
        driver_.queue_read(static_cast<std::uint32_t>(address), done);
        sc_core::wait(answered);
        std::memcpy(access.get_data_ptr(), &value, sizeof value);
    }
    access.set_response_status(tlm::TLM_OK_RESPONSE);
}

}  // namespace keyway::sim
