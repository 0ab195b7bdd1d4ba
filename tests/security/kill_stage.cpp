#include "kill_stage.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "honest.hpp"
#include "keyway/router.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

namespace {

constexpr std::uint64_t kSteps = 24;  ///< messages, calls, events of one victim
constexpr int kCameToItsEnd = 7;

ConnectOptions small(const std::string& socket) {
    return {.socket = socket, .submission_bytes = 16384, .delivery_bytes = 16384, .spin = 5us};
}

RouterOptions router_options(const std::filesystem::path& folder) {
    RouterOptions options;
    options.policy = Policy::permissive();
    options.policy.rules[0].observe = true;
    options.capability_slots = 1024;
    options.socket = folder / "router.sock";
    options.audit.directory = folder / "log";
    options.audit.segment_bytes = 16U << 20;
    options.audit.keep = 16;
    options.spin = 5us;
    return options;
}

std::span<const std::byte> bytes_of(const std::uint64_t& number) {
    return std::as_bytes(std::span(&number, 1));
}

std::uint64_t number_in(std::span<const std::byte> payload) {
    std::uint64_t number = UINT64_MAX;
    if (payload.size() >= sizeof number) {
        std::memcpy(&number, payload.data(), sizeof number);
    }
    return number;
}

/// Forks; the child runs `play` and ends.
template <typename Play>
pid_t fork_to(const std::string& ends_at, const std::string& how, Play play) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::setenv("KEYWAY_CRASH_AT", ends_at.c_str(), 1);
        ::setenv("KEYWAY_CRASH_HOW", how.c_str(), 1);
        play();
        ::_exit(kCameToItsEnd);
    }
    return child;
}

void kill_and_wait(pid_t& pid) {
    if (pid > 0) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        pid = 0;
    }
}

}  // namespace

KillStage::KillStage(const std::string& router_ends_at, const std::string& how) {
    ::signal(SIGPIPE, SIG_IGN);
    std::string name = std::filesystem::temp_directory_path() / "keyway-kill-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::chmod(folder_.c_str(), 0755);  // for attackers, who are nobody
    void* page = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board_ = new (page) Board{};
    start_router(router_ends_at, how);
    auto connected = Connection::open(small(socket()));
    if (!router_ends_at.empty()) {
        if (connected) {  // it may have ended before
            partner_ = std::make_unique<Connection>(std::move(*connected));
        }
        return;
    }
    partner_ = std::make_unique<Connection>(std::move(connected).value());
    partner_->register_endpoint("partner").value();
    topic_ = make_topic(*partner_, "partner/news", {.policy = TopicPolicy::kBlock, .patience = 50ms}).value();
    witness_ = std::make_unique<Connection>(Connection::open(small(socket())).value());
    news_ = std::make_unique<Subscription>(
        Subscription::open(*witness_, witness_->lookup("partner/news").value()).value());
    honest_ = fork_to({}, {}, [this] {
        HonestPair pair(socket());
        while (!board_->end && pair.complaint().empty()) {
            board_->honest_calls = pair.calls();
            std::this_thread::sleep_for(1ms);
        }
        pair.stop();
        std::strncpy(board_->complaint, pair.complaint().c_str(), sizeof board_->complaint - 1);
    });
    while (board_->honest_calls == 0) {
        std::this_thread::yield();
    }
}

KillStage::~KillStage() {
    board_->end = true;
    if (honest_ > 0) {
        ::waitpid(honest_, nullptr, 0);
        EXPECT_EQ(std::string(board_->complaint), "");
    }
    news_.reset();
    kill_and_wait(victim_);
    kill_and_wait(router_);
    ::munmap(board_, sizeof(Board));
    std::filesystem::remove_all(folder_);
}

void KillStage::start_router(const std::string& ends_at, const std::string& how) {
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    router_ = fork_to(ends_at, how, [this, &ready] {
        Router router(router_options(folder_));
        router.listen().value();
        const char yes = 1;
        if (::write(ready[1], &yes, 1) == 1) {
            router.run();
        }
    });
    ::close(ready[1]);
    char yes = 0;
    // One that is to end may do so before it listens: its first record of the log is written at once.
    EXPECT_TRUE(::read(ready[0], &yes, 1) == 1 || !ends_at.empty()) << "the router could not listen";
    ::close(ready[0]);
}

bool KillStage::router_ended() {
    int status = 0;
    const bool ended = ::waitpid(router_, &status, 0) == router_;
    router_ = 0;
    return ended;
}

bool KillStage::victim_ended() {
    if (victim_ > 0 && ::waitpid(victim_, &victim_status_, WNOHANG) == victim_) {
        victim_ = 0;
    }
    return victim_ == 0;
}

