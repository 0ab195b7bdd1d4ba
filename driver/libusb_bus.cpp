#include "driver/libusb_bus.hpp"

#include <libusb.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>

namespace keyway::device {

namespace {

constexpr int kInterface = 0;
constexpr unsigned kInFlight = 4;  // transfers each way
constexpr std::size_t kTransferBytes = Transport::kMostSend;
static_assert(kTransferBytes % usb::kPacket == 0, "else a full packet at the end would be an overflow");

using Clock = std::chrono::steady_clock;
using Context = std::unique_ptr<libusb_context, decltype(&libusb_exit)>;
using Handle = std::unique_ptr<libusb_device_handle, decltype(&libusb_close)>;

Error error_of(int code) {
    switch (code) {
        case LIBUSB_ERROR_ACCESS:
            return Status::kDevicePermission;
        case LIBUSB_ERROR_BUSY:
            return Status::kDeviceBusy;
        case LIBUSB_ERROR_NO_DEVICE:
        case LIBUSB_ERROR_NOT_FOUND:
            return Status::kDeviceGone;
        case LIBUSB_ERROR_PIPE:
            return Status::kDeviceRefused;
        case LIBUSB_ERROR_TIMEOUT:
            return Status::kDeviceSilent;
        case LIBUSB_ERROR_NO_MEM:
            return Error::system(ENOMEM);
        case LIBUSB_ERROR_NOT_SUPPORTED:
            return Status::kNotSupported;
        default:
            return Status::kDeviceGarbled;
    }
}

Error error_of_transfer(libusb_transfer_status status) {
    switch (status) {
        case LIBUSB_TRANSFER_STALL:
            return Status::kDeviceRefused;
        case LIBUSB_TRANSFER_NO_DEVICE:
        case LIBUSB_TRANSFER_CANCELLED:
            return Status::kDeviceGone;
        case LIBUSB_TRANSFER_TIMED_OUT:
            return Status::kDeviceSilent;
        case LIBUSB_TRANSFER_COMPLETED:
        case LIBUSB_TRANSFER_OVERFLOW:
        case LIBUSB_TRANSFER_ERROR:
            break;
    }
    return Status::kDeviceGarbled;
}

Result<Context> make_context() {
    libusb_context* raw = nullptr;
    if (const int code = libusb_init(&raw); code != 0) {
        // Without any USB in the machine, too.
        return code == LIBUSB_ERROR_NO_MEM ? Error::system(ENOMEM) : Error(Status::kNoDevice);
    }
    libusb_set_option(raw, LIBUSB_OPTION_LOG_LEVEL, LIBUSB_LOG_LEVEL_NONE);
    return Context(raw, &libusb_exit);
}

std::string place_of(libusb_device* device) {
    std::array<std::uint8_t, 8> ports{};
    const int count = libusb_get_port_numbers(device, ports.data(), static_cast<int>(ports.size()));
    std::string place = std::to_string(libusb_get_bus_number(device));
    for (int i = 0; i < count; ++i) {
        place += (i == 0 ? "-" : ".") + std::to_string(ports[static_cast<std::size_t>(i)]);
    }
    return place;
}

// Calls `visit(device, descriptor)` for each device that may be a board, until it returns true.
Result<void> for_each_board(
    libusb_context* context,
    const std::function<bool(libusb_device*, const libusb_device_descriptor&)>& visit) {
    libusb_device** devices = nullptr;
    const ssize_t count = libusb_get_device_list(context, &devices);
    if (count < 0) {
        return error_of(static_cast<int>(count));
    }
    const std::unique_ptr<libusb_device*, void (*)(libusb_device**)> owner(
        devices, [](libusb_device** list) { libusb_free_device_list(list, 1); });
    for (libusb_device* device : std::span(devices, static_cast<std::size_t>(count))) {
        libusb_device_descriptor descriptor{};
        if (libusb_get_device_descriptor(device, &descriptor) != 0) {
            continue;
        }
        const Found ids{
            .vendor = descriptor.idVendor, .product = descriptor.idProduct, .place = {}, .serial = {}};
        if ((ids.is_blank() || ids.is_board()) && visit(device, descriptor)) {
            break;
        }
    }
    return {};
}

// Text that a device gave: printable ASCII, or nothing.
std::string text_of(libusb_device_handle* handle, std::uint8_t index) {
    std::array<unsigned char, 128> bytes{};
    const int size =
        libusb_get_string_descriptor_ascii(handle, index, bytes.data(), static_cast<int>(bytes.size()));
    std::string text;
    for (int i = 0; i < size; ++i) {
        const unsigned char c = bytes[static_cast<std::size_t>(i)];
        text.push_back(c > ' ' && c < 0x7F ? static_cast<char>(c) : '?');
    }
    return text;
}

class LibusbTransport : public Transport {
  public:
    LibusbTransport(Context context, Handle handle)
        : context_(std::move(context)), handle_(std::move(handle)) {
        for (auto* side : {&in_, &out_}) {
            for (Slot& slot : *side) {
                slot.transfer = libusb_alloc_transfer(0);
                slot.owner = this;
                slot.buffer.resize(kTransferBytes);
            }
        }
    }
    LibusbTransport(const LibusbTransport&) = delete;
    LibusbTransport& operator=(const LibusbTransport&) = delete;
    ~LibusbTransport() override {
        stop(in_);
        stop(out_);
        for (auto* side : {&in_, &out_}) {
            for (Slot& slot : *side) {
                if (!slot.in_flight) {
                    libusb_free_transfer(slot.transfer);
                }
            }
        }
        libusb_release_interface(handle_.get(), kInterface);
    }

