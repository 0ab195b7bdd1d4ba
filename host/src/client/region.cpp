#include "keyway/region.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/crash_point.hpp"
#include "client/connection_impl.hpp"

namespace keyway {

using client::MappedRegion;
using link::ControlMessage;
using link::ReceivedControl;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kRevocable = 1;
constexpr std::uint32_t kCut = 1;
/// Longer than the router lets a reader wait for a writer.
constexpr auto kFollowPatience = std::chrono::milliseconds(500);
constexpr auto kFollowPause = std::chrono::microseconds(200);

std::size_t mapped_bytes(std::uint64_t bytes) {
    return (bytes + kPage - 1) / kPage * kPage;
}

ControlMessage about(Request what, std::uint32_t capability) {
    ControlMessage request;
    request.request = static_cast<std::uint8_t>(what);
    request.capability = capability;
    return request;
}

Result<std::byte*> map_file(const ReceivedControl& answer, std::uint64_t bytes, bool write, int flags,
                            void* at) {
    if (answer.fd_count != 1 || bytes == 0 || bytes > limit::kRegionBytes) {
        return Status::kCorrupt;
    }
    void* memory = ::mmap(at, mapped_bytes(bytes), PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED | flags,
                          answer.fds[0].get(), 0);
    if (memory == MAP_FAILED) {
        return Error::system();
    }
    return static_cast<std::byte*>(memory);
}

// Copies between memory of our own through the kernel, which says when a page can't be had any more where a
// plain access would be a signal. Returns how much was copied.
std::uint64_t copy_guarded(std::byte* to, const std::byte* from, std::uint64_t count, bool guard_source) {
    std::uint64_t done = 0;
    while (done < count) {
        iovec target{.iov_base = to + done, .iov_len = count - done};
        iovec source{.iov_base = const_cast<std::byte*>(from) + done, .iov_len = count - done};
        const ssize_t copied = guard_source ? ::process_vm_readv(::getpid(), &target, 1, &source, 1, 0)
                                            : ::process_vm_writev(::getpid(), &source, 1, &target, 1, 0);
        if (copied <= 0) {
            break;
        }
        done += static_cast<std::uint64_t>(copied);
    }
    return done;
}

Result<ReceivedControl> ask_for_region(Connection::Impl& connection, std::uint64_t bytes, bool revocable) {
    if (bytes == 0 || bytes > limit::kRegionBytes) {
        return Status::kBadArgument;
    }
    ControlMessage request = about(Request::kRegionCreate, 0);
    request.value = bytes;
    request.badge = revocable ? kRevocable : 0;
    return connection.request(request);
}

void give_up(Connection::Impl& connection, const ReceivedControl& made) {
    [[maybe_unused]] auto undone = connection.request(about(Request::kRelease, made.message.capability));
}

Result<MappedRegion> make_region(Connection::Impl& connection, std::uint64_t bytes, bool revocable) {
    auto answer = ask_for_region(connection, bytes, revocable);
    if (!answer) {
        return answer.error();
    }
    auto address = map_file(*answer, bytes, true, MAP_POPULATE, nullptr);
    if (!address) {
        give_up(connection, *answer);
        return address.error();
    }
    return MappedRegion{.capability = capability_of(answer->message),
                        .address = *address,
                        .bytes = bytes,
                        .epoch = answer->message.lifetime,
                        .revocable = revocable};
}

Result<void> write_all(int file, std::span<const std::byte> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t written =
            ::pwrite(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return Error::system();
        }
        done += static_cast<std::size_t>(written);
    }
    return {};
}

template <typename Region>
Result<Region> checked(Result<void> done, Region& region) {
    if (!done) {
        return done.error();
    }
    return std::move(region);
}

}  // namespace

namespace client {

RegionReserve::~RegionReserve() {
    for (const MappedRegion& region : ready) {
        ::munmap(region.address, mapped_bytes(region.bytes));
    }
}

SliceMapping::~SliceMapping() {
    ::munmap(address, bytes);
}

Result<std::shared_ptr<SliceMapping>> SliceMappings::map(const ReceivedControl& answer) {
    struct stat status {};
    if (answer.fd_count != 1 || ::fstat(answer.fds[0].get(), &status) != 0) {
        return Status::kCorrupt;
    }
    const auto known = std::ranges::find_if(
        lately_, [&](const auto& one) { return one->device == status.st_dev && one->file == status.st_ino; });
    if (known != lately_.end()) {
        std::rotate(known, known + 1, lately_.end());
        return lately_.back();
    }
    const std::uint64_t bytes = answer.message.value;
    auto address = map_file(answer, bytes, false, 0, nullptr);
    if (!address) {
        return address.error();
    }
    auto made = std::make_shared<SliceMapping>(*address, mapped_bytes(bytes), status.st_dev, status.st_ino);
    if (made->bytes <= kMostBytes) {
        lately_.push_back(made);
        std::size_t all = 0;
        for (const auto& one : lately_) {
            all += one->bytes;
        }
        while (all > kMostBytes || lately_.size() > kMost) {
            all -= lately_.front()->bytes;
            lately_.erase(lately_.begin());
        }
    }
    return made;
}

Result<Capability> make_region_of(Connection::Impl& connection, std::span<const std::byte> content) {
    auto answer = ask_for_region(connection, content.size(), false);
    if (!answer) {
        return answer.error();
    }
    const auto written =
        answer->fd_count == 1 ? write_all(answer->fds[0].get(), content) : Result<void>(Status::kCorrupt);
    if (!written) {
        give_up(connection, *answer);
        return written.error();
    }
    return capability_of(answer->message);
}

}  // namespace client