bool KillStage::play(Role role, const std::string& label, int turn, const std::string& how) {
    board_->confirmed = 0;
    board_->ready = board_->joined = false;
    name_ = "victim/" + std::to_string(++rounds_);
    const std::size_t before = nlohmann::json::parse(partner_->list().value()).at("processes").size();
    victim_ = fork_to(label + "#" + std::to_string(turn), how, [this, role] { victim(role); });
    switch (role) {
        case Role::kClient:
            meet_client();
            break;
        case Role::kCallee:
            meet_callee();
            break;
        case Role::kPublisher:
            meet_publisher();
            break;
        case Role::kSubscriber:
            meet_subscriber();
            break;
        case Role::kGranter:
            meet_granter();
            break;
        case Role::kRegionOwner:
            meet_region_owner();
            break;
    }
    while (!victim_ended()) {
        std::this_thread::sleep_for(100us);
    }
    const std::uint64_t died = Deadline::clock_ns();
    const Deadline patience = Deadline::in(60s);
    while (nlohmann::json::parse(partner_->list().value()).at("processes").size() > before &&
           !patience.passed()) {
    }
    EXPECT_FALSE(patience.passed()) << "the router never noticed";
    noticed_ms_ = static_cast<double>(Deadline::clock_ns() - died) / 1e6;
    while (partner_->try_receive()) {  // what the victim had sent, and whatever it was told of its end
    }
    EXPECT_FALSE(WIFSIGNALED(victim_status_) && WTERMSIG(victim_status_) == SIGABRT)
        << "the victim met an error that it should not have met";
    if (how == "stop") {
        EXPECT_TRUE(WIFEXITED(victim_status_) && WEXITSTATUS(victim_status_) == kCameToItsEnd)
            << "who was only stopped did not come to its end: " << victim_status_;
        return true;
    }
    return !(WIFEXITED(victim_status_) && WEXITSTATUS(victim_status_) == kCameToItsEnd);
}

Holdings KillStage::at_rest() {
    Holdings found;
    const std::filesystem::path process = "/proc/" + std::to_string(router_);
    const auto state = nlohmann::json::parse(partner_->list().value());
    found.processes = state.at("processes").size();
    // Without those of calls that are under way: the honest are always in one.
    found.capabilities = static_cast<std::size_t>(std::ranges::count_if(
        state.at("capabilities"), [](const auto& capability) { return capability.at("kind") != "reply"; }));
    found.endpoints = state.at("endpoints").size();
    found.topics = state.at("topics").size();
    found.regions = state.at("regions").size();
    found.channels = state.at("channels").size();
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(process / "fd")) {
        ++found.descriptors;
    }
    std::ifstream maps(process / "maps");
    for (std::string line; std::getline(maps, line);) {
        found.mappings += line.find("keyway-") != std::string::npos ? 1U : 0U;  // its memory files
    }
    std::ifstream status(process / "status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) {
            found.memory_kib = std::strtoul(line.c_str() + 6, nullptr, 10);
        }
    }
    return found;
}

// ---- The victim's side
// --------------------------------------------------------------------------------------------

void KillStage::victim(Role role) {
    auto connection = Connection::open(small(socket())).value();
    const auto go = [this] {
        board_->joined = true;
        while (!board_->ready) {
            std::this_thread::yield();
        }
    };
    switch (role) {
        case Role::kClient: {
            const auto partner = connection.lookup("partner").value();
            for (std::uint64_t i = 1; i <= kSteps; ++i) {
                const auto sent = i % 4 == 0
                                      ? Result<void>(connection.call(Outgoing::to(partner, bytes_of(i)))
                                                         ? Result<void>()
                                                         : Result<void>(Status::kPeerGone))
                                      : connection.send(Outgoing::to(partner, bytes_of(i)));
                if (sent) {
                    board_->confirmed = i;
                }
            }
            return;
        }
        case Role::kCallee: {
            connection.register_endpoint(name_).value();
            for (std::uint64_t i = 1; i <= kSteps; ++i) {
                const auto call = connection.receive(Deadline::in(60s)).value();
                connection.reply(call, call.payload()).value();
            }
            return;
        }
        case Role::kPublisher: {
            const auto topic = make_topic(connection, name_, {.policy = TopicPolicy::kBlock}).value();
            go();
            for (std::uint64_t i = 1; i <= kSteps; ++i) {
                if (publish(connection, topic, bytes_of(i))) {
                    board_->confirmed = i;
                }
            }
            return;
        }
        case Role::kSubscriber: {
            auto news = Subscription::open(connection, connection.lookup("partner/news").value()).value();
            go();
            for (std::uint64_t i = 1; i <= kSteps; ++i) {
                news.next(Deadline::in(60s)).value();
            }
            static_cast<void>(news.try_next());  // who finds nothing says how far it is
            return;
        }
        case Role::kGranter: {
            const auto mine = connection.register_endpoint(name_).value();
            const auto partner = connection.lookup("partner").value();
            for (std::uint64_t i = 1; i <= kSteps / 4; ++i) {
                const auto given =
                    connection.give(mine.capability, partner, right::kWrite, 1, {}, bytes_of(i)).value();
                board_->confirmed = i;
                connection.revoke(mine.capability, i % 2 == 0 ? given : 0).value();
            }
            return;
        }
        case Role::kRegionOwner: {
            auto region = RevocableRegion::create(connection, 8192).value();
            region.write(0, bytes_of(kSteps)).value();
            const auto partner = connection.lookup("partner").value();
            for (std::uint64_t i = 1; i <= 3; ++i) {
                const auto grant = region.give_read(partner, bytes_of(i)).value();
                board_->joined = true;
                while (board_->confirmed < i) {  // the partner has it mapped
                    std::this_thread::yield();
                }
                region.recall(grant, i % 2 == 0 ? Recall::kHard : Recall::kFuture).value();
            }
            return;
        }
    }
}

