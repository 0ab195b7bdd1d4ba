#pragma once

// What two processes of this machine can do at best, with nothing of Keyway in between: the floors.

#include <cstdint>

#include "clock.hpp"
#include "processes.hpp"

namespace keyway::bench {

/// This process and a partner on another (or the same) core. Between measurements the partner sleeps.
class PairFloors {
  public:
    /// `partner_core` may be our own: then only the event descriptors make sense.
    explicit PairFloors(int partner_core);
    ~PairFloors();
    PairFloors(const PairFloors&) = delete;
    PairFloors& operator=(const PairFloors&) = delete;

    /// One cache line there, another back, both sides spinning.
    void line_round_trips(int count, Samples& samples);
    /// One event descriptor there, another back, both sides asleep in between.
    void eventfd_round_trips(int count, Samples& samples);
    /// Records of two lines through a bare ring to the partner, who copies each into a bare ring back and
    /// looks at nothing. Records a second, there and back.
    double forwarded_per_second(int count);

  private:
    struct Shared;
    struct Command {
        int what;
        int count;
    };
    void serve();
    void tell(Command command) const;

    SharedPages pages_;
    Shared& shared_;
    int commands_[2];
    int event_there_;
    int event_back_;
    std::uint64_t posted_ = 0;  ///< in the bare rings, since the start
    std::uint64_t taken_ = 0;
    std::unique_ptr<Child> partner_;
};

}  // namespace keyway::bench
