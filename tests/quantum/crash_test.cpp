// Exactly one of sender, router and receiver holds a qubit, wherever one of them is killed.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <regex>
#include <set>
#include <string>

#include "crash_stage.hpp"
#include "keyway/deadline.hpp"
#include "tests/run_length.hpp"

using namespace std::chrono_literals;

namespace keyway::test {
namespace {

struct Step {
    const char* label;   ///< where the process kills itself
    const char* holder;  ///< who has the qubit after that
};

// Every crash point of a hand-off is here; the test below this one checks that. Those of other steps are in
// tests/security/kill_matrix_test.cpp.
constexpr Step kSteps[] = {
    {"sender.begun", "router"},  // it holds what the dead sender held
    {"sender.submitted", "receiver"}, {"sender.told", "receiver"},     {"router.taken", "sender"},
    {"router.moved", "sender"},       {"ledger.begun#2", "sender"},  // the first time is when it is prepared
    {"ledger.filled#2", "sender"},    {"router.recorded", "receiver"}, {"router.delivered", "receiver"},
    {"receiver.received", "router"},  {"receiver.accepted", "router"},
};

std::string wait_for_books(Stage& stage, const std::string& not_this) {
    const Deadline patience = Deadline::in(30s);
    std::string holder = stage.holder_in_the_books();
    while (holder == not_this && !patience.passed()) {
        holder = stage.holder_in_the_books();
    }
    return holder;
}

bool says_yes(const std::string& answer) {
    return answer.starts_with("yes");
}

/// Who holds the qubit, by the word of everybody who lives; "two" or "nobody" when that is not one.
std::string holder_by_all_accounts(Stage& stage) {
    std::string holder;
    int holders = 0;
    for (const auto& [name, actor] :
         {std::pair{"sender", &stage.sender}, std::pair{"receiver", &stage.receiver}}) {
        if (actor->runs() && says_yes(Stage::ask(*actor))) {
            holder = name;
            ++holders;
        }
    }
    const std::string books = stage.holder_in_the_books();
    if (holders == 0 && books == "router") {
        return "router";
    }
    if (holders > 1) {
        return "two";
    }
    if (holders == 1 && books != holder) {
        return holder + " but the books say " + books;
    }
    return holders == 1 ? holder : "nobody but the books say " + books;
}

}  // namespace

class HandOff : public ::testing::Test {};

TEST_F(HandOff, leaves_one_holder_wherever_a_process_is_killed) {
    for (const Step& step : kSteps) {
        SCOPED_TRACE(step.label);
        Stage stage(step.label);
        const std::string_view label(step.label);
        const bool of_router = label.starts_with("router") || label.starts_with("ledger");
        Actor& victim = of_router                       ? stage.router
                        : label.starts_with("receiver") ? stage.receiver
                                                        : stage.sender;
        stage.sender.tell("go");
        ASSERT_TRUE(victim.was_killed()) << "nobody came to this point";
        if (of_router) {
            stage.restart_router();
        } else {
            wait_for_books(stage, label.starts_with("sender") ? "sender" : "receiver");
        }
        EXPECT_EQ(holder_by_all_accounts(stage), step.holder);
    }
}

TEST_F(HandOff, visits_every_crash_point_that_the_product_has) {
    std::set<std::string> in_product;
    const std::regex use("KEYWAY_CRASH_POINT\\(\"((sender|receiver|router|ledger)\\.[a-z]+)\"\\);");
    for (const auto& file : std::filesystem::recursive_directory_iterator(KEYWAY_HOST_SOURCES)) {
        if (file.path().extension() != ".cpp") {
            continue;
        }
        std::ifstream in(file.path());
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        for (std::sregex_iterator at(text.begin(), text.end(), use), end; at != end; ++at) {
            in_product.insert((*at)[1]);
        }
    }
    std::set<std::string> visited;
    for (const Step& step : kSteps) {
        const std::string label(step.label);
        visited.insert(label.substr(0, label.find('#')));
    }
    EXPECT_EQ(in_product, visited);
}

TEST_F(HandOff, a_sender_that_keeps_it_over_the_routers_death_keeps_the_state) {
    Stage stage("router.taken");
    stage.sender.tell("go");
    ASSERT_TRUE(stage.router.was_killed());
    stage.restart_router();
    EXPECT_EQ(Stage::ask(stage.sender), "yes by reclaiming, with state 0.600000");
    EXPECT_FALSE(says_yes(Stage::ask(stage.receiver)));
}

// Not only at the labelled points: somewhere.
TEST_F(HandOff, leaves_one_holder_whenever_a_process_is_killed) {
    const char* given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("KEYWAY_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    std::mt19937_64 random(seed);
    const int rounds = ordinary_or_long(15, 1000);
    for (int round = 0; round < rounds; ++round) {
        SCOPED_TRACE(round);
        Stage stage("");
        Actor* const actors[] = {&stage.router, &stage.sender, &stage.receiver};
        const std::size_t chosen = random() % 3;
        stage.sender.tell("go");
        const auto moment = Deadline::in(std::chrono::nanoseconds(random() % 300'000));
        while (!moment.passed()) {
        }
        actors[chosen]->kill();
        if (chosen == 0) {
            stage.restart_router();
        } else {
            wait_for_books(stage, chosen == 1 ? "sender" : "receiver");
        }
        const std::string holder = holder_by_all_accounts(stage);
        EXPECT_TRUE(holder == "router" || holder == "sender" || holder == "receiver") << holder;
    }
}

}  // namespace keyway::test
