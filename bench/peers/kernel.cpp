// What the kernel offers: a pipe, Unix sockets, a POSIX message queue. docs/performance/setup.md says how
// each is set up. Spinning means descriptors that don't block, asked again and again.

#include <fcntl.h>
#include <mqueue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "processes.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

/// A system that copies out of a buffer of ours and into one.
class Copied : public Transport {
  public:
    void start(std::size_t) override {}
    std::span<std::byte> room(std::size_t bytes) override { return {out_.data(), bytes}; }

  protected:
    void reserve(std::size_t bytes) {
        out_.resize(std::max(bytes, out_.size()));
        in_.resize(out_.size());
    }
    // `once` returns bytes, 0 for the end, or -1 with errno.
    static std::size_t repeat(const std::function<ssize_t()>& once, const char* what) {
        for (;;) {
            const ssize_t done = once();
            if (done > 0) {
                return static_cast<std::size_t>(done);
            }
            if (done == 0 || (errno != EAGAIN && errno != EINTR)) {
                give_up(what);
            }
        }
    }

    std::vector<std::byte> out_;
    std::vector<std::byte> in_;
};

void make_nonblocking(int fd) {
    if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        give_up("O_NONBLOCK");
    }
}

/// A stream of bytes: as many as the message has.
class ByteStream : public Copied {
  public:
    explicit ByteStream(const Setting& setting) : spins_(setting.spins()) {}
    bool prepare(Side, std::size_t bytes) override {
        reserve(bytes);
        return true;
    }
    void send(std::size_t bytes, bool) override {
        for (std::size_t at = 0; at < bytes;) {
            at += repeat([&] { return ::write(write_fd_, out_.data() + at, bytes - at); }, "write");
        }
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        for (std::size_t at = 0; at < bytes;) {
            at += repeat([&] { return ::read(read_fd_, in_.data() + at, bytes - at); }, "read");
        }
        return {in_.data(), bytes};
    }

  protected:
    void use(int read_fd, int write_fd) {
        read_fd_ = read_fd;
        write_fd_ = write_fd;
        if (spins_) {
            make_nonblocking(read_fd);
            make_nonblocking(write_fd);
        }
    }

  private:
    bool spins_;
    int read_fd_ = -1;
    int write_fd_ = -1;
};

class Pipe final : public ByteStream {
  public:
    using ByteStream::ByteStream;
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() override {
        for (const int fd : {there_[0], there_[1], back_[0], back_[1]}) {
            ::close(fd);
        }
    }
    void start(std::size_t) override {
        if (::pipe(there_) != 0 || ::pipe(back_) != 0) {
            give_up("can't make a pipe");
        }
        constexpr int kBytes = 1 << 20;
        ::fcntl(there_[1], F_SETPIPE_SZ, kBytes);  // refused where a limit is lower: then it is as it was
        ::fcntl(back_[1], F_SETPIPE_SZ, kBytes);
    }
    void open(Side side) override {
        const bool client = side == Side::kClient;
        use(client ? back_[0] : there_[0], client ? there_[1] : back_[1]);
    }

  private:
    int there_[2] = {-1, -1};
    int back_[2] = {-1, -1};
};

class StreamSocket final : public ByteStream {
  public:
    using ByteStream::ByteStream;
    StreamSocket(const StreamSocket&) = delete;
    StreamSocket& operator=(const StreamSocket&) = delete;
    ~StreamSocket() override {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    void start(std::size_t) override {
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) != 0) {
            give_up("socketpair");
        }
    }
    void open(Side side) override {
        const int fd = ends_[side == Side::kClient ? 0 : 1];
        use(fd, fd);
    }

  private:
    int ends_[2] = {-1, -1};
};

class PacketSocket final : public Copied {
  public:
    explicit PacketSocket(const Setting& setting) : spins_(setting.spins()) {}
    PacketSocket(const PacketSocket&) = delete;
    PacketSocket& operator=(const PacketSocket&) = delete;
    ~PacketSocket() override {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    void start(std::size_t) override {
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_) != 0) {
            give_up("socketpair");
        }
    }
    void open(Side side) override {
        fd_ = ends_[side == Side::kClient ? 0 : 1];
        if (spins_) {
            make_nonblocking(fd_);
        }
    }
    // A packet must fit the socket's buffer, and the kernel keeps its own books in it.
    bool prepare(Side, std::size_t bytes) override {
        int buffer = 0;
        socklen_t size = sizeof buffer;
        if (::getsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &buffer, &size) != 0 ||
            2 * bytes > static_cast<std::size_t>(buffer)) {
            return false;
        }
        reserve(bytes);
        return true;
    }
    void send(std::size_t bytes, bool) override {
        repeat([&] { return ::send(fd_, out_.data(), bytes, 0); }, "send");
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        const std::size_t taken = repeat([&] { return ::recv(fd_, in_.data(), in_.size(), 0); }, "recv");
        return {in_.data(), std::min(taken, bytes)};
    }

  private:
    bool spins_;
    int ends_[2] = {-1, -1};
    int fd_ = -1;
};

