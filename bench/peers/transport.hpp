#pragma once

// One way of getting bytes from a process to another, behind one interface: Keyway's, the kernel's, and the
// libraries that somebody would use instead.
//
// Whoever sends makes the message in `room`, so that a system which needs no copy does not get one, and
// writes a word into each line of it; who receives reads them all. What a message costs is therefore measured
// from before it is made until after it was read, for all systems alike.

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace keyway::bench {

enum class Waiting { kSpinning, kBlocking };
enum class Side { kClient, kPartner };

/// Where it runs, and how it waits. A helper is a process in between: router, bus daemon.
struct Setting {
    Waiting waiting = Waiting::kSpinning;
    int client_core = 0;
    int partner_core = 0;
    int helper_core = 0;

    [[nodiscard]] bool spins() const { return waiting == Waiting::kSpinning; }
    [[nodiscard]] bool one_core() const { return client_core == partner_core; }
    /// The helper has a core that neither side needs.
    [[nodiscard]] bool core_for_helper() const {
        return helper_core != client_core && helper_core != partner_core;
    }
};

/// Lets two processes wait for each other while they set up. Made before both.
class Rendezvous {
  public:
    Rendezvous();
    Rendezvous(const Rendezvous&) = delete;
    Rendezvous& operator=(const Rendezvous&) = delete;
    ~Rendezvous();
    void tell(Side us) const;
    void wait(Side us) const;
    /// Returns once both have come here.
    void meet(Side us) const {
        tell(us);
        wait(us);
    }

  private:
    int to_client_[2];
    int to_partner_[2];
};

class Transport {
  public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    /// In the process that starts both sides, before it does: helpers, and descriptors for both. `greatest`
    /// is the most bytes that a message will have.
    virtual void start(std::size_t greatest) = 0;
    /// In each side, at the same time.
    virtual void open(Side side) = 0;
    /// In each side, at the same time, before messages of up to `bytes`. False: it doesn't take such
    /// messages; both sides must say the same.
    virtual bool prepare(Side, std::size_t) { return true; }

    /// Where the next message is to be made. Valid until it is sent.
    virtual std::span<std::byte> room(std::size_t bytes) = 0;
    /// Sends what was made there. `more`: others follow at once, so that nobody need be woken for this one
    /// yet.
    virtual void send(std::size_t bytes, bool more) = 0;
    /// The next message, which has `bytes`; valid until the next call of this or of `room`.
    virtual std::span<const std::byte> receive(std::size_t bytes) = 0;

    /// One process is both sides: where a helper that spins takes the other core.
    [[nodiscard]] virtual bool alone() const { return false; }
    /// How many messages may be under way before the receiver must have said that it took half of them; 0:
    /// the system itself makes a sender wait.
    [[nodiscard]] virtual std::size_t window(std::size_t) const { return 0; }
    /// Processes besides the two sides whose time and memory count.
    [[nodiscard]] virtual std::vector<pid_t> helpers() const { return {}; }
    /// Takes helpers that spin off their core while something else is measured there.
    virtual void rest() {}
    virtual void resume() {}
};

/// What a system is, for the table.
struct System {
    std::string name;       ///< as in the table: "keyway lane"
    std::string package{};  ///< of Debian, when it is a peer that may be missing
    bool spinning = true;   ///< it can wait without sleeping
    bool blocking = true;
    bool keyway = false;
    bool floor = false;  ///< nothing is checked and nobody is protected: what the machine can do
    /// What the price buys.
    std::string authority{};  ///< when somebody asks whether the sender may
    std::string audit{};
    std::string integrity{};  ///< what a sender that lies or changes its mind can do to a receiver
    /// Empty when it was not built in.
    std::function<std::unique_ptr<Transport>(const Setting&)> make{};
};

/// All that there are, in the order of the table; those that were not built in have no `make`.
std::vector<System> all_systems();

// One for each file of this folder; see there for how each is set up.
void add_floors(std::vector<System>& systems);
void add_keyway(std::vector<System>& systems);
void add_kernel(std::vector<System>& systems);
std::unique_ptr<Transport> make_zeromq(const Setting& setting);
std::unique_ptr<Transport> make_nng(const Setting& setting);
std::unique_ptr<Transport> make_iceoryx(const Setting& setting);
std::unique_ptr<Transport> make_boost(const Setting& setting);
std::unique_ptr<Transport> make_dbus(const Setting& setting);

}  // namespace keyway::bench
