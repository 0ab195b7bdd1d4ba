// A process that owns a real connection and attacks with it, by the attack's name:
//
//     hostile_client SOCKET ATTACK MILLISECONDS SEED
//
// It says "attacking PID UID" when it begins and "tried N" when it ends; exit code 0 unless it could not
// attack at all. As root it first becomes nobody, so that the kernel knows it as somebody else than the
// router and the honest. Nothing is checked here: hostile_test.cpp watches the router, the honest and the
// audit log.

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "keyway/deadline.hpp"
#include "tests/security/raw_client.hpp"

#if defined(__SANITIZE_THREAD__)
// It races with itself, and with the router, on purpose. The router is another program, which suppresses
// nothing.
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:keyway::test\nrace:keyway::ring\n";
}
#endif

namespace keyway::test {
namespace {

std::string router_path;
std::mt19937_64 dice;
std::uint64_t tried = 0;

std::unique_ptr<RawClient> connect(bool live = true) {
    UniqueFd socket = RawClient::dial(router_path);
    if (!socket) {
        return nullptr;
    }
    auto client = std::make_unique<RawClient>(std::move(socket));
    return client->open(16 * 1024, live) ? std::move(client) : nullptr;
}

/// Until time is up, and on a slow machine until it was tried enough: attacks with one connection after
/// another, as the router closes them.
template <typename Attack>
void until(Deadline end, const Attack& attack) {
    for (int turn = 0; turn < 20 || !end.passed(); ++turn) {
        auto client = connect();
        if (client != nullptr) {
            attack(*client);
        }
        ++tried;
    }
}

bool hung_up(const RawClient& client) {
    pollfd wanted{client.socket.get(), 0, 0};
    return ::poll(&wanted, 1, 0) == 1 && (wanted.revents & (POLLHUP | POLLERR)) != 0;
}

Header data(std::uint32_t receiver, std::uint32_t capability, std::size_t length = 0) {
    Header header;
    header.set_version(kVersionMajor);
    header.set_type(static_cast<std::uint8_t>(Type::kData));
    header.set_flags(flag::kNoWait);
    header.set_priority(1);
    header.set_receiver(receiver);
    header.set_capability(capability);
    header.set_length(static_cast<std::uint16_t>(length));
    return header;
}

/// Submits, ringing and reading what it must to go on. Gives up when the link is gone, or there is no room by
/// what we have written ourselves: false.
bool push(RawClient& client, const Header& header, std::span<const std::byte> payload = {}) {
    const Deadline patience = Deadline::in(std::chrono::milliseconds(20));
    while (!client.submit(header, payload)) {
        client.ring_bell();
        while (client.take_notice()) {
        }
        if (hung_up(client) || client.submissions->corrupt() || patience.passed()) {
            return false;
        }
    }
    client.ring_bell();
    ++tried;
    return true;
}

/// Waits until everything that was submitted is judged.
void settle(RawClient& client) {
    client.ring_bell();
    const Deadline patience = Deadline::in(std::chrono::seconds(1));
    while (client.submissions->consumed() < client.submissions->tail() && !client.submissions->corrupt() &&
           !hung_up(client) && !patience.passed()) {
        while (client.take_notice()) {
        }
        client.ring_bell();
        std::this_thread::yield();
    }
    while (client.take_notice()) {
    }
}

ControlMessage lookup_of(const char* name) {
    ControlMessage message = RawClient::request(Request::kLookup);
    message.set_name(name);
    return message;
}

struct Honest {
    std::uint32_t id = 0;
    std::uint32_t object = 0;
};

/// A capability that the policy gives everybody, for an endpoint of the honest.
Honest honest(const RawClient& client) {
    const auto answer = client.ask(lookup_of("honest"));
    Honest found;
    if (answer && answer->message.status == 0) {
        found.id = answer->message.capability;
        found.object = answer->message.object;
    }
    return found;
}

void scribble(RawClient& client, std::size_t from, int words) {
    const auto all = client.all();
    for (int i = 0; i < words; ++i) {
        const std::size_t at = (from + dice() % (all.size() - from)) & ~std::size_t{7};
        std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(all.data() + at))
            .store(dice() % 4 == 0 ? dice() : dice() % 0x10000, std::memory_order_relaxed);
    }
}

// ---- The memory
// -------------------------------------------------------------------------------------------------

/// Every byte of the first page and of the submission ring, and some of every further page, in turns.
void flip_bytes(Deadline end) {
    std::size_t next = 0;
    until(end, [&](RawClient& client) {
        const auto all = client.all();
        for (int i = 0; i < 512 && !hung_up(client); ++i) {
            all[next] = ~all[next];
            client.ring_bell();
            push(client, data(client.id, client.home));
            all[next] = ~all[next];
            next = next < link::kPage + 16384 ? next + 1 : (next + 97) % all.size();
        }
    });
}

/// Threads scribble over everything while valid messages are submitted: lengths, headers and payload change
/// between check and use, and so do cursors and commit words.
void race(Deadline end) {
    until(end, [&](RawClient& client) {
        const Honest target = honest(client);
        std::atomic<bool> stop{false};
        std::thread racer([&] {
            std::mt19937_64 own(tried);
            const auto all = client.all();
            while (!stop) {
                const std::size_t at = (link::kPage + own() % 16384) & ~std::size_t{7};
                std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(all.data() + at))
                    .store(own() % 8 == 0 ? ring::message_word(at - link::kPage,
                                                               static_cast<std::uint32_t>(own() % 5000))
                                          : own(),
                           std::memory_order_relaxed);
            }
        });
        const std::vector<std::byte> payload(512);
        for (int i = 0; i < 200 && !hung_up(client); ++i) {
            push(client, data(target.object, target.id, payload.size()), payload);
        }
        stop = true;
        racer.join();
    });
}

