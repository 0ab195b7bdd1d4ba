// What a process can do to the router with a link of its own: everything that it can write, and everything
// that it can send. In each case the router answers by name or closes the link, and two honest processes
// never notice.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "client/connection_impl.hpp"
#include "client/raw.hpp"
#include "link/control.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__)
// Under the thread sanitizer copies out of shared memory are memcpy, so that it checks the order of honest
// use. Here somebody else writes on purpose while they run. All other races of this program are still
// reported, and all races of the honest programs.
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:keyway::ring::detail::move\n"
           // The scribbling thread itself, should the other side's stack be lost.
           "race:HostileLink_a_payload_that_changes\n";
}
#endif

namespace keyway::test {

using link::ControlMessage;

class HostileLink : public RouterFixture {
  protected:
    HostileLink() : honest_service_(connect()), honest_client_(connect()), attacker_(connect()) {
        endpoint_ = honest_service_.register_endpoint("honest").value();
        to_service_ = honest_client_.lookup("honest").value();
    }
    /// The honest two talk, in order and unharmed. Every test ends with this.
    void expect_honest_unharmed() {
        for (std::uint32_t i = 0; i < 200; ++i) {
            ASSERT_TRUE(succeeded(honest_client_.send(
                Outgoing::to(to_service_, std::as_bytes(std::span(&i, 1))), Deadline::in(30s))));
            auto message = honest_service_.receive(Deadline::in(30s));
            ASSERT_TRUE(succeeded(message));
            std::uint32_t number = 0;
            ASSERT_EQ(message->payload().size(), sizeof number);
            std::memcpy(&number, message->payload().data(), sizeof number);
            ASSERT_EQ(number, i);
        }
        const RouterCounters counters = router_.counters();
        EXPECT_EQ(counters.delivered + counters.refused + counters.expired, counters.sent);
    }
    link::LinkMemory& memory() { return attacker_.impl().memory; }
    void ring_bell() {
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(attacker_.impl().bell.get(), &one, sizeof one), 8);
    }
    /// Waits for the router to hang up on the attacker.
    void expect_quarantined() {
        EXPECT_EQ(error_of(attacker_.receive(Deadline::in(30s))), "router_gone");
        EXPECT_EQ(router_.counters().links_quarantined, 1U);
    }
    void store_commit(std::uint64_t position, std::uint64_t word) {
        auto* place = reinterpret_cast<std::uint64_t*>(memory().submission().data() + position);
        ring::NativeAtomics::store(*place, word, std::memory_order_release);
    }

    Connection honest_service_;
    Connection honest_client_;
    Connection attacker_;
    Endpoint endpoint_;
    Capability to_service_;
};