// --- what all have in common ---

RegionMapping::RegionMapping(RegionMapping&& other) noexcept {
    *this = std::move(other);
}

RegionMapping& RegionMapping::operator=(RegionMapping&& other) noexcept {
    if (this != &other) {
        forget();
        connection_ = other.connection_;
        capability_ = std::exchange(other.capability_, {});
        address_ = std::exchange(other.address_, nullptr);
        bytes_ = std::exchange(other.bytes_, 0);
        epoch_ = other.epoch_;
        owner_process_ = other.owner_process_;
        changes_ = other.changes_;
        revocable_ = other.revocable_;
        writable_ = other.writable_;
        owner_ = other.owner_;
        lost_ = other.lost_;
        borrowed_ = other.borrowed_;
    }
    return *this;
}

void RegionMapping::forget() noexcept {
    if (address_ != nullptr && !borrowed_) {
        ::munmap(address_, mapped_bytes(bytes_));
    }
    address_ = nullptr;
    bytes_ = 0;
    borrowed_ = false;
}

void RegionMapping::unmap() noexcept {
    if (address_ != nullptr) {
        forget();
        [[maybe_unused]] auto told = connection_->request(about(Request::kRegionUnmap, capability_.id));
    }
}

Result<void> RegionMapping::destroy() {
    forget();
    if (capability_.id == 0) {
        return Verdict::kNoSuchCapability;
    }
    auto released =
        connection_->request(about(Request::kRelease, std::exchange(capability_, Capability{}).id));
    return released ? Result<void>() : released.error();
}

Result<void> RegionMapping::make(Connection& connection, std::uint64_t bytes, bool revocable) {
    connection_ = &connection.impl();
    auto& ready = connection_->reserve.ready;
    const auto found = std::ranges::find_if(
        ready, [&](const MappedRegion& one) { return one.bytes == bytes && one.revocable == revocable; });
    MappedRegion made;
    if (found != ready.end()) {
        made = *found;
        *found = ready.back();
        ready.pop_back();
    } else {
        auto fresh = make_region(*connection_, bytes, revocable);
        if (!fresh) {
            return fresh.error();
        }
        made = *fresh;
    }
    capability_ = made.capability;
    address_ = made.address;
    bytes_ = made.bytes;
    epoch_ = made.epoch;
    owner_process_ = connection.id();
    changes_ = connection_->sending.region_changes(capability_.object);
    revocable_ = revocable;
    writable_ = owner_ = true;
    return {};
}

Result<void> RegionMapping::open(Connection& connection, std::uint32_t capability, bool write, bool revocable,
                                 std::shared_ptr<client::SliceMapping>* shared) {
    connection_ = &connection.impl();
    ControlMessage request = about(Request::kRegionMap, capability);
    request.rights = static_cast<std::uint8_t>(right::kRead | (write ? right::kWrite : 0));
    auto answer = connection_->request(request);
    if (!answer) {
        return answer.error();
    }
    const ControlMessage& message = answer->message;
    const auto undone = [&](Error why) {
        [[maybe_unused]] auto told = connection_->request(about(Request::kRegionUnmap, capability));
        return why;
    };
    if ((message.target == kRevocable) != revocable) {
        return undone(Verdict::kWrongObject);
    }
    // One of our own ends with its capability, and so must its mapping.
    borrowed_ = shared != nullptr && !revocable && message.submission_bytes != connection.id();
    if (borrowed_) {
        auto mapping = connection_->slices.map(*answer);
        if (!mapping) {
            return undone(mapping.error());
        }
        *shared = std::move(*mapping);
        address_ = (*shared)->address;
    } else {
        auto address = map_file(*answer, message.value, write, 0, nullptr);
        if (!address) {
            return undone(address.error());
        }
        address_ = *address;
    }
    capability_ = capability_of(message);
    bytes_ = message.value;
    epoch_ = message.lifetime;
    owner_process_ = message.submission_bytes;
    changes_ = connection_->sending.region_changes(capability_.object);
    revocable_ = revocable;
    writable_ = write;
    return {};
}

