// The host's side of the platform, loosely timed: a processor as TLM-2.0 initiator, a memory, a bus.
//
//     Host ──► Bus ──┬──► Memory         0x0000_0000: the capability table, an entry of 16 bytes a slot
//                    └──► RouterModule   0x8000_0000: its registers
//
// The host's time may run ahead of the simulation by a quantum; an access to the router ends that, because
// the router has only its own clock.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <tlm_utils/tlm_quantumkeeper.h>
#include <systemc>
#include <tlm>

#include "keyway/sim/control.hpp"
#include "scoreboard.hpp"

namespace keyway::sim {

inline constexpr std::uint64_t kRouterBase = 0x8000'0000;

class Memory final : public sc_core::sc_module {
  public:
    /// Any access takes `latency`, which is only added up, never waited for.
    Memory(const sc_core::sc_module_name& name, std::size_t bytes, sc_core::sc_time latency);
    tlm_utils::simple_target_socket<Memory> socket{"socket"};

  private:
    void b_transport(tlm::tlm_generic_payload& access, sc_core::sc_time& delay);
    std::vector<unsigned char> bytes_;
    sc_core::sc_time latency_;
};

class Bus final : public sc_core::sc_module {
  public:
    explicit Bus(const sc_core::sc_module_name& name);
    tlm_utils::simple_target_socket<Bus> from_host{"from_host"};
    tlm_utils::simple_initiator_socket<Bus> to_memory{"to_memory"}, to_router{"to_router"};

  private:
    void b_transport(tlm::tlm_generic_payload& access, sc_core::sc_time& delay);
};

class Host final : public sc_core::sc_module, private Control {
  public:
    Host(const sc_core::sc_module_name& name, const Scenario& scenario);
    tlm_utils::simple_initiator_socket<Host> socket{"socket"};

    /// Before the start of simulation: the stream side of the host, and whom it tells what it does.
    void connect(Driver& driver, Scoreboard& scoreboard);
    /// A message came out at the host's destination.
    void take(const Header& header);
    /// Something changed that the host may want to act on.
    void wake() { work_.notify(sc_core::SC_ZERO_TIME); }
    /// The router is set up, and traffic may begin.
    [[nodiscard]] bool ready() const { return ready_; }
    [[nodiscard]] bool idle() const { return idle_ && inbox_.empty(); }
    [[nodiscard]] std::uint64_t misses() const { return misses_; }
    [[nodiscard]] std::uint64_t fills() const { return fills_; }
    [[nodiscard]] std::uint64_t recalls() const { return recalls_; }
    [[nodiscard]] std::uint64_t accesses() const { return accesses_; }

  private:
    void run();
    void set_up();
    void serve(Header header);
    void recall(std::uint32_t slot);
    void load(std::uint32_t slot);
    void transport(tlm::tlm_command command, std::uint64_t address, void* data, unsigned bytes);
    void write(std::uint32_t address, std::uint32_t value) override;
    std::uint32_t read(std::uint32_t address) override;

    const Scenario& scenario_;
    Driver* driver_ = nullptr;
    Scoreboard* scoreboard_ = nullptr;
    tlm_utils::tlm_quantumkeeper keeper_;
    sc_core::sc_event work_;
    std::deque<Header> inbox_;
    std::vector<Recall> due_;  // the last is the next
    bool ready_ = false, idle_ = false;
    std::uint64_t misses_ = 0, fills_ = 0, recalls_ = 0, accesses_ = 0;
};

}  // namespace keyway::sim
