#include "tool/demo_scenario.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <cstdlib>

#include <nlohmann/json.hpp>
#include <thread>

#include "tool/demo_roles.hpp"

namespace keyway::tool::demo {

namespace {

using namespace std::chrono_literals;

// Badges: what the service sees of each client, whatever that says of itself.
constexpr std::uint32_t kCallerBadge = 1;
constexpr std::uint32_t kSenderBadge = 2;
constexpr std::uint32_t kVictimBadge = 3;

std::string microseconds(std::uint64_t ns) {
    return fmt::format("{:.1f} us", static_cast<double>(ns) / 1000);
}

Totals totals_of(const Answer& answer) {
    return Totals::of(answer.words);
}

}  // namespace

std::string policy_text(const Stage& stage) {
    const auto rule = [](uid_t uid, std::string_view what) {
        return fmt::format("[[rule]]\nwho = {{ user = {} }}\n{}\n", uid, what);
    };
    const auto lookup = [](std::string_view rights, std::uint32_t badge) {
        return fmt::format("lookup = [{{ name = \"{}\", rights = [{}], badge = {} }}]", kServiceName, rights,
                           badge);
    };
    const auto registers = [](std::string_view names) { return fmt::format("register = [{}]\n", names); };
    const auto quoted = [](std::string_view name) { return fmt::format("\"{}\"", name); };
    const auto looks_up = [](std::string_view name, std::string_view rights) {
        return fmt::format("{{ name = \"{}\", rights = [{}] }}", name, rights);
    };
    const std::string to_archive = looks_up(kArchiveName, R"("write", "execute", "device")");
    const std::string to_inbox = looks_up(kInboxName, R"("write")");
    const std::string to_topic = looks_up(kTopicName, R"("read")");
    std::string text = "version = 1\n";
    if (!stage.users_are_separate()) {
        return text + rule(::geteuid(),
                           registers(fmt::format("{}, {}, {}, {}", quoted(kServiceName), quoted(kTopicName),
                                                 quoted(kArchiveName), quoted(kInboxName))) +
                               fmt::format("lookup = [{}, {}, {}]\n", to_archive, to_inbox, to_topic) +
                               "administer = true\nqubits = true");
    }
    text += rule(::geteuid(), "administer = true");
    text += rule(stage.uid_of(Role::kService), registers(quoted(kServiceName)));
    text += rule(stage.uid_of(Role::kCaller), lookup("\"write\", \"execute\"", kCallerBadge));
    text += rule(stage.uid_of(Role::kSender), lookup("\"write\"", kSenderBadge));
    text += rule(stage.uid_of(Role::kVictim), lookup("\"write\", \"execute\"", kVictimBadge));
    text += rule(stage.uid_of(Role::kAlice), registers(quoted(kTopicName)) + "qubits = true\n" +
                                                 fmt::format("lookup = [{}, {}]", to_archive, to_inbox));
    text += rule(stage.uid_of(Role::kBob),
                 registers(quoted(kArchiveName)) + fmt::format("lookup = [{}, {}]", to_topic, to_inbox));
    text += rule(stage.uid_of(Role::kCarol),
                 registers(quoted(kInboxName)) + fmt::format("lookup = [{}]", to_topic));
    return text;  // the intruder has no rule
}

Scenario::Scenario(const Stage& stage, const Input& input, std::uint64_t seed, std::uint64_t pings,
                   Report& report)
    : stage_(stage),
      input_(input),
      truth_(count_directly(input.files)),
      seed_(seed),
      pings_(pings),
      report_(report) {}

void Scenario::play() {
    if (!introduce()) {
        return;
    }
    work();
    refusals();
    back_pressure();
    revocation();
    expiry();
    caller_dies();
    service_dies();
    board();
    latency();
    partners();
    publish_subscribe();
    streaming();
    lane();
    region();
    recall();
    ticket();
    quantum();
    counters();
    end();
    audit();
}

Answer Scenario::authorise(Actor& client, std::uint8_t rights, std::uint32_t badge) {
    if (stage_.users_are_separate()) {
        return client.ask("lookup");
    }
    const auto granted = administrator_->grant(kServiceName, client.process(), rights, badge);
    return granted ? client.ask("accept")
                   : Answer{.outcome = std::string(granted.error().name()), .words = {}};
}

Answer Scenario::pass_on(Actor& client, std::string_view how) {
    std::uint64_t messages = 0;
    Answer answer = client.ask("send begin");
    for (const auto& path : input_.files) {
        if (!answer.ok()) {
            return answer;
        }
        const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        answer = client.ask(how, file.get());
        messages += answer.number(0);
    }
    return answer.ok() ? Answer::of(fmt::format("ok {}", messages)) : answer;
}

bool Scenario::introduce() {
    report_.heading("The processes");
    router_ = stage_.start(Role::kRouter);
    service_ = stage_.start(Role::kService);
    caller_ = stage_.start(Role::kCaller);
    sender_ = stage_.start(Role::kSender);
    intruder_ = stage_.start(Role::kIntruder);
    auto connection = Connection::open({.socket = stage_.socket()});
    if (connection) {
        administrator_ = std::move(*connection);
    }
    const auto introduced = [&](const Actor& actor, std::string_view may) {
        report_.line(
            fmt::format("{:<9} pid {:<7} user {:<6} {}", actor.name(), actor.pid(), actor.uid(), may));
    };
    introduced(*router_, "decides on each message");
    introduced(*service_, "owns the endpoint wordcount");
    introduced(*caller_, "has a capability to send and to call");
    introduced(*sender_, "has a capability to send only");
    introduced(*intruder_, "has none");
    if (!stage_.users_are_separate()) {
        report_.line("All are one user here, so an administrator hands out capabilities; run");
        report_.line("by root each has a user, and the policy file tells them apart.");
    }
    return report_.check(administrator_.has_value(), "all are connected to the router",
                         administrator_ ? "connected" : std::string(connection.error().name()));
}

void Scenario::work() {
    report_.heading(fmt::format("Work: {} files, {} bytes", input_.files.size(), truth_.bytes));
    if (!input_.all) {
        report_.line("(some were left out: unreadable, or beyond 2000 files or 8 MiB)");
    }
    const Answer called = authorise(*caller_, right::kWrite | right::kExecute, kCallerBadge);
    report_.check(called.ok(), "the caller gets its capability",
                  called.ok() ? "write, execute" : called.outcome);
    caller_capability_ = called.number(0);
    endpoint_ = called.number(1);
    const Answer sent = authorise(*sender_, right::kWrite, kSenderBadge);
    report_.check(sent.ok(), "the sender gets its capability", sent.ok() ? "write" : sent.outcome);

    const Answer calls = pass_on(*caller_, "count");
    const Answer by_call = caller_->ask("call totals");
    report_.check(calls.ok() && by_call.ok(), "the caller has all files counted by calls",
                  calls.ok() ? fmt::format("{} calls", calls.number(0)) : calls.outcome);
    report_.check(totals_of(by_call) == truth_, "  and the service's totals are those of a direct count",
                  fmt::format("{} words", totals_of(by_call).words), truth_.text());
    const Answer messages = pass_on(*sender_, "stream");
    const Answer one_way = service_->ask(fmt::format("totals {}", kSenderBadge));
    report_.check(messages.ok(), "the sender has them counted by one-way messages",
                  messages.ok() ? fmt::format("{} messages", messages.number(0)) : messages.outcome);
    report_.check(totals_of(one_way) == truth_, "  and their totals are the same",
                  fmt::format("{} words", totals_of(one_way).words), truth_.text());
    report_.line(fmt::format("{} lines, {} words, {} bytes, cksum {}", truth_.lines, truth_.words,
                             truth_.bytes, truth_.cksum));
}

void Scenario::refusals() {
    report_.heading("What is refused, and why");
    report_.check_equal("the intruder looks the service up", intruder_->ask("lookup").outcome,
                        "no_such_name");
    report_.check_equal("the intruder pretends to be the caller",
                        intruder_->ask(fmt::format("pretend {}", caller_->process())).outcome, "spoofed");
    report_.check_equal("the intruder uses the caller's capability",
                        intruder_->ask(fmt::format("use {} {}", caller_capability_, endpoint_)).outcome,
                        "no_such_capability");
    const Answer guessed = intruder_->ask(fmt::format("guess 2000 {} {}", endpoint_, seed_));
    report_.check(
        guessed.ok() && guessed.number(0) == 0, "the intruder guesses 2000 capabilities",
        guessed.number(0) == 0 ? "no_such_capability" : fmt::format("{} were accepted", guessed.number(0)));
    report_.check_equal("the sender calls, with a right to send only", sender_->ask("call totals").outcome,
                        "insufficient_rights");
    report_.check_equal("the caller sends to another receiver",
                        caller_->ask(fmt::format("redirect {}", sender_->process())).outcome, "wrong_object");
    report_.check_equal("the sender sends a header that is nonsense", sender_->ask("mangle").outcome,
                        "malformed");
    report_.check_equal("the intruder writes noise into the router's socket",
                        intruder_->ask(fmt::format("babble {}", seed_)).outcome, "bad_request");
    report_.check(totals_of(caller_->ask("call totals")) == truth_, "the caller's totals are as before",
                  "unharmed");
}

void Scenario::back_pressure() {
    report_.heading("A receiver that does not keep up");
    prepare("the sender begins anew", sender_->ask("send begin"));
    prepare("the service pauses", service_->ask("pause"));
    const Answer filled = sender_->ask("fill");
    report_.check_equal("the service pauses; the sender sends without waiting", filled.outcome, "full");
    report_.line(fmt::format("{} messages found room before that", filled.number(0)));
    report_.check_equal("one more, that may wait 20 ms for room", sender_->ask("send-by 20").outcome,
                        "timed_out");
    sender_->tell("send-patiently");
    prepare("the service goes on", service_->ask("resume"));
    report_.check_equal("one more, that waits; the service goes on", sender_->hear().outcome, "ok");
    const std::uint64_t counted = service_->ask(fmt::format("messages {}", kSenderBadge)).number(0);
    report_.check(counted == filled.number(0) + 1, "the service got each accepted message once",
                  fmt::format("{} messages", counted), fmt::format("{} messages", filled.number(0) + 1));
}

void Scenario::revocation() {
    report_.heading("A revoke takes effect at once");
    prepare("the sender begins anew", sender_->ask("send begin"));
    const Answer capability = authorise(*sender_, right::kWrite, kSenderBadge);
    sender_->tell("flood");
    prepare("the service gets 500 messages", service_->ask(fmt::format("await {} 500", kSenderBadge)));
    const Answer revoked = service_->ask(fmt::format("revoke {}", capability.number(0)));
    const Answer flooded = sender_->hear();
    const Answer received = service_->ask(fmt::format("messages {}", kSenderBadge));
    report_.check(revoked.ok() && revoked.number(0) == 1,
                  "the service revokes it while the sender sends and sends",
                  revoked.ok() ? fmt::format("{} ended", revoked.number(0)) : revoked.outcome);
    report_.check_equal("the sender's next message", flooded.outcome, "no_such_capability");
    report_.check(received.number(1) <= revoked.number(1),
                  "the last accepted one came before the revoke returned",
                  received.number(1) <= revoked.number(1)
                      ? microseconds(revoked.number(1) - received.number(1)) + " before"
                      : microseconds(received.number(1) - revoked.number(1)) + " after");
    report_.check(received.number(0) == flooded.number(0), "each accepted one arrived",
                  fmt::format("{} messages", received.number(0)),
                  fmt::format("{} messages", flooded.number(0)));
    const Answer fresh = authorise(*sender_, right::kWrite, kSenderBadge);
    report_.check_equal("with a new capability the sender may send again", sender_->ask("send begin").outcome,
                        "ok");
    report_.check_equal("the old id, named again, stays refused",
                        sender_->ask(fmt::format("use {} {}", capability.number(0), fresh.number(1))).outcome,
                        "no_such_capability");
}

void Scenario::expiry() {
    report_.heading("A capability that ends by itself");
    const auto granted =
        administrator_->grant(kServiceName, sender_->process(), right::kWrite, kSenderBadge, 30ms);
    const Answer accepted = granted ? sender_->ask("accept") : Answer{.outcome = "not granted", .words = {}};
    report_.check_equal("an administrator grants the right to send for 30 ms", accepted.outcome, "ok");
    const Answer flooded = sender_->ask("flood");
    report_.check_equal("the sender sends until it is refused", flooded.outcome, "expired");
    report_.line(fmt::format("{} messages were accepted before that", flooded.number(0)));
}

void Scenario::prepare(std::string_view what, const Answer& answer) {
    if (!answer.ok()) {
        report_.check(false, what, answer.outcome, "ok");
    }
}

bool Scenario::is_listed(std::uint32_t process) {
    const auto text = administrator_->list();
    if (!text) {
        return false;
    }
    const auto state = nlohmann::json::parse(*text);
    for (const auto& listed : state.at("processes")) {
        if (listed.at("id") == process) {
            return true;
        }
    }
    return false;
}

void Scenario::caller_dies() {
    report_.heading("A client is killed in the middle of its call");
    Actor victim = stage_.start(Role::kVictim);
    const std::uint32_t process = victim.process();
    prepare("the victim gets its capability",
            authorise(victim, right::kWrite | right::kExecute, kVictimBadge));
    victim.tell("call hold");
    const Answer held = service_->ask("held");
    report_.check(held.ok() && held.number(0) == process, "the service has the victim's call in its hands",
                  fmt::format("process {}", held.number(0)));
    victim.kill();
    while (is_listed(process)) {
        std::this_thread::yield();  // the router hears of the death from the kernel, as we have
    }
    report_.check_equal("SIGKILL; then the service replies", service_->ask("answer").outcome,
                        "no_such_capability");
    const Answer calls = pass_on(*caller_, "count");
    report_.check(calls.ok() && totals_of(caller_->ask("call totals")) == truth_,
                  "service and caller carry on, and count right",
                  calls.ok() ? fmt::format("{} calls", calls.number(0)) : calls.outcome);
}

void Scenario::service_dies() {
    report_.heading("The service is killed while a caller waits");
    caller_->tell("call hold");
    prepare("the service holds the call", service_->ask("held"));
    const std::uint64_t killed_ns = Deadline::clock_ns();
    service_->kill();
    const Answer failed = caller_->hear();
    report_.check_equal("SIGKILL; the caller's call ends", failed.outcome, "peer_gone");
    report_.line(fmt::format("{} after the kill", microseconds(failed.number(0) - killed_ns)));
    report_.check_equal("the caller's capability is stale", caller_->ask("call totals").outcome,
                        "no_such_capability");
    service_ = stage_.start(Role::kService);
    report_.check(is_listed(service_->process()), "the service is started again under its name",
                  fmt::format("process {}", service_->process()));
    const Answer stale = caller_->ask(fmt::format("use {} {}", caller_capability_, endpoint_));
    report_.check_equal("  and the caller's old capability", stale.outcome, "no_such_capability");
    const Answer anew = authorise(*caller_, right::kWrite | right::kExecute, kCallerBadge);
    const Answer calls = anew.ok() ? pass_on(*caller_, "count") : anew;
    report_.check(calls.ok() && totals_of(caller_->ask("call totals")) == truth_,
                  "with a new one it counts all files again",
                  calls.ok() ? fmt::format("{} calls", calls.number(0)) : calls.outcome);
}

// What judged beside the software, by the router's own counters.
void Scenario::board() {
    if (stage_.engine() == "software") {
        return;
    }
    report_.heading("The engine");
    const auto engine = [&] {
        const auto text = administrator_->list();
        return text ? nlohmann::json::parse(*text).at("router").at("engine") : nlohmann::json();
    };
    const auto before = engine();
    report_.check(before.value("name", "") == stage_.engine() && before.value("judged", 0U) != 0,
                  "it has judged messages",
                  fmt::format("{}: {}", before.value("name", ""), before.value("judged", 0U)));
    report_.check_equal("where the software would have judged otherwise",
                        std::to_string(before.value("differences", 1U)), "0");
    if (cable_.empty()) {
        return;
    }
    report_.check(std::system(cable_.c_str()) == 0, "its cable is pulled", "gone");
    const Answer calls = pass_on(*caller_, "count");
    report_.check(calls.ok() && totals_of(caller_->ask("call totals")) == truth_,
                  "service and caller carry on, and count right",
                  calls.ok() ? fmt::format("{} calls", calls.number(0)) : calls.outcome);
    report_.check_equal("who judges from here on", engine().value("name", ""), "software");
}

void Scenario::latency() {
    report_.heading(fmt::format("Latency of {} calls of 64 bytes, {} processors", pings_,
                                std::thread::hardware_concurrency()));
    prepare("the service stands by", service_->ask(fmt::format("serve {}", pings_)));
    const Answer figures = caller_->ask(fmt::format("pings {}", pings_));
    if (!report_.check(figures.ok(), "each call is answered", figures.ok() ? "measured" : figures.outcome)) {
        return;
    }
    report_.line(fmt::format("{:<36} {:>12} {:>12}", "", "p50", "p99"));
    const auto row = [&](std::string_view what, std::size_t index) {
        report_.line(fmt::format("{:<36} {:>12} {:>12}", what, microseconds(figures.number(index)),
                                 microseconds(figures.number(index + 1))));
    };
    row("request, caller to service", 0);
    row("reply, service to caller", 2);
    row("there and back", 4);
}

void Scenario::counters() {
    report_.heading("The router's books");
    const auto text = administrator_->list();
    if (!report_.check(text.has_value(), "an administrator lists the router's state",
                       text ? "listed" : std::string(text.error().name()))) {
        return;
    }
    const auto router = nlohmann::json::parse(*text).at("router");
    const auto count = [&](const char* name) { return router.at(name).get<std::uint64_t>(); };
    std::uint64_t verdicts = 0;
    for (const auto& [name, number] : router.at("verdicts").items()) {
        verdicts += number.get<std::uint64_t>();
        if (number.get<std::uint64_t>() != 0) {
            report_.line(fmt::format("{:>10} {}", number.get<std::uint64_t>(), name));
        }
    }
    sent_ = count("sent");
    const std::uint64_t sum = count("delivered") + count("refused") + count("expired");
    report_.check(sum == sent_ && verdicts == sum, "delivered + refused + expired = sent",
                  fmt::format("{} = {}", sum, sent_));
    // What was done exactly so often, and nothing else of the kind.
    const auto once = [&](const char* name) { return router.at("verdicts").at(name) == 1; };
    report_.check(once("spoofed") && once("insufficient_rights") && once("wrong_object") &&
                      once("malformed") && once("full") && once("timed_out") && once("expired"),
                  "each single refusal above stands in them once", "counted");
}

void Scenario::end() {
    report_.heading("The end");
    administrator_.reset();
    report_.check(router_->terminate() == 0, "SIGTERM: the router drains and ends", "exit code 0");
    report_.check_equal("the caller, afterwards", caller_->ask("call totals").outcome, "router_gone");
}

}  // namespace keyway::tool::demo
