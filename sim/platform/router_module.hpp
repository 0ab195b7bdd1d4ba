// The Verilated router as a SystemC module: registers behind a TLM-2.0 socket, streams through a Driver.
//
// It is the cycle-accurate part of the platform: an access of the host waits until the clock has come to the
// host's time, and returns in the clock in which the router has answered.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <tlm_utils/simple_target_socket.h>
#include <systemc>
#include <tlm>

#include "keyway/sim/driver.hpp"

namespace keyway::sim {

class RouterModule final : public sc_core::sc_module {
  public:
    explicit RouterModule(const sc_core::sc_module_name& name);
    ~RouterModule() override;
    RouterModule(const RouterModule&) = delete;
    RouterModule& operator=(const RouterModule&) = delete;
    RouterModule(RouterModule&&) = delete;
    RouterModule& operator=(RouterModule&&) = delete;

    sc_core::sc_in<bool> clock{"clock"};
    /// The register file: 32-bit accesses at 0x000 to 0xFFC. Anything else is an error response.
    tlm_utils::simple_target_socket<RouterModule> registers{"registers"};

    [[nodiscard]] Driver& driver() { return driver_; }
    /// Called at every rising edge after reset, once what the edge takes is known.
    std::function<void()> on_clock;
    /// Everything inside the router, from now on, in `file`. After elaboration.
    void open_waveform(const std::string& file);
    void close_waveform();

  private:
    struct Signals;
    void b_transport(tlm::tlm_generic_payload& access, sc_core::sc_time& delay);
    void rising_edge();

    std::unique_ptr<Signals> signals_;
    Driver driver_;
    unsigned in_reset_ = 8;
};

}  // namespace keyway::sim
