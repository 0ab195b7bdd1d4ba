// The fuzz targets as ordinary tests: each takes the inputs of its corpus, and some thousand mutations of
// them. KEYWAY_SEED=n replays the mutations; KEYWAY_FUZZ_INPUT=file runs one input through the target of the
// test.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "target.hpp"

namespace keyway::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

#ifdef KEYWAY_SANITIZED
constexpr int kMutations = 3000;
#else
constexpr int kMutations = 10000;
#endif

Bytes read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<Bytes> corpus_of(const std::string& target) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(KEYWAY_CORPUS) / target)) {
        files.push_back(entry.path());
    }
    std::ranges::sort(files);
    std::vector<Bytes> inputs;
    inputs.reserve(files.size());
    for (const auto& file : files) {
        inputs.push_back(read(file));
    }
    return inputs;
}

Bytes mutated(Bytes bytes, const std::vector<Bytes>& others, std::mt19937_64& random) {
    for (std::uint64_t change = 1 + random() % 4; change != 0; --change) {
        const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
        const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        switch (bytes.empty() ? 1 : random() % 5) {
            case 0:
                bytes[at] ^= static_cast<std::uint8_t>(1U << random() % 8);
                break;
            case 1:
                bytes.insert(place, static_cast<std::uint8_t>(random()));
                break;
            case 2:
                bytes[at] = static_cast<std::uint8_t>(random());
                break;
            case 3:
                bytes.erase(place, place + static_cast<std::ptrdiff_t>(random() % (bytes.size() - at)));
                break;
            default: {
                const Bytes& other = others[random() % others.size()];
                const std::size_t from = other.empty() ? 0 : random() % other.size();
                bytes.insert(place, other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
            }
        }
    }
    bytes.resize(std::min<std::size_t>(bytes.size(), 4096));
    return bytes;
}

class Fuzzed : public ::testing::TestWithParam<Target> {};

TEST_P(Fuzzed, takes_every_input_of_its_corpus) {
    if (const char* one = std::getenv("KEYWAY_FUZZ_INPUT"); one != nullptr) {
        GetParam().run(read(one));
        return;
    }
    const auto inputs = corpus_of(GetParam().name);
    ASSERT_FALSE(inputs.empty());
    GetParam().run({});
    for (const Bytes& input : inputs) {
        GetParam().run(input);
    }
}

TEST_P(Fuzzed, takes_mutations_of_its_corpus) {
    const char* given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    std::mt19937_64 random(seed);
    const auto inputs = corpus_of(GetParam().name);
    ASSERT_FALSE(inputs.empty());
    for (int i = 0; i < kMutations; ++i) {
        GetParam().run(mutated(inputs[random() % inputs.size()], inputs, random));
    }
}

INSTANTIATE_TEST_SUITE_P(, Fuzzed, ::testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace keyway::fuzz
