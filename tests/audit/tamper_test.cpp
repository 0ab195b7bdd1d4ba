// verify() notices every single byte that was changed, and everything that was taken out, cut off, moved or
// doubled: all of them are tried, on a small log of several segments.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "log_folder.hpp"

namespace keyway::audit {

class TamperTest : public LogFolder {
  protected:
    using Files = std::map<std::string, std::string>;

    TamperTest() {
        // Seven frames of one to three records in four segments, and an end in order.
        auto log = Log::open(options(500)).value();
        std::uint32_t n = 0;
        for (int frame = 0; frame < 7; ++frame) {
            for (int i = 0; i <= frame % 3; ++i) {
                log->push(record(n++));
            }
            log->flush();
        }
        log->push({.kind = RecordKind::kStopped});
        log.reset();
        key_ = load_key(key_file_, false).value();
        original_ = read();
        EXPECT_EQ(fault_of(verify(directory_, &key_)), "");
        EXPECT_GE(original_.size(), 4U);
    }
    [[nodiscard]] Files read() const {
        Files files;
        for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
            std::ifstream in(entry.path(), std::ios::binary);
            files[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(in), {});
        }
        return files;
    }
    void write(const Files& files) const {
        for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
            if (!files.contains(entry.path().filename())) {
                std::filesystem::remove(entry.path());
            }
        }
        for (const auto& [name, bytes] : files) {
            std::ofstream(directory_ / name, std::ios::binary | std::ios::trunc) << bytes;
        }
    }
    /// Whether verify finds a fault in the log changed so.
    [[nodiscard]] bool noticed(const Files& files) const {
        write(files);
        return verify(directory_, &key_).fault.has_value();
    }
    /// Where the frames of a segment lie: offset and length.
    static std::vector<std::pair<std::size_t, std::size_t>> frames(const std::string& segment) {
        std::vector<std::pair<std::size_t, std::size_t>> found;
        for (std::size_t at = sizeof(SegmentHeader); at < segment.size();) {
            FrameHead head;
            std::memcpy(&head, segment.data() + at, sizeof head);
            const std::size_t size = sizeof head + head.count * sizeof(Record) + sizeof(Seal);
            found.emplace_back(at, size);
            at += size;
        }
        return found;
    }

    Key key_{};
    Files original_;
};

TEST_F(TamperTest, every_byte_that_is_changed) {
    std::size_t tried = 0;
    for (const auto& [name, bytes] : original_) {
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            for (const int change : {0x01, 0x80}) {
                Files files{{name, bytes}};
                files[name][at] = static_cast<char>(files[name][at] ^ change);
                std::ofstream(directory_ / name, std::ios::binary | std::ios::trunc) << files[name];
                ASSERT_TRUE(verify(directory_, &key_).fault) << name << " byte " << at;
                ++tried;
            }
        }
        std::ofstream(directory_ / name, std::ios::binary | std::ios::trunc) << bytes;
    }
    EXPECT_GT(tried, 5000U);
    EXPECT_FALSE(noticed(original_)) << "the log as it was is good";
}

TEST_F(TamperTest, every_length_that_a_file_is_cut_to) {
    for (const auto& [name, bytes] : original_) {
        for (std::size_t length = 0; length < bytes.size(); ++length) {
            Files files = original_;
            files[name] = bytes.substr(0, length);
            ASSERT_TRUE(noticed(files)) << name << " cut to " << length;
        }
    }
}

TEST_F(TamperTest, every_byte_that_is_taken_out_or_put_in) {
    for (const auto& [name, bytes] : original_) {
        for (std::size_t at = 0; at <= bytes.size(); at += 7) {
            Files files = original_;
            files[name] = bytes.substr(0, at) + '\0' + bytes.substr(at);
            ASSERT_TRUE(noticed(files)) << name << " byte put in at " << at;
            if (at < bytes.size()) {
                files[name] = bytes.substr(0, at) + bytes.substr(at + 1);
                ASSERT_TRUE(noticed(files)) << name << " byte taken out at " << at;
            }
        }
    }
}

