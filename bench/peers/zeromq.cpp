// ZeroMQ over ipc: a PUSH and a PULL socket each way, as libzmq's own throughput tests use
// (perf/local_thr.cpp), with one I/O thread (zmq_ctx_set(3): ZMQ_IO_THREADS, "1"), and messages that are made
// in place (zmq_msg_init_size(3)).

#include <unistd.h>
#include <zmq.h>

#include <cerrno>
#include <optional>

#include "processes.hpp"
#include "router_process.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

class ZeroMq final : public Transport {
  public:
    ZeroMq() = default;
    ZeroMq(const ZeroMq&) = delete;
    ZeroMq& operator=(const ZeroMq&) = delete;
    ~ZeroMq() override {
        if (context_ != nullptr) {
            ::zmq_msg_close(&in_);
            ::zmq_close(push_);
            ::zmq_close(pull_);
            ::zmq_ctx_term(context_);
        }
    }
    void start(std::size_t) override { folder_.emplace(); }
    void open(Side side) override {
        const bool client = side == Side::kClient;
        const std::string there = "ipc://" + (*folder_ / "there").string();
        const std::string back = "ipc://" + (*folder_ / "back").string();
        context_ = ::zmq_ctx_new();
        pull_ = ::zmq_socket(context_, ZMQ_PULL);
        push_ = ::zmq_socket(context_, ZMQ_PUSH);
        ::zmq_msg_init(&in_);
        bool good = ::zmq_bind(pull_, (client ? back : there).c_str()) == 0;
        bound_.meet(side);
        good = good && ::zmq_connect(push_, (client ? there : back).c_str()) == 0;
        if (!good) {
            give_up("zeromq");
        }
    }
    std::span<std::byte> room(std::size_t bytes) override {
        if (::zmq_msg_init_size(&out_, bytes) != 0) {
            give_up("zmq_msg_init_size");
        }
        return {static_cast<std::byte*>(::zmq_msg_data(&out_)), bytes};
    }
    void send(std::size_t, bool) override {
        while (::zmq_msg_send(&out_, push_, 0) < 0) {
            if (errno != EINTR) {
                give_up("zmq_msg_send");
            }
        }
    }
    std::span<const std::byte> receive(std::size_t) override {
        while (::zmq_msg_recv(&in_, pull_, 0) < 0) {
            if (errno != EINTR) {
                give_up("zmq_msg_recv");
            }
        }
        return {static_cast<const std::byte*>(::zmq_msg_data(&in_)), ::zmq_msg_size(&in_)};
    }

  private:
    std::optional<TemporaryFolder> folder_;
    Rendezvous bound_;
    void* context_ = nullptr;
    void* push_ = nullptr;
    void* pull_ = nullptr;
    zmq_msg_t out_{};
    zmq_msg_t in_{};
};

}  // namespace

std::unique_ptr<Transport> make_zeromq(const Setting&) {
    return std::make_unique<ZeroMq>();
}

}  // namespace keyway::bench
