// The chapters of the demo on the other ways for data to go: topics, streams, lanes, regions, capabilities
// that are passed on, qubits; and on the log of it all.

#include <fcntl.h>
#include <fmt/format.h>

#include <fstream>

#include "audit/reader.hpp"
#include "tool/demo_roles.hpp"
#include "tool/demo_scenario.hpp"

namespace keyway::tool::demo {

namespace {

/// Has an actor do the same with each file: "ok", or the first outcome that is not.
Answer with_each_file(const Input& input, Actor& actor, std::string_view command) {
    Answer answer{.outcome = "ok", .words = {}};
    for (const auto& path : input.files) {
        if (!answer.ok()) {
            break;
        }
        const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        answer = actor.ask(command, file.get());
    }
    return answer;
}

std::string megabytes_a_second(std::uint64_t bytes, std::uint64_t ns) {
    return fmt::format("{:.0f} MB/s", static_cast<double>(bytes) * 1000 / static_cast<double>(ns));
}

}  // namespace

void Scenario::partners() {
    report_.heading("Three more processes");
    alice_ = stage_.start(Role::kAlice);
    bob_ = stage_.start(Role::kBob);
    carol_ = stage_.start(Role::kCarol);
    for (const auto* actor : {&*alice_, &*bob_, &*carol_}) {
        report_.line(fmt::format("{:<9} pid {:<7} user {:<6}", actor->name(), actor->pid(), actor->uid()));
    }
    prepare("bob registers archive", bob_->ask(fmt::format("own {}", kArchiveName)));
    prepare("carol registers inbox", carol_->ask(fmt::format("own {}", kInboxName)));
    prepare("alice finds archive", alice_->ask(fmt::format("find {}", kArchiveName)));
    prepare("bob finds inbox", bob_->ask(fmt::format("find {}", kInboxName)));
}

void Scenario::publish_subscribe() {
    report_.heading("Publish and subscribe: alice to bob and carol");
    prepare("alice makes a topic", alice_->ask(fmt::format("open-topic {}", kTopicName)));
    prepare("bob subscribes", bob_->ask(fmt::format("subscribe {}", kTopicName)));
    const Answer subscribed = carol_->ask(fmt::format("subscribe {}", kTopicName));
    prepare("carol subscribes", subscribed);
    bob_->tell(fmt::format("hear-totals {}", input_.files.size()));
    carol_->tell(fmt::format("hear-totals {}", input_.files.size()));
    const Answer published = with_each_file(input_, *alice_, "publish");
    report_.check(published.ok(), "alice publishes the totals of each file once",
                  published.ok() ? fmt::format("{} events", input_.files.size()) : published.outcome);
    for (auto* actor : {&*bob_, &*carol_}) {
        const Totals heard = Totals::of(actor->hear().words);
        report_.check(heard.words == truth_.words && heard.bytes == truth_.bytes,
                      fmt::format("{} hears them all", actor->name()), fmt::format("{} words", heard.words),
                      fmt::format("{} words", truth_.words));
    }
    prepare("alice revokes carol's subscription",
            alice_->ask(fmt::format("revoke-subscriber {}", subscribed.number(0))));
    prepare("alice publishes again", alice_->ask("announce not for carol"));
    report_.check_equal("alice revokes carol's; the next event: bob", bob_->ask("hear-one").rest(),
                        "not for carol");
    report_.check_equal("  and carol", carol_->ask("hear-one").outcome, "revoked");
}

void Scenario::streaming() {
    report_.heading("A stream: alice to bob");
    bob_->tell("take-stream");
    prepare("alice opens a stream", alice_->ask("begin-stream"));
    const std::uint64_t begun = Deadline::clock_ns();
    prepare("alice writes the files", with_each_file(input_, *alice_, "stream"));
    prepare("alice ends it", alice_->ask("end-stream"));
    const Answer taken = bob_->hear();
    const std::uint64_t took = Deadline::clock_ns() - begun;
    const Totals totals = Totals::of(taken.words);
    report_.check(taken.ok() && totals == truth_, "bob's totals of what he read until the end",
                  taken.ok() ? fmt::format("{} words", totals.words) : taken.outcome, truth_.text());
    report_.line(megabytes_a_second(truth_.bytes, took) + ", with reading, counting and telling each file");
}

void Scenario::lane() {
    report_.heading("A lane: alice and bob, with no router in between");
    bob_->tell("return-balls");
    const Answer played = alice_->ask(fmt::format("volley {}", pings_));
    const Answer returned = bob_->hear();
    report_.check(played.ok() && returned.number(0) == pings_, "64 bytes to bob and back",
                  played.ok() ? fmt::format("{} times", returned.number(0)) : played.outcome);
    report_.line(fmt::format("p50 there and back {:.1f} us", static_cast<double>(played.number(0)) / 1000));
}

void Scenario::region() {
    report_.heading("A region: bob reads what alice wrote, where it lies");
    prepare("alice makes a region", alice_->ask(fmt::format("make-region {}", truth_.bytes)));
    prepare("alice fills it", with_each_file(input_, *alice_, "fill-region"));
    const Answer given = alice_->ask("give-region");
    report_.check(given.ok(), "alice sends all files in one message, by region",
                  given.ok() ? fmt::format("{} bytes", truth_.bytes) : given.outcome);
    const Answer taken = bob_->ask("take-region");
    const Totals totals = Totals::of(taken.words);
    // An empty region has one byte; words run on from one file into the next.
    const bool same = truth_.bytes == 0 || (totals.bytes == truth_.bytes && totals.cksum == truth_.cksum);
    report_.check(taken.ok() && same, "bob's checksum of it",
                  taken.ok() ? fmt::format("{}", totals.cksum) : taken.outcome,
                  fmt::format("{}", truth_.cksum));
    report_.check_equal("bob asks the kernel to let him write into it", bob_->ask("force-write").outcome,
                        "EACCES");
    prepare("bob gives it up", bob_->ask("drop-region"));
}

void Scenario::recall() {
    report_.heading("Memory that is lent, and taken back");
    const Answer to_bob = alice_->ask("lend for both");
    prepare("alice lends bob a region", to_bob);
    prepare("bob takes it", bob_->ask("borrow"));
    prepare("alice finds inbox", alice_->ask(fmt::format("find {}", kInboxName)));
    prepare("alice lends it to carol", alice_->ask("lend for both"));
    prepare("carol takes it", carol_->ask("borrow"));
    report_.check(
        bob_->ask("read-lent").rest() == "for both" && carol_->ask("read-lent").rest() == "for both",
        "bob and carol read what alice wrote", "for both");
    const Answer recalled = alice_->ask(fmt::format("recall {}", to_bob.number(0)));
    report_.check_equal("alice takes it back from bob", recalled.outcome, "ok");
    prepare("alice writes again", alice_->ask("rewrite for carol alone"));
    report_.check_equal("she writes again; carol reads", carol_->ask("read-lent").rest(), "for carol alone");
    report_.check_equal("  and bob", bob_->ask("read-lent").outcome, "revoked");
}

void Scenario::ticket() {
    report_.heading("A capability that is passed on: bob to carol");
    prepare("bob's queue is emptied", bob_->ask("take-messages"));
    const Answer given = bob_->ask("give-ticket 3");
    report_.check_equal("bob gives carol the right to send to him 3 times", given.outcome, "ok");
    const Answer spent = carol_->ask("spend-ticket");
    report_.check(spent.number(0) == 3 && spent.outcome == "no_such_capability",
                  fmt::format("carol sends {} times; then", spent.number(0)), spent.outcome,
                  "3 times, then no_such_capability");
    const Answer received = bob_->ask("take-messages");
    report_.check(received.number(0) == 3, "bob got each", fmt::format("{} messages", received.number(0)));
}

void Scenario::quantum() {
    report_.heading("A qubit is handed off: alice to bob");
    prepare("alice finds archive", alice_->ask(fmt::format("find {}", kArchiveName)));
    prepare("alice prepares a qubit", alice_->ask("prepare-qubit"));
    report_.check_equal("alice tries to give bob a copy", alice_->ask("copy-qubit").outcome, "linearity");
    report_.check_equal("alice hands the qubit itself off", alice_->ask("hand-off").outcome, "ok");
    report_.check_equal("bob has it, in the state", bob_->ask("take-qubit").rest(), "0.6|0> + 0.8i|1>");
    report_.check_equal("alice tries to hand it off once more", alice_->ask("hand-off").outcome,
                        "no_such_carried");
}

void Scenario::audit() {
    report_.heading("The audit log");
    const auto folder = stage_.audit_folder();
    const auto key = audit::load_key(folder / "key", false);
    if (!report_.check(key.has_value(), "the log and its key are there",
                       key ? "found" : std::string(key.error().name()))) {
        return;
    }
    std::uint64_t messages = 0;
    const auto found = audit::verify(folder, &*key, [&](const audit::Record& record) {
        messages += record.kind == audit::RecordKind::kMessage ? record.count : 0;
    });
    report_.check(!found.fault && found.ended_in_order, "every seal is good, up to the router's end",
                  fmt::format("{} records", found.records), found.fault ? found.fault->message() : "");
    report_.check(messages == sent_, "it accounts for each message that was sent",
                  fmt::format("{} messages", messages), fmt::format("{} messages", sent_));
    const auto segment = folder / audit::segment_name(found.head.segment);
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(found.end_offset / 2);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
    file.close();
    const auto tampered = audit::verify(folder, &*key);
    report_.check(tampered.fault.has_value(), "somebody changes one bit of it",
                  tampered.fault ? "noticed" : "not noticed");
}

}  // namespace keyway::tool::demo