TEST_F(HostileLink, an_impossible_commit_word_closes_the_link) {
    store_commit(0, 0xDEADBEEFCAFEF00D);
    ring_bell();
    expect_quarantined();
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_record_that_claims_more_than_the_ring_closes_the_link) {
    store_commit(
        0, ring::pack({ring::tag_of(0), 0xFFFF, static_cast<std::uint16_t>(ring::RecordKind::kMessage)}));
    ring_bell();
    expect_quarantined();
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_record_shorter_than_a_header_is_malformed) {
    for (std::uint16_t length = 0; length < limit::kHeaderBytes; ++length) {
        store_commit(std::uint64_t{length} * 64,
                     ring::pack({ring::tag_of(std::uint64_t{length} * 64), length,
                                 static_cast<std::uint16_t>(ring::RecordKind::kMessage)}));
    }
    ring_bell();
    const Deadline patience = Deadline::in(30s);
    const auto malformed = static_cast<std::size_t>(Verdict::kMalformed);
    while (router_.counters().verdict[malformed] < limit::kHeaderBytes && !patience.passed()) {
        std::this_thread::yield();
    }
    EXPECT_EQ(router_.counters().verdict[malformed], limit::kHeaderBytes);
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_head_that_runs_ahead_or_backwards_closes_the_link_once_it_matters) {
    Connection& target = attacker_;
    const auto inbox = target.register_endpoint("trap").value();
    const auto to_trap = honest_client_.lookup("trap").value();
    // The victim's delivery head claims that far more was read than was ever written.
    ring::NativeAtomics::store(memory().shared().delivery[1].head, std::uint64_t{1} << 40,
                               std::memory_order_release);
    std::string last = "ok";
    for (int i = 0; i < 10'000 && last == "ok"; ++i) {
        last = error_of(honest_client_.try_send(Outgoing::to(to_trap, std::string(1000, 'x'))));
    }
    EXPECT_TRUE(last == "full" || last == "no_such_capability") << last;
    const Deadline patience = Deadline::in(30s);
    while (router_.counters().links_quarantined == 0 && !patience.passed()) {
        std::this_thread::yield();
    }
    EXPECT_EQ(router_.counters().links_quarantined, 1U);
    EXPECT_EQ(error_of(honest_client_.send(Outgoing::to(to_trap, "?"), Deadline::in(30s))),
              "no_such_capability");
    EXPECT_NE(inbox.id, 0U);
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_notice_head_that_can_not_be_closes_the_link) {
    Header forged;
    forged.set_version(kVersionMajor);
    forged.set_type(static_cast<std::uint8_t>(Type::kData));
    forged.set_capability(0x00100FFF);
    ring::NativeAtomics::store(memory().shared().notices.head, std::uint64_t{1} << 40,
                               std::memory_order_release);
    // Refusals, until the router needs to know what was read of them.
    for (const Deadline patience = Deadline::in(30s);
         router_.counters().links_quarantined == 0 && !patience.passed();) {
        [[maybe_unused]] const auto put = attacker_.impl().sending.put(forged, {});
        attacker_.impl().sending.ring_bell();
    }
    expect_quarantined();
    expect_honest_unharmed();
}

TEST_F(HostileLink, random_bytes_all_over_its_memory_hurt_nobody_else) {
    const char* given = std::getenv("KEYWAY_SEED");
    const auto seed = given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 0))
                                       : std::random_device{}();
    std::printf("seed %u (KEYWAY_SEED=%u replays)\n", seed, seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 60; ++round) {
        Connection attacker = connect();
        auto& all = attacker.impl().memory;
        auto* base = reinterpret_cast<std::byte*>(&all.shared());
        const std::size_t size = all.geometry().total();
        // Some rounds leave the first page alone, so that the router goes on polling and meets the garbage
        // behind it.
        const std::size_t from = round % 2 == 0 ? 0 : link::kPage;
        for (int i = 0; i < 4000; ++i) {
            const std::size_t at = (from + random() % (size - from)) & ~std::size_t{3};
            std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(base + at))
                .store(static_cast<std::uint32_t>(random()), std::memory_order_relaxed);
            if (i % 500 == 0) {
                const std::uint64_t one = 1;
                ASSERT_EQ(::write(attacker.impl().bell.get(), &one, sizeof one), 8);
            }
        }
    }
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_payload_that_changes_while_it_is_routed_is_delivered_torn_and_nothing_else) {
    // The length is what counts: it was taken once, so what arrives has it, whatever the writer does
    // meanwhile.
    const auto to_service = attacker_.lookup("honest").value();
    std::atomic<bool> stop{false};
    auto data = memory().submission();
    std::thread flipping([&] {
        std::mt19937 random(7);
        while (!stop) {
            // Payload bytes only: a record of 1024 bytes begins somewhere, its first line has the header.
            const std::size_t at = (random() % data.size()) & ~std::size_t{63};
            std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(data.data() + at + 60))
                .store(static_cast<std::uint32_t>(random()), std::memory_order_relaxed);
        }
    });
    const std::vector<std::byte> payload(1024);
    for (int i = 0; i < 2000; ++i) {
        const auto sent = attacker_.send(Outgoing::to(to_service, payload), Deadline::in(30s));
        ASSERT_TRUE(succeeded(sent));
        auto message = honest_service_.receive(Deadline::in(30s));
        ASSERT_TRUE(succeeded(message));
        ASSERT_EQ(message->payload().size(), 1024U);
        ASSERT_EQ(message->sender(), attacker_.id());
    }
    stop = true;
    flipping.join();
    expect_honest_unharmed();
}

