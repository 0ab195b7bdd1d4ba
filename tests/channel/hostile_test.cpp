// What one end can do to the other: it can write every byte of the memory that they share, send on the
// sockets, and nothing else. The other end reads nonsense or says `corrupt`, and goes on living.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "channel_fixture.hpp"
#include "client/connection_impl.hpp"
#include "client/lane_impl.hpp"
#include "client/stream_impl.hpp"

#if defined(__SANITIZE_THREAD__)
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:keyway::ring::detail::move\n";
}
#endif

namespace keyway::test {

class HostilePeer : public ChannelFixture {
  protected:
    std::uint64_t seed_ = std::random_device{}();
    std::mt19937_64 random_{seed_};

    void garble(std::byte* from, std::size_t bytes) {
        for (std::size_t at = 0; at + 8 <= bytes; at += 8) {
            // Never zero, which is memory that nobody has written to.
            const std::uint64_t word = random_() % 4 == 0 ? 1 + random_() % 255 : random_() | 1;
            std::memcpy(from + at, &word, 8);
        }
    }
};

TEST_F(HostilePeer, garbage_in_a_lane_is_called_corrupt_for_ever) {
    SCOPED_TRACE("seed " + std::to_string(seed_));
    for (int round = 0; round < 50; ++round) {
        Lanes sut = lanes();
        LaneMessage message;
        for (int i = 0; i < round % 5; ++i) {
            sut.client.sender().send("honest").value();
            sut.service.receiver().receive(message, Deadline::in(30s)).value();
        }
        auto& end = sut.client.impl().end;
        garble(end.ring(0).data(), end.ring(0).size());
        EXPECT_EQ(error_of(sut.service.receiver().try_receive(message)), "corrupt");
        EXPECT_EQ(error_of(sut.service.receiver().receive(message, Deadline::in(10s))), "corrupt");
    }
}

TEST_F(HostilePeer, a_false_head_of_a_lane_is_called_corrupt_by_its_sender) {
    Lanes sut = lanes();
    auto& shared = *reinterpret_cast<channel::LaneShared*>(sut.service.impl().end.head());
    shared.ring[0].head = 1U << 20;
    const std::vector<std::byte> body(4096);
    std::string said = "ok";
    for (int i = 0; i < 100 && said == "ok"; ++i) {
        said = error_of(sut.client.sender().try_send(body));
    }
    EXPECT_EQ(said, "corrupt");
    EXPECT_EQ(error_of(sut.client.sender().send(body, Deadline::in(30s))), "corrupt");
}

TEST_F(HostilePeer, a_message_that_is_not_well_formed_or_out_of_sequence_is_called_corrupt) {
    const auto said_of = [&](auto&& spoil) {
        Lanes sut = lanes();
        spoil(sut.client.impl().sending);
        sut.client.sender().send("x").value();
        LaneMessage message;
        return error_of(sut.service.receiver().receive(message, Deadline::in(30s)));
    };
    using State = LaneSender::State;
    EXPECT_EQ(said_of([](State&) {}), "ok");
    EXPECT_EQ(said_of([](State& of) { of.header.set_version(9); }), "corrupt");
    EXPECT_EQ(said_of([](State& of) { of.header.set_flags(flag::kExpectsReply); }), "corrupt");
    EXPECT_EQ(said_of([](State& of) { of.header.set_carried(5); }), "corrupt");
    EXPECT_EQ(said_of([](State& of) { of.sequence = 3; }), "corrupt");
}

TEST_F(HostilePeer, random_cursors_of_a_stream_lead_nobody_out_of_the_ring) {
    SCOPED_TRACE("seed " + std::to_string(seed_));
    std::uint64_t corrupt = 0;
    for (int round = 0; round < 200; ++round) {
        Streams sut = streams(round % 2 == 1);
        auto& cursors = sut.writer.impl().shared().cursors;
        const auto wild = [&] { return random_() % 3 == 0 ? random_() : random_() % (128 * 1024); };
        cursors.writer.written = wild();
        cursors.writer.end = random_() % 2 == 0 ? wild() | stream::kEnded : 0;
        cursors.reader.read = wild();
        garble(sut.writer.impl().data, sut.writer.capacity());
        std::vector<std::byte> buffer(128 * 1024);
        for (int i = 0; i < 4; ++i) {
            const auto read = sut.reader.carries_records() ? sut.reader.read_record(buffer, Deadline::now())
                                                           : sut.reader.read(buffer, Deadline::now());
            corrupt += !read && read.error() == Error{Status::kCorrupt} ? 1U : 0U;
            if (read) {
                EXPECT_LE(*read, sut.reader.capacity());
            }
            const auto room = sut.writer.reserve(1 + random_() % sut.writer.capacity(), Deadline::now());
            if (room) {
                garble(room->data(), room->size());
                sut.writer.commit(room->size()).value();
            }
        }
    }
    EXPECT_GT(corrupt, 0U);
}

TEST_F(HostilePeer, a_false_end_is_called_corrupt) {
    Streams sut = streams();
    sut.writer.write(bytes_of("hello")).value();
    sut.writer.impl().shared().cursors.writer.end = 1000 | stream::kEnded;
    std::array<std::byte, 10> buffer;
    ASSERT_EQ(sut.reader.read(buffer).value(), 5U);
    EXPECT_EQ(error_of(sut.reader.read(buffer, Deadline::in(30s))), "corrupt");
}

TEST_F(HostilePeer, cannot_make_the_memory_smaller_or_larger) {
    // Over the control socket an attacker has the descriptors themselves; here they are asked for by hand.
    link::ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kOpenChannel);
    message.capability = to_service_.id;
    message.kind = static_cast<std::uint8_t>(channel::What::kLane);
    message.value = 16 * 1024;
    auto answer = client_.impl().request(message).value();
    ASSERT_EQ(answer.fd_count, 5U);
    for (const auto which : {channel::EndFd::kData, channel::EndFd::kStatus, channel::EndFd::kCounts}) {
        const int fd = answer.fds[static_cast<std::size_t>(which)].get();
        EXPECT_NE(::ftruncate(fd, 0), 0);
        EXPECT_NE(::ftruncate(fd, 1 << 20), 0);
    }
}

