// What a host does with the router's registers, over whatever leads to them: AXI4-Lite pins, a TLM socket, a
// board.
//
// docs/rtl.md says what a host must keep to so that the router and the software core agree.
#pragma once

#include <cstdint>
#include <optional>

#include "keyway/protocol.hpp"
#include "keyway/sim/driver.hpp"

namespace keyway::sim {

/// The capability id of a table slot (1 to 2^20 - 1) and its generation (1 to 4095).
[[nodiscard]] constexpr std::uint32_t capability_id(std::uint32_t slot, std::uint16_t generation) {
    return std::uint32_t{generation} << limit::kSlotBits | slot;
}

/// The router's registers, whatever leads to them. Not for several threads at a time.
class Control {
  public:
    virtual ~Control() = default;

    /// Writes a register; `address` as in `keyway::reg`. Returns when the router has answered.
    virtual void write(std::uint32_t address, std::uint32_t value) = 0;
    /// Reads a register, likewise.
    virtual std::uint32_t read(std::uint32_t address) = 0;

    /// Reads the identity block; nullopt when there is no router of this contract's major version.
    std::optional<Geometry> identify();

    /// Opens a port for the messages of one process; sender 0: for any, as the host's own port is.
    void bind(unsigned port, std::uint16_t sender);
    /// Takes no more frames at the port.
    void close(unsigned port);
    /// Gives up the frame that the port is in the middle of; the port stays open or closed.
    void reset_port(unsigned port);
    /// Who owns an endpoint or topic, and for a topic the destinations that get a copy, a bit each.
    void route(std::uint16_t object, std::uint16_t owner, std::uint64_t destinations = 0);
    /// Lets messages through. Bind and route before.
    void start();
    /// Lets nothing through any more; what is set up stays.
    void stop();

    /// Puts an entry into the row of `slot`; returns when it is in force.
    void fill(std::uint32_t slot, const Entry& entry);
    /// Recall: returns when no message can use the row any more.
    void invalidate(std::uint32_t slot);
    /// The entry of the row that `slot` falls on; nullopt when the row is not live, or is another slot's.
    std::optional<Entry> row(std::uint32_t slot);
    /// One more id that the router may give to a new capability: false when its stock is full. The slot's row
    /// must not be in use.
    bool give_id(std::uint32_t id);
    /// Makes every row invalid at once.
    void set_epoch(std::uint32_t epoch);

    ///@{
    /// Address of a register of the hardware's own tables, as in rtl/keyway_rtl_pkg.sv.
    static constexpr std::uint32_t kTableLive = 0x58, kFreeId = 0x60, kRouteIndex = 0x64, kRouteOwner = 0x68,
                                   kRouteMask0 = 0x6C, kRouteMask1 = 0x70;
    ///@}

  protected:
    Control() = default;
    Control(const Control&) = default;
    Control& operator=(const Control&) = default;

  private:
    void command(std::uint32_t slot, std::uint32_t number);
    unsigned row_bits_ = 0;
};

}  // namespace keyway::sim
