#include "sim/device/redir_device.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <usbredirparser.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace keyway::sim {

namespace {

constexpr std::size_t kMostTransfers = 256;                  // that wait, each way
constexpr std::size_t kMostAnswers = 1024;                   // that wait for their time
constexpr std::size_t kMostWaiting = std::size_t{4} << 20U;  // bytes that wait; then nothing more is read
constexpr std::uint64_t kMostUnsent = 16U << 20U;  // then the other side does not read, and is hung up on
constexpr unsigned kClocks = 600;                  // that pass between two looks at the socket

constexpr std::uint8_t kOut = static_cast<std::uint8_t>(usb::kEndpointOut);
constexpr std::uint8_t kIn = static_cast<std::uint8_t>(usb::kEndpointIn);

std::uint8_t bit_of(std::uint8_t endpoint) {
    return endpoint == kOut ? 1 : 2;
}

// A copy that the parser may write to; nothing when there is nothing, which it insists on.
struct Bytes {
    explicit Bytes(std::span<const std::byte> from) : copy(from.begin(), from.end()) {}
    std::uint8_t* data() { return copy.empty() ? nullptr : reinterpret_cast<std::uint8_t*>(copy.data()); }
    int size() const { return static_cast<int>(copy.size()); }
    std::vector<std::byte> copy;
};

}  // namespace

// What the parser calls; `self` is what it was given as its private data.
struct RedirDevice::Callbacks {
    static RedirDevice& of(void* self) { return *static_cast<RedirDevice*>(self); }