TEST_F(HostilePeer, cannot_write_the_status_page_by_any_road) {
    link::ControlMessage message;
    message.request = static_cast<std::uint8_t>(Request::kOpenChannel);
    message.capability = to_service_.id;
    message.kind = static_cast<std::uint8_t>(channel::What::kLane);
    message.value = 16 * 1024;
    auto answer = client_.impl().request(message).value();
    const int fd = answer.fds[static_cast<std::size_t>(channel::EndFd::kStatus)].get();
    void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(page, MAP_FAILED);
    EXPECT_NE(::mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    const std::uint64_t word = 0;
    EXPECT_LT(::pwrite(fd, &word, sizeof word, 0), 0);
    EXPECT_NE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    EXPECT_NE(::madvise(page, 4096, MADV_REMOVE), 0);
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    if (const UniqueFd again(::open(path.c_str(), O_RDWR | O_CLOEXEC)); again) {
        EXPECT_LT(::pwrite(again.get(), &word, sizeof word, 0), 0);
        EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again.get(), 0), MAP_FAILED);
    }
    EXPECT_NE(::fcntl(fd, F_ADD_SEALS, 0), 0);  // nor can the seals be changed
    ::munmap(page, 4096);
}

TEST_F(HostilePeer, a_hole_in_the_data_ends_nobody) {
    Lanes sut = lanes();
    sut.client.sender().send("x").value();
    auto& end = sut.client.impl().end;
    ASSERT_EQ(::madvise(end.ring(0).data(), 4096, MADV_REMOVE), 0);
    LaneMessage message;
    EXPECT_EQ(error_of(sut.service.receiver().try_receive(message)), "would_block");
}

TEST_F(HostilePeer, tokens_without_end_keep_nobody_beyond_his_deadline) {
    Lanes sut = lanes();
    const std::vector<char> tokens(1 << 16);
    const int socket = sut.client.impl().end.socket(0);
    while (::send(socket, tokens.data(), tokens.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    LaneMessage message;
    EXPECT_EQ(error_of(sut.service.receiver().receive(message, Deadline::in(5ms))), "timeout");
    // Nor does a full socket block the one who wakes.
    auto& word = *sut.service.impl().receiving.sleeper.word;
    word.parked = 1;
    EXPECT_TRUE(succeeded(sut.client.sender().send("x")));
    EXPECT_TRUE(succeeded(sut.service.receiver().receive(message, Deadline::in(30s))));
}

TEST_F(HostilePeer, counts_that_lie_are_seen_to_differ) {
    Lanes sut = lanes();
    LaneMessage message;
    sut.client.sender().send("x").value();
    sut.service.receiver().receive(message, Deadline::in(30s)).value();
    sut.client.impl().sending.messages = 1000;
    sut.client.sender().send("y").value();
    sut.service.receiver().receive(message, Deadline::in(30s)).value();
    const Deadline limit = Deadline::in(30s);
    std::string listing;
    do {
        listing = client_.list().value();
    } while (listing.find(R"("messages":1001)") == std::string::npos && !limit.passed());
    EXPECT_NE(listing.find(R"("counts_agree":false)"), std::string::npos) << listing;
}

}  // namespace keyway::test