Result<std::uint32_t> RegionMapping::give(const Capability& to, std::uint8_t rights,
                                          std::span<const std::byte> payload) {
    if (connection_ == nullptr) {
        return Verdict::kNoSuchCarried;
    }
    Grant grant;
    grant.set_rights(rights);
    return connection_->hand_over(Type::kCapability, capability_, grant, to, payload, Deadline::never());
}

// Looks what became of the region since we mapped it, and maps what it is now at the same address. The owner
// is asked for a move when somebody lost the region.
Result<void> RegionMapping::follow() {
    const std::uint32_t changes = connection_->sending.region_changes(capability_.object);
    if (owner_) {
        return move_away(false);
    }
    ControlMessage request = about(Request::kRegionMap, capability_.id);
    request.rights = static_cast<std::uint8_t>(right::kRead | (writable_ ? right::kWrite : 0));
    auto answer = connection_->request(request);
    if (!answer) {
        const Error error = answer.error();
        lost_ = error == Error{Verdict::kNoSuchCapability} || error == Error{Verdict::kExpired} ||
                error == Error{Status::kRevoked};
        return lost_ ? Error{Status::kRevoked} : error;
    }
    if (answer->message.lifetime != epoch_) {
        if (answer->message.value != bytes_) {
            return Status::kCorrupt;
        }
        if (auto mapped = map_file(*answer, bytes_, writable_, MAP_FIXED, address_); !mapped) {
            return mapped.error();
        }
        epoch_ = answer->message.lifetime;
    }
    changes_ = changes;
    return {};
}

// Copies the content into a file that no former holder has had, and makes it the region.
Result<void> RegionMapping::move_away(bool cut) {
    auto fresh = connection_->request(about(Request::kRegionFresh, capability_.id));
    if (!fresh) {
        return fresh.error();
    }
    KEYWAY_CRASH_POINT("recall.fresh");
    const std::size_t length = mapped_bytes(bytes_);
    auto memory = map_file(*fresh, bytes_, true, MAP_POPULATE, nullptr);
    if (!memory) {
        return memory.error();
    }
    // A writable holder may have cut the file; then what can't be had any more stays zero.
    const bool whole = copy_guarded(*memory, address_, bytes_, true) == bytes_;
    if (::mremap(*memory, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address_) == MAP_FAILED) {
        const Error error = Error::system();
        ::munmap(*memory, length);
        return error;
    }
    KEYWAY_CRASH_POINT("recall.copied");
    ControlMessage moved = about(Request::kRegionMoved, capability_.id);
    moved.badge = cut ? kCut : 0;
    auto done = connection_->request(moved);
    if (!done) {
        return done.error();
    }
    KEYWAY_CRASH_POINT("recall.moved");
    epoch_ = done->message.lifetime;
    connection_->sending.read_notices();
    changes_ = connection_->sending.region_changes(capability_.object);
    return whole ? Result<void>() : Status::kCorrupt;
}

Result<void> RegionMapping::copy(std::uint64_t offset, std::byte* bytes, std::uint64_t count, bool out) {
    if (address_ == nullptr || lost_) {
        return Status::kRevoked;
    }
    if (offset > bytes_ || count > bytes_ - offset || (!out && !writable_)) {
        return Status::kBadArgument;
    }
    const Deadline patience = Deadline::in(kFollowPatience);
    SendingHalf& sending = connection_->sending;
    while (true) {
        if (sending.notices_pending()) {
            sending.read_notices();
        }
        if (revocable_ && changes_ != sending.region_changes(capability_.object)) {
            auto followed = follow();
            // As long as a writer has not followed a reader may stay where it is.
            if (!followed && (!out || followed.error() != Error{Status::kWouldBlock})) {
                return followed;
            }
        }
        std::byte* const inside = address_ + offset;
        const std::uint64_t done =
            out ? copy_guarded(bytes, inside, count, true) : copy_guarded(inside, bytes, count, false);
        if (done == count) {
            return {};
        }
        const std::uint32_t before = epoch_;
        if (auto followed = follow(); !followed) {
            if (followed.error() != Error{Status::kWouldBlock} || patience.passed()) {
                return followed;
            }
            std::this_thread::sleep_for(kFollowPause);
        } else if (epoch_ == before) {
            return Status::kCorrupt;  // cut, and not by its owner
        }
    }
}

// --- the kinds ---

Result<StableRegion> StableRegion::create(Connection& connection, std::uint64_t bytes) {
    StableRegion region;
    return checked(region.make(connection, bytes, false), region);
}