    static void log(void* /*self*/, int /*level*/, const char* /*text*/) {}
    static int read(void* self, std::uint8_t* data, int count) {
        const ssize_t got = ::recv(of(self).socket_.get(), data, static_cast<std::size_t>(count), 0);
        if (got > 0) {
            return static_cast<int>(got);
        }
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    static int write(void* self, std::uint8_t* data, int count) {
        const ssize_t put =
            ::send(of(self).socket_.get(), data, static_cast<std::size_t>(count), MSG_NOSIGNAL);
        if (put >= 0) {
            return static_cast<int>(put);
        }
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    static void hello(void* self, usb_redir_hello_header* /*head*/) { of(self).greeted_ = true; }
    static void reset(void* self) { of(self).board_.usb_bus_reset(); }
    static void set_configuration(void* self, std::uint64_t id, usb_redir_set_configuration_header* head) {
        RedirDevice& device = of(self);
        const bool done =
            device.board_.usb_control({0, 9, head->configuration, 0, 0, 0, 0, 0}, {}).has_value();
        device.halts_ = 0;
        usb_redir_configuration_status_header answer{};
        answer.status = done ? usb_redir_success : usb_redir_stall;
        answer.configuration = head->configuration;
        device.send_shape();
        usbredirparser_send_configuration_status(device.parser_.get(), id, &answer);
    }
    static void get_configuration(void* self, std::uint64_t id) {
        RedirDevice& device = of(self);
        const auto got = device.board_.usb_control({0x80, 8, 0, 0, 0, 0, 1, 0}, {});
        usb_redir_configuration_status_header answer{};
        answer.configuration = got && !got->empty() ? std::to_integer<std::uint8_t>(got->front()) : 0;
        usbredirparser_send_configuration_status(device.parser_.get(), id, &answer);
    }
    static void set_alternative(void* self, std::uint64_t id, usb_redir_set_alt_setting_header* head) {
        RedirDevice& device = of(self);
        const bool done =
            device.board_.usb_control({1, 11, head->alt, 0, head->interface, 0, 0, 0}, {}).has_value();
        device.halts_ = 0;
        usb_redir_alt_setting_status_header answer{};
        answer.status = done ? usb_redir_success : usb_redir_stall;
        answer.interface = head->interface;
        answer.alt = head->alt;
        usbredirparser_send_alt_setting_status(device.parser_.get(), id, &answer);
    }
    static void get_alternative(void* self, std::uint64_t id, usb_redir_get_alt_setting_header* head) {
        usb_redir_alt_setting_status_header answer{};
        answer.interface = head->interface;
        usbredirparser_send_alt_setting_status(of(self).parser_.get(), id, &answer);
    }
    static void control(void* self, std::uint64_t id, usb_redir_control_packet_header* head,
                        std::uint8_t* data, int size) {
        RedirDevice& device = of(self);
        const std::span out(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(size));
        device.take_control(id, std::as_bytes(std::span(head, 1)), out);
        usbredirparser_free_packet_data(device.parser_.get(), data);
    }
    static void bulk(void* self, std::uint64_t id, usb_redir_bulk_packet_header* head, std::uint8_t* data,
                     int size) {
        RedirDevice& device = of(self);
        const std::span out(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(size));
        device.take_bulk(id, head->endpoint, head->length | std::size_t{head->length_high} << 16U, out);
        usbredirparser_free_packet_data(device.parser_.get(), data);
    }
    static void cancel(void* self, std::uint64_t id) { of(self).cancel(id); }
    static void gone(void* self) { of(self).leaving_ = false; }

    // What the board does not have.
    static void refuse_iso_start(void* self, std::uint64_t id, usb_redir_start_iso_stream_header* head) {
        usb_redir_iso_stream_status_header answer{usb_redir_inval, head->endpoint};
        ++of(self).counters_.refused;
        usbredirparser_send_iso_stream_status(of(self).parser_.get(), id, &answer);
    }
    static void refuse_iso_stop(void* self, std::uint64_t id, usb_redir_stop_iso_stream_header* head) {
        usb_redir_iso_stream_status_header answer{usb_redir_inval, head->endpoint};
        ++of(self).counters_.refused;
        usbredirparser_send_iso_stream_status(of(self).parser_.get(), id, &answer);
    }
    static void refuse_interrupt_start(void* self, std::uint64_t id,
                                       usb_redir_start_interrupt_receiving_header* head) {
        usb_redir_interrupt_receiving_status_header answer{usb_redir_inval, head->endpoint};
        ++of(self).counters_.refused;
        usbredirparser_send_interrupt_receiving_status(of(self).parser_.get(), id, &answer);
    }
    static void refuse_interrupt_stop(void* self, std::uint64_t id,
                                      usb_redir_stop_interrupt_receiving_header* head) {
        usb_redir_interrupt_receiving_status_header answer{usb_redir_inval, head->endpoint};
        ++of(self).counters_.refused;
        usbredirparser_send_interrupt_receiving_status(of(self).parser_.get(), id, &answer);
    }
    static void refuse_iso(void* self, std::uint64_t /*id*/, usb_redir_iso_packet_header* /*head*/,
                           std::uint8_t* data, int /*size*/) {
        ++of(self).counters_.refused;
        usbredirparser_free_packet_data(of(self).parser_.get(), data);
    }
    static void refuse_interrupt(void* self, std::uint64_t /*id*/,
                                 usb_redir_interrupt_packet_header* /*head*/, std::uint8_t* data,
                                 int /*size*/) {
        ++of(self).counters_.refused;
        usbredirparser_free_packet_data(of(self).parser_.get(), data);
    }
    static void refuse_streams(void* self, std::uint64_t /*id*/,
                               usb_redir_alloc_bulk_streams_header* /*head*/) {
        ++of(self).counters_.refused;
    }
    static void refuse_no_streams(void* self, std::uint64_t /*id*/,
                                  usb_redir_free_bulk_streams_header* /*head*/) {
        ++of(self).counters_.refused;
    }
    static void refuse_bulk_start(void* self, std::uint64_t /*id*/,
                                  usb_redir_start_bulk_receiving_header* /*head*/) {
        ++of(self).counters_.refused;
    }
    static void refuse_bulk_stop(void* self, std::uint64_t /*id*/,
                                 usb_redir_stop_bulk_receiving_header* /*head*/) {
        ++of(self).counters_.refused;
    }
    static void rejected(void* self) { of(self).hang_up(); }
    // The rules are ours to free; there is one device, so nothing follows from them.
    static void filter(void* /*self*/, usbredirfilter_rule* rules, int /*count*/) { std::free(rules); }
};

RedirDevice::RedirDevice(SimulatedBoard& board, std::uint64_t seed)
    : board_(board), random_(seed), parser_(nullptr, &usbredirparser_destroy) {}

RedirDevice::~RedirDevice() = default;

void RedirDevice::attach(UniqueFd socket) {
    hang_up();
    socket_ = std::move(socket);
    ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
    parser_.reset(usbredirparser_create());
    usbredirparser& parser = *parser_;
    parser.priv = this;
    parser.log_func = &Callbacks::log;
    parser.read_func = &Callbacks::read;
    parser.write_func = &Callbacks::write;
    parser.hello_func = &Callbacks::hello;
    parser.reset_func = &Callbacks::reset;
    parser.set_configuration_func = &Callbacks::set_configuration;
    parser.get_configuration_func = &Callbacks::get_configuration;
    parser.set_alt_setting_func = &Callbacks::set_alternative;
    parser.get_alt_setting_func = &Callbacks::get_alternative;
    parser.control_packet_func = &Callbacks::control;
    parser.bulk_packet_func = &Callbacks::bulk;
    parser.cancel_data_packet_func = &Callbacks::cancel;
    parser.device_disconnect_ack_func = &Callbacks::gone;
    parser.start_iso_stream_func = &Callbacks::refuse_iso_start;
    parser.stop_iso_stream_func = &Callbacks::refuse_iso_stop;
    parser.start_interrupt_receiving_func = &Callbacks::refuse_interrupt_start;
    parser.stop_interrupt_receiving_func = &Callbacks::refuse_interrupt_stop;
    parser.iso_packet_func = &Callbacks::refuse_iso;
    parser.interrupt_packet_func = &Callbacks::refuse_interrupt;
    parser.alloc_bulk_streams_func = &Callbacks::refuse_streams;
    parser.free_bulk_streams_func = &Callbacks::refuse_no_streams;
    parser.start_bulk_receiving_func = &Callbacks::refuse_bulk_start;
    parser.stop_bulk_receiving_func = &Callbacks::refuse_bulk_stop;
    parser.filter_reject_func = &Callbacks::rejected;
    parser.filter_filter_func = &Callbacks::filter;
    std::array<std::uint32_t, USB_REDIR_CAPS_SIZE> caps{};
    for (const int cap : {usb_redir_cap_connect_device_version, usb_redir_cap_filter,
                          usb_redir_cap_device_disconnect_ack, usb_redir_cap_ep_info_max_packet_size,
                          usb_redir_cap_64bits_ids, usb_redir_cap_32bits_bulk_length}) {
        usbredirparser_caps_set_cap(caps.data(), cap);
    }
    usbredirparser_init(&parser, "keyway-simdev", caps.data(), USB_REDIR_CAPS_SIZE,
                        usbredirparser_fl_usb_host);
}

void RedirDevice::hang_up() {
    // The parser may be below us on the stack: it goes with the next attach().
    socket_.reset();
    greeted_ = shown_ = leaving_ = false;
    out_.clear();
    in_.clear();
    later_.clear();
    last_.clear();
    waiting_bytes_ = 0;
    halts_ = 0;
}

bool RedirDevice::wants_write() const {
    return socket_ && usbredirparser_has_data_to_write(parser_.get()) > 0;
}

RedirDevice::Clock::time_point RedirDevice::due() const {
    return later_.empty() ? Clock::time_point::max() : later_.begin()->first;
}

bool RedirDevice::serve() {
    if (!socket_) {
        return false;
    }
    if (waiting_bytes_ < kMostWaiting && later_.size() < kMostAnswers && !read()) {
        hang_up();
        return false;
    }
    follow_board();
    move();
    const bool busy = board_.usb_run(kClocks);
    move();
    follow_board();
    const auto now = Clock::now();
    while (!later_.empty() && later_.begin()->first <= now) {
        const auto next = later_.extract(later_.begin());
        send(next.mapped());
    }
    if (wants_write() && usbredirparser_do_write(parser_.get()) != 0) {
        hang_up();
        return false;
    }
    if (usbredirparser_get_bufferered_output_size(parser_.get()) > kMostUnsent) {
        hang_up();
        return false;
    }
    return busy;
}

bool RedirDevice::read() {
    // What makes no sense is an error of the protocol, and nobody knows where the next packet begins.
    return usbredirparser_do_read(parser_.get()) == 0 && socket_;
}

// The board left the bus, came back, or became another device with its firmware.
void RedirDevice::follow_board() {
    if (!greeted_) {
        return;
    }
    const bool there = board_.plugged();
    if (shown_ && (!there || generation_ != board_.generation())) {
        usbredirparser_send_device_disconnect(parser_.get());
        shown_ = false;
        leaving_ = usbredirparser_peer_has_cap(parser_.get(), usb_redir_cap_device_disconnect_ack) != 0;
        out_.clear();
        in_.clear();
        later_.clear();
        waiting_bytes_ = 0;
        halts_ = 0;
    }
    if (!shown_ && there && !leaving_) {
        connect();
    }
}

void RedirDevice::connect() {
    const auto descriptor = board_.usb_control({0x80, 6, 0, 1, 0, 0, 18, 0}, {});
    if (!descriptor || descriptor->size() != 18) {
        return;
    }
    const auto byte = [&](std::size_t at) { return std::to_integer<std::uint8_t>((*descriptor)[at]); };
    const auto word = [&](std::size_t at) {
        return static_cast<std::uint16_t>(byte(at) | byte(at + 1) << 8U);
    };
    send_shape();
    usb_redir_device_connect_header head{};
    head.speed = usb_redir_speed_high;
    head.device_class = byte(4);
    head.device_subclass = byte(5);
    head.device_protocol = byte(6);
    head.vendor_id = word(8);
    head.product_id = word(10);
    head.device_version_bcd = word(12);
    usbredirparser_send_device_connect(parser_.get(), &head);
    generation_ = board_.generation();
    shown_ = true;
    carried_ = 0;
    ++counters_.connects;
}

void RedirDevice::send_shape() {
    usb_redir_ep_info_header endpoints{};
    std::ranges::fill(endpoints.type, static_cast<std::uint8_t>(usb_redir_type_invalid));
    const auto use = [&](std::uint8_t endpoint, std::uint8_t type, std::uint16_t packet) {
        const std::size_t at = (endpoint & 0x0FU) + ((endpoint & 0x80U) != 0 ? 16U : 0U);
        endpoints.type[at] = type;
        endpoints.max_packet_size[at] = packet;
    };
    use(0x00, usb_redir_type_control, 64);
    use(0x80, usb_redir_type_control, 64);
    if (board_.power() == SimulatedBoard::Power::kRunning) {
        use(kOut, usb_redir_type_bulk, usb::kPacket);
        use(kIn, usb_redir_type_bulk, usb::kPacket);
    }
    usbredirparser_send_ep_info(parser_.get(), &endpoints);
    usb_redir_interface_info_header interfaces{};
    interfaces.interface_count = 1;
    interfaces.interface_class[0] = interfaces.interface_subclass[0] = interfaces.interface_protocol[0] =
        0xFF;
    usbredirparser_send_interface_info(parser_.get(), &interfaces);
}

void RedirDevice::halt(std::uint8_t endpoint) {
    halts_ |= bit_of(endpoint);
}

bool RedirDevice::is_halted(std::uint8_t endpoint) const {
    return (halts_ & bit_of(endpoint)) != 0 || (board_.chip() != nullptr && board_.chip()->halted(endpoint));
}

void RedirDevice::take_control(std::uint64_t id, std::span<const std::byte> head,
                               std::span<const std::byte> out) {
    ++counters_.controls;
    usb_redir_control_packet_header packet{};
    std::memcpy(&packet, head.data(), sizeof packet);
    const auto low = [](std::uint16_t word) { return static_cast<std::uint8_t>(word & 0xFFU); };
    const auto high = [](std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8U); };
    const bool to_host = (packet.requesttype & 0x80U) != 0;
    Answer answer{.id = id, .status = usb_redir_ioerror, .transfer = {}, .head = {}};
    if (shown_ && board_.plugged()) {
        const auto got = board_.usb_control(
            {packet.requesttype, packet.request, low(packet.value), high(packet.value), low(packet.index),
             high(packet.index), low(packet.length), high(packet.length)},
            out);
        answer.status = got ? usb_redir_success : usb_redir_stall;
        if (got && to_host) {
            answer.transfer.bytes = *got;
        }
        if (!board_.plugged()) {
            answer.status = usb_redir_ioerror;
        }
        constexpr std::uint8_t kClearFeature = 1;
        if (got && packet.requesttype == 0x02 && packet.request == kClearFeature) {
            halts_ &= static_cast<std::uint8_t>(~bit_of(low(packet.index)));
        }
    }
    packet.status = answer.status;
    if (to_host || answer.status != usb_redir_success) {
        packet.length = static_cast<std::uint16_t>(answer.transfer.bytes.size());
    }
    answer.head.resize(sizeof packet);
    std::memcpy(answer.head.data(), &packet, sizeof packet);
    const std::size_t bytes = answer.transfer.bytes.size() + out.size();
    put_off(std::move(answer), bytes);
}

void RedirDevice::take_bulk(std::uint64_t id, std::uint8_t endpoint, std::size_t length,
                            std::span<const std::byte> out) {
    Transfer transfer{.id = id, .endpoint = endpoint, .length = length, .done = 0, .bytes = {}};
    const bool known =
        shown_ && (endpoint == kOut || endpoint == kIn) && board_.power() == SimulatedBoard::Power::kRunning;
    auto& line = endpoint == kIn ? in_ : out_;
    if (!known || line.size() >= kMostTransfers || (endpoint == kOut && out.size() != length)) {
        ++counters_.refused;
        return finish(std::move(transfer), usb_redir_inval);
    }
    if (one_in(faults.stall)) {
        halt(endpoint);
    }
    transfer.bytes.assign(out.begin(), out.end());
    waiting_bytes_ += out.size();
    ++(endpoint == kOut ? counters_.transfers_out : counters_.transfers_in);
    line.push_back(std::move(transfer));
}

void RedirDevice::cancel(std::uint64_t id) {
    for (auto* line : {&out_, &in_}) {
        const auto found = std::ranges::find_if(*line, [id](const Transfer& each) { return each.id == id; });
        if (found != line->end()) {
            Transfer transfer = std::move(*found);
            line->erase(found);
            waiting_bytes_ -= transfer.endpoint == kOut ? transfer.bytes.size() : 0;
            if (transfer.endpoint == kOut) {
                transfer.bytes.clear();
            }
            return finish(std::move(transfer), usb_redir_cancelled);
        }
    }
}

void RedirDevice::move() {
    if (!shown_) {
        return;
    }
    for (auto* line : {&out_, &in_}) {
        while (!line->empty()) {
            Transfer& first = line->front();
            const bool stalled = is_halted(first.endpoint);
            if (!stalled && !(line == &out_ ? move_out(first) : move_in(first))) {
                break;
            }
            Transfer transfer = std::move(first);
            line->pop_front();
            const bool too_much = line == &in_ && transfer.bytes.size() > transfer.length;
            if (line == &out_) {
                waiting_bytes_ -= transfer.bytes.size();
                transfer.bytes.clear();
            } else if (too_much) {
                transfer.bytes.resize(transfer.length);
            }
            finish(std::move(transfer), stalled    ? usb_redir_stall
                                        : too_much ? usb_redir_babble
                                                   : usb_redir_success);
        }
    }
    if (faults.unplug_after != 0 && carried_ >= faults.unplug_after) {
        faults.unplug_after = 0;
        board_.unplug();
    }
}

bool RedirDevice::move_out(Transfer& transfer) {
    const auto rest = std::span(transfer.bytes).subspan(transfer.done);
    const auto part = rest.first(std::min(rest.size(), board_.usb_room()));
    board_.usb_out(part);
    transfer.done += part.size();
    counters_.bytes_out += part.size();
    carried_ += part.size();
    return transfer.done == transfer.bytes.size();
}

bool RedirDevice::move_in(Transfer& transfer) {
    while (transfer.bytes.size() < transfer.length) {
        const auto packet = board_.usb_packet();
        if (!packet) {
            return false;
        }
        transfer.bytes.insert(transfer.bytes.end(), packet->begin(), packet->end());
        counters_.bytes_in += packet->size();
        carried_ += packet->size();
        if (packet->size() < usb::kPacket) {
            return true;
        }
    }
    return true;
}

void RedirDevice::finish(Transfer&& transfer, std::uint8_t status) {
    const std::size_t bytes = transfer.endpoint == kIn ? transfer.bytes.size() : transfer.length;
    put_off({.id = transfer.id, .status = status, .transfer = std::move(transfer), .head = {}}, bytes);
}

// Sends it when it has taken the time that it takes, and not before what the same endpoint has sent earlier.
void RedirDevice::put_off(Answer&& answer, std::size_t bytes) {
    const auto now = Clock::now();
    auto when = now;
    if (pace.bytes_per_second != 0) {
        line_free_ =
            std::max(line_free_, now) + std::chrono::microseconds(std::min<std::uint64_t>(bytes, 1U << 30U) *
                                                                  1000000U / pace.bytes_per_second);
        when = line_free_;
    }
    when += pace.latency;
    if (one_in(faults.delay)) {
        when += faults.late;
    }
    auto& last = last_[answer.transfer.endpoint];
    when = last = std::max(when, last);
    later_.emplace(when, std::move(answer));
}

void RedirDevice::send(const Answer& answer) {
    Bytes bytes(answer.transfer.bytes);
    if (!answer.head.empty()) {
        usb_redir_control_packet_header head{};
        std::memcpy(&head, answer.head.data(), sizeof head);
        usbredirparser_send_control_packet(parser_.get(), answer.id, &head, bytes.data(), bytes.size());
        return;
    }
    const std::size_t length = answer.transfer.endpoint == kIn ? bytes.copy.size() : answer.transfer.done;
    usb_redir_bulk_packet_header head{};
    head.endpoint = answer.transfer.endpoint;
    head.status = answer.status;
    head.length = static_cast<std::uint16_t>(length & 0xFFFFU);
    head.length_high = static_cast<std::uint16_t>(length >> 16U);
    usbredirparser_send_bulk_packet(parser_.get(), answer.id, &head, bytes.data(), bytes.size());
}

}  // namespace keyway::sim
