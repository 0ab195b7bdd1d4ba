#include "audit/chain.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "base/check.hpp"
#include "base/fd.hpp"

namespace keyway::audit {

namespace {

void ready() {
    static const bool kDone = ::sodium_init() >= 0;
    KEYWAY_CHECK(kDone);
}

// The caller's copy is the only one.
Result<Key> handed_over(Key& key) {
    Result<Key> copy(Key{});  // not of the key itself, which would leave a copy in between
    *copy = key;
    wipe(key);
    return copy;
}

template <typename T>
std::span<const std::byte> before_seal(const T& what) {
    return std::as_bytes(std::span(&what, 1)).first(offsetof(T, seal));
}

}  // namespace

Seal seal_of(const Key& key, const Seal& before, std::initializer_list<std::span<const std::byte>> parts) {
    ready();
    crypto_generichash_state state;
    Seal seal;
    ::crypto_generichash_init(&state, key.data(), key.size(), seal.size());
    ::crypto_generichash_update(&state, before.data(), before.size());
    for (const auto part : parts) {
        ::crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
    }
    ::crypto_generichash_final(&state, seal.data(), seal.size());
    ::sodium_memzero(&state, sizeof state);  // it had the key in it,
    ::sodium_stackzero(2048);                // and so had the frames of the functions above
    return seal;
}

Seal seal_of(const Key& key, const SegmentHeader& header) {
    return seal_of(key, Seal{}, {before_seal(header)});
}

Seal seal_of(const Key& key, const Head& head) {
    return seal_of(key, Seal{}, {before_seal(head)});
}

std::array<char, 16> this_boot() {
    static const auto kBoot = [] {
        std::array<char, 16> boot{};
        char text[40] = {};
        const UniqueFd file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
        if (file && ::read(file.get(), text, sizeof text - 1) > 0) {
            std::size_t digits = 0;
            for (const char* at = text; *at != '\0' && digits < 2 * boot.size(); ++at) {
                int digit = 0;
                if (std::from_chars(at, at + 1, digit, 16).ec == std::errc{}) {
                    boot[digits / 2] = static_cast<char>(boot[digits / 2] << 4 | digit);
                    ++digits;
                }
            }
        }
        return boot;
    }();
    return kBoot;
}

void wipe(Key& key) {
    ::sodium_memzero(key.data(), key.size());
}

Result<Key> load_key(const std::filesystem::path& path, bool make) {
    ready();
    Key key{};
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT && make) {
        // Under its name only once it is whole: a start that fails leaves no key that the next would stumble
        // over.
        ::randombytes_buf(key.data(), key.size());
        const std::string unfinished = path.string() + ".new";
        file.reset(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file || ::write(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
            ::fsync(file.get()) != 0 ||
            ::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
            wipe(key);
            return Error::system();
        }
        return handed_over(key);
    }
    if (!file) {
        return Error::system();
    }
    char more = 0;
    if (::read(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
        ::read(file.get(), &more, 1) != 0) {
        wipe(key);
        return Status::kCorrupt;
    }
    return handed_over(key);
}

std::string segment_name(std::uint64_t number) {
    char name[40];
    std::snprintf(name, sizeof name, "audit-%08llu.log", static_cast<unsigned long long>(number));
    return name;
}

std::uint64_t segment_number(const std::string& name) {
    constexpr std::string_view kBefore = "audit-";
    constexpr std::string_view kAfter = ".log";
    if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) {
        return 0;
    }
    std::uint64_t number = 0;
    const char* const end = name.data() + name.size() - kAfter.size();
    const auto [rest, error] = std::from_chars(name.data() + kBefore.size(), end, number);
    return error == std::errc{} && rest == end && segment_name(number) == name ? number : 0;
}

}  // namespace keyway::audit
