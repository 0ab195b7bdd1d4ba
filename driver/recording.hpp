#pragma once

// What went over a board's link, as a capture for Wireshark, and once more over another board.
//
//     device::Recorder recorder(file, "my program");
//     device::RecordingTransport transport(*board, recorder);   // stands for the board from now on
//
// A packet is a frame without stuffing and checksum: the head of 8 bytes and the body. Frames that were
// damaged are not in the capture; what is missing shows in the sequence numbers. Control requests are not
// recorded.

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pcapng.hpp"
#include "driver/frame.hpp"
#include "driver/transport.hpp"

namespace keyway::device {

/// Not thread-safe.
class Recorder {
  public:
    /// Writes to `file`, which stays the caller's and must outlive it. `program` is named in the capture.
    Recorder(std::FILE* file, std::string_view program);

    /// Bytes in the order in which they went out or came in, in pieces of any size.
    void to_board(std::span<const std::byte> bytes);
    void from_board(std::span<const std::byte> bytes);
    [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }
    /// False once a frame could not be written.
    [[nodiscard]] bool good() const { return writer_.good(); }

  private:
    void add(const FrameDecoder::View& view, PcapngWriter::Direction direction);

    PcapngWriter writer_;
    FrameDecoder out_, in_;
    std::uint64_t frames_ = 0;
};

/// A transport that does what another one does, and shows the recorder every byte of frames. Both must
/// outlive it.
class RecordingTransport : public Transport {
  public:
    RecordingTransport(Transport& board, Recorder& recorder) : board_(board), recorder_(recorder) {}

    Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                   milliseconds timeout) override;
    Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                             milliseconds timeout) override;
    Result<void> send(std::span<const std::byte> bytes, milliseconds timeout) override;
    Result<std::size_t> receive(std::span<std::byte> into, milliseconds timeout) override;
    Result<void> clear_halts() override;

  private:
    Transport& board_;
    Recorder& recorder_;
};

/// One frame of a recording.
struct Recorded {
    bool to_board = false;
    std::uint64_t time_ns = 0;  ///< since 1970
    Frame head;
    std::vector<std::byte> body;
};
/// The content of a file is not trusted. Nothing when it is no recording of Recorder's.
[[nodiscard]] std::optional<std::vector<Recorded>> read_recording(std::span<const std::byte> content);

/// What became of a recording that was played to a board.
struct Replayed {
    std::uint64_t sessions = 0;
    std::uint64_t given = 0;        ///< frames that went to the board
    std::uint64_t answers = 0;      ///< that came back
    std::uint64_t expected = 0;     ///< that came back when it was recorded
    std::uint64_t differences = 0;  ///< answers that are others than then, too many, or missing
    std::string first;              ///< the first difference, for people
};
/// Plays what went to the board, in its order and as fast as the board takes it, each session as a session of
/// its own; and compares events, acknowledgements and deliveries with those of the recording, each kind in
/// its order, and deliveries in that of their destination. The router's clock is not compared: ticks of
/// events, timestamps of deliveries. Differences are no error here; what the transport says is.
[[nodiscard]] Result<Replayed> replay(Transport& transport, std::span<const Recorded> recording);

}  // namespace keyway::device
