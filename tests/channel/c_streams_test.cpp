#include <filesystem>
#include <thread>

#include "keyway/stream.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

extern "C" int c_writes_streams(const char* socket);
extern "C" int c_reads_streams(const char* socket);

namespace keyway::test {

class CStreams : public ::testing::Test {
  protected:
    CStreams() {
        std::string pattern = std::filesystem::temp_directory_path() / "keyway-test-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        RouterOptions options;
        options.policy = Policy::permissive();
        options.socket = directory_ / "router.sock";
        router_.emplace(options);
        router_->start().value();
        ours_.emplace(router_->connect().value());
    }
    ~CStreams() override {
        ours_.reset();
        router_.reset();
        std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string socket() const { return directory_ / "router.sock"; }
    static char byte_at(std::size_t i) { return static_cast<char>(i * 31 + i / 251); }

    std::filesystem::path directory_;
    std::optional<Router> router_;
    std::optional<Connection> ours_;
};

TEST_F(CStreams, a_c_program_writes_one_and_hears_how_it_ends) {
    ours_->register_endpoint("sink").value();
    int line = -1;
    std::thread program([&] { line = c_writes_streams(socket().c_str()); });
    {
        StreamReader reader = accept_stream(*ours_, ours_->receive(Deadline::in(30s)).value()).value();
        std::size_t total = 0;
        bool right = true;
        std::array<char, 7000> piece;
        while (const std::size_t count =
                   reader.read(std::as_writable_bytes(std::span(piece)), Deadline::in(30s)).value()) {
            for (std::size_t i = 0; i < count; ++i) {
                right = right && piece[i] == byte_at(total + i);
            }
            total += count;
        }
        EXPECT_TRUE(right);
        EXPECT_EQ(total, 1'000'000U);
    }
    StreamReader reader = accept_stream(*ours_, ours_->receive(Deadline::in(30s)).value()).value();
    EXPECT_TRUE(succeeded(reader.abort(7, "no more")));
    EXPECT_TRUE(succeeded(decline(*ours_, ours_->receive(Deadline::in(30s)).value())));
    program.join();
    EXPECT_EQ(line, 0) << "the line that was not as expected";
}

TEST_F(CStreams, a_c_program_reads_one_to_its_end_and_notices_what_was_cut_off) {
    int line = -1;
    std::thread program([&] { line = c_reads_streams(socket().c_str()); });
    Result<Capability> sink = Status::kNoSuchName;
    for (const Deadline patience = Deadline::in(30s); !sink && !patience.passed();) {
        sink = ours_->lookup("c-sink");
    }
    {
        StreamWriter writer = open_stream(*ours_, *sink, {.bytes = 65536}).value();
        std::string content(1'000'000, '\0');
        for (std::size_t i = 0; i < content.size(); ++i) {
            content[i] = byte_at(i);
        }
        EXPECT_EQ(writer.write(std::as_bytes(std::span(content)), Deadline::in(30s)).value(), content.size());
        EXPECT_TRUE(succeeded(writer.finish()));
    }
    {
        StreamWriter writer = open_stream(*ours_, *sink).value();
        EXPECT_EQ(writer.write(std::as_bytes(std::span("half", 4))).value(), 4U);
    }
    StreamWriter writer = open_stream(*ours_, *sink).value();
    Result<std::size_t> written = std::size_t{0};
    for (const std::string content(65536, 'x'); written;) {
        written = writer.write(std::as_bytes(std::span(content)), Deadline::in(30s));
    }
    EXPECT_EQ(error_of(written), "aborted");
    EXPECT_EQ(writer.reason().code, 9U);
    EXPECT_TRUE(succeeded(ours_->send(Outgoing::to(*sink, "seen"))));
    program.join();
    EXPECT_EQ(line, 0) << "the line that was not as expected";
}

}  // namespace keyway::test
