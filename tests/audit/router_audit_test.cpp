// What a router writes down: who, to whom, by which capability, what, how many, when, and with which verdict.

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "keyway/quantum.hpp"
#include "log_folder.hpp"
#include "tests/client/router_fixture.hpp"

using namespace std::chrono_literals;

namespace keyway::test {

using audit::Record;
using audit::RecordKind;

namespace {

/// Nothing can be written to the log's files for a while.
class NoRoom {
  public:
    NoRoom() : ignored_(::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit tight = before_;
        tight.rlim_cur = 1;
        ::setrlimit(RLIMIT_FSIZE, &tight);
    }
    ~NoRoom() { end(); }
    void end() {
        if (ignored_ != SIG_ERR) {
            ::setrlimit(RLIMIT_FSIZE, &before_);
            ::signal(SIGXFSZ, std::exchange(ignored_, SIG_ERR));
        }
    }
    NoRoom(const NoRoom&) = delete;
    NoRoom& operator=(const NoRoom&) = delete;

  private:
    rlimit before_{};
    sighandler_t ignored_;
};

}  // namespace

class AuditedRouter : public audit::LogFolder {
  protected:
    explicit AuditedRouter(bool go_on = false) {
        RouterOptions options;
        options.policy = Policy::permissive();
        options.policy.continue_without_audit = go_on;
        options.capability_slots = 4096;
        options.spin = 5us;
        options.audit.directory = directory_;
        options.audit.key_file = key_file_;
        router_.emplace(std::move(options));
        router_->start().value();
    }
    Connection connect() {
        return router_->connect({.submission_bytes = 16384, .delivery_bytes = 65536, .spin = 5us}).value();
    }
    /// Ends the router and reads its log, whose seals must fit.
    std::vector<Record> records() {
        counters_ = router_->counters();
        router_.reset();
        std::vector<Record> all;
        const audit::Key key = audit::load_key(key_file_, false).value();
        const auto result = audit::verify(directory_, &key, [&](const Record& r) { all.push_back(r); });
        EXPECT_EQ(fault_of(result), "");
        EXPECT_TRUE(result.ended_in_order);
        return all;
    }
    static std::vector<Record> only(const std::vector<Record>& all, RecordKind kind) {
        std::vector<Record> some;
        std::ranges::copy_if(all, std::back_inserter(some), [&](const Record& r) { return r.kind == kind; });
        return some;
    }

    std::optional<Router> router_;
    RouterCounters counters_;
};

TEST_F(AuditedRouter, answers_who_to_whom_by_what_how_many_when_and_with_which_verdict) {
    const auto before = std::chrono::system_clock::now();
    auto server = connect();
    const Endpoint echo = server.register_endpoint("echo").value();
    auto client = connect();
    const Capability to_echo = client.lookup("echo").value();
    const std::uint32_t client_id = client.id();
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(succeeded(client.send(Outgoing::to(to_echo, "0123456789"))));
    }
    Capability stale = to_echo;
    stale.id += 1U << limit::kSlotBits;
    EXPECT_EQ(error_of(client.send(Outgoing::to(stale, "x"))), "no_such_capability");
    const auto all = records();

    const auto messages = only(all, RecordKind::kMessage);
    std::uint32_t delivered = 0;
    for (const Record& r : messages) {
        EXPECT_EQ(r.process, client_id);
        EXPECT_EQ(r.object, echo.id);
        EXPECT_EQ(Type{r.type}, Type::kData);
        const auto at = std::chrono::nanoseconds(r.first_ns);
        EXPECT_GE(at + 1s, before.time_since_epoch());
        EXPECT_LE(at, std::chrono::system_clock::now().time_since_epoch() + 1s);
        EXPECT_LE(r.first_ns, r.last_ns);
        if (Verdict{r.verdict} == Verdict::kDelivered) {
            EXPECT_EQ(r.capability, to_echo.id);
            EXPECT_EQ(r.bytes, 10U * r.count);
            EXPECT_EQ(r.last_sequence - r.first_sequence + 1, r.count);
            delivered += r.count;
        } else {
            EXPECT_EQ(Verdict{r.verdict}, Verdict::kNoSuchCapability);
            EXPECT_EQ(r.capability, stale.id);
            EXPECT_EQ(r.count, 1U);
        }
    }
    EXPECT_EQ(delivered, 50U);
    EXPECT_EQ(only(all, RecordKind::kOpened).size(), 2U);
    EXPECT_EQ(only(all, RecordKind::kClosed).size(), 2U);
    EXPECT_EQ(all.front().kind, RecordKind::kStarted);
    const auto requests = only(all, RecordKind::kRequest);
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[0].get_name(), "echo");
    EXPECT_EQ(static_cast<Request>(requests[1].request), Request::kLookup);
    EXPECT_EQ(requests[1].created, to_echo.id);
}

