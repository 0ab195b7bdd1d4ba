#pragma once

// Where descriptors are kept that shall outlive the router: the service manager, or a keeper process of our
// own (daemon/keeper.hpp). Both speak the same documented protocol, that of sd_notify(3): a datagram
// "FDSTORE=1\nFDNAME=x" with a descriptor, and "FDSTOREREMOVE=1\nFDNAME=x". What was sent is kept, also when
// the sender dies in the next instruction: the descriptor is in the socket by then.

#include <map>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace keyway {

/// For RouterOptions::state.
class StateStore {
  public:
    StateStore() = default;
    /// `socket`: connected to the keeper, or to the manager's notify socket. `kept`: what an earlier router
    /// has left there, by name.
    StateStore(UniqueFd socket, std::multimap<std::string, UniqueFd> kept)
        : socket_(std::move(socket)), kept_(std::move(kept)) {}

    /// Takes what was kept under a name; none when there is none.
    [[nodiscard]] UniqueFd take(const std::string& name);
    /// Looks without taking; -1 when there is none.
    [[nodiscard]] int look(const std::string& name) const;
    /// Forgets what an earlier router has left and nobody took.
    void drop_rest();
    /// False when it could not be sent: it is not kept then.
    bool keep(const std::string& name, int fd);
    void forget(const std::string& name);
    /// Everything may go: the router ends in order.
    void end();

  private:
    bool send(const std::string& text, int fd);

    UniqueFd socket_;
    std::multimap<std::string, UniqueFd> kept_;
};

}  // namespace keyway
