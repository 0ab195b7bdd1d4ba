#include "usbfs_shim.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string_view>

namespace keyway::device {

namespace {

UsbfsShim* g_shim = nullptr;
constexpr std::string_view kNodes = "/dev/bus/usb/";

template <typename Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

std::string hex_of(std::span<const std::byte> bytes) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string text;
    for (const std::byte byte : bytes) {
        text.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4U]);
        text.push_back(kDigits[std::to_integer<unsigned>(byte) & 0xFU]);
    }
    return text;
}

void fill(int fd) {
    const std::array<char, 4096> bytes{};
    while (::write(fd, bytes.data(), bytes.size()) > 0) {
    }
}

void drain(int fd) {
    std::array<char, 4096> bytes{};
    while (::read(fd, bytes.data(), bytes.size()) > 0) {
    }
}

}  // namespace

UsbfsShim::UsbfsShim(sim::SimulatedBoard& board) : board_(board), testbed_(umockdev_testbed_new()) {
    g_shim = this;
    appear();
}

UsbfsShim::~UsbfsShim() {
    g_shim = nullptr;
    g_object_unref(testbed_);
}

void UsbfsShim::appear() {
    ++number_;
    generation_ = board_.generation();
    std::vector<std::byte> descriptors;
    for (const std::uint8_t type : {std::uint8_t{1}, std::uint8_t{2}}) {
        const auto got = board_.usb_control({0x80, 6, 0, type, 0, 0, 255, 0}, {});
        descriptors.insert(descriptors.end(), got->begin(), got->end());
    }
    std::array<char, 8> number{};
    std::snprintf(number.data(), number.size(), "%03u", number_);
    const std::string node = "bus/usb/001/" + std::string(number.data());
    const std::string text =
        "P: /devices/pci0/usb1/1-2\nN: " + node +
        "\nE: SUBSYSTEM=usb\nE: DRIVER=usb\nE: BUSNUM=001\nE: DEVNUM=" + number.data() +
        "\nE: DEVNAME=/dev/" + node +
        "\nE: DEVTYPE=usb_device\nA: bConfigurationValue=1\\n\nA: busnum=1\\n\nA: devnum=" +
        std::to_string(number_) + "\\n\nA: speed=480\\n\nH: descriptors=" + hex_of(descriptors) + "\n";
    GError* error = nullptr;
    if (umockdev_testbed_add_from_string(testbed_, text.c_str(), &error) == 0) {
        std::fprintf(stderr, "umockdev: %s\n", error->message);
        std::abort();
    }
    system_path_ = "/sys/devices/pci0/usb1/1-2";
    umockdev_testbed_uevent(testbed_, system_path_.c_str(), "add");
}

void UsbfsShim::vanish() {
    if (system_path_.empty()) {
        return;
    }
    for (const auto& node : nodes_) {
        // The kernel gives every transfer back, and the node is in error after that.
        while (!node->waiting.empty()) {
            usbdevfs_urb* const urb = node->waiting.front();
            node->waiting.pop_front();
            finish(*node, *urb, -ESHUTDOWN, 0);
        }
        node->other.reset();
    }
    umockdev_testbed_uevent(testbed_, system_path_.c_str(), "remove");
    umockdev_testbed_remove_device(testbed_, system_path_.c_str());
    system_path_.clear();
}

void UsbfsShim::unplug() {
    board_.unplug();
    vanish();
}

void UsbfsShim::plug_in(sim::SimulatedBoard::Power power) {
    board_.plug_in(power);
    appear();
}

// The chip runs other firmware than a moment ago: it has left the bus and is there again as another device.
void UsbfsShim::follow_generation() {
    if (board_.generation() != generation_ && !system_path_.empty()) {
        vanish();
        if (const auto there = board_.list(); there && !there->empty()) {
            appear();
        }
    }
}

UsbfsShim::Node* UsbfsShim::find(int fd) {
    const auto found = std::ranges::find_if(nodes_, [&](const auto& node) { return node->fd == fd; });
    return found == nodes_.end() ? nullptr : found->get();
}

bool UsbfsShim::owns(int fd) const {
    return std::ranges::any_of(nodes_, [&](const auto& node) { return node->fd == fd; });
}

std::size_t UsbfsShim::in_flight() const {
    std::size_t count = 0;
    for (const auto& node : nodes_) {
        count += node->waiting.size() + node->done.size();
    }
    return count;
}

int UsbfsShim::open_node(const char* /*path*/) {
    if (refuse_open != 0) {
        errno = refuse_open;
        return -1;
    }
    if (system_path_.empty()) {
        errno = ENODEV;
        return -1;
    }
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
        return -1;
    }
    ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
    auto node = std::make_unique<Node>();
    node->fd = ends[1];
    node->other.reset(ends[0]);
    node->generation = generation_;
    show(*node);
    nodes_.push_back(std::move(node));
    return ends[1];
}

void UsbfsShim::close_node(int fd) {
    std::erase_if(nodes_, [&](const auto& node) { return node->fd == fd; });
}

void UsbfsShim::show(Node& node) {
    if (!node.other) {
        return;
    }
    if (node.done.empty()) {
        fill(node.fd);
    } else {
        drain(node.other.get());
    }
}