TEST_F(HostileLink, the_sealed_memory_can_not_be_cut_holed_or_mapped_again) {
    // A process keeps its descriptor of the memory if it wants to; this one asks for a link by hand to do so.
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    router_.adopt(pair[0]);
    const UniqueFd socket(pair[1]);
    ControlMessage hello;
    hello.request = static_cast<std::uint8_t>(Request::kHello);
    hello.submission_bytes = hello.delivery_bytes = 16384;
    ASSERT_TRUE(succeeded(link::send_control(socket.get(), hello)));
    auto welcome = link::receive_control(socket.get(), Deadline::in(30s)).value();
    ASSERT_EQ(welcome.message.status, 0);
    const int fd = welcome.fds[0].get();
    auto mapping = link::LinkMemory::map(fd, {16384, 16384}).value();
    ControlMessage mapped;
    mapped.request = static_cast<std::uint8_t>(Request::kMapped);
    ASSERT_TRUE(succeeded(link::send_control(socket.get(), mapped)));
    ASSERT_EQ(link::receive_control(socket.get(), Deadline::in(30s)).value().message.status, 0);

    EXPECT_EQ(::ftruncate(fd, 0), -1);
    EXPECT_EQ(::ftruncate(fd, 1 << 24), -1);
    EXPECT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    EXPECT_EQ(::madvise(&mapping.shared(), 4096, MADV_REMOVE), -1);
    EXPECT_EQ(::write(fd, "x", 1), -1);
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    EXPECT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    expect_honest_unharmed();
}

TEST_F(HostileLink, memory_that_was_cut_or_holed_before_the_seal_does_no_harm) {
    for (const bool cut : {true, false}) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        router_.adopt(pair[0]);
        const UniqueFd socket(pair[1]);
        ControlMessage hello;
        hello.request = static_cast<std::uint8_t>(Request::kHello);
        hello.submission_bytes = hello.delivery_bytes = 16384;
        ASSERT_TRUE(succeeded(link::send_control(socket.get(), hello)));
        auto welcome = link::receive_control(socket.get(), Deadline::in(30s)).value();
        const int fd = welcome.fds[0].get();
        if (cut) {
            ASSERT_EQ(::ftruncate(fd, 4096), 0);
        } else {
            ASSERT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536), 0);
        }
        ControlMessage mapped;
        mapped.request = static_cast<std::uint8_t>(Request::kMapped);
        ASSERT_TRUE(succeeded(link::send_control(socket.get(), mapped)));
        auto answer = link::receive_control(socket.get(), Deadline::in(30s)).value();
        // A hole is filled with zeros, which is what the memory held anyway; a file that was cut is of no
        // use.
        EXPECT_EQ(answer.message.status != 0, cut);
    }
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_wake_pipe_that_nobody_reads_blocks_nothing) {
    // The attacker's park word says "asleep" for ever, so that the router writes to its pipe at each message.
    const auto trap = attacker_.register_endpoint("sleepy").value();
    const auto to_trap = honest_client_.lookup("sleepy").value();
    for (int i = 0; i < 100'000; ++i) {
        ring::NativeAtomics::store(memory().shared().receiver.parked, 1U, std::memory_order_relaxed);
        const auto sent = honest_client_.try_send(Outgoing::to(to_trap, "x"));
        if (!sent) {
            ASSERT_EQ(sent.error().name(), "full");
            ring::NativeAtomics::store(memory().shared().delivery[1].head,
                                       attacker_.impl().memory.shared().delivery[1].head,
                                       std::memory_order_relaxed);
            while (attacker_.try_receive()) {
            }
        }
    }
    EXPECT_NE(trap.id, 0U);
    expect_honest_unharmed();
}

