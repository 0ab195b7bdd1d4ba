#pragma once

// A board on a desk, with somebody's hand at the cable: what is plugged in is used from several threads, and
// goes wrong after a number of transfers, in the middle of one.

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "driver/transport.hpp"
#include "sim/core_fpga.hpp"
#include "sim/simulated_board.hpp"

namespace keyway::device {

/// What goes wrong.
enum class Cut : std::uint8_t {
    kUnplug,   ///< part of a transfer went through, and then the board is gone
    kSilence,  ///< it takes everything and says nothing, until it is opened anew
    kLoss,     ///< one byte is missing, in either direction
    kStall,    ///< an endpoint halts
    kCrawl,    ///< every transfer takes as long as it may and nothing comes back, until it is opened anew
};

class Desk {
  public:
    using Power = sim::SimulatedBoard::Power;
    explicit Desk(Power power = Power::kRunning, sim::CoreFpga::Shape shape = {})
        : fpga_(std::make_unique<sim::CoreFpga>(shape)),
          fpga(*fpga_),
          board(power, "desk", std::move(fpga_)) {}
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    ~Desk() = default;

    /// A bus with this board; the desk must outlive it.
    [[nodiscard]] std::unique_ptr<Usb> bus();

    /// The transfer that is `count` ahead goes wrong.
    void arm(unsigned count, Cut how, std::uint32_t seed) {
        const std::lock_guard hold(lock_);
        until_cut_ = count;
        how_ = how;
        random_.seed(seed);
    }
    [[nodiscard]] bool was_cut() {
        const std::lock_guard hold(lock_);
        return until_cut_ == 0;
    }
    void plug_in() {
        const std::lock_guard hold(lock_);
        board.plug_in(Power::kRunning);
        changed_.notify_all();
    }
    void unplug() {
        const std::lock_guard hold(lock_);
        board.unplug();
        changed_.notify_all();
    }
    /// Messages that the board has judged, in all its lives.
    [[nodiscard]] std::uint64_t judged() {
        const std::lock_guard hold(lock_);
        return fpga.judged();
    }
    template <typename Function>
    auto locked(const Function& function) {
        const std::lock_guard hold(lock_);
        return function();
    }

  private:
    class Bus;
    class Cable;
    std::unique_ptr<sim::CoreFpga> fpga_;

  public:
    sim::CoreFpga& fpga;
    sim::SimulatedBoard board;

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    unsigned until_cut_ = 0;  ///< 0: nothing goes wrong
    Cut how_ = Cut::kUnplug;
    std::mt19937 random_;
};

class Desk::Cable : public Transport {
  public:
    Cable(Desk& desk, std::unique_ptr<Transport> inner) : desk_(desk), inner_(std::move(inner)) {}
    Cable(const Cable&) = delete;
    Cable& operator=(const Cable&) = delete;
    ~Cable() override {
        const std::lock_guard hold(desk_.lock_);
        inner_.reset();
    }
    Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                   milliseconds timeout) override {
        const std::lock_guard hold(desk_.lock_);
        return inner_->control_in(request, value, data, timeout);
    }
    Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                             milliseconds timeout) override {
        const std::lock_guard hold(desk_.lock_);
        return inner_->control_out(request, value, data, timeout);
    }
    Result<void> send(std::span<const std::byte> bytes, milliseconds timeout) override {
        const std::lock_guard hold(desk_.lock_);
        if (crawls_) {
            std::this_thread::sleep_for(timeout);
        }
        if (silent_) {
            return {};
        }
        if (!goes_wrong()) {
            return inner_->send(bytes, timeout);
        }
        const std::size_t at = desk_.random_() % bytes.size();
        switch (desk_.how_) {
            case Cut::kUnplug:
                static_cast<void>(inner_->send(bytes.first(at), timeout));
                desk_.board.unplug();
                return Status::kDeviceGone;
            case Cut::kSilence:
                silent_ = true;
                return {};
            case Cut::kLoss: {
                const auto sent = inner_->send(bytes.first(at), timeout);
                return sent ? inner_->send(bytes.subspan(at + 1), timeout) : sent;
            }
            case Cut::kStall:
                return Status::kDeviceRefused;
            case Cut::kCrawl:
                silent_ = crawls_ = true;
                std::this_thread::sleep_for(timeout);
                return {};
        }
        return {};
    }
    Result<std::size_t> receive(std::span<std::byte> into, milliseconds timeout) override {
        const std::lock_guard hold(desk_.lock_);
        if (crawls_) {
            std::this_thread::sleep_for(timeout);
        }
        if (silent_) {
            return std::size_t{0};
        }
        auto got = inner_->receive(into, timeout);
        if (!got || *got == 0 || !goes_wrong()) {
            return got;
        }
        const auto at = static_cast<std::ptrdiff_t>(desk_.random_() % *got);
        switch (desk_.how_) {
            case Cut::kUnplug:
                desk_.board.unplug();
                return Status::kDeviceGone;
            case Cut::kSilence:
                silent_ = true;
                return std::size_t{0};
            case Cut::kLoss:
                std::copy(into.begin() + at + 1, into.begin() + static_cast<std::ptrdiff_t>(*got),
                          into.begin() + at);
                return *got - 1;
            case Cut::kStall:
                return Status::kDeviceRefused;
            case Cut::kCrawl:
                silent_ = crawls_ = true;
                return std::size_t{0};
        }
        return got;
    }
    Result<void> clear_halts() override {
        const std::lock_guard hold(desk_.lock_);
        return inner_->clear_halts();
    }

  private:
    [[nodiscard]] bool goes_wrong() { return desk_.until_cut_ != 0 && --desk_.until_cut_ == 0; }

    Desk& desk_;
    std::unique_ptr<Transport> inner_;
    bool silent_ = false, crawls_ = false;
};

class Desk::Bus : public Usb {
  public:
    explicit Bus(Desk& desk) : desk_(desk) {}
    Result<std::vector<Found>> list() override {
        const std::lock_guard hold(desk_.lock_);
        return desk_.board.list();
    }
    Result<std::unique_ptr<Transport>> open(const Found& found) override {
        const std::lock_guard hold(desk_.lock_);
        auto opened = desk_.board.open(found);
        if (!opened) {
            return opened.error();
        }
        return Result<std::unique_ptr<Transport>>(std::make_unique<Cable>(desk_, std::move(*opened)));
    }
    void wait_for_change(milliseconds timeout) override {
        std::unique_lock hold(desk_.lock_);
        desk_.changed_.wait_for(hold, timeout, [&] { return desk_.board.plugged(); });
    }

  private:
    Desk& desk_;
};

inline std::unique_ptr<Usb> Desk::bus() {
    return std::make_unique<Bus>(*this);
}

}  // namespace keyway::device
