// Messages that point into regions.

#include <cstring>

#include "client/connection_impl.hpp"
#include "keyway/region.hpp"

namespace keyway {

namespace {

// A message whose payload says which part of what it carries is meant.
Result<void> send_part(Connection& connection, const Capability& to, const Capability& region,
                       const Slice& slice, const Grant& grant, Deadline deadline) {
    Outgoing message = Outgoing::to(to, std::as_bytes(std::span(&slice, 1)));
    message.flags = flag::kZeroCopy;
    message.carried = region.id;
    message.grant = grant;
    return connection.send(message, deadline);
}

Slice slice_of(std::uint64_t offset, std::uint64_t length) {
    Slice slice;
    slice.set_offset(offset);
    slice.set_length(length);
    return slice;
}

}  // namespace

Result<void> send_slice(Connection& connection, const Capability& to, const RegionMapping& region,
                        std::uint64_t offset, std::uint64_t length, Deadline deadline) {
    if (offset > region.size() || length > region.size() - offset || length == 0) {
        return Status::kBadArgument;
    }
    Grant grant;
    grant.set_rights(right::kRead);
    return send_part(connection, to, region.capability(), slice_of(offset, length), grant, deadline);
}

Result<SentAs> send_large(Connection& connection, const Capability& to, std::span<const std::byte> bytes,
                          Deadline deadline) {
    if (bytes.empty()) {
        return Status::kBadArgument;
    }
    if (bytes.size() <= kLargeThreshold) {
        if (auto sent = connection.send(Outgoing::to(to, bytes), deadline); !sent) {
            return sent.error();
        }
        return SentAs::kMessage;
    }
    auto region = client::make_region_of(connection.impl(), bytes);
    if (!region) {
        return region.error();
    }
    // The region itself goes along, so that it ends with the receiver and not with us.
    Grant grant;
    grant.set_flags(grant_flag::kMove);
    auto sent = send_part(connection, to, *region, slice_of(0, bytes.size()), grant, deadline);
    if (!sent) {
        [[maybe_unused]] auto undone = connection.release(region->id);
        return sent.error();
    }
    return SentAs::kRegion;
}

bool has_slice(const Received& message) noexcept {
    return (message.header().flags() & flag::kZeroCopy) != 0 && message.carried() != 0;
}

Result<ReceivedSlice> open_slice(Connection& connection, const Received& message) {
    Slice slice;
    if (!has_slice(message) || message.payload().size() != sizeof slice) {
        return Status::kBadArgument;
    }
    std::memcpy(&slice, message.payload().data(), sizeof slice);
    ReceivedSlice received;
    auto opened = received.mapping_.open(connection, message.carried(), false, false, &received.shared_);
    if (!opened && opened.error() == Error{Verdict::kWrongObject}) {
        received.revocable_ = true;
        opened = received.mapping_.open(connection, message.carried(), false, true);
    }
    if (!opened) {
        return opened.error();
    }
    received.offset_ = slice.offset();
    received.length_ = slice.length();
    const std::uint64_t size = received.mapping_.size();
    if (received.offset_ > size || received.length_ > size - received.offset_) {
        received.mapping_.unmap();
        return Status::kBadArgument;
    }
    return received;
}

std::span<const std::byte> ReceivedSlice::bytes() const noexcept {
    if (revocable_ || !mapping_.mapped()) {
        return {};
    }
    return {mapping_.address_ + offset_, std::size_t{length_}};
}

Result<void> ReceivedSlice::read(std::uint64_t offset, std::span<std::byte> to) {
    if (offset > length_ || to.size() > length_ - offset) {
        return Status::kBadArgument;
    }
    return mapping_.copy(offset_ + offset, to.data(), to.size(), true);
}

Result<void> ReceivedSlice::release() {
    auto done = mapping_.destroy();
    shared_.reset();
    return done;
}

}  // namespace keyway
