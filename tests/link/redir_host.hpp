// The host's side of usbredir, as much of it as a driver needs: a bus with the one device that is at the
// other end of a socket. QEMU stands here in `./dev hil`.
#pragma once

#include <sys/socket.h>
#include <usbredirparser.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "driver/transport.hpp"
#include "sim/device/redir_device.hpp"

namespace keyway::device {

/// Serves the device in its own waits, so that both are one thread.
class RedirHost : public Usb {
  public:
    using Clock = std::chrono::steady_clock;

    explicit RedirHost(sim::RedirDevice& device)
        : device_(device), parser_(usbredirparser_create(), &usbredirparser_destroy) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error("socketpair");
        }
        socket_.reset(ends[0]);
        device_.attach(UniqueFd(ends[1]));
        usbredirparser& parser = *parser_;
        parser.priv = this;
        parser.log_func = [](void*, int, const char*) {};
        parser.read_func = [](void* self, std::uint8_t* data, int count) {
            const auto got = ::recv(of(self).socket_.get(), data, static_cast<std::size_t>(count), 0);
            return got > 0 ? static_cast<int>(got) : got < 0 && errno == EAGAIN ? 0 : -1;
        };
        parser.write_func = [](void* self, std::uint8_t* data, int count) {
            const auto put =
                ::send(of(self).socket_.get(), data, static_cast<std::size_t>(count), MSG_NOSIGNAL);
            return put >= 0 ? static_cast<int>(put) : errno == EAGAIN ? 0 : -1;
        };
        parser.hello_func = [](void*, usb_redir_hello_header*) {};
        parser.device_connect_func = [](void* self, usb_redir_device_connect_header* head) {
            of(self).there_ = *head;
            ++of(self).generation_;
        };
        parser.device_disconnect_func = [](void* self) { of(self).left(); };
        parser.interface_info_func = [](void*, usb_redir_interface_info_header*) {};
        parser.ep_info_func = [](void* self, usb_redir_ep_info_header* head) { of(self).shape = *head; };
        parser.configuration_status_func = [](void* self, std::uint64_t id,
                                              usb_redir_configuration_status_header* head) {
            of(self).answers_[id] = {head->status, {}};
        };
        parser.alt_setting_status_func = [](void* self, std::uint64_t id,
                                            usb_redir_alt_setting_status_header* head) {
            of(self).answers_[id] = {head->status, {}};
        };
        parser.control_packet_func = [](void* self, std::uint64_t id, usb_redir_control_packet_header* head,
                                        std::uint8_t* data,
                                        int size) { of(self).take(id, head->status, data, size); };
        parser.bulk_packet_func = [](void* self, std::uint64_t id, usb_redir_bulk_packet_header* head,
                                     std::uint8_t* data,
                                     int size) { of(self).take(id, head->status, data, size); };
        parser.iso_stream_status_func = [](void* self, std::uint64_t id,
                                           usb_redir_iso_stream_status_header* head) {
            of(self).answers_[id] = {head->status, {}};
        };
        parser.interrupt_receiving_status_func = [](void* self, std::uint64_t id,
                                                    usb_redir_interrupt_receiving_status_header* head) {
            of(self).answers_[id] = {head->status, {}};
        };
        std::array<std::uint32_t, USB_REDIR_CAPS_SIZE> caps{};
        for (const int cap : {usb_redir_cap_connect_device_version, usb_redir_cap_device_disconnect_ack,
                              usb_redir_cap_ep_info_max_packet_size, usb_redir_cap_64bits_ids,
                              usb_redir_cap_32bits_bulk_length}) {
            usbredirparser_caps_set_cap(caps.data(), cap);
        }
        usbredirparser_init(&parser, "keyway test host", caps.data(), USB_REDIR_CAPS_SIZE, 0);
        pump_until([&] { return there_.has_value(); }, milliseconds{200});
    }

    Result<std::vector<Found>> list() override {
        pump_until([] { return false; }, milliseconds{2});
        if (!there_) {
            return std::vector<Found>{};
        }
        Found found{.vendor = there_->vendor_id,
                    .product = there_->product_id,
                    .release = there_->device_version_bcd,
                    .place = "7-1",
                    .serial = {}};
        const auto text = control(0x80, 6, 0x0303, 0x0409, {}, 255);
        for (std::size_t i = 2; text && i < text->size(); i += 2) {
            found.serial.push_back(static_cast<char>((*text)[i]));
        }
        return std::vector{found};
    }
    Result<std::unique_ptr<Transport>> open(const Found& /*found*/) override {
        if (!there_) {
            return Status::kDeviceGone;
        }
        usb_redir_set_configuration_header head{1};
        const std::uint64_t id = next_id_++;
        usbredirparser_send_set_configuration(parser_.get(), id, &head);
        const auto answer = wait_for(id, milliseconds{1000});
        if (!answer || answer->status != usb_redir_success) {
            return Status::kDeviceRefused;
        }
        return Result<std::unique_ptr<Transport>>(std::make_unique<Handle>(*this));
    }
    void wait_for_change(milliseconds timeout) override {
        const unsigned before = generation_;
        pump_until([&] { return generation_ != before; }, timeout);
    }

    /// Bytes to the device that no parser has made.
    void send_raw(std::span<const std::byte> bytes) {
        (void)::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        pump_until([] { return false; }, milliseconds{2});
    }
    [[nodiscard]] usbredirparser& parser() { return *parser_; }
    void pump() {
        device_.serve();
        usbredirparser_do_read(parser_.get());
        usbredirparser_do_write(parser_.get());
    }
    template <typename Done>
    bool pump_until(const Done& done, milliseconds patience) {
        const auto until = Clock::now() + patience;
        do {
            pump();
        } while (!done() && Clock::now() < until);
        return done();
    }

    struct Answer {
        std::uint8_t status = 0;
        std::vector<std::byte> bytes;
    };
    /// Nothing: none came.
    std::optional<Answer> wait_for(std::uint64_t id, milliseconds patience) {
        const unsigned before = generation_;
        pump_until([&] { return answers_.contains(id) || generation_ != before; }, patience);
        const auto found = answers_.extract(id);
        return found ? std::optional(std::move(found.mapped())) : std::nullopt;
    }
    std::uint64_t submit_bulk(std::uint8_t endpoint, std::size_t length, std::span<const std::byte> out) {
        usb_redir_bulk_packet_header head{};
        head.endpoint = endpoint;
        head.length = static_cast<std::uint16_t>(length & 0xFFFFU);
        head.length_high = static_cast<std::uint16_t>(length >> 16U);
        std::vector<std::byte> copy(out.begin(), out.end());
        usbredirparser_send_bulk_packet(parser_.get(), next_id_, &head,
                                        copy.empty() ? nullptr : reinterpret_cast<std::uint8_t*>(copy.data()),
                                        static_cast<int>(copy.size()));
        return next_id_++;
    }
    /// A control transfer; kDeviceRefused for a stall.
    Result<std::vector<std::byte>> control(std::uint8_t type, std::uint8_t request, std::uint16_t value,
                                           std::uint16_t index, std::span<const std::byte> out,
                                           std::size_t length) {
        usb_redir_control_packet_header head{};
        head.endpoint = type & 0x80U;
        head.requesttype = type;
        head.request = request;
        head.value = value;
        head.index = index;
        head.length = static_cast<std::uint16_t>(length);
        std::vector<std::byte> copy(out.begin(), out.end());
        const std::uint64_t id = next_id_++;
        usbredirparser_send_control_packet(
            parser_.get(), id, &head, copy.empty() ? nullptr : reinterpret_cast<std::uint8_t*>(copy.data()),
            static_cast<int>(copy.size()));
        auto answer = wait_for(id, milliseconds{1000});
        if (!answer) {
            return there_ ? Status::kDeviceSilent : Status::kDeviceGone;
        }
        if (answer->status != usb_redir_success) {
            return error_of(answer->status);
        }
        return std::move(answer->bytes);
    }
    [[nodiscard]] unsigned generation() const { return generation_; }

    usb_redir_ep_info_header shape{};

  private:
    static RedirHost& of(void* self) { return *static_cast<RedirHost*>(self); }
    static Error error_of(std::uint8_t status) {
        return status == usb_redir_stall     ? Status::kDeviceRefused
               : status == usb_redir_ioerror ? Status::kDeviceGone
                                             : Status::kDeviceGarbled;
    }
    void take(std::uint64_t id, std::uint8_t status, std::uint8_t* data, int size) {
        const std::span got(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(size));
        answers_[id] = {status, std::vector<std::byte>(got.begin(), got.end())};
        usbredirparser_free_packet_data(parser_.get(), data);
    }
    void left() {
        there_.reset();
        answers_.clear();
        ++generation_;
    }

    class Handle : public Transport {
      public:
        explicit Handle(RedirHost& host) : host_(host), generation_(host.generation_) {}

        Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                       milliseconds /*timeout*/) override {
            if (gone()) {
                return Status::kDeviceGone;
            }
            const auto got =
                host_.control(0xC0, static_cast<std::uint8_t>(request), value, 0, {}, data.size());
            if (!got) {
                return got.error();
            }
            std::ranges::copy(*got, data.begin());
            return got->size();
        }
        Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                                 milliseconds /*timeout*/) override {
            if (gone()) {
                return Status::kDeviceGone;
            }
            const auto got =
                host_.control(0x40, static_cast<std::uint8_t>(request), value, 0, data, data.size());
            return got ? Result<void>() : Result<void>(got.error());
        }
        Result<void> send(std::span<const std::byte> bytes, milliseconds timeout) override {
            host_.pump_until([&] { return collect() || out_.size() < kInFlight || gone(); }, timeout);
            if (gone() || failed_) {
                return failed_ ? *failed_ : Error(Status::kDeviceGone);
            }
            if (out_.size() >= kInFlight) {
                return Status::kWouldBlock;
            }
            out_.push_back(host_.submit_bulk(usb::kEndpointOut, bytes.size(), bytes));
            return {};
        }
        Result<std::size_t> receive(std::span<std::byte> into, milliseconds timeout) override {
            while (!gone() && in_.size() < kInFlight) {
                in_.push_back(host_.submit_bulk(usb::kEndpointIn, kMostSend, {}));
            }
            host_.pump_until([&] { return collect() || !arrived_.empty() || gone(); }, timeout);
            if (gone() || failed_) {
                return failed_ ? *failed_ : Error(Status::kDeviceGone);
            }
            const std::size_t size = std::min(into.size(), arrived_.size());
            const auto end = arrived_.begin() + static_cast<std::ptrdiff_t>(size);
            std::copy(arrived_.begin(), end, into.begin());
            arrived_.erase(arrived_.begin(), end);
            return size;
        }
        Result<void> clear_halts() override {
            failed_.reset();
            for (const std::uint16_t endpoint : {usb::kEndpointOut, usb::kEndpointIn}) {
                if (const auto done = host_.control(0x02, 1, 0, endpoint, {}, 0); !done) {
                    return done.error();
                }
            }
            return {};
        }

      private:
        static constexpr std::size_t kInFlight = 4;
        [[nodiscard]] bool gone() const { return !host_.there_ || generation_ != host_.generation_; }
        /// True when a transfer has failed.
        bool collect() {
            for (auto* line : {&out_, &in_}) {
                while (!line->empty()) {
                    auto found = host_.answers_.extract(line->front());
                    if (!found) {
                        break;
                    }
                    line->pop_front();
                    if (found.mapped().status != usb_redir_success) {
                        failed_ = error_of(found.mapped().status);
                    }
                    const auto& bytes = found.mapped().bytes;
                    arrived_.insert(arrived_.end(), bytes.begin(), bytes.end());
                }
            }
            return failed_.has_value();
        }

        RedirHost& host_;
        const unsigned generation_;
        std::deque<std::uint64_t> out_, in_;
        std::deque<std::byte> arrived_;
        std::optional<Error> failed_;
    };

    sim::RedirDevice& device_;
    UniqueFd socket_;
    std::unique_ptr<usbredirparser, void (*)(usbredirparser*)> parser_;
    std::optional<usb_redir_device_connect_header> there_;
    unsigned generation_ = 0;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, Answer> answers_;
};

}  // namespace keyway::device