TEST_F(AuditedRouter, shows_where_a_capability_came_from_and_how_it_ended) {
    auto owner = connect();
    const Endpoint vault = owner.register_endpoint("vault").value();
    auto guest = connect();
    ASSERT_TRUE(succeeded(guest.register_endpoint("guest")));
    const Capability to_guest = owner.lookup("guest").value();
    const auto given = owner.give(vault.capability, to_guest, right::kWrite, 1).value();
    ASSERT_EQ(owner.revoke(vault.capability, given).value(), 1U);
    const std::uint32_t owner_id = owner.id();
    const std::uint32_t guest_id = guest.id();
    const auto all = records();

    bool gave = false;
    for (const Record& r : only(all, RecordKind::kMessage)) {
        if (r.created == given) {
            gave = true;
            EXPECT_EQ(r.process, owner_id);
            EXPECT_EQ(r.carried, vault.capability.id);
        }
    }
    EXPECT_TRUE(gave);
    bool ended = false;
    for (const Record& r : only(all, RecordKind::kEnded)) {
        if (r.capability == given) {
            ended = true;
            EXPECT_EQ(r.process, guest_id);
            EXPECT_EQ(r.carried, owner_id);
            EXPECT_EQ(static_cast<Request>(r.request), Request::kRevoke);
        }
    }
    EXPECT_TRUE(ended);
}

TEST_F(AuditedRouter, its_totals_are_the_routers_counters_over_a_hundred_thousand_messages) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto server = connect();
    ASSERT_TRUE(succeeded(server.register_endpoint("sink")));
    std::vector<Connection> clients;
    std::vector<Capability> sinks;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(connect());
        sinks.push_back(clients.back().lookup("sink").value());
    }
    std::atomic<bool> stop{false};
    std::thread draining([&] {
        while (!stop) {
            [[maybe_unused]] const auto message = server.receive(Deadline::in(10ms));
        }
    });
    for (int i = 0; i < 100'000; ++i) {
        const std::size_t chosen = random() % clients.size();
        Outgoing message = Outgoing::to(sinks[chosen], std::string_view("0123456789").substr(random() % 10));
        message.priority = static_cast<std::uint8_t>(random() % 4);
        message.capability += random() % 50 == 0 ? 1U << limit::kSlotBits : 0U;
        message.flags = random() % 50 == 0 ? flag::kExpectsReply | flag::kReply : flag::kNoWait;
        ASSERT_TRUE(succeeded(clients[chosen].post(message, Deadline::in(30s))));
        while (clients[chosen].next_refusal()) {
        }
    }
    for (Connection& client : clients) {
        ASSERT_TRUE(succeeded(client.flush(Deadline::in(30s))));
    }
    stop = true;
    draining.join();
    const auto all = records();
    std::map<std::uint8_t, std::uint64_t> by_verdict;
    for (const Record& r : only(all, RecordKind::kMessage)) {
        by_verdict[r.verdict] += r.count;
    }
    for (std::size_t verdict = 0; verdict < kVerdictCount; ++verdict) {
        EXPECT_EQ(by_verdict[static_cast<std::uint8_t>(verdict)], counters_.verdict[verdict])
            << name_of(static_cast<Verdict>(verdict));
    }
    EXPECT_EQ(counters_.sent, 100'000U);
}

