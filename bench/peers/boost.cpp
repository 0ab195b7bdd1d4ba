// Boost.Interprocess message_queue, as its documentation's "Message Queue" section shows: one queue each way,
// made for the size that is sent. Spinning uses try_send and try_receive.

#include <unistd.h>

#include <algorithm>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cerrno>
#include <optional>

#include "processes.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

using boost::interprocess::message_queue;

class BoostQueue final : public Transport {
  public:
    explicit BoostQueue(const Setting& setting) : spins_(setting.spins()) {}
    void start(std::size_t) override {
        static int made = 0;
        base_ = "keyway-bench-" + std::to_string(::getpid()) + "-" + std::to_string(made++);
    }
    void open(Side) override {}
    bool prepare(Side side, std::size_t bytes) override {
        namespace ipc = boost::interprocess;
        const bool client = side == Side::kClient;
        const std::string there = base_ + "-there";
        const std::string back = base_ + "-back";
        in_queue_.reset();
        out_queue_.reset();
        try {
            if (client) {
                const std::size_t messages = std::clamp<std::size_t>(kQueueBytes / bytes, 2, 256);
                out_queue_.emplace(ipc::create_only, there.c_str(), messages, bytes);
                in_queue_.emplace(ipc::create_only, back.c_str(), messages, bytes);
                made_.meet(side);
                opened_.meet(side);
                message_queue::remove(there.c_str());
                message_queue::remove(back.c_str());
            } else {
                made_.meet(side);
                out_queue_.emplace(ipc::open_only, back.c_str());
                in_queue_.emplace(ipc::open_only, there.c_str());
                opened_.meet(side);
            }
        } catch (const ipc::interprocess_exception& error) {
            errno = 0;
            give_up(error.what());
        }
        out_.resize(std::max(bytes, out_.size()));
        in_.resize(out_.size());
        return true;
    }
    std::span<std::byte> room(std::size_t bytes) override { return {out_.data(), bytes}; }
    void send(std::size_t bytes, bool) override {
        if (!spins_) {
            out_queue_->send(out_.data(), bytes, 0);
            return;
        }
        while (!out_queue_->try_send(out_.data(), bytes, 0)) {
        }
    }
    std::span<const std::byte> receive(std::size_t) override {
        message_queue::size_type taken = 0;
        unsigned priority = 0;
        if (!spins_) {
            in_queue_->receive(in_.data(), in_.size(), taken, priority);
        } else {
            while (!in_queue_->try_receive(in_.data(), in_.size(), taken, priority)) {
            }
        }
        return {in_.data(), taken};
    }

  private:
    static constexpr std::size_t kQueueBytes = std::size_t{4} << 20;

    bool spins_;
    std::string base_;
    Rendezvous made_;
    Rendezvous opened_;
    std::optional<message_queue> out_queue_;
    std::optional<message_queue> in_queue_;
    std::vector<std::byte> out_;
    std::vector<std::byte> in_;
};

}  // namespace

std::unique_ptr<Transport> make_boost(const Setting& setting) {
    return std::make_unique<BoostQueue>(setting);
}

}  // namespace keyway::bench