    Result<std::size_t> control_in(UsbRequest request, std::uint16_t value, std::span<std::byte> data,
                                   milliseconds timeout) override {
        const int got = libusb_control_transfer(handle_.get(), 0xC0, static_cast<std::uint8_t>(request),
                                                value, 0, reinterpret_cast<unsigned char*>(data.data()),
                                                static_cast<std::uint16_t>(data.size()), wait_of(timeout));
        return got < 0 ? Result<std::size_t>(error_of(got)) : static_cast<std::size_t>(got);
    }
    Result<void> control_out(UsbRequest request, std::uint16_t value, std::span<const std::byte> data,
                             milliseconds timeout) override {
        std::vector<std::byte> copy(data.begin(), data.end());  // libusb takes no const
        const int got = libusb_control_transfer(handle_.get(), 0x40, static_cast<std::uint8_t>(request),
                                                value, 0, reinterpret_cast<unsigned char*>(copy.data()),
                                                static_cast<std::uint16_t>(copy.size()), wait_of(timeout));
        if (got < 0) {
            return error_of(got);
        }
        return static_cast<std::size_t>(got) == data.size() ? Result<void>()
                                                            : Result<void>(Status::kDeviceGarbled);
    }

    Result<void> send(std::span<const std::byte> bytes, milliseconds timeout) override {
        if (bytes.size() > kMostSend) {
            return Status::kBadArgument;
        }
        Slot* free = nullptr;
        if (const auto waited = wait(timeout, [&] { return (free = free_slot()) != nullptr || failed_; });
            !waited) {
            return waited;
        }
        if (failed_) {
            return *failed_;
        }
        if (free == nullptr) {
            return Status::kWouldBlock;
        }
        std::memcpy(free->buffer.data(), bytes.data(), bytes.size());
        return submit(*free, usb::kEndpointOut, bytes.size());
    }

    Result<std::size_t> receive(std::span<std::byte> into, milliseconds timeout) override {
        for (Slot& slot : in_) {
            if (!slot.in_flight && !slot.ready) {
                if (const auto begun = submit(slot, usb::kEndpointIn, kTransferBytes); !begun) {
                    return begun.error();
                }
            }
        }
        if (const auto waited = wait(timeout, [&] { return !ready_.empty() || failed_; }); !waited) {
            return waited.error();
        }
        if (ready_.empty()) {
            return failed_ ? Result<std::size_t>(*failed_) : Result<std::size_t>(std::size_t{0});
        }
        Slot& slot = *ready_.front();
        const auto status = slot.transfer->status;
        const auto whole =
            std::span(slot.buffer).first(static_cast<std::size_t>(slot.transfer->actual_length));
        const auto rest = whole.subspan(slot.taken);
        const std::size_t size = std::min(rest.size(), into.size());
        std::memcpy(into.data(), rest.data(), size);
        slot.taken += size;
        if (slot.taken == whole.size()) {
            ready_.pop_front();
            slot.ready = false;
            if (status != LIBUSB_TRANSFER_COMPLETED && size == 0) {
                return error_of_transfer(status);
            }
        }
        return size;
    }

    Result<void> clear_halts() override {
        stop(in_);
        ready_.clear();
        for (Slot& slot : in_) {
            slot.ready = false;
        }
        stop(out_);
        failed_.reset();
        for (const std::uint16_t endpoint : {usb::kEndpointOut, usb::kEndpointIn}) {
            if (const int code = libusb_clear_halt(handle_.get(), static_cast<unsigned char>(endpoint));
                code != 0) {
                return error_of(code);
            }
        }
        return {};
    }

  private:
    struct Slot {
        libusb_transfer* transfer = nullptr;
        LibusbTransport* owner = nullptr;
        std::vector<unsigned char> buffer;
        std::size_t taken = 0;
        bool in_flight = false;
        bool ready = false;  ///< bytes (or an error) of it wait for receive()
    };
    using Side = std::array<Slot, kInFlight>;

