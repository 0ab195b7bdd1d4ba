// D-Bus: both sides are clients of a bus daemon that we start for the purpose, and send each other method
// calls that expect no reply (sd_bus_message_set_expect_reply(3)), with an array of bytes that is made in the
// message (sd_bus_message_append_array(3): append_array_space). The daemon's limits are those of Debian's
// session.conf. It queues without end for a receiver that is slow, so a window is kept.

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "processes.hpp"
#include "router_process.hpp"
#include "transport.hpp"

namespace keyway::bench {

namespace {

constexpr char kClient[] = "org.keyway.Bench.Client";
constexpr char kPartner[] = "org.keyway.Bench.Partner";
constexpr char kPath[] = "/org/keyway/Bench";
constexpr char kInterface[] = "org.keyway.Bench";

void good(int result, const char* what) {
    if (result < 0) {
        errno = -result;
        give_up(what);
    }
}

class DBus final : public Transport {
  public:
    explicit DBus(const Setting& setting) : setting_(setting) {}
    DBus(const DBus&) = delete;
    DBus& operator=(const DBus&) = delete;
    ~DBus() override {
        if (bus_ != nullptr) {
            ::sd_bus_message_unref(in_);
            ::sd_bus_flush_close_unref(bus_);
        }
    }

    void start(std::size_t) override {
        folder_.emplace();
        const std::string config = *folder_ / "bus.conf";
        socket_ = *folder_ / "bus";
        std::ofstream(config)
            << R"(<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=)"
            << socket_ << R"(</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
<limit name="max_incoming_bytes">1000000000</limit><limit name="max_outgoing_bytes">1000000000</limit>
<limit name="max_message_size">1000000000</limit></busconfig>
)";
        daemon_ = std::make_unique<Child>(setting_.helper_core, [&] {
            ::close(STDERR_FILENO);  // it would tell of limits that don't matter here
            ::execl(KEYWAY_BENCH_DBUS_DAEMON, "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                    ("--config-file=" + config).c_str(), nullptr);
        });
        for (int i = 0; i < 500 && ::access(socket_.c_str(), F_OK) != 0 && !daemon_->ended(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    void open(Side side) override {
        const bool client = side == Side::kClient;
        peer_ = client ? kPartner : kClient;
        good(::sd_bus_new(&bus_), "sd_bus_new");
        good(::sd_bus_set_address(bus_, ("unix:path=" + socket_).c_str()), "sd_bus_set_address");
        good(::sd_bus_set_bus_client(bus_, 1), "sd_bus_set_bus_client");
        good(::sd_bus_start(bus_), "sd_bus_start");
        good(::sd_bus_request_name(bus_, client ? kClient : kPartner, 0), "sd_bus_request_name");
        named_.meet(side);
    }
    std::span<std::byte> room(std::size_t bytes) override {
        void* at = nullptr;
        good(::sd_bus_message_new_method_call(bus_, &out_, peer_, kPath, kInterface, "Put"), "a new message");
        good(::sd_bus_message_set_expect_reply(out_, 0), "sd_bus_message_set_expect_reply");
        good(::sd_bus_message_append_array_space(out_, 'y', bytes, &at), "sd_bus_message_append_array_space");
        return {static_cast<std::byte*>(at), bytes};
    }
    void send(std::size_t, bool more) override {
        good(::sd_bus_send(bus_, out_, nullptr), "sd_bus_send");
        out_ = ::sd_bus_message_unref(out_);
        if (!more) {
            good(::sd_bus_flush(bus_), "sd_bus_flush");
        }
    }
    std::span<const std::byte> receive(std::size_t) override {
        in_ = ::sd_bus_message_unref(in_);
        for (;;) {
            const int done = ::sd_bus_process(bus_, &in_);
            good(done, "sd_bus_process");
            if (in_ != nullptr && ::sd_bus_message_is_method_call(in_, kInterface, "Put") > 0) {
                break;
            }
            in_ = ::sd_bus_message_unref(in_);
            if (done == 0) {
                const int waited = ::sd_bus_wait(bus_, UINT64_MAX);
                good(waited == -EINTR ? 0 : waited, "sd_bus_wait");
            }
        }
        const void* at = nullptr;
        std::size_t bytes = 0;
        good(::sd_bus_message_read_array(in_, 'y', &at, &bytes), "sd_bus_message_read_array");
        return {static_cast<const std::byte*>(at), bytes};
    }
    [[nodiscard]] std::size_t window(std::size_t bytes) const override {
        return std::clamp<std::size_t>((std::size_t{16} << 20) / bytes, 2, 128);
    }
    [[nodiscard]] std::vector<pid_t> helpers() const override { return {daemon_->pid()}; }

  private:
    Setting setting_;
    std::optional<TemporaryFolder> folder_;
    std::string socket_;
    std::unique_ptr<Child> daemon_;
    Rendezvous named_;
    const char* peer_ = nullptr;
    sd_bus* bus_ = nullptr;
    sd_bus_message* out_ = nullptr;
    sd_bus_message* in_ = nullptr;
};

}  // namespace

std::unique_ptr<Transport> make_dbus(const Setting& setting) {
    return std::make_unique<DBus>(setting);
}

}  // namespace keyway::bench