namespace {

constexpr std::uint8_t kReads = right::kRead;
constexpr std::uint8_t kWrites = right::kRead | right::kWrite;

template <typename Grant>
Result<Grant> granted(Result<std::uint32_t> id) {
    if (!id) {
        return id.error();
    }
    return Grant{*id};
}

std::span<std::byte> unconst(std::span<const std::byte> from) {
    return {const_cast<std::byte*>(from.data()), from.size()};
}

}  // namespace

Result<ReadGrant> StableRegion::give_read(const Capability& to, std::span<const std::byte> payload) {
    return granted<ReadGrant>(give(to, kReads, payload));
}
Result<WriteGrant> StableRegion::give_write(const Capability& to, std::span<const std::byte> payload) {
    return granted<WriteGrant>(give(to, kWrites, payload));
}

Result<StableView> StableView::map(Connection& connection, std::uint32_t capability) {
    StableView view;
    return checked(view.open(connection, capability, false, false), view);
}
Result<StableView> StableView::accept(Connection& connection, const Received& message) {
    return map(connection, message.carried());
}

Result<StableWindow> StableWindow::map(Connection& connection, std::uint32_t capability) {
    StableWindow window;
    return checked(window.open(connection, capability, true, false), window);
}
Result<StableWindow> StableWindow::accept(Connection& connection, const Received& message) {
    return map(connection, message.carried());
}

Result<RevocableRegion> RevocableRegion::create(Connection& connection, std::uint64_t bytes) {
    RevocableRegion region;
    return checked(region.make(connection, bytes, true), region);
}
Result<ReadGrant> RevocableRegion::give_read(const Capability& to, std::span<const std::byte> payload) {
    return granted<ReadGrant>(give(to, kReads, payload));
}
Result<WriteGrant> RevocableRegion::give_write(const Capability& to, std::span<const std::byte> payload) {
    return granted<WriteGrant>(give(to, kWrites, payload));
}
Result<void> RevocableRegion::read(std::uint64_t offset, std::span<std::byte> to) {
    return copy(offset, to.data(), to.size(), true);
}
Result<void> RevocableRegion::write(std::uint64_t offset, std::span<const std::byte> from) {
    return copy(offset, unconst(from).data(), from.size(), false);
}

Result<void> RevocableRegion::recall(std::uint32_t grant, Recall how) {
    if (address_ == nullptr || lost_) {
        return Status::kRevoked;
    }
    if (grant == 0) {
        return Verdict::kNoSuchCapability;  // 0 would be everybody
    }
    ControlMessage request = about(Request::kRevoke, capability_.id);
    request.target = grant;
    if (auto revoked = connection_->request(request); !revoked) {
        return revoked.error();
    }
    return move_away(how == Recall::kHard);
}

Result<void> RevocableRegion::cut() {
    if (address_ == nullptr || lost_) {
        return Status::kRevoked;
    }
    forget();
    lost_ = true;
    auto done = connection_->request(about(Request::kRegionCut, capability_.id));
    return done ? Result<void>() : done.error();
}

Result<RevocableView> RevocableView::map(Connection& connection, std::uint32_t capability) {
    RevocableView view;
    return checked(view.open(connection, capability, false, true), view);
}
Result<RevocableView> RevocableView::accept(Connection& connection, const Received& message) {
    return map(connection, message.carried());
}
Result<void> RevocableView::read(std::uint64_t offset, std::span<std::byte> to) {
    return copy(offset, to.data(), to.size(), true);
}

Result<RevocableWindow> RevocableWindow::map(Connection& connection, std::uint32_t capability) {
    RevocableWindow window;
    return checked(window.open(connection, capability, true, true), window);
}
Result<RevocableWindow> RevocableWindow::accept(Connection& connection, const Received& message) {
    return map(connection, message.carried());
}
Result<void> RevocableWindow::read(std::uint64_t offset, std::span<std::byte> to) {
    return copy(offset, to.data(), to.size(), true);
}
Result<void> RevocableWindow::write(std::uint64_t offset, std::span<const std::byte> from) {
    return copy(offset, unconst(from).data(), from.size(), false);
}

Result<void> reserve_regions(Connection& connection, std::uint64_t bytes, std::size_t count) {
    Connection::Impl& impl = connection.impl();
    auto& ready = impl.reserve.ready;
    if (count == 0) {
        for (const MappedRegion& region : ready) {
            if (region.bytes == bytes) {
                ::munmap(region.address, mapped_bytes(region.bytes));
                [[maybe_unused]] auto gone = impl.request(about(Request::kRelease, region.capability.id));
            }
        }
        std::erase_if(ready, [&](const MappedRegion& region) { return region.bytes == bytes; });
        return {};
    }
    while (std::cmp_less(std::ranges::count(ready, bytes, &MappedRegion::bytes), count)) {
        auto made = make_region(impl, bytes, false);
        if (!made) {
            return made.error();
        }
        ready.push_back(*made);
    }
    return {};
}

}  // namespace keyway
