#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "audit/log.hpp"
#include "audit/reader.hpp"

namespace keyway::audit {

/// A folder for a log, and what is in it.
class LogFolder : public ::testing::Test {
  protected:
    LogFolder() {
        std::string name = std::filesystem::temp_directory_path() / "keyway-audit-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        directory_ = folder_ / "log";
        key_file_ = folder_ / "key";
    }
    ~LogFolder() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] LogOptions options(std::uint64_t segment_bytes = 1 << 20) const {
        LogOptions options;
        options.directory = directory_;
        options.key_file = key_file_;
        options.segment_bytes = segment_bytes;
        return options;
    }
    [[nodiscard]] static Record record(std::uint32_t n) {
        return {.kind = RecordKind::kMessage, .type = 2, .process = n, .count = 1, .first_ns = 1000 + n};
    }
    [[nodiscard]] Verification verified() const {
        const Key key = load_key(key_file_, false).value();
        return verify(directory_, &key);
    }
    /// The processes that the records name, in their order.
    [[nodiscard]] std::vector<std::uint32_t> processes() const {
        std::vector<std::uint32_t> found;
        const auto result = verify(directory_, nullptr, [&](const Record& r) { found.push_back(r.process); });
        EXPECT_FALSE(result.fault) << result.fault->message();
        return found;
    }
    static std::string fault_of(const Verification& result) {
        return result.fault ? result.fault->message() : "";
    }

    std::filesystem::path folder_;
    std::filesystem::path directory_;
    std::filesystem::path key_file_;
};

}  // namespace keyway::audit
