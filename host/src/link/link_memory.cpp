#include "link/link_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "base/fd.hpp"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace keyway::link {

namespace {

Result<std::byte*> map_shared(int fd, std::size_t bytes) {
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        return Error::system();
    }
    return static_cast<std::byte*>(base);
}

}  // namespace

LinkMemory::LinkMemory(LinkMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), geometry_(other.geometry_) {}

LinkMemory& LinkMemory::operator=(LinkMemory&& other) noexcept {
    if (this != &other) {
        unmap();
        base_ = std::exchange(other.base_, nullptr);
        geometry_ = other.geometry_;
    }
    return *this;
}

LinkMemory::~LinkMemory() {
    unmap();
}

void LinkMemory::unmap() noexcept {
    if (base_ != nullptr) {
        ::munmap(base_, geometry_.total());
        base_ = nullptr;
    }
}

Result<LinkMemory> LinkMemory::create(const Geometry& geometry, int& fd) {
    UniqueFd file(::memfd_create("keyway-link", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
    if (!file && errno == EINVAL) {  // kernels before 6.3 don't know the no-exec seal
        file.reset(::memfd_create("keyway-link", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    }
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(geometry.total())) != 0) {
        return Error::system();
    }
    auto base = map_shared(file.get(), geometry.total());
    if (!base) {
        return base.error();
    }
    fd = file.release();
    return LinkMemory(*base, geometry);
}

Result<LinkMemory> LinkMemory::map(int fd, const Geometry& geometry) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return Error::system();
    }
    if (static_cast<std::size_t>(status.st_size) != geometry.total()) {
        return Status::kCorrupt;
    }
    auto base = map_shared(fd, geometry.total());
    if (!base) {
        return base.error();
    }
    // A child must not have the rings: two producers on one ring garble it.
    ::madvise(*base, geometry.total(), MADV_DONTFORK);
    return LinkMemory(*base, geometry);
}

Result<LinkMemory> LinkMemory::map_copy(int fd, const Geometry& geometry) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || static_cast<std::size_t>(status.st_size) != geometry.total()) {
        return Status::kCorrupt;
    }
    void* base = ::mmap(nullptr, geometry.total(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) {
        return Error::system();
    }
    return LinkMemory(static_cast<std::byte*>(base), geometry);
}

Result<void> LinkMemory::seal(int fd) {
    if (::fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return Error::system();
    }
    // The process could have shortened the file, or punched holes, before the seal.
    struct stat status {};
    if (::fstat(fd, &status) != 0 || static_cast<std::size_t>(status.st_size) != geometry_.total()) {
        return Status::kCorrupt;
    }
    if (::madvise(base_, geometry_.total(), MADV_POPULATE_WRITE) != 0) {
        return Error::system();
    }
    return {};
}

}  // namespace keyway::link
