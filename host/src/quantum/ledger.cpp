#include "quantum/ledger.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.hpp"
#include "base/crash_point.hpp"

namespace keyway::quantum {

namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::array<char, 8> kMagicText{'K', 'W', 'L', 'E', 'D', 'G', 'E', 'R'};

struct Copy {
    std::uint64_t sequence;
    std::uint32_t number;
    std::uint32_t width;
    std::int32_t pid;
    std::uint32_t uid;
    std::uint64_t start_time;
    std::uint64_t deadline_ns;
    std::uint32_t fidelity_ppb;
    std::uint32_t last_number;  ///< of all qubits, so that a number is never used twice
    std::uint64_t reserved;
    std::uint64_t checksum;
};
static_assert(sizeof(Copy) == 64);

// FNV-1a. Against a copy that was cut short, not against an enemy: the file is the router's alone.
std::uint64_t checksum_of(const Copy& copy) {
    std::array<unsigned char, offsetof(Copy, checksum)> bytes;
    std::memcpy(bytes.data(), &copy, bytes.size());
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const unsigned char byte : bytes) {
        hash = (hash ^ byte) * 0x100000001B3U;
    }
    return hash;
}

std::array<char, 36> boot_id() {
    std::array<char, 36> id{};
    std::ifstream("/proc/sys/kernel/random/boot_id").read(id.data(), id.size());
    return id;
}

}  // namespace

struct Ledger::Page {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t slots;
    std::array<char, 36> boot;
    std::array<char, 12> reserved;
    std::array<Copy, 2> copies[kSlots];
};

Identity identity_of(std::int32_t pid, std::uint32_t uid) {
    // Field 22 of stat; the second is the command's name in brackets and may hold anything but a last ')'.
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    const auto bracket = line.rfind(')');
    if (bracket == std::string::npos) {
        return {};
    }
    std::istringstream rest(line.substr(bracket + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) {
        rest >> skipped;
    }
    Identity identity{.pid = pid, .uid = uid};
    rest >> identity.start_time;
    return rest ? identity : Identity{};
}

Ledger::Ledger() : entries_(kSlots), sequences_(kSlots) {}

Ledger::Ledger(UniqueFd file, Page* page) : Ledger() {
    file_ = std::move(file);
    page_ = page;
}

Ledger::Ledger(Ledger&& other) noexcept
    : file_(std::move(other.file_)),
      page_(std::exchange(other.page_, nullptr)),
      entries_(std::move(other.entries_)),
      sequences_(std::move(other.sequences_)),
      last_number_(other.last_number_) {}

Ledger& Ledger::operator=(Ledger&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(page_, other.page_);
    std::swap(entries_, other.entries_);
    std::swap(sequences_, other.sequences_);
    std::swap(last_number_, other.last_number_);
    return *this;
}

Ledger::~Ledger() {
    if (page_ != nullptr) {
        ::munmap(page_, sizeof(Page));
    }
}

Result<Ledger> Ledger::open(const std::filesystem::path& path) {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        return Error::system();
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return Error::system();
    }
    const bool fresh = status.st_size == 0;
    if (!fresh && status.st_size != static_cast<off_t>(sizeof(Page))) {
        return Status::kCorrupt;
    }
    // All of it is there from the start, so that writing an entry can't run out of room.
    if (const int error = ::posix_fallocate(file.get(), 0, sizeof(Page)); error != 0) {
        return Error::system(error);
    }
    void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) {
        return Error::system();
    }
    Ledger ledger(std::move(file), static_cast<Page*>(memory));
    Page& page = *ledger.page_;
    if (fresh || (page.magic == kMagicText && page.boot != boot_id())) {
        std::memset(memory, 0, sizeof(Page));
        page.version = kVersion;
        page.slots = kSlots;
        page.boot = boot_id();
        page.magic = kMagicText;
        return ledger;
    }
    if (page.magic != kMagicText || page.version != kVersion || page.slots != kSlots) {
        return Status::kCorrupt;
    }
    ledger.recover();
    return ledger;
}

void Ledger::recover() {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
        for (const Copy& copy : page_->copies[slot]) {
            if (copy.sequence <= sequences_[slot] || copy.checksum != checksum_of(copy)) {
                continue;
            }
            sequences_[slot] = copy.sequence;
            last_number_ = std::max(last_number_, copy.last_number);
            entries_[slot] = {.number = copy.number,
                              .width = copy.width,
                              .holder = {.pid = copy.pid, .uid = copy.uid, .start_time = copy.start_time},
                              .deadline_ns = copy.deadline_ns,
                              .fidelity_ppb = copy.fidelity_ppb};
        }
    }
}

std::uint32_t Ledger::free_slot() const {
    const auto found = std::ranges::find(entries_, 0U, &LedgerEntry::number);
    return static_cast<std::uint32_t>(found - entries_.begin());
}

void Ledger::write(std::uint32_t slot, const LedgerEntry& entry) {
    KEYWAY_CHECK(slot < kSlots);
    entries_[slot] = entry;
    const std::uint64_t sequence = ++sequences_[slot];
    if (page_ == nullptr) {
        return;
    }
    Copy copy{.sequence = sequence,
              .number = entry.number,
              .width = entry.width,
              .pid = entry.holder.pid,
              .uid = entry.holder.uid,
              .start_time = entry.holder.start_time,
              .deadline_ns = entry.deadline_ns,
              .fidelity_ppb = entry.fidelity_ppb,
              .last_number = last_number_,
              .reserved = 0,
              .checksum = 0};
    copy.checksum = checksum_of(copy);
    Copy& place = page_->copies[slot][sequence % 2];
    // The old checksum goes first and the new one comes last, so that a copy in the making is no copy.
    std::atomic_ref<std::uint64_t>(place.checksum).store(0, std::memory_order_seq_cst);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    KEYWAY_CRASH_POINT("ledger.begun");
    std::memcpy(&place, &copy, offsetof(Copy, checksum));
    KEYWAY_CRASH_POINT("ledger.filled");
    std::atomic_ref<std::uint64_t>(place.checksum).store(copy.checksum, std::memory_order_seq_cst);
}

std::uint32_t Ledger::next_number() {
    return ++last_number_ != 0 ? last_number_ : ++last_number_;
}

}  // namespace keyway::quantum
