#include "broadcast/ring_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace keyway::broadcast {

RingMemory::~RingMemory() {
    if (base_ != nullptr) {
        ::munmap(base_, bytes_);
    }
}

Result<RingMemory> RingMemory::create(std::uint32_t ring_bytes, UniqueFd& file) {
    const std::size_t bytes = kControlBytes + ring_bytes;
    UniqueFd made(::memfd_create("keyway-topic", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!made || ::ftruncate(made.get(), static_cast<off_t>(bytes)) != 0) {
        return Error::system();
    }
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made.get(), 0);
    if (base == MAP_FAILED) {
        return Error::system();
    }
    RingMemory memory(static_cast<std::byte*>(base), bytes);
    const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (::fcntl(made.get(), F_ADD_SEALS, seals) != 0 || ::madvise(base, bytes, MADV_POPULATE_WRITE) != 0) {
        return Error::system();
    }
    file = std::move(made);
    return memory;
}

Result<RingMemory> RingMemory::map(int file, std::uint32_t ring_bytes) {
    const std::size_t bytes = kControlBytes + ring_bytes;
    struct stat status {};
    if (::fstat(file, &status) != 0) {
        return Error::system();
    }
    if (!valid_ring_bytes(ring_bytes) || static_cast<std::size_t>(status.st_size) != bytes) {
        return Status::kCorrupt;
    }
    void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (base == MAP_FAILED) {
        return Error::system();
    }
    return RingMemory(static_cast<std::byte*>(base), bytes);
}

}  // namespace keyway::broadcast
