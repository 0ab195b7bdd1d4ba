// The files of an audit log: a head and up to three segments of any bytes, with and without a key. In some
// inputs the seals are made to fit, so that what lies behind the check of the seals is reached as well.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "audit/reader.hpp"
#include "base/fd.hpp"
#include "target.hpp"

namespace keyway::fuzz {

namespace {

constexpr std::size_t kSegments = 3;

/// A folder in memory that is there for the whole run.
const std::filesystem::path& folder() {
    static const struct Folder {
        Folder() {
            const bool memory = ::access("/dev/shm", W_OK) == 0;
            std::string name = std::string(memory ? "/dev/shm" : "/tmp") + "/keyway-fuzz-XXXXXX";
            path = ::mkdtemp(name.data());
        }
        ~Folder() { std::filesystem::remove_all(path); }
        std::filesystem::path path;
    } kFolder;
    return kFolder.path;
}

void write_file(const std::string& name, Input bytes) {
    const UniqueFd file(::open((folder() / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    KEYWAY_HOLDS(file &&
                 ::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

template <typename T>
bool at(std::vector<std::uint8_t>& bytes, std::size_t offset, auto&& change) {
    if (bytes.size() < offset || bytes.size() - offset < sizeof(T)) {
        return false;
    }
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    change(value);
    std::memcpy(bytes.data() + offset, &value, sizeof value);
    return true;
}

/// Makes the chain of one segment fit, as far as frames can be told.
audit::Seal mend(std::vector<std::uint8_t>& bytes, const audit::Key& key, audit::Seal before) {
    if (!at<audit::SegmentHeader>(bytes, 0, [&](audit::SegmentHeader& header) {
            header.before = before;
            header.seal = audit::seal_of(key, header);
            before = header.seal;
        })) {
        return before;
    }
    for (std::size_t offset = sizeof(audit::SegmentHeader);;) {
        std::size_t body = 0;
        if (!at<audit::FrameHead>(bytes, offset,
                                  [&](const audit::FrameHead& head) {
                                      body = sizeof head + std::min(head.count, audit::kMostInFrame) *
                                                               sizeof(audit::Record);
                                  }) ||
            bytes.size() - offset < body + sizeof(audit::Seal)) {
            return before;
        }
        before = audit::seal_of(key, before,
                                {std::as_bytes(Input(bytes).subspan(offset, sizeof(audit::FrameHead))),
                                 std::as_bytes(Input(bytes).subspan(offset + sizeof(audit::FrameHead),
                                                                    body - sizeof(audit::FrameHead)))});
        std::memcpy(bytes.data() + offset + body, before.data(), before.size());
        offset += body + sizeof(audit::Seal);
    }
}

void look(const audit::Key* key, std::uint64_t after) {
    std::uint64_t visited = 0;
    const auto found = audit::verify(
        folder(), key,
        [&](const audit::Record& record) {
            ++visited;
            KEYWAY_HOLDS(record.get_name().size() <= sizeof record.name);
        },
        after);
    KEYWAY_HOLDS(visited <= found.records);
    KEYWAY_HOLDS(after != 0 || visited == found.records);
    KEYWAY_HOLDS(!found.fault || !found.fault->message().empty());
    KEYWAY_HOLDS(found.records >= found.frames && found.records <= found.frames * audit::kMostInFrame);
    if (key != nullptr) {
        static_cast<void>(audit::verify_newest_segment(folder(), *key));
    }
}

}  // namespace

void audit(Input input) {
    Reader reader(input);
    const std::uint8_t how = reader.take();
    const std::uint64_t after = reader.take();
    audit::Key key{};
    key.fill(7);
    const Input head_bytes = reader.take(reader.take());
    std::vector<std::uint8_t> head(head_bytes.begin(), head_bytes.end());
    audit::Seal before{};
    for (std::size_t i = 0; i < kSegments; ++i) {
        const std::string name = audit::segment_name(i + 1);
        if ((how >> i & 1U) == 0) {
            ::unlink((folder() / name).c_str());
            continue;
        }
        const Input taken = reader.take(reader.take<std::uint16_t>());
        std::vector<std::uint8_t> bytes(taken.begin(), taken.end());
        if ((how & 0x80U) != 0) {
            before = mend(bytes, key, before);
        }
        write_file(name, bytes);
    }
    if ((how & 0x80U) != 0) {
        at<audit::Head>(head, 0, [&](audit::Head& value) {
            if ((how & 0x40U) != 0) {
                value.newest = before;
                value.boot = audit::this_boot();
            }
            value.seal = audit::seal_of(key, value);
        });
    }
    write_file("head", head);
    look(&key, 0);
    look(nullptr, 0);
    look(nullptr, after);
}

}  // namespace keyway::fuzz
