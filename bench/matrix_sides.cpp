#include "matrix_sides.hpp"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "clock.hpp"
#include "syscalls.hpp"

namespace keyway::bench {

namespace {

enum What : int { kPrepare, kRoundTrips, kOneWay };
constexpr std::size_t kLine = 64;
constexpr int kPatienceMs = 30'000;

std::uint64_t in_ns(Ticks from, Ticks to) {
    return to > from ? static_cast<std::uint64_t>(static_cast<double>(to - from) * ns_per_tick()) : 0;
}

// A word in each line says which message it is and which line.
void make(std::span<std::byte> room, std::uint64_t stamp) {
    for (std::size_t at = 0; at < room.size(); at += kLine) {
        const std::uint64_t word = stamp + at;
        std::memcpy(room.data() + at, &word, sizeof word);
    }
}

std::uint64_t stamp_of(std::span<const std::byte> message) {
    std::uint64_t stamp = 0;
    std::memcpy(&stamp, message.data(), sizeof stamp);
    return stamp;
}

void check(std::span<const std::byte> message, std::size_t bytes, std::uint64_t stamp) {
    std::uint64_t wrong = message.size() ^ bytes;
    for (std::size_t at = 0; at < message.size(); at += kLine) {
        std::uint64_t word = 0;
        std::memcpy(&word, message.data() + at, sizeof word);
        wrong |= word ^ (stamp + at);
    }
    if (wrong != 0) {
        errno = 0;
        give_up("a message came through changed, or in another order");
    }
}

void send(Transport& transport, std::size_t bytes, std::uint64_t stamp, bool more) {
    make(transport.room(bytes), stamp);
    transport.send(bytes, more);
}

void take(Transport& transport, std::size_t bytes, std::uint64_t stamp) {
    check(transport.receive(bytes), bytes, stamp);
}

void alone_round_trips(Transport& transport, std::size_t bytes, std::uint64_t count, SidesResult& result) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const Ticks begin = ticks();
        send(transport, bytes, begin, false);
        take(transport, bytes, begin);
        const Ticks middle = ticks();
        send(transport, bytes, middle, false);
        take(transport, bytes, middle);
        result.one_way.add(in_ns(begin, middle));
        result.round_trip.add(in_ns(begin, ticks()));
    }
}

void client_round_trips(Transport& transport, std::size_t bytes, std::uint64_t count, SidesResult& result) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const Ticks begin = ticks();
        send(transport, bytes, begin, false);
        take(transport, bytes, begin);
        result.round_trip.add(in_ns(begin, ticks()));
    }
}

void partner_round_trips(Transport& transport, std::size_t bytes, std::uint64_t count, SidesResult& result) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::span<const std::byte> message = transport.receive(bytes);
        const std::uint64_t stamp = stamp_of(message);
        check(message, bytes, stamp);
        result.one_way.add(in_ns(stamp, ticks()));
        send(transport, bytes, stamp, false);
    }
}

void alone_one_way(Transport& transport, std::size_t bytes, std::uint64_t count) {
    const std::uint64_t window = std::max<std::size_t>(transport.window(bytes), 1);
    for (std::uint64_t i = 0; i < count; i += window) {
        const std::uint64_t end = std::min(count, i + window);
        for (std::uint64_t at = i; at < end; ++at) {
            send(transport, bytes, at, at + 1 < end);
        }
        for (std::uint64_t at = i; at < end; ++at) {
            take(transport, bytes, at);
        }
    }
}

// With a window, half of it must have been acknowledged before more is sent; else only the last message is.
std::uint64_t acknowledged_every(const Transport& transport, std::size_t bytes, std::uint64_t count) {
    const std::size_t window = transport.window(bytes);
    return window == 0 ? count : std::max<std::size_t>(window / 2, 1);
}

void client_one_way(Transport& transport, std::size_t bytes, std::uint64_t count) {
    const std::uint64_t each = acknowledged_every(transport, bytes, count);
    std::uint64_t acknowledged = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i - acknowledged >= 2 * each) {
            take(transport, sizeof(std::uint64_t), acknowledged);
            acknowledged += each;
        }
        // Nobody may be left asleep when we begin to wait.
        const bool more = i + 1 < count && i + 1 - acknowledged < 2 * each && i % 32 != 31;
        send(transport, bytes, i, more);
    }
    for (; acknowledged < count; acknowledged += each) {
        take(transport, sizeof(std::uint64_t), acknowledged);
    }
}

void partner_one_way(Transport& transport, std::size_t bytes, std::uint64_t count) {
    const std::uint64_t each = acknowledged_every(transport, bytes, count);
    for (std::uint64_t i = 0; i < count; ++i) {
        take(transport, bytes, i);
        if (i % each == each - 1 || i + 1 == count) {
            send(transport, sizeof(std::uint64_t), i / each * each, false);
        }
    }
}

bool read_all(int fd, void* to, std::size_t bytes) {
    return ::read(fd, to, bytes) == static_cast<ssize_t>(bytes);
}

double cpu_ns_of(pid_t process) {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
        return 0;
    }
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// Proportional: a page that three processes map counts a third for each.
double memory_of(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/smaps_rollup");
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with("Pss:")) {
            return std::stod(line.substr(4)) * 1024;
        }
    }
    return 0;
}

}  // namespace