void all_random(Deadline end) {
    until(end, [&](RawClient& client) {
        for (int i = 0; i < 50 && !hung_up(client); ++i) {
            scribble(client, i % 2 == 0 ? 0 : link::kPage, 200);
            client.ring_bell();
        }
    });
}

/// Heads run backwards, jump, and name what was never written. In every second connection the router sees
/// each of them, in the others what comes of the race.
void cursors(Deadline end) {
    bool waits = false;
    until(end, [&](RawClient& client) {
        waits = !waits;
        auto& shared = client.memory.shared();
        std::uint64_t* const heads[] = {&shared.notices.head,     &shared.delivery[0].head,
                                        &shared.delivery[1].head, &shared.delivery[2].head,
                                        &shared.delivery[3].head, &shared.submission.head};
        const std::size_t theirs = waits ? std::size(heads) - 1 : std::size(heads);
        for (int i = 0; i < 300 && !hung_up(client) && push(client, data(client.id, client.home)); ++i) {
            std::uint64_t& head = *heads[dice() % theirs];
            const std::uint64_t values[] = {
                0, 64, head - 64, head + 64, head + (1U << 20), ~std::uint64_t{63}, dice()};
            std::atomic_ref<std::uint64_t>(head).store(values[dice() % std::size(values)],
                                                       std::memory_order_relaxed);
            for (broadcast::ReaderSlot& slot : shared.readers) {
                std::atomic_ref<std::uint64_t>(slot.position).store(dice(), std::memory_order_relaxed);
            }
            if (waits) {
                settle(client);
            }
        }
    });
}

void cut_and_punch(Deadline end) {
    bool live = false;
    while (!end.passed()) {
        auto client = connect(live);
        if (client == nullptr) {
            continue;
        }
        const int fd = client->file.get();
        const auto all = client->all();
        tried += 6;
        static_cast<void>(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16384));
        static_cast<void>(::madvise(all.data(), all.size(), MADV_REMOVE));
        void* again = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (again != MAP_FAILED) {
            ::munmap(again, 4096);
        }
        [[maybe_unused]] const int cut = ::ftruncate(fd, 0);
        [[maybe_unused]] const int grown = ::ftruncate(fd, 1 << 24);
        static_cast<void>(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
        if (!live) {
            static_cast<void>(client->outcome(RawClient::request(Request::kMapped)));
        } else {
            push(*client, data(client->id, client->home));
            settle(*client);
        }
        live = !live;
    }
}

// ---- Authority
// --------------------------------------------------------------------------------------------------

/// Capability ids in order, from somewhere: over time all 2^32. The router is told a receiver for each.
void guess_capabilities(Deadline end) {
    auto client = connect();
    const Honest target = honest(*client);
    // The table of the test has 4096 slots: those with every generation first, then the rest.
    auto id = static_cast<std::uint32_t>(dice());
    while (!end.passed() && !hung_up(*client)) {
        for (int i = 0; i < 256; ++i) {
            id = (id & 0xFFFU) == 0xFFFU ? (id & ~0xFFFU) + (1U << limit::kSlotBits) : id + 1;
            id = dice() % 64 == 0 ? static_cast<std::uint32_t>(dice()) : id & ~0xFF000U;
            if (id != target.id && id != client->home) {
                push(*client, data(target.object, id));
            }
        }
        settle(*client);
    }
}

