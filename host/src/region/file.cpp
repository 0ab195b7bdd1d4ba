#include "region/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cstdio>
#include <utility>

namespace keyway::region {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

// Opens it once more, to be read only.
Result<File> with_reader(File file) {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", file.writing.get());
    file.reading.reset(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file.reading) {
        return Error::system();
    }
    return file;
}

}  // namespace

std::uint64_t file_bytes(std::uint64_t bytes) noexcept {
    if (bytes <= kMostPooled) {
        return bytes <= kPage ? kPage : std::bit_ceil(bytes);
    }
    return (bytes + kPage - 1) / kPage * kPage;
}

Result<File> make_file(std::uint64_t bytes, bool revocable) {
    File file{.writing = UniqueFd(::memfd_create("keyway-region", MFD_CLOEXEC | MFD_ALLOW_SEALING)),
              .reading = {},
              .bytes = file_bytes(bytes)};
    const auto length = static_cast<off_t>(file.bytes);
    if (!file.writing || ::ftruncate(file.writing.get(), length) != 0) {
        return Error::system();
    }
    if (file.bytes <= kMostPooled && ::fallocate(file.writing.get(), 0, 0, length) != 0) {
        return Error::system();
    }
    if (!revocable && ::fcntl(file.writing.get(), F_ADD_SEALS, kSizeSeals) != 0) {
        return Error::system();
    }
    // A process of another user can't make a writing descriptor of its reading one.
    if (::fchmod(file.writing.get(), 0400) != 0) {
        return Error::system();
    }
    return with_reader(std::move(file));
}

Result<File> open_again(UniqueFd writing, std::uint64_t bytes) {
    struct stat status {};
    if (::fstat(writing.get(), &status) != 0 ||
        static_cast<std::uint64_t>(status.st_size) != file_bytes(bytes)) {
        return Status::kCorrupt;
    }
    return with_reader({.writing = std::move(writing), .reading = {}, .bytes = file_bytes(bytes)});
}

bool close_to_writers(const File& file, bool revocable) {
    const int wanted = F_SEAL_FUTURE_WRITE | (revocable ? 0 : kSizeSeals | F_SEAL_SEAL);
    const int fd = file.writing.get();
    if (::fcntl(fd, F_ADD_SEALS, wanted) != 0 && (::fcntl(fd, F_GET_SEALS) & wanted) != wanted) {
        return false;
    }
    if (revocable || file.bytes > kMostPooled) {
        return true;
    }
    // Its creator may have punched holes before; a reader must not be the one who pays for their pages. It is
    // cheaper to count the pages than to fill in those that are there.
    constexpr std::uint64_t kBlock = 512;
    struct stat status {};
    return (::fstat(fd, &status) == 0 &&
            static_cast<std::uint64_t>(status.st_blocks) * kBlock >= file.bytes) ||
           ::fallocate(fd, 0, 0, static_cast<off_t>(file.bytes)) == 0;
}

void cut(const File& file) {
    // A writer could grow it again, and would see zeros: so it can't be grown either.
    [[maybe_unused]] const int cut = ::ftruncate(file.writing.get(), 0);
    ::fcntl(file.writing.get(), F_ADD_SEALS, kSizeSeals);
}

}  // namespace keyway::region