TEST_F(TamperTest, every_file_that_is_taken_away_or_copied) {
    for (const auto& [name, bytes] : original_) {
        Files files = original_;
        files.erase(name);
        EXPECT_TRUE(noticed(files)) << name << " taken away";
        for (const auto& [other, other_bytes] : original_) {
            if (other != name) {
                files = original_;
                files[other] = bytes;
                EXPECT_TRUE(noticed(files)) << name << " in the place of " << other;
            }
        }
        files = original_;
        files[segment_name(original_.size())] = bytes;  // the next number: one of the files is the head
        EXPECT_TRUE(noticed(files)) << name << " once more at the end";
    }
}

TEST_F(TamperTest, every_frame_that_is_taken_out_doubled_or_moved) {
    struct Place {
        std::string file;
        std::size_t at, size;
    };
    std::vector<Place> all;
    for (const auto& [name, bytes] : original_) {
        if (segment_number(name) != 0) {
            for (const auto& [at, size] : frames(bytes)) {
                all.push_back({name, at, size});
            }
        }
    }
    ASSERT_GE(all.size(), 7U);
    for (const Place& one : all) {
        const std::string frame = original_.at(one.file).substr(one.at, one.size);
        Files files = original_;
        files[one.file].erase(one.at, one.size);
        EXPECT_TRUE(noticed(files)) << one.file << " frame at " << one.at << " taken out";
        for (const Place& other : all) {
            files = original_;
            files[other.file].insert(other.at + other.size, frame);
            EXPECT_TRUE(noticed(files))
                << one.file << ':' << one.at << " put behind " << other.file << ':' << other.at;
            if (&one < &other) {
                files = original_;
                const std::string second = original_.at(other.file).substr(other.at, other.size);
                files[other.file].replace(other.at, other.size, frame);
                files[one.file].replace(one.at, one.size, second);
                EXPECT_TRUE(noticed(files))
                    << one.file << ':' << one.at << " changed places with " << other.at;
            }
        }
    }
}

TEST_F(TamperTest, every_record_that_is_taken_out_doubled_or_moved_within_its_frame) {
    for (const auto& [name, bytes] : original_) {
        if (segment_number(name) == 0) {
            continue;
        }
        for (const auto& [at, size] : frames(bytes)) {
            const std::size_t count = (size - sizeof(FrameHead) - sizeof(Seal)) / sizeof(Record);
            for (std::size_t i = 0; i + 1 < count; ++i) {
                Files files = original_;
                const std::size_t first = at + sizeof(FrameHead) + i * sizeof(Record);
                const std::string two = bytes.substr(first, 2 * sizeof(Record));
                files[name].replace(first, 2 * sizeof(Record),
                                    two.substr(sizeof(Record)) + two.substr(0, sizeof(Record)));
                EXPECT_TRUE(noticed(files)) << name << " records changed places";
                files[name].replace(first, 2 * sizeof(Record),
                                    two.substr(0, sizeof(Record)) + two.substr(0, sizeof(Record)));
                EXPECT_TRUE(noticed(files)) << name << " record doubled";
            }
            // Also with the count put right, as somebody without the key would do it.
            Files files = original_;
            FrameHead head;
            std::memcpy(&head, bytes.data() + at, sizeof head);
            --head.count;
            files[name].replace(at, sizeof head,
                                std::string(reinterpret_cast<const char*>(&head), sizeof head));
            files[name].erase(at + sizeof head, sizeof(Record));
            EXPECT_TRUE(noticed(files)) << name << " record taken out";
        }
    }
}

TEST_F(TamperTest, another_key) {
    Key other = key_;
    other[31] ^= 1;
    EXPECT_TRUE(verify(directory_, &other).fault);
}

TEST_F(TamperTest, a_fault_is_named_with_its_place) {
    Files files = original_;
    const auto [at, size] = frames(files[segment_name(2)]).front();
    files[segment_name(2)][at + 40] ^= 1;
    write(files);
    const auto result = verify(directory_, &key_);
    ASSERT_TRUE(result.fault);
    EXPECT_EQ(result.fault->file, directory_ / segment_name(2));
    EXPECT_EQ(result.fault->offset, at);
    EXPECT_EQ(result.fault->frame, result.last_frame + 1);
}

}  // namespace keyway::audit