TEST_F(AuditedRouter, keeps_no_more_than_a_count_of_requests_that_come_to_nothing_while_it_can_not_write) {
    auto client = connect();
    ASSERT_TRUE(succeeded(client.register_endpoint("mine")));
    NoRoom full;
    const Deadline patience = Deadline::in(30s);
    std::string last = "ok";
    while (last != "audit_unavailable" && !patience.passed()) {
        last = error_of(client.lookup("mine"));
    }
    ASSERT_EQ(last, "audit_unavailable");
    std::uint64_t asked = 0;
    for (int i = 0; i < 5000; ++i) {
        EXPECT_EQ(error_of(client.lookup("mine")), "audit_unavailable");
        EXPECT_EQ(error_of(client.inspect(12345)), "no_such_capability");
        EXPECT_TRUE(succeeded(client.inspect(client.self().id)));
        asked += 3;
    }
    EXPECT_EQ(error_of(router_->connect({})), "audit_unavailable") << "a new process gets nothing";
    full.end();
    while (!succeeded(client.lookup("mine")) && !patience.passed()) {
    }
    const auto all = records();
    EXPECT_LT(all.size(), 1000U);
    std::uint64_t counted = 0;
    for (const Record& r : only(all, RecordKind::kLosses)) {
        EXPECT_EQ(r.flags, 1U);
        counted += r.count;
    }
    EXPECT_GE(counted, asked);
}

class AuditedRouterThatGoesOn : public AuditedRouter {
  protected:
    AuditedRouterThatGoesOn() : AuditedRouter(true) {}
};

TEST_F(AuditedRouter, takes_nothing_while_the_log_can_not_be_written_and_loses_nothing) {
    auto server = connect();
    ASSERT_TRUE(succeeded(server.register_endpoint("sink")));
    auto client = connect();
    const Capability sink = client.lookup("sink").value();
    const Capability spare = client.lookup("sink").value();
    NoRoom full;
    // The log notices with the next record that it has to write.
    const Deadline patience = Deadline::in(30s);
    std::string last = "ok";
    while (last == "ok" && !patience.passed()) {
        last = error_of(client.lookup("sink"));
    }
    EXPECT_EQ(last, "audit_unavailable");
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(succeeded(client.post(Outgoing::to(sink, std::to_string(i)))));
    }
    EXPECT_EQ(error_of(client.flush(Deadline::in(50ms))), "timeout");
    EXPECT_EQ(error_of(server.try_receive()), "would_block");
    // What takes authority away is done all the same.
    EXPECT_TRUE(succeeded(client.release(spare.id)));
    full.end();
    ASSERT_TRUE(succeeded(client.flush(Deadline::in(30s))));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(server.receive(Deadline::in(30s)).value().text(), std::to_string(i));
    }
    EXPECT_TRUE(succeeded(client.lookup("sink")));
    std::uint32_t messages = 0;
    for (const Record& r : only(records(), RecordKind::kMessage)) {
        messages += r.count;
    }
    EXPECT_EQ(messages, 20U);
}

TEST_F(AuditedRouterThatGoesOn, goes_on_while_the_log_can_not_be_written) {
    auto server = connect();
    ASSERT_TRUE(succeeded(server.register_endpoint("sink")));
    auto client = connect();
    const Capability sink = client.lookup("sink").value();
    {
        const NoRoom full;
        for (int i = 0; i < 1000; ++i) {
            ASSERT_TRUE(succeeded(client.send(Outgoing::to(sink, "x"), Deadline::in(30s))));
            ASSERT_TRUE(succeeded(server.receive(Deadline::in(30s))));
        }
    }
    std::uint64_t accounted = 0;
    for (const Record& r : records()) {
        accounted += r.kind == RecordKind::kMessage || r.kind == RecordKind::kLosses ? r.count : 0U;
    }
    EXPECT_EQ(accounted, 1000U);
}

}  // namespace keyway::test
