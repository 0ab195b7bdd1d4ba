#pragma once

// An FPGA with Keyway's device in it, as a program: link, registers, a table of rows, and verdicts by the
// software core's own rules. For tests of what stands above it, where the verilated one would take too long.

#include <vector>

#include "sim/fpga.hpp"

namespace keyway::sim {

/// Not thread-safe.
class CoreFpga : public FramedFpga {
  public:
    struct Shape {
        unsigned row_bits = 8;
        unsigned destination_bits = 8;
    };
    CoreFpga() : CoreFpga(Shape{}) {}
    explicit CoreFpga(Shape shape);

    /// Messages that it had a verdict on, misses included.
    [[nodiscard]] std::uint64_t judged() const { return judged_; }

    /// For tests that want to be found out: what it gets wrong.
    struct Faults {
        bool keeps_rows = false;    ///< a new session finds the table of the last
        bool forgets_late = false;  ///< an invalidate is acknowledged and not done
        bool says_yes = false;      ///< every verdict is `delivered`
        bool answers_twice = false;
    } faults;

  private:
    struct Row {
        bool live = false;
        std::uint32_t slot = 0;
        Entry entry;
    };
    void begin() override;
    void serve(const device::FrameDecoder::View& view) override;
    void access(const device::FrameDecoder::View& view);
    void judge(const Header& header);
    [[nodiscard]] Verdict verdict_on(const Header& header) const;
    [[nodiscard]] Row& row(std::uint32_t slot) { return rows_[slot % rows_.size()]; }

    const Shape shape_;
    std::vector<Row> rows_;
    std::uint16_t sender_ = 0;  ///< that the port is bound to
    bool enabled_ = false, port_enabled_ = false;
    std::uint64_t judged_ = 0;
};

}  // namespace keyway::sim