Sides::Sides(const System& system, const Setting& setting, std::size_t greatest)
    : name_(system.name),
      transport_(system.make(setting)),
      shared_(std::make_unique<SharedPages>(sizeof(SidesResult))) {
    transport_->start(greatest);
    int client[2];
    int partner[2];
    int done[2];
    if (::pipe(client) != 0 || ::pipe(partner) != 0 || ::pipe(done) != 0) {
        give_up("can't make a pipe");
    }
    if (!transport_->alone()) {
        partner_ = std::make_unique<Child>(setting.partner_core,
                                           [&] { serve(Side::kPartner, partner[0], done[1]); });
    }
    client_ = std::make_unique<Child>(setting.client_core, [&] { serve(Side::kClient, client[0], done[1]); });
    for (const int fd : {client[0], partner[0], done[1]}) {
        ::close(fd);
    }
    client_orders_ = client[1];
    partner_orders_ = partner[1];
    done_ = done[0];
    wait_done();  // they are open
}

Sides::~Sides() {
    transport_->resume();
    client_.reset();
    partner_.reset();
    for (const int fd : {client_orders_, partner_orders_, done_}) {
        ::close(fd);
    }
}

void Sides::serve(Side side, int orders, int done) {
    auto& result = shared_->as<SidesResult>();
    const char token = 1;
    transport_->open(side);
    const bool client = side == Side::kClient;
    Order order{};
    while (::write(done, &token, 1) == 1 && read_all(orders, &order, sizeof order)) {
        const auto bytes = static_cast<std::size_t>(order.bytes);
        const Ticks begin = ticks();
        if (order.what == kPrepare) {
            (client ? result.takes : result.partner_takes) = transport_->prepare(side, bytes);
        } else if (order.what == kRoundTrips) {
            if (transport_->alone()) {
                alone_round_trips(*transport_, bytes, order.count, result);
            } else {
                (client ? client_round_trips : partner_round_trips)(*transport_, bytes, order.count, result);
            }
        } else if (transport_->alone()) {
            alone_one_way(*transport_, bytes, order.count);
        } else {
            (client ? client_one_way : partner_one_way)(*transport_, bytes, order.count);
        }
        if (client) {
            result.seconds = static_cast<double>(ticks() - begin) * ns_per_tick() / 1e9;
        }
    }
}

bool Sides::prepare(std::size_t bytes) {
    bytes_ = bytes;
    auto& result = shared_->as<SidesResult>();
    result.partner_takes = true;
    return give(kPrepare, 0) && result.takes && result.partner_takes;
}

void Sides::round_trips(std::uint64_t count) {
    give(kRoundTrips, count);
}

void Sides::one_way(std::uint64_t count) {
    // So that the last acknowledgement is for all of them.
    const std::size_t each = std::max<std::size_t>(transport_->window(bytes_) / 2, 1);
    give(kOneWay, (count + each - 1) / each * each);
}

bool Sides::send_order(int what, std::uint64_t count) {
    auto& result = shared_->as<SidesResult>();
    result.round_trip.clear();
    result.one_way.clear();
    const Order order{.what = what, .bytes = bytes_, .count = count};
    if (partner_ && ::write(partner_orders_, &order, sizeof order) != sizeof order) {
        return false;
    }
    return ::write(client_orders_, &order, sizeof order) == sizeof order;
}

bool Sides::give(int what, std::uint64_t count) {
    if (!fault_.empty()) {
        return false;
    }
    if (!send_order(what, count)) {
        failed("it has ended");
        return false;
    }
    return wait_done();
}

bool Sides::wait_done() {
    int left = partner_ ? 2 : 1;
    for (int waited = 0; left > 0 && waited < kPatienceMs; waited += 100) {
        pollfd ready{.fd = done_, .events = POLLIN, .revents = 0};
        char tokens[2];
        if (::poll(&ready, 1, 100) > 0) {
            const ssize_t taken = ::read(done_, tokens, static_cast<std::size_t>(left));
            if (taken <= 0) {
                break;
            }
            left -= static_cast<int>(taken);
            waited = 0;
        } else if (client_->ended() || (partner_ && partner_->ended())) {
            break;
        }
    }
    if (left > 0) {
        failed(client_->ended() || (partner_ && partner_->ended()) ? "it gave up"
                                                                   : "no answer within half a minute");
    }
    return left == 0;
}

void Sides::failed(const std::string& why) {
    fault_ = why;
}

std::vector<pid_t> Sides::processes() const {
    std::vector<pid_t> all = transport_->helpers();
    all.push_back(client_->pid());
    if (partner_) {
        all.push_back(partner_->pid());
    }
    return all;
}

double Sides::cpu_ns() const {
    double sum = 0;
    for (const pid_t process : processes()) {
        sum += cpu_ns_of(process);
    }
    return sum;
}

double Sides::memory() const {
    double sum = 0;
    for (const pid_t process : processes()) {
        sum += memory_of(process);
    }
    return sum;
}

std::optional<double> Sides::system_calls(std::uint64_t count) {
    if (!fault_.empty()) {
        return std::nullopt;
    }
    SystemCallCounter counter(processes());
    if (!counter.works()) {
        return std::nullopt;
    }
    // What it takes to hand out the order is in both, and so in neither after the subtraction.
    std::uint64_t counted[2] = {};
    for (int i = 0; i < 2; ++i) {
        counter.clear();
        if (!send_order(kRoundTrips, i == 0 ? count : 2 * count) ||
            !counter.run_until(done_, partner_ ? 2 : 1)) {
            failed("it ended while its system calls were counted");
            return std::nullopt;
        }
        counted[i] = counter.count();
    }
    return static_cast<double>(counted[1] > counted[0] ? counted[1] - counted[0] : 0);
}

}  // namespace keyway::bench
