// Which systems there are. The peers are built in where CMake found them.

#include <unistd.h>

#include "processes.hpp"
#include "transport.hpp"

namespace keyway::bench {

Rendezvous::Rendezvous() {
    if (::pipe(to_client_) != 0 || ::pipe(to_partner_) != 0) {
        give_up("can't make a pipe");
    }
}

Rendezvous::~Rendezvous() {
    for (const int fd : {to_client_[0], to_client_[1], to_partner_[0], to_partner_[1]}) {
        ::close(fd);
    }
}

void Rendezvous::tell(Side us) const {
    const char token = 1;
    if (::write(us == Side::kClient ? to_partner_[1] : to_client_[1], &token, 1) != 1) {
        give_up("can't write to a pipe");
    }
}

void Rendezvous::wait(Side us) const {
    char token = 0;
    if (::read(us == Side::kClient ? to_client_[0] : to_partner_[0], &token, 1) != 1) {
        give_up("the other side has not started");
    }
}

std::vector<System> all_systems() {
    std::vector<System> systems;
    add_floors(systems);
    add_keyway(systems);
    add_kernel(systems);
    const std::string kernel = "none";
    systems.push_back({.name = "zeromq",
                       .package = "libzmq3-dev",
                       .spinning = false,
                       .authority = "once, by the socket's file",
                       .audit = kernel,
                       .integrity = "the receiver has its own copy",
#ifdef KEYWAY_BENCH_ZEROMQ
                       .make = make_zeromq
#endif
    });
    systems.push_back({.name = "nng",
                       .package = "libnng-dev",
                       .spinning = false,
                       .authority = "once, by the socket's file",
                       .audit = kernel,
                       .integrity = "the receiver has its own copy",
#ifdef KEYWAY_BENCH_NNG
                       .make = make_nng
#endif
    });
    systems.push_back({.name = "iceoryx",
                       .package = "libiceoryx-posh-dev",
                       .authority = "once, by the memory's group",
                       .audit = kernel,
                       .integrity = "sender and receiver share writable memory",
#ifdef KEYWAY_BENCH_ICEORYX
                       .make = make_iceoryx
#endif
    });
    systems.push_back({.name = "boost queue",
                       .package = "libboost-dev",
                       .authority = "once, by the memory's file",
                       .audit = kernel,
                       .integrity = "both share the queue's writable memory and its lock",
#ifdef KEYWAY_BENCH_BOOST
                       .make = make_boost
#endif
    });
    systems.push_back({.name = "d-bus",
                       .package = "libsystemd-dev",
                       .spinning = false,
                       .authority = "each message, by the daemon's policy",
                       .audit = "none, unless a monitor is attached",
                       .integrity = "the daemon checks each message; the receiver has its own copy",
#ifdef KEYWAY_BENCH_DBUS
                       .make = make_dbus
#endif
    });
    return systems;
}

}  // namespace keyway::bench
