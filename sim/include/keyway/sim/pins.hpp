// The pins of the hardware router's top, whatever its parameters are and whoever simulates it.
//
// Verilator gives a signal the type of its width: 8, 16, 32 and 64 bits, and an array of 32-bit words above.
// In memory all of these are the same on a little-endian machine: bytes, the lowest bit first. `Bits` looks
// at them as such, so that code on top of it is written once, and not once a parameter set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "keyway/protocol.hpp"

namespace keyway::sim {

/// A signal's bits. Does not own them: the model, or whoever stands in for it, has to live longer.
class Bits {
  public:
    Bits() = default;
    /// `signal` is a port of a verilated model, or an array of bytes or words.
    template <typename Signal>
    requires std::is_trivially_copyable_v<Signal>
    explicit Bits(Signal& signal) : bytes_(reinterpret_cast<unsigned char*>(&signal)), size_(sizeof signal) {}
    /// `size` bytes from `bytes` on, the lowest bit first.
    Bits(unsigned char* bytes, std::size_t size) : bytes_(bytes), size_(size) {}

    /// `width` bits (1 to 32) from bit `at` on; those past the end are 0.
    [[nodiscard]] std::uint32_t get(std::size_t at, unsigned width) const {
        std::uint64_t value = 0;
        const std::size_t first = at / 8;
        for (std::size_t byte = 0; byte < 5 && first + byte < size_; ++byte) {
            value |= std::uint64_t{bytes_[first + byte]} << (8 * byte);
        }
        return static_cast<std::uint32_t>(value >> (at % 8) & mask(width));
    }
    /// Those past the end are dropped, so a pin that the model does not have may be written.
    void set(std::size_t at, unsigned width, std::uint32_t value) {
        const std::uint64_t keep = mask(width) << (at % 8);
        const std::uint64_t bits = (std::uint64_t{value} & mask(width)) << (at % 8);
        const std::size_t first = at / 8;
        for (std::size_t byte = 0; byte < 5 && first + byte < size_; ++byte) {
            const auto kept = static_cast<unsigned char>(keep >> (8 * byte));
            bytes_[first + byte] = static_cast<unsigned char>((bytes_[first + byte] & ~kept) |
                                                              static_cast<unsigned char>(bits >> (8 * byte)));
        }
    }
    /// The bit `at`.
    [[nodiscard]] bool on(std::size_t at = 0) const { return get(at, 1) != 0; }
    /// Sets or clears the bit `at`.
    void put(bool value, std::size_t at = 0) { set(at, 1, value ? 1 : 0); }

  private:
    static constexpr std::uint64_t mask(unsigned width) { return (std::uint64_t{1} << width) - 1; }
    unsigned char* bytes_ = nullptr;
    std::size_t size_ = 0;
};

/// Names as in rtl/keyway_router.sv, without the direction at their end.
struct Pins {
    ///@{
    /// A pin of this name.
    Bits clk, rst_n;
    Bits s_tvalid, s_tready, s_tdata, s_tlast;
    Bits m_tvalid, m_tready, m_tdata, m_tdest, m_tlast;
    Bits audit_valid, audit_ready, audit_event;
    Bits awvalid, awready, awaddr, wvalid, wready, wdata, bvalid, bready, bresp;
    Bits arvalid, arready, araddr, rvalid, rready, rdata, rresp;
    ///@}

    /// Those of a C++ model of Verilator with `keyway_router` as its top module.
    template <typename Model>
    static Pins of(Model& model) {
        Pins pins;
        pins.clk = Bits(model.clk_i);
        pins.rst_n = Bits(model.rst_ni);
        pins.s_tvalid = Bits(model.s_axis_tvalid_i);
        pins.s_tready = Bits(model.s_axis_tready_o);
        pins.s_tdata = Bits(model.s_axis_tdata_i);
        pins.s_tlast = Bits(model.s_axis_tlast_i);
        pins.m_tvalid = Bits(model.m_axis_tvalid_o);
        pins.m_tready = Bits(model.m_axis_tready_i);
        pins.m_tdata = Bits(model.m_axis_tdata_o);
        pins.m_tdest = Bits(model.m_axis_tdest_o);
        pins.m_tlast = Bits(model.m_axis_tlast_o);
        pins.audit_valid = Bits(model.audit_valid_o);
        pins.audit_ready = Bits(model.audit_ready_i);
        pins.audit_event = Bits(model.audit_event_o);
        pins.awvalid = Bits(model.s_axil_awvalid_i);
        pins.awready = Bits(model.s_axil_awready_o);
        pins.awaddr = Bits(model.s_axil_awaddr_i);
        pins.wvalid = Bits(model.s_axil_wvalid_i);
        pins.wready = Bits(model.s_axil_wready_o);
        pins.wdata = Bits(model.s_axil_wdata_i);
        pins.bvalid = Bits(model.s_axil_bvalid_o);
        pins.bready = Bits(model.s_axil_bready_i);
        pins.bresp = Bits(model.s_axil_bresp_o);
        pins.arvalid = Bits(model.s_axil_arvalid_i);
        pins.arready = Bits(model.s_axil_arready_o);
        pins.araddr = Bits(model.s_axil_araddr_i);
        pins.rvalid = Bits(model.s_axil_rvalid_o);
        pins.rready = Bits(model.s_axil_rready_i);
        pins.rdata = Bits(model.s_axil_rdata_o);
        pins.rresp = Bits(model.s_axil_rresp_o);
        return pins;
    }
};

}  // namespace keyway::sim