    static unsigned wait_of(milliseconds timeout) {
        return static_cast<unsigned>(std::max<milliseconds::rep>(timeout.count(), 1));  // 0 would be for ever
    }
    Slot* free_slot() {
        const auto found = std::ranges::find_if(out_, [](const Slot& slot) { return !slot.in_flight; });
        return found == out_.end() ? nullptr : &*found;
    }
    Result<void> submit(Slot& slot, std::uint16_t endpoint, std::size_t size) {
        if (slot.transfer == nullptr) {
            return Error::system(ENOMEM);
        }
        libusb_fill_bulk_transfer(slot.transfer, handle_.get(), static_cast<unsigned char>(endpoint),
                                  slot.buffer.data(), static_cast<int>(size), &LibusbTransport::completed,
                                  &slot, 0);
        slot.taken = 0;
        if (const int code = libusb_submit_transfer(slot.transfer); code != 0) {
            return error_of(code);
        }
        slot.in_flight = true;
        return {};
    }
    static void completed(libusb_transfer* transfer) {
        Slot& slot = *static_cast<Slot*>(transfer->user_data);
        slot.in_flight = false;
        if ((transfer->endpoint & LIBUSB_ENDPOINT_IN) != 0) {
            slot.ready = true;
            slot.owner->ready_.push_back(&slot);
        } else if (transfer->status != LIBUSB_TRANSFER_COMPLETED) {
            slot.owner->failed_ = error_of_transfer(transfer->status);
        } else if (transfer->actual_length != transfer->length) {
            slot.owner->failed_ = Error(Status::kDeviceGarbled);
        }
    }
    // Lets libusb work until `done` or the time is over.
    template <typename Done>
    Result<void> wait(milliseconds timeout, const Done& done) {
        const auto until = Clock::now() + timeout;
        timeval none{};
        if (const int code = libusb_handle_events_timeout_completed(context_.get(), &none, nullptr);
            code != 0) {
            return error_of(code);
        }
        while (!done()) {
            const auto left =
                std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now()).count();
            if (left <= 0) {
                break;
            }
            timeval some{.tv_sec = left / 1000000, .tv_usec = left % 1000000};
            if (const int code = libusb_handle_events_timeout_completed(context_.get(), &some, nullptr);
                code != 0) {
                return error_of(code);
            }
        }
        return {};
    }
    // Cancels what is in flight and waits until libusb has given it back. The kernel does so at once; a
    // second is for a host controller in trouble.
    void stop(Side& side) {
        for (Slot& slot : side) {
            if (slot.in_flight) {
                libusb_cancel_transfer(slot.transfer);
            }
        }
        (void)wait(milliseconds{1000}, [&] {
            return std::ranges::none_of(side, [](const Slot& slot) { return slot.in_flight; });
        });
    }

    Context context_;  // goes last
    Handle handle_;
    Side in_, out_;
    std::deque<Slot*> ready_;  ///< in the order of their bytes
    std::optional<Error> failed_;
};

}  // namespace

Result<std::vector<Found>> LibusbBus::list() {
    auto context = make_context();
    if (!context) {
        return context.error() == Status::kNoDevice ? Result<std::vector<Found>>(std::vector<Found>{})
                                                    : Result<std::vector<Found>>(context.error());
    }
    std::vector<Found> all;
    const auto visited = for_each_board(
        context->get(), [&](libusb_device* device, const libusb_device_descriptor& descriptor) {
            Found found{.vendor = descriptor.idVendor,
                        .product = descriptor.idProduct,
                        .release = descriptor.bcdDevice,
                        .place = place_of(device),
                        .serial = {}};
            libusb_device_handle* raw = nullptr;
            const int code = libusb_open(device, &raw);
            const Handle handle(raw, &libusb_close);
            found.permitted = code != LIBUSB_ERROR_ACCESS;
            if (code == 0 && descriptor.iSerialNumber != 0) {
                found.serial = text_of(raw, descriptor.iSerialNumber);
            }
            all.push_back(std::move(found));
            return false;
        });
    if (!visited) {
        return visited.error();
    }
    return all;
}

Result<std::unique_ptr<Transport>> LibusbBus::open(const Found& found) {
    auto context = make_context();
    if (!context) {
        return context.error();
    }
    Handle handle(nullptr, &libusb_close);
    int code = LIBUSB_ERROR_NO_DEVICE;
    const auto visited = for_each_board(
        context->get(), [&](libusb_device* device, const libusb_device_descriptor& descriptor) {
            if (place_of(device) != found.place || descriptor.idVendor != found.vendor ||
                descriptor.idProduct != found.product) {
                return false;
            }
            libusb_device_handle* raw = nullptr;
            code = libusb_open(device, &raw);
            handle.reset(raw);
            return true;
        });
    if (!visited) {
        return visited.error();
    }
    if (code == 0) {
        code = libusb_claim_interface(handle.get(), kInterface);
    }
    if (code != 0) {
        return error_of(code);
    }
    return Result<std::unique_ptr<Transport>>(
        std::make_unique<LibusbTransport>(std::move(*context), std::move(handle)));
}

void LibusbBus::wait_for_change(milliseconds timeout) {
    const auto context = make_context();
    if (!context) {
        return;
    }
    int changed = 0;
    const auto on_change = [](libusb_context*, libusb_device*, libusb_hotplug_event, void* flag) {
        *static_cast<int*>(flag) = 1;
        return 0;
    };
    libusb_hotplug_callback_handle registered{};
    libusb_hotplug_register_callback(
        context->get(), LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT,
        LIBUSB_HOTPLUG_NO_FLAGS, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
        on_change, &changed, &registered);
    timeval wait{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
    libusb_handle_events_timeout_completed(context->get(), &wait, &changed);
}

}  // namespace keyway::device