TEST_F(HostileLink, a_wake_pipe_that_was_closed_does_not_end_the_router) {
    const auto trap = attacker_.register_endpoint("deaf").value();
    const auto to_trap = honest_client_.lookup("deaf").value();
    attacker_.impl().receiver_wake.reset();
    for (int i = 0; i < 10; ++i) {
        ring::NativeAtomics::store(memory().shared().receiver.parked, 1U, std::memory_order_relaxed);
        ASSERT_TRUE(succeeded(honest_client_.send(Outgoing::to(to_trap, "x"), Deadline::in(30s))));
    }
    EXPECT_NE(trap.id, 0U);
    expect_honest_unharmed();
}

TEST_F(HostileLink, refusals_that_nobody_reads_stop_only_their_own_sender) {
    // Thousands of refused messages put into the ring by hand, with nobody reading the notices.
    Header forged;
    forged.set_version(kVersionMajor);
    forged.set_type(static_cast<std::uint8_t>(Type::kData));
    forged.set_capability(0x00100FFF);
    SendingHalf& sending = attacker_.impl().sending;
    std::uint64_t put = 0;
    const Deadline patience = Deadline::in(10s);
    std::uint64_t stuck_since = Deadline::clock_ns();
    while (!patience.passed() && Deadline::clock_ns() - stuck_since < 100'000'000) {
        if (sending.put(forged, {})) {
            ++put;
            sending.ring_bell();
            stuck_since = Deadline::clock_ns();
        }
    }
    // It stops when notices and submissions are full: 256 lines each, give or take.
    EXPECT_GT(put, 300U);
    EXPECT_LT(put, 700U);
    expect_honest_unharmed();
    // Reading the notices gets it going again, and none was lost.
    ASSERT_TRUE(succeeded(attacker_.flush(Deadline::in(30s))));
    std::uint64_t refused = 0;
    while (attacker_.next_refusal()) {
        ++refused;
    }
    EXPECT_EQ(refused, put);
}

TEST_F(HostileLink, what_there_was_no_room_to_tell_it_is_told_once_it_reads) {
    constexpr std::size_t kNotices = 1000;  // more than its ring has room for
    for (std::size_t i = 0; i < kNotices; ++i) {
        ASSERT_TRUE(succeeded(attacker_.lookup("honest")));
    }
    const Capability gone = attacker_.lookup("honest").value();
    EXPECT_GT(honest_service_.revoke(endpoint_.capability).value(), kNotices);
    to_service_ = honest_client_.lookup("honest").value();
    // Its next message is judged, and the refusal told, after all that was waiting to be told.
    EXPECT_EQ(error_of(attacker_.send(Outgoing::to(gone, "x"), Deadline::in(30s))), "no_such_capability");
    expect_honest_unharmed();
}

TEST_F(HostileLink, every_capability_id_that_it_was_not_given_is_refused) {
    // All slots in use and around, each with many generations: 200,000 guesses, none right.
    std::mt19937 random(11);
    SendingHalf& sending = attacker_.impl().sending;
    Header forged;
    forged.set_version(kVersionMajor);
    forged.set_type(static_cast<std::uint8_t>(Type::kData));
    forged.set_receiver(endpoint_.id);
    const std::uint32_t own = attacker_.self().id;
    std::uint64_t guesses = 0;
    while (guesses < 200'000) {
        const auto id = static_cast<std::uint32_t>((random() % 8) << 20 | random() % 64);
        if (id == own) {
            continue;
        }
        forged.set_capability(id);
        if (sending.put(forged, {})) {
            ++guesses;
        } else {
            sending.ring_bell();
            ASSERT_TRUE(succeeded(attacker_.flush(Deadline::in(30s))));
        }
        while (attacker_.next_refusal()) {
        }
    }
    sending.ring_bell();
    ASSERT_TRUE(succeeded(attacker_.flush(Deadline::in(30s))));
    EXPECT_EQ(router_.counters().verdict[static_cast<std::size_t>(Verdict::kNoSuchCapability)], guesses);
    EXPECT_EQ(router_.counters().delivered, 0U);
    expect_honest_unharmed();
}

}  // namespace keyway::test
