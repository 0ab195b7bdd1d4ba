#pragma once

// What stands behind the FIFOs of a board's USB controller: bytes in, packets out.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "driver/credit.hpp"
#include "driver/frame.hpp"

namespace keyway::sim {

/// Not thread-safe.
class Fpga {
  public:
    static constexpr std::size_t kPacket = 512;
    /// Bytes that the chip holds on their way to the FPGA: four packets.
    static constexpr std::size_t kHolds = 4 * kPacket;

    virtual ~Fpga() = default;
    Fpga() = default;
    Fpga(const Fpga&) = delete;
    Fpga& operator=(const Fpga&) = delete;

    /// True: the FPGA is configured and the FIFOs carry bytes. While it is false the FPGA is as if without
    /// power.
    virtual void set_running(bool running) = 0;
    /// Empties the FIFOs.
    virtual void clear() = 0;
    /// Bytes that take() has room for.
    [[nodiscard]] virtual std::size_t room() const = 0;
    /// More than room() is taken too: the chip would have made the host wait.
    virtual void take(std::span<const std::byte> bytes) = 0;
    /// The next packet for the host, of kPacket bytes at most; one without content ends a transfer, too.
    virtual std::optional<std::vector<std::byte>> give() = 0;
    /// Lets so many clocks of the FIFO bus pass. False: nothing moves any more, until bytes are taken.
    virtual bool run(unsigned clocks) = 0;
    /// Clocks that have passed.
    [[nodiscard]] virtual std::uint64_t clocks() const = 0;
};

/// One that speaks the link's frames and takes no time; what it does with bodies is for those who derive from
/// it.
class FramedFpga : public Fpga {
  public:
    void set_running(bool running) override;
    void clear() override;
    [[nodiscard]] std::size_t room() const override;
    void take(std::span<const std::byte> bytes) override;
    std::optional<std::vector<std::byte>> give() override;
    bool run(unsigned clocks) override;
    [[nodiscard]] std::uint64_t clocks() const override { return clocks_; }

    [[nodiscard]] unsigned hellos() const { return hellos_; }

  protected:
    static constexpr std::uint16_t kBody = 40;  ///< bytes that it takes

    /// A new session began: after a hello, before its answer.
    virtual void begin() = 0;
    /// A frame with a body, in its order.
    virtual void serve(const device::FrameDecoder::View& view) = 0;
    [[nodiscard]] bool may_send() const { return book_.may_send(); }
    void send(FrameKind kind, std::span<const std::byte> body);

  private:
    void answer(const device::FrameDecoder::View& view);
    void open(const device::FrameDecoder::View& view);

    bool running_ = false;
    bool full_packet_ = false;  ///< the last one was: an empty one has to follow
    device::CreditBook book_{16};
    device::FrameDecoder decoder_{kBody};
    std::vector<std::byte> to_host_;
    std::size_t given_ = 0;  ///< bytes of to_host_ that the host has
    std::uint64_t clocks_ = 0;
    unsigned hellos_ = 0;
};

/// Sends every body back as a delivery.
class EchoFpga : public FramedFpga {
  public:
    /// Bodies that were taken.
    [[nodiscard]] std::uint64_t taken() const { return taken_; }

  private:
    void begin() override {}
    void serve(const device::FrameDecoder::View& view) override;

    std::uint64_t taken_ = 0;
};

}  // namespace keyway::sim