/// What was valid once is sent again: released capabilities, replies, old commit words.
void replay(Deadline end) {
    until(end, [&](RawClient& client) {
        const Honest target = honest(client);
        ControlMessage release = RawClient::request(Request::kRelease);
        release.capability = target.id;
        static_cast<void>(client.outcome(release));
        for (int i = 0; i < 50; ++i) {
            push(client, data(target.object, target.id));
        }
        // A call to itself is answered, and answered again by the same capability.
        Header call = data(client.id, client.home);
        call.set_flags(flag::kExpectsReply);
        push(client, call);
        settle(client);
        if (const auto got = client.take(1)) {
            Header reply = data(client.id, got->carried());
            reply.set_flags(flag::kReply);
            for (int i = 0; i < 20; ++i) {
                push(client, reply);
            }
        }
        settle(client);
        // The whole ring as it was, with its commit words, once more.
        const auto submission = client.memory.submission();
        std::vector<std::byte> old(submission.begin(), submission.end());
        for (int i = 0; i < 40 && !hung_up(client); ++i) {
            push(client, data(client.id, client.home));
            std::ranges::copy(old, submission.begin());
            client.ring_bell();
        }
    });
}

void spoof(Deadline end) {
    until(end, [&](RawClient& client) {
        const Honest target = honest(client);
        for (std::uint32_t sender = 1; sender < 600; ++sender) {
            Header header = data(target.object, target.id);
            header.set_sender(sender == client.id ? 0xFFFF : sender);
            push(client, header);
        }
        settle(client);
    });
}

/// Asks for what is others': their topics, regions, qubits, channels, endpoints and calls.
void take_others(Deadline end) {
    constexpr Request kAsked[] = {
        Request::kSubscribe,   Request::kTopicRing,   Request::kUnsubscribe, Request::kRegionMap,
        Request::kRegionCut,   Request::kQubit,       Request::kReclaim,     Request::kAcceptChannel,
        Request::kOpenChannel, Request::kInspect,     Request::kDerive,      Request::kRelease,
        Request::kRevoke,      Request::kClose,       Request::kGrant,       Request::kCancel,
        Request::kRegionFresh, Request::kRegionMoved, Request::kRegionUnmap};
    until(end, [&](RawClient& client) {
        for (std::uint32_t slot = 1; slot < 24; ++slot) {
            for (const Request what : kAsked) {
                ControlMessage request = RawClient::request(what);
                request.capability = 1U << limit::kSlotBits | slot;
                if (request.capability == client.home) {
                    continue;
                }
                request.target = 1U << limit::kSlotBits | static_cast<std::uint32_t>(1 + dice() % 24);
                request.object = static_cast<std::uint32_t>(1 + dice() % 16);
                request.rights = right::kRead;
                request.badge = static_cast<std::uint32_t>(dice() % 4);
                request.value = 4096;
                request.set_name("honest");
                static_cast<void>(client.outcome(request));
                ++tried;
            }
        }
    });
}

// ---- The socket
// -------------------------------------------------------------------------------------------------

void descriptor_flood(Deadline end) {
    std::vector<int> fds(link::kMostFds, STDOUT_FILENO);
    while (!end.passed()) {
        UniqueFd socket = RawClient::dial(router_path);
        const RawClient client(std::move(socket));
        for (int i = 0; i < 16; ++i) {
            tried += fds.size();
            if (!link::send_control(client.socket.get(), RawClient::request(Request::kHello), fds)) {
                break;
            }
        }
    }
}

void connection_flood(Deadline end) {
    std::vector<std::unique_ptr<RawClient>> open;
    std::vector<UniqueFd> silent;
    while (!end.passed()) {
        if (UniqueFd socket = RawClient::dial(router_path)) {
            silent.push_back(std::move(socket));
        }
        if (auto client = connect(dice() % 2 == 0)) {
            open.push_back(std::move(client));
        }
        tried += 2;
        if (silent.size() > 400) {
            silent.clear();
            open.clear();
        }
    }
}

