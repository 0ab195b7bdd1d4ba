// nng over ipc: one pair0 socket on each side, as nng's own perf/perf.c uses, messages made in place and
// given away (nng_sendmsg(3)), no limit to their size (nng_options(5): NNG_OPT_RECVMAXSZ 0), room for 128 in
// the socket's queues (NNG_OPT_SENDBUF, NNG_OPT_RECVBUF).

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include <cerrno>
#include <optional>

#include "processes.hpp"
#include "router_process.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

void good(int result) {
    if (result != 0) {
        errno = 0;
        give_up(::nng_strerror(result));
    }
}

class Nng final : public Transport {
  public:
    void start(std::size_t) override { folder_.emplace(); }
    void open(Side side) override {
        constexpr int kQueued = 128;
        const std::string url = "ipc://" + (*folder_ / "pair").string();
        good(::nng_pair0_open(&socket_));
        good(::nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0));
        good(::nng_socket_set_int(socket_, NNG_OPT_SENDBUF, kQueued));
        good(::nng_socket_set_int(socket_, NNG_OPT_RECVBUF, kQueued));
        if (side == Side::kPartner) {
            good(::nng_listen(socket_, url.c_str(), nullptr, 0));
            listening_.tell(side);
        } else {
            listening_.wait(side);
            good(::nng_dial(socket_, url.c_str(), nullptr, 0));
        }
    }
    std::span<std::byte> room(std::size_t bytes) override {
        good(::nng_msg_alloc(&out_, bytes));
        return {static_cast<std::byte*>(::nng_msg_body(out_)), bytes};
    }
    void send(std::size_t, bool) override { good(::nng_sendmsg(socket_, out_, 0)); }
    std::span<const std::byte> receive(std::size_t) override {
        ::nng_msg_free(in_);
        in_ = nullptr;
        good(::nng_recvmsg(socket_, &in_, 0));
        return {static_cast<const std::byte*>(::nng_msg_body(in_)), ::nng_msg_len(in_)};
    }

  private:
    std::optional<TemporaryFolder> folder_;
    Rendezvous listening_;
    nng_socket socket_{};
    nng_msg* out_ = nullptr;
    nng_msg* in_ = nullptr;
};

}  // namespace

std::unique_ptr<Transport> make_nng(const Setting&) {
    return std::make_unique<Nng>();
}

}  // namespace keyway::bench
