#include "driver/board.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "driver/firmware_image.hpp"
#include "driver/intel_hex.hpp"

namespace keyway::device {

namespace {

constexpr milliseconds kPatience{1000};  // for one control request
constexpr std::uint16_t kCpuControl = 0xE600;
constexpr std::size_t kPiece = 1024;  // of the firmware
constexpr std::size_t kBitstreamPiece = 4096;
constexpr std::size_t kMostBitstream = std::size_t{8} << 20U;

template <typename Struct>
Result<Struct> ask(Transport& transport, UsbRequest request) {
    Struct made;
    const auto got =
        transport.control_in(request, 0, std::as_writable_bytes(std::span(made.words)), kPatience);
    if (!got) {
        return got.error();
    }
    if (*got != sizeof made) {
        return Status::kDeviceGarbled;
    }
    return made;
}

Result<void> hold_cpu(Transport& transport, bool hold) {
    const std::array value{std::byte{hold}};
    return transport.control_out(UsbRequest::kLoadRam, kCpuControl, value, kPatience);
}

Result<void> load_firmware(Transport& transport, const std::vector<Segment>& segments) {
    if (const auto held = hold_cpu(transport, true); !held) {
        return held;
    }
    for (const Segment& segment : segments) {
        for (std::size_t at = 0; at < segment.bytes.size(); at += kPiece) {
            const auto piece =
                std::span(segment.bytes).subspan(at, std::min(kPiece, segment.bytes.size() - at));
            const auto address = static_cast<std::uint16_t>(segment.address + at);
            if (const auto wrote = transport.control_out(UsbRequest::kLoadRam, address, piece, kPatience);
                !wrote) {
                return wrote;
            }
            std::array<std::byte, kPiece> back{};
            const auto read = transport.control_in(UsbRequest::kLoadRam, address,
                                                   std::span(back).first(piece.size()), kPatience);
            if (!read) {
                return read.error();
            }
            if (*read != piece.size() || !std::ranges::equal(piece, std::span(back).first(piece.size()))) {
                return Status::kDeviceGarbled;
            }
        }
    }
    // The firmware leaves the bus at once, maybe before it has answered.
    const auto released = hold_cpu(transport, false);
    if (!released && released.error() != Status::kDeviceGone && released.error() != Status::kDeviceRefused &&
        released.error() != Status::kDeviceSilent) {
        return released;
    }
    return {};
}

Result<void> load_bitstream(Transport& transport, std::span<const std::byte> bitstream) {
    // The preamble of an iCE40 bitstream, behind a comment of any length.
    constexpr std::array kPreamble{std::byte{0x7E}, std::byte{0xAA}, std::byte{0x99}, std::byte{0x7E}};
    if (bitstream.size() > kMostBitstream || std::ranges::search(bitstream, kPreamble).empty()) {
        return Status::kBadImage;
    }
    if (const auto begun = transport.control_out(UsbRequest::kFpgaBegin, 0, {}, kPatience); !begun) {
        return begun;
    }
    for (std::size_t at = 0; at < bitstream.size(); at += kBitstreamPiece) {
        const auto piece = bitstream.subspan(at, std::min(kBitstreamPiece, bitstream.size() - at));
        if (const auto sent = transport.control_out(UsbRequest::kFpgaData, 0, piece, kPatience); !sent) {
            return sent;
        }
    }
    std::array<std::byte, 1> done{};
    const auto got = transport.control_in(UsbRequest::kFpgaEnd, 0, done, kPatience);
    if (!got) {
        return got.error();
    }
    if (*got != 1 || done[0] != std::byte{1}) {
        return Status::kFpgaEmpty;
    }
    return {};
}

// The device at `place`, as soon as it is there with a board's id and answers.
Result<Loaded> wait_for_board(Usb& usb, const std::string& place, milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    Error last = Status::kDeviceSilent;
    for (;;) {
        const auto all = usb.list();
        if (!all) {
            return all.error();
        }
        for (const Found& each : *all) {
            if (each.place != place || !each.is_board()) {
                continue;
            }
            auto opened = usb.open(each);
            const auto identity = opened ? identify(**opened) : Result<LinkIdentity>(opened.error());
            if (identity) {
                return Loaded{.transport = std::move(*opened), .found = each, .firmware = true};
            }
            // It may be the one before, on its way out, or udev may not have given the permission yet.
            last = identity.error();
        }
        const auto now = std::chrono::steady_clock::now();
        if (now >= until) {
            return last;
        }
        usb.wait_for_change(std::min(milliseconds{100}, std::chrono::ceil<milliseconds>(until - now)));
    }
}

}  // namespace

Compared compare(const LinkIdentity& identity) noexcept {
    if (identity.major() != kVersionMajor) {
        return identity.major() < kVersionMajor ? Compared::kOlder : Compared::kNewer;
    }
    return identity.minor() == kVersionMinor ? Compared::kSame : Compared::kUsable;
}

Result<LinkIdentity> identify(Transport& transport) {
    const auto identity = ask<LinkIdentity>(transport, UsbRequest::kIdentify);
    if (!identity) {
        const Error error = identity.error();
        return error == Status::kDeviceRefused || error == Status::kDeviceGarbled ? Status::kForeignDevice
                                                                                  : error;
    }
    if (identity->magic() != kMagic) {
        return Status::kForeignDevice;
    }
    return *identity;
}

Result<void> check_version(const LinkIdentity& identity) {
    switch (compare(identity)) {
        case Compared::kOlder:
            return Status::kDeviceOlder;
        case Compared::kNewer:
            return Status::kDeviceNewer;
        case Compared::kSame:
        case Compared::kUsable:
            break;
    }
    return {};
}

Result<BoardStatus> status_of(Transport& transport) {
    return ask<BoardStatus>(transport, UsbRequest::kStatus);
}

Result<BoardStatistics> statistics_of(Transport& transport) {
    return ask<BoardStatistics>(transport, UsbRequest::kStatistics);
}

Result<Found> find_board(Usb& usb, const Wanted& wanted) {
    auto all = usb.list();
    if (!all) {
        return all.error();
    }
    if (!wanted.serial.empty()) {
        std::erase_if(*all, [&](const Found& each) {
            return each.serial != wanted.serial && each.place != wanted.serial;
        });
    }
    if (all->empty()) {
        return Status::kNoDevice;
    }
    if (all->size() > 1) {
        return Status::kBadArgument;
    }
    return all->front();
}

Result<std::unique_ptr<Transport>> open_board(Usb& usb, const Wanted& wanted) {
    const auto found = find_board(usb, wanted);
    if (!found) {
        return found.error();
    }
    if (found->is_blank()) {
        return Status::kForeignDevice;
    }
    auto opened = usb.open(*found);
    if (!opened) {
        return opened.error();
    }
    const auto identity = identify(**opened);
    if (!identity) {
        return identity.error();
    }
    if (const auto fits = check_version(*identity); !fits) {
        return fits.error();
    }
    return opened;
}

Result<Loaded> load_board(Usb& usb, const Wanted& wanted, const Images& images) {
    const auto found = find_board(usb, wanted);
    if (!found) {
        return found.error();
    }
    auto opened = usb.open(*found);
    if (!opened) {
        return opened.error();
    }
    Loaded loaded{.transport = std::move(*opened), .found = *found};
    const auto running =
        found->is_blank() ? Result<LinkIdentity>(Status::kForeignDevice) : identify(*loaded.transport);
    if (!running && running.error() != Status::kForeignDevice) {
        return running.error();
    }
    const bool ours = running && compare(*running) == Compared::kSame;
    if (!images.firmware.empty() || !ours || running->build_hash() != kFirmwareHash) {
        const std::string_view text = images.firmware.empty() ? kFirmwareHex : images.firmware;
        if (text.empty()) {
            return Status::kNotSupported;
        }
        auto segments = parse_intel_hex(text);
        if (!segments) {
            return segments.error();
        }
        // A number that the board's own software gave it stays; else its place tells it from others.
        set_serial(*segments, found->serial.empty() ? "usb-" + found->place : found->serial);
        if (const auto done = load_firmware(*loaded.transport, *segments); !done) {
            return done.error();
        }
        loaded.transport.reset();
        auto back = wait_for_board(usb, found->place, images.patience);
        if (!back) {
            return back.error();
        }
        loaded = std::move(*back);
    }
    const auto identity = identify(*loaded.transport);
    if (!identity) {
        return identity.error();
    }
    if (const auto fits = check_version(*identity); !fits) {
        return fits.error();
    }
    if (!images.bitstream.empty()) {
        if (const auto done = load_bitstream(*loaded.transport, images.bitstream); !done) {
            return done.error();
        }
        loaded.bitstream = true;
    }
    return loaded;
}

Result<void> reset_board(Transport& transport, bool fpga) {
    const auto done = transport.control_out(UsbRequest::kReset, fpga ? 3 : 1, {}, kPatience);
    return done ? transport.clear_halts() : done;
}

}  // namespace keyway::device
