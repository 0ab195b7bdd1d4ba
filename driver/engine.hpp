#pragma once

// A board as the engine of a router: keywayd --engine usb. docs/engines.md.
//
// When the board fails (unplugged, silent, or it says what makes no sense) the question under way, and all
// that follow, are left to the software. A thread of its own then looks for the board, and opens it anew; the
// next question goes to it again. Its table is empty then, so no right comes back that was recalled
// meanwhile.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "driver/board.hpp"
#include "driver/session.hpp"
#include "keyway/engine.hpp"

namespace keyway::device {

/// For the router's thread only, but for open() and the destructor.
class BoardEngine final : public Engine {
  public:
    struct Options {
        Wanted wanted{};
        /// Firmware goes into a blank chip, and `bitstream` into the FPGA. False: only a board that runs
        /// Keyway's firmware, and has an FPGA that is loaded, is touched at all.
        bool may_load = true;
        std::string bitstream{};  ///< as its file has it; empty: the FPGA is loaded already
        Session::Limits limits{};
        /// Told when the board goes and when it is back, from either thread; may be null.
        std::function<void(std::string_view)> log{};
    };

    /// Opens the board; fails as load_board() and Session::open(), and with kFpgaEmpty.
    [[nodiscard]] static Result<std::shared_ptr<BoardEngine>> open(std::unique_ptr<Usb> usb, Options options);
    BoardEngine(const BoardEngine&) = delete;
    BoardEngine& operator=(const BoardEngine&) = delete;
    ~BoardEngine() override;

    /// `kUsb` while there is a board, else `kSoftware`.
    [[nodiscard]] EngineKind kind() const noexcept override;
    std::optional<Verdict> judge(const Question& question) override;
    void forget(std::uint32_t capability) override;
    /// Never: it comes back.
    [[nodiscard]] bool failed() const noexcept override { return false; }

  private:
    BoardEngine(std::unique_ptr<Usb> usb, Options options);
    [[nodiscard]] Result<std::unique_ptr<Session>> open_session();
    [[nodiscard]] Result<std::unique_ptr<Session>> session_over(std::unique_ptr<Transport> transport);
    /// The session, if there is one.
    [[nodiscard]] Session* session();
    void lose(const Error& why);
    void look_for_it();
    [[nodiscard]] std::unique_ptr<Session> find_it(milliseconds pause);
    [[nodiscard]] bool ends_within(milliseconds pause);
    void say(std::string_view text) const;

    const std::unique_ptr<Usb> usb_;
    const Options options_;
    std::unique_ptr<Session> session_;  ///< the router's thread has it
    std::atomic<bool> is_back_{false};  ///< fresh_ is there

    // Between the two threads.
    std::mutex lock_;
    std::condition_variable changed_;
    std::unique_ptr<Session> fresh_;  ///< not used yet
    std::unique_ptr<Session> dead_;   ///< to be closed: that may take the kernel a while
    bool lost_ = false;               ///< the thread has something to do
    bool ends_ = false;
    std::thread thread_;  ///< since the first loss
};

}  // namespace keyway::device