void garbage(Deadline end) {
    until(end, [&](RawClient& client) {
        for (int i = 0; i < 100; ++i) {
            std::byte bytes[300];
            for (std::byte& byte : bytes) {
                byte = static_cast<std::byte>(dice());
            }
            static_cast<void>(
                ::send(client.socket.get(), bytes, dice() % sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
            ++tried;
        }
    });
}

/// Asks and never reads an answer; is sent to and never reads that; gets refusals and never reads those.
void never_read(Deadline end) {
    while (!end.passed()) {
        auto asker = connect();
        auto choked = connect();
        for (int i = 0; i < 4000 && asker != nullptr && choked != nullptr && !end.passed(); ++i) {
            static_cast<void>(link::send_control(asker->socket.get(), RawClient::request(Request::kList)));
            if (choked->submit(data(1, 0xFFFFFFFF)) || choked->submit(data(choked->id, choked->home))) {
                choked->ring_bell();
            }
            ++tried;
        }
    }
}

/// Takes a name, is called, and never answers. Whoever calls has a deadline.
void never_answer(Deadline end) {
    auto client = connect();
    ControlMessage request = RawClient::request(Request::kRegister);
    request.set_name("trap");
    static_cast<void>(client->outcome(request));
    while (!end.passed()) {
        pollfd wanted{client->receiver_wake.get(), POLLIN, 0};
        client->memory.shared().receiver.parked = 1;
        ::poll(&wanted, 1, 5);
        ++tried;
    }
    push(*client, data(2, client->home));
}

// ---- Processes
// --------------------------------------------------------------------------------------------------

/// Stops in the middle of writing a record, which is there for somebody else to continue.
void stop_in_mid_write(Deadline end) {
    while (!end.passed()) {
        const pid_t child = ::fork();
        if (child == 0) {
            auto client = connect();
            if (client != nullptr) {
                push(*client, data(client->id, client->home));
                push(*client, data(2, 0x7FF00FFF));
                std::byte* body = client->submissions->try_reserve(1000);
                if (body != nullptr) {
                    std::memset(body, 0x5A, 500);
                }
                client->ring_bell();
            }
            ::raise(SIGSTOP);
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(child, &status, WUNTRACED);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        ::kill(child, tried % 2 == 0 ? SIGCONT : SIGKILL);
        ::waitpid(child, &status, 0);
        ++tried;
    }
}

/// Parent and child both write to rings that only one may write to.
void fork_and_write(Deadline end) {
    until(end, [&](RawClient& client) {
        const auto all = client.all();
        ::madvise(all.data(), all.size(), MADV_DOFORK);
        const pid_t child = ::fork();
        for (int i = 0; i < 300 && !hung_up(client); ++i) {
            Header header = data(child == 0 ? 2 : client.id, child == 0 ? 0x7FF00FFF : client.home);
            if (!client.submit(header)) {
                client.ring_bell();
                while (client.take_notice()) {
                }
            }
            client.ring_bell();
        }
        if (child == 0) {
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
    });
}

/// No attack: what a process costs that is merely busy. The measure for the honest ones' latencies.
void busy(Deadline end) {
    while (!end.passed()) {
        ++tried;
    }
}

struct Attack {
    std::string_view name;
    void (*run)(Deadline);
};
constexpr Attack kAttacks[] = {{"flip_bytes", flip_bytes},
                               {"race", race},
                               {"all_random", all_random},
                               {"cursors", cursors},
                               {"cut_and_punch", cut_and_punch},
                               {"guess_capabilities", guess_capabilities},
                               {"replay", replay},
                               {"spoof", spoof},
                               {"take_others", take_others},
                               {"descriptor_flood", descriptor_flood},
                               {"connection_flood", connection_flood},
                               {"garbage", garbage},
                               {"never_read", never_read},
                               {"never_answer", never_answer},
                               {"stop_in_mid_write", stop_in_mid_write},
                               {"fork_and_write", fork_and_write},
                               {"busy", busy}};

int attack(int argc, char** argv) {
    if (argc != 5) {
        return 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
        return 3;
    }
    router_path = argv[1];
    dice.seed(std::strtoull(argv[4], nullptr, 0));
    for (const Attack& known : kAttacks) {
        if (known.name == argv[2]) {
            if (connect() == nullptr) {
                return 4;
            }
            std::printf("attacking %d %u\n", ::getpid(), ::getuid());
            std::fflush(stdout);
            known.run(Deadline::in(std::chrono::milliseconds(std::strtol(argv[3], nullptr, 0))));
            std::printf("tried %llu\n", static_cast<unsigned long long>(tried));
            return 0;
        }
    }
    return 2;
}

}  // namespace

}  // namespace keyway::test

int main(int argc, char** argv) {
    return keyway::test::attack(argc, argv);
}