// ---- The partner's side
// -------------------------------------------------------------------------------------------

/// Everything that was accepted comes, once and in order; calls are answered.
void KillStage::meet_client() {
    std::uint64_t last = 0;
    const auto take_all = [&](Deadline deadline) {
        while (auto message = partner_->receive(deadline)) {
            if (message->payload().size() != sizeof last) {
                continue;
            }
            EXPECT_EQ(number_in(message->payload()), last + 1);
            last = number_in(message->payload());
            if (message->is_call()) {
                [[maybe_unused]] const auto replied = partner_->reply(*message, message->payload());
            }
        }
    };
    while (!victim_ended()) {
        take_all(Deadline::in(300us));
    }
    take_all(Deadline::in(2ms));
    const Deadline patience = Deadline::in(60s);
    while (last < board_->confirmed && !patience.passed()) {
        take_all(Deadline::in(2ms));
    }
    EXPECT_GE(last, board_->confirmed.load()) << "something was accepted and is lost";
}

/// Each call is answered, or ends at once with the victim.
void KillStage::meet_callee() {
    Result<Capability> victim = Status::kNoSuchName;
    while (!victim && !victim_ended()) {
        victim = partner_->lookup(name_);
    }
    for (std::uint64_t i = 1; victim && i <= kSteps; ++i) {
        const auto reply = partner_->call(Outgoing::to(*victim, bytes_of(i)), Deadline::in(60s));
        if (!reply) {
            const std::string_view why = reply.error().name();
            EXPECT_TRUE(why == "peer_gone" || why == "no_such_capability" || why == "closed") << why;
            return;
        }
        EXPECT_EQ(number_in(reply->payload()), i);
    }
}

/// Every event that was accepted is there to be read.
void KillStage::meet_publisher() {
    std::optional<Subscription> news;
    while (!news && !victim_ended()) {
        if (!board_->joined) {
            std::this_thread::yield();  // it makes the topic yet; each look-up would give us one more
                                        // capability
            continue;
        }
        if (const auto topic = partner_->lookup(name_)) {
            if (auto opened = Subscription::open(*partner_, *topic)) {
                news.emplace(std::move(*opened));
            }
        }
    }
    board_->ready = true;
    std::uint64_t last = 0;
    while (news) {
        const auto event = news->next(Deadline::in(60s));
        if (!event) {
            const std::string_view why = event.error().name();
            EXPECT_TRUE(why == "closed" || why == "revoked") << why;
            break;
        }
        EXPECT_EQ(number_in(event->payload), last + 1);
        last = number_in(event->payload);
    }
    if (news) {
        EXPECT_GE(last, board_->confirmed.load()) << "an event was accepted and is lost";
    }
}

/// The publisher goes on, and the other subscriber misses nothing.
void KillStage::meet_subscriber() {
    while (!board_->joined && !victim_ended()) {
        std::this_thread::yield();
    }
    board_->ready = true;
    for (std::uint64_t i = 0; i < kSteps; ++i) {
        const std::uint64_t number = ++said_;
        const auto published = publish(*partner_, topic_, bytes_of(number), Deadline::in(60s));
        EXPECT_TRUE(published) << published.error().message();
        const auto event = news_->next(Deadline::in(60s));
        ASSERT_TRUE(event) << event.error().message();
        EXPECT_EQ(number_in(event->payload), number);
    }
}

/// What the dead had given is no longer good for anything, and the router's answer says so.
void KillStage::meet_granter() {
    std::uint64_t last = 0;
    std::uint32_t given = 0;
    while (!victim_ended() || last < board_->confirmed) {
        const auto message = partner_->receive(Deadline::in(300us));
        if (message && message->carried() != 0) {
            EXPECT_EQ(number_in(message->payload()), last + 1);
            last = number_in(message->payload());
            given = message->carried();
        }
    }
    if (given == 0) {
        return;
    }
    const Deadline patience = Deadline::in(60s);
    while (partner_->inspect(given) && !patience.passed()) {
    }
    EXPECT_FALSE(partner_->inspect(given)) << "a capability outlived the process that it was for";
}

/// Reading is what it was, or an error; no signal.
void KillStage::meet_region_owner() {
    std::optional<RevocableView> view;
    while (!victim_ended()) {
        const auto message = partner_->receive(Deadline::in(200us));
        if (message && message->carried() != 0) {
            if (auto mapped = RevocableView::accept(*partner_, *message)) {
                view.emplace(std::move(*mapped));
            }
            board_->confirmed = number_in(message->payload());
        }
        if (view) {
            std::uint64_t content = kSteps;
            const auto read = view->read(0, std::as_writable_bytes(std::span(&content, 1)));
            EXPECT_TRUE(!read || content == kSteps) << content;
        }
    }
}

}  // namespace keyway::test