class PosixQueue final : public Copied {
  public:
    explicit PosixQueue(const Setting& setting) : spins_(setting.spins()) {}
    PosixQueue(const PosixQueue&) = delete;
    PosixQueue& operator=(const PosixQueue&) = delete;
    ~PosixQueue() override { forget(); }
    void start(std::size_t) override {
        base_ = "/keyway-bench-" + std::to_string(::getpid()) + (spins_ ? "s" : "b");
    }
    void open(Side) override {}
    bool prepare(Side side, std::size_t bytes) override {
        forget();
        const bool client = side == Side::kClient;
        if (client) {
            // As many as an unprivileged user may have, of the size that is sent.
            mq_attr attributes{};
            attributes.mq_maxmsg = 10;
            attributes.mq_msgsize = static_cast<long>(bytes);
            for (const char* direction : {"t", "b"}) {
                const mqd_t queue =
                    ::mq_open((base_ + direction).c_str(), O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
                if (queue >= 0) {
                    ::mq_close(queue);
                }
            }
            made_.tell(side);
        } else {
            made_.wait(side);
        }
        const int flags = spins_ ? O_NONBLOCK : 0;
        out_queue_ = ::mq_open((base_ + (client ? "t" : "b")).c_str(), O_WRONLY | flags);
        in_queue_ = ::mq_open((base_ + (client ? "b" : "t")).c_str(), O_RDONLY | flags);
        made_.meet(side);
        if (client) {
            ::mq_unlink((base_ + "t").c_str());
            ::mq_unlink((base_ + "b").c_str());
        }
        reserve(bytes);
        in_.resize(bytes);  // mq_receive wants no less than the queue's messages have
        out_.resize(bytes);
        return out_queue_ >= 0 && in_queue_ >= 0;
    }
    void send(std::size_t bytes, bool) override {
        repeat(
            [&]() -> ssize_t {
                return ::mq_send(out_queue_, reinterpret_cast<const char*>(out_.data()), bytes, 0) == 0 ? 1
                                                                                                        : -1;
            },
            "mq_send");
    }
    std::span<const std::byte> receive(std::size_t bytes) override {
        const std::size_t taken = repeat(
            [&] { return ::mq_receive(in_queue_, reinterpret_cast<char*>(in_.data()), in_.size(), nullptr); },
            "mq_receive");
        return {in_.data(), std::min(taken, bytes)};
    }

  private:
    void forget() {
        for (mqd_t* queue : {&out_queue_, &in_queue_}) {
            if (*queue >= 0) {
                ::mq_close(*queue);
                *queue = -1;
            }
        }
    }

    bool spins_;
    std::string base_;
    Rendezvous made_;
    mqd_t out_queue_ = -1;
    mqd_t in_queue_ = -1;
};

template <typename T>
std::unique_ptr<Transport> make(const Setting& setting) {
    return std::make_unique<T>(setting);
}

}  // namespace

void add_kernel(std::vector<System>& systems) {
    const std::string once = "once, when the descriptor is passed";
    const std::string file = "once, when the queue is opened";
    const std::string none = "none";
    const std::string copy = "the receiver has its own copy";
    systems.push_back(
        {.name = "pipe", .authority = once, .audit = none, .integrity = copy, .make = make<Pipe>});
    systems.push_back({.name = "unix stream",
                       .authority = once,
                       .audit = none,
                       .integrity = copy,
                       .make = make<StreamSocket>});
    systems.push_back({.name = "unix seqpacket",
                       .authority = once,
                       .audit = none,
                       .integrity = copy,
                       .make = make<PacketSocket>});
    systems.push_back({.name = "posix queue",
                       .authority = file,
                       .audit = none,
                       .integrity = copy,
                       .make = make<PosixQueue>});
}

}  // namespace keyway::bench
