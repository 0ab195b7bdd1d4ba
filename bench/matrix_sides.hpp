#pragma once

// The two processes that a system is measured between, and the orders that they take.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "histogram.hpp"
#include "peers/transport.hpp"
#include "processes.hpp"

namespace keyway::bench {

/// What the two sides tell of a run. In memory that they share with us.
struct SidesResult {
    Histogram round_trip;  ///< a message there and one back
    Histogram one_way;     ///< a message there
    double seconds;        ///< from the first message until the last was read
    bool takes;            ///< this size
    bool partner_takes;
};

/// A system in one setting: client, partner and helpers. Between orders they sleep.
class Sides {
  public:
    /// Starts them.
    Sides(const System& system, const Setting& setting, std::size_t greatest);
    Sides(const Sides&) = delete;
    Sides& operator=(const Sides&) = delete;
    ~Sides();

    /// False when the system doesn't take messages of this size. All orders are for this size then.
    bool prepare(std::size_t bytes);
    /// So many there and back; each was checked. The result is that of this run alone.
    void round_trips(std::uint64_t count);
    /// So many one way, as fast as it goes.
    void one_way(std::uint64_t count);
    /// Empty, or what went wrong: then it takes no more orders.
    [[nodiscard]] const std::string& fault() const { return fault_; }
    [[nodiscard]] const SidesResult& result() const { return shared_->as<SidesResult>(); }

    /// One process is both sides.
    [[nodiscard]] bool alone() const { return transport_->alone(); }
    /// ns of all of its processes, since they began.
    [[nodiscard]] double cpu_ns() const;
    /// Bytes of memory of all of its processes; what several share is counted once.
    [[nodiscard]] double memory() const;
    /// System calls that `count` round trips take, or nothing where we may not count.
    [[nodiscard]] std::optional<double> system_calls(std::uint64_t count);
    void rest() { transport_->rest(); }
    void resume() { transport_->resume(); }

  private:
    struct Order {
        int what;
        std::uint64_t bytes;
        std::uint64_t count;
    };
    void serve(Side side, int orders, int done);
    bool give(int what, std::uint64_t count);
    bool send_order(int what, std::uint64_t count);
    bool wait_done();
    [[nodiscard]] std::vector<pid_t> processes() const;
    void failed(const std::string& why);

    std::string name_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<SharedPages> shared_;
    int client_orders_ = -1;
    int partner_orders_ = -1;
    int done_ = -1;
    std::unique_ptr<Child> partner_;
    std::unique_ptr<Child> client_;
    std::size_t bytes_ = 0;
    std::string fault_;
};

}  // namespace keyway::bench