void UsbfsShim::finish(Node& node, usbdevfs_urb& urb, int status, int length) {
    urb.status = status;
    urb.actual_length = length;
    node.done.push_back(&urb);
    show(node);
}

void UsbfsShim::serve_in(Node& node) {
    while (!node.waiting.empty()) {
        usbdevfs_urb& urb = *node.waiting.front();
        const auto bytes = board_.usb_in(static_cast<std::size_t>(urb.buffer_length));
        if (bytes.empty()) {
            return;
        }
        node.waiting.pop_front();
        std::memcpy(urb.buffer, bytes.data(), bytes.size());
        finish(node, urb, 0, static_cast<int>(bytes.size()));
    }
}

void UsbfsShim::submit(Node& node, usbdevfs_urb& urb) {
    auto* const bytes = static_cast<std::byte*>(urb.buffer);
    const auto length = static_cast<std::size_t>(urb.buffer_length);
    if (urb.type == USBDEVFS_URB_TYPE_CONTROL) {
        sim::Fx2::Setup setup{};
        std::memcpy(setup.data(), bytes, setup.size());
        const bool to_host = (setup[0] & 0x80U) != 0;
        const auto out = to_host ? std::span<std::byte>() : std::span(bytes + 8, length - 8);
        const auto answer = board_.usb_control(setup, out);
        if (!answer) {
            return finish(node, urb, -EPIPE, 0);
        }
        std::memcpy(bytes + 8, answer->data(), std::min(answer->size(), length - 8));
        return finish(node, urb, 0, static_cast<int>(to_host ? answer->size() : length - 8));
    }
    if ((urb.endpoint & 0x80U) != 0) {
        node.waiting.push_back(&urb);
    } else {
        board_.usb_out(std::span(bytes, length));
        finish(node, urb, 0, urb.buffer_length);
    }
    most_in_flight_ = std::max(most_in_flight_, in_flight());
    serve_in(node);
}

int UsbfsShim::control_node(int fd, unsigned long request, void* argument) {
    Node& node = *find(fd);
    const auto fail = [](int error) {
        errno = error;
        return -1;
    };
    if (request == USBDEVFS_REAPURBNDELAY || request == USBDEVFS_REAPURB) {
        if (node.done.empty()) {
            return fail(node.other ? EAGAIN : ENODEV);
        }
        *static_cast<void**>(argument) = node.done.front();
        node.done.pop_front();
        show(node);
        return 0;
    }
    if (!node.other) {
        return fail(ENODEV);
    }
    switch (request) {
        case USBDEVFS_GET_CAPABILITIES:
            *static_cast<std::uint32_t*>(argument) =
                USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_BULK_CONTINUATION | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
            return 0;
        case USBDEVFS_CLAIMINTERFACE:
            return refuse_claim != 0 ? fail(refuse_claim) : 0;
        case USBDEVFS_RELEASEINTERFACE:
        case USBDEVFS_CLEAR_HALT:
        case USBDEVFS_SETCONFIGURATION:
        case USBDEVFS_SETINTERFACE:
        case USBDEVFS_RESET:
            return 0;
        case USBDEVFS_SUBMITURB:
            submit(node, *static_cast<usbdevfs_urb*>(argument));
            follow_generation();
            return 0;
        case USBDEVFS_DISCARDURB: {
            auto* const urb = static_cast<usbdevfs_urb*>(argument);
            if (std::erase(node.waiting, urb) == 0) {
                return fail(EINVAL);
            }
            finish(node, *urb, -ENOENT, 0);
            return 0;
        }
        default:
            return fail(ENOTTY);
    }
}

}  // namespace keyway::device

// ---- Before libc. libusb calls these; what is not of our nodes goes on.

extern "C" {

[[gnu::visibility("default")]] int open(const char* path, int flags, ...) {
    std::va_list list;
    va_start(list, flags);
    const auto mode = va_arg(list, mode_t);
    va_end(list);
    if (keyway::device::g_shim != nullptr && std::string_view(path).starts_with(keyway::device::kNodes)) {
        return keyway::device::g_shim->open_node(path);
    }
    return keyway::device::next<int (*)(const char*, int, ...)>("open")(path, flags, mode);
}

[[gnu::visibility("default")]] int __open_2(const char* path, int flags) {  // NOLINT: libc's name
    return open(path, flags, 0);
}

[[gnu::visibility("default")]] int ioctl(int fd, unsigned long request, ...) {
    std::va_list list;
    va_start(list, request);
    void* const argument = va_arg(list, void*);
    va_end(list);
    if (keyway::device::g_shim != nullptr && keyway::device::g_shim->owns(fd)) {
        return keyway::device::g_shim->control_node(fd, request, argument);
    }
    return keyway::device::next<int (*)(int, unsigned long, ...)>("ioctl")(fd, request, argument);
}

[[gnu::visibility("default")]] int close(int fd) {
    if (keyway::device::g_shim != nullptr && keyway::device::g_shim->owns(fd)) {
        keyway::device::g_shim->close_node(fd);
    }
    return keyway::device::next<int (*)(int)>("close")(fd);
}
}
