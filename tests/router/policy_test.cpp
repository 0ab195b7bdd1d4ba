// The policy file: what a good one means, and that each fault of a bad one is named with its place.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "keyway/router.hpp"
#include "router/policy_faults.hpp"

namespace keyway {
namespace {

using namespace std::chrono_literals;

Policy parsed(std::string_view text) {
    Policy policy;
    PolicyError error;
    EXPECT_TRUE(parse_policy(text, "policy.toml", policy, error)) << error.message();
    return policy;
}

PolicyError fault_of(std::string_view text) {
    Policy policy;
    PolicyError error;
    EXPECT_FALSE(parse_policy(text, "policy.toml", policy, error)) << "taken without complaint:\n" << text;
    return error;
}

std::string example() {
    std::ifstream file(KEYWAY_EXAMPLE_POLICY);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(Policy, MayHaveAnyLetterInItsComments) {
    EXPECT_EQ(
        parsed("\xEF\xBB\xBFversion = 1 # für \"alle\n#ö'\n[[rule]]\nwho = { everyone = true }").rules.size(),
        1U);
    EXPECT_EQ(parsed("version = 1\n[[rule]]\nwho = { everyone = true }\nregister = ['a', \"\"\"b\"\"\"] # ü")
                  .rules.size(),
              1U);
}

TEST(Policy, AnEmptyPolicyAllowsNothingAndHasTheDefaultLimits) {
    const Policy policy = parsed("version = 1\n");
    EXPECT_TRUE(policy.rules.empty());
    EXPECT_EQ(policy.process.connections, Policy{}.process.connections);
    EXPECT_EQ(policy.user.queue_bytes, Policy{}.user.queue_bytes);
}

TEST(Policy, ThePermissivePolicyLetsEverybodyRegisterAndLookUpEverythingAndNobodyAdminister) {
    const Policy policy = Policy::permissive();
    ASSERT_EQ(policy.rules.size(), 1U);
    EXPECT_TRUE(policy.rules[0].who.everyone);
    EXPECT_EQ(policy.rules[0].names, std::vector<std::string>{"*"});
    ASSERT_EQ(policy.rules[0].lookup.size(), 1U);
    EXPECT_EQ(policy.rules[0].lookup[0].name, "*");
    EXPECT_FALSE(policy.rules[0].administer);
    EXPECT_TRUE(policy.rules[0].qubits);
}

TEST(Policy, GoesOnWithoutTheAuditLogOnlyWhenItSaysSo) {
    EXPECT_FALSE(parsed("version = 1\n").continue_without_audit);
    EXPECT_FALSE(parsed("version = 1\n[audit]\non_failure = \"stop\"\n").continue_without_audit);
    EXPECT_TRUE(parsed("version = 1\n[audit]\non_failure = \"continue\"\n").continue_without_audit);
}

TEST(Policy, LimitsAreReadAndThoseNotGivenKeepTheirDefaults) {
    const Policy policy = parsed(R"(
version = 1
[limits.process]
connections = 3
queue_bytes = "2MiB"
[limits.user]
capabilities = 10
queue_bytes = 4096
descriptors = 99
endpoints = 0
)");
    EXPECT_EQ(policy.process.connections, 3U);
    EXPECT_EQ(policy.process.queue_bytes, 2U << 20);
    EXPECT_EQ(policy.process.capabilities, Policy{}.process.capabilities);
    EXPECT_EQ(policy.user.capabilities, 10U);
    EXPECT_EQ(policy.user.queue_bytes, 4096U);
    EXPECT_EQ(policy.user.descriptors, 99U);
    EXPECT_EQ(policy.user.endpoints, 0U);
}

TEST(Policy, UsersAndGroupsAreGivenByNameOrNumberAloneOrAsList) {
    const Policy policy = parsed(R"(
version = 1
[[rule]]
who = { user = "root", users = [1000, "nobody"], group = "root", groups = [5] }
[[rule]]
who.user = 7
[[rule]]
who.everyone = true
)");
    ASSERT_EQ(policy.rules.size(), 3U);
    EXPECT_EQ(policy.rules[0].who.users, (std::vector<std::uint32_t>{0, 1000, 65534}));
    EXPECT_EQ(policy.rules[0].who.groups, (std::vector<std::uint32_t>{0, 5}));
    EXPECT_FALSE(policy.rules[0].who.everyone);
    EXPECT_EQ(policy.rules[1].who.users, std::vector<std::uint32_t>{7});
    EXPECT_TRUE(policy.rules[2].who.everyone);
}

TEST(Policy, ALookupIsANameOrATableWithRightsBadgeAndLifetime) {
    const Policy policy = parsed(R"(
version = 1
[[rule]]
who = { everyone = true }
register = ["wordcount", "build/*"]
lookup = [
    "short",
    { name = "long/*", rights = ["write", "grant"], badge = 7, lifetime = "10s" },
    { name = "*" },
]
observe = true
payloads = true
administer = true
qubits = true

[metrics]
listen = "unix:/run/metrics.sock"
)");
    EXPECT_EQ(policy.metrics, "unix:/run/metrics.sock");
    ASSERT_EQ(policy.rules.size(), 1U);
    const Rule& rule = policy.rules[0];
    EXPECT_EQ(rule.names, (std::vector<std::string>{"wordcount", "build/*"}));
    ASSERT_EQ(rule.lookup.size(), 3U);
    EXPECT_EQ(rule.lookup[0].name, "short");
    EXPECT_EQ(rule.lookup[0].rights, right::kWrite | right::kExecute);
    EXPECT_EQ(rule.lookup[0].badge, 0U);
    EXPECT_EQ(rule.lookup[0].lifetime, 0s);
    EXPECT_EQ(rule.lookup[1].name, "long/*");
    EXPECT_EQ(rule.lookup[1].rights, right::kWrite | right::kGrant);
    EXPECT_EQ(rule.lookup[1].badge, 7U);
    EXPECT_EQ(rule.lookup[1].lifetime, 10s);
    EXPECT_EQ(rule.lookup[2].name, "*");
    EXPECT_TRUE(rule.observe);
    EXPECT_TRUE(rule.payloads);
    EXPECT_TRUE(rule.administer);
    EXPECT_TRUE(rule.qubits);
}

TEST(Policy, TheExampleOfTheDocumentationIsValidAndMeansWhatItsCommentsSay) {
    const Policy policy = parsed(example());
    ASSERT_EQ(policy.rules.size(), 5U);
    EXPECT_EQ(policy.rules[0].names, std::vector<std::string>{"wordcount"});
    EXPECT_EQ(policy.rules[1].lookup[0].name, "wordcount");
    EXPECT_EQ(policy.rules[2].lookup[1].rights, right::kWrite);
    EXPECT_EQ(policy.rules[2].lookup[1].lifetime, 1h);
    EXPECT_TRUE(policy.rules[3].observe && policy.rules[3].payloads && !policy.rules[3].administer);
    EXPECT_TRUE(policy.rules[4].administer);
    EXPECT_EQ(policy.metrics, "127.0.0.1:9478");
    EXPECT_EQ(policy.process.queue_bytes, Policy{}.process.queue_bytes) << "the example shows the defaults";
    EXPECT_EQ(policy.user.endpoints, Policy{}.user.endpoints);
}

struct Fault {
    const char* name;
    const char* text;  ///< follows "version = 1\n" unless it has a version of its own
    std::uint32_t line;
    std::uint32_t column;
    std::vector<const char*> says;
};

void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.name;
}

class PolicyFault : public testing::TestWithParam<Fault> {};

TEST_P(PolicyFault, IsReportedWithItsPlaceAndWhatIsAllowed) {
    const Fault& fault = GetParam();
    std::string text = fault.text;
    if (text.find("version") == std::string::npos) {
        text = "version = 1\n" + text;
    }
    const PolicyError error = fault_of(text);
    EXPECT_EQ(error.line, fault.line) << error.message();
    EXPECT_EQ(error.column, fault.column) << error.message();
    for (const char* said : fault.says) {
        EXPECT_NE(error.what.find(said), std::string::npos) << error.message() << "\ndoes not say: " << said;
    }
    EXPECT_EQ(error.message().rfind("policy.toml:" + std::to_string(fault.line) + ":", 0), 0U);
}

constexpr const char* kAll = "[[rule]]\nwho = { everyone = true }\n";

const Fault kFaults[] = {
    {"NotToml", "version 1", 1, 9, {"not valid TOML"}},
    {"UnfinishedString", "version = 1\n[[rule]]\nregister = [\"wordcount]", 3, 24, {"not valid TOML"}},
    {"OddLetterAsAKey", "version = 1\n# fünf\nö = 1", 3, 1, {"comments only"}},
    {"OddBlankBeforeAValue", "version = 1\n[audit]\non_failure =\xCC\x8A 'stop'", 3, 13, {"comments only"}},
    {"OddLetterInAString",
     "version = 1\n[audit]\non_failure = \"'#\\\" st\xC3\xB6p\"",
     3,
     22,
     {"comments only"}},
    {"OddLetterBehindALongString", "version = 1\nx = \"\"\"#\n\"\"\"\"\"ö", 3, 6, {"comments only"}},
    {"OddLetterBehindAnUnfinishedString", "version = 88\"\xEF\xBB\xA6", 1, 14, {"comments only"}},
    {"NotUtf8", "version = 1 # \xff", 1, 14, {"not valid TOML"}},
    {"DuplicateKey", "version = 1\nversion = 1", 2, 11, {"given twice", "version"}},
    {"HeaderWithoutName", "version = 1\n  [[ =rule]]", 2, 6, {"a table's name is missing", "[[rule]]"}},
    {"HeaderOfAComment", "version = 1\n[#limits]", 2, 2, {"not valid TOML"}},
    {"NoVersion", "# version goes missing\n[limits]", 1, 1, {"version = 1"}},
    {"WrongVersion", "version = 2", 1, 11, {"version = 1 only"}},
    {"VersionOfAnotherType", "version = \"1\"", 1, 11, {"the string \"1\""}},
    {"AuditOnFailureIsUnknown", "[audit]\non_failure = \"panic\"", 3, 14, {"\"stop\" or \"continue\""}},
    {"AuditKeyIsUnknown", "[audit]\nfolder = \"/\"", 3, 1, {"on_failure"}},
    {"UnknownTopLevelKey",
     "rules = []",
     2,
     1,
     {"no key \"rules\"", "did you mean \"rule\"?", "version, limits, audit, metrics, rule"}},
    {"UnknownKeyNearNothing", "colour = 1", 2, 1, {"no key \"colour\" at the top level. Allowed are"}},
    {"UnknownLimit",
     "[limits.process]\nconections = 1",
     3,
     1,
     {"did you mean \"connections\"?", "queue_bytes"}},
    {"UnknownLimitTable", "[limits.group]\n", 2, 9, {"process, user"}},
    {"LimitIsNoTable", "limits = 5", 2, 10, {"must be a table"}},
    {"LimitIsText",
     "[limits.user]\nconnections = \"many\"",
     3,
     15,
     {"the string \"many\"", "whole number from 1 to 65535"}},
    {"LimitIsNegative",
     "[limits.user]\ncapabilities = -4",
     3,
     16,
     {"limits.user.capabilities is -4", "1 to 1048575"}},
    {"LimitIsTooLarge", "[limits.process]\ncapabilities = 1048576", 3, 16, {"1 to 1048575"}},
    {"LimitIsZero", "[limits.process]\nconnections = 0", 3, 15, {"from 1"}},
    {"LimitIsAFraction", "[limits.process]\nconnections = 1.5", 3, 15, {"a number with a fraction"}},
    {"SizeWithAnUnknownUnit", "[limits.process]\nqueue_bytes = \"64MB\"", 3, 15, {"64MiB"}},
    {"SizeOutOfRange", "[limits.process]\nqueue_bytes = 0", 3, 15, {"from 1"}},
    {"RuleIsOneTable", "[rule]\nwho.everyone = true", 2, 1, {"[[rule]]"}},
    {"RuleIsAListOfNumbers", "rule = [1, 2]", 2, 8, {"[[rule]]"}},
    {"UnknownRuleKey",
     "[[rule]]\nwho.everyone = true\nlook_up = [\"a\"]",
     4,
     1,
     {"did you mean \"lookup\"?", "who, register, lookup, observe, payloads, administer, qubits"}},
    {"PayloadsWithoutObserve", "[[rule]]\nwho.everyone = true\npayloads = true", 4, 12, {"without observe"}},
    {"MetricsForTheNetwork", "[metrics]\nlisten = \"0.0.0.0:80\"", 3, 10, {"127.0.0.1:9478"}},
    {"RuleWithoutWho", "[[rule]]\nobserve = true", 2, 1, {"no who"}},
    {"WhoIsText", "[[rule]]\nwho = \"alice\"", 3, 7, {"must be a table"}},
    {"WhoIsEmpty", "[[rule]]\nwho = {}", 3, 7, {"for nobody"}},
    {"WhoHasAnUnknownKey", "[[rule]]\nwho = { usr = 5 }", 3, 9, {"did you mean \"user\"?"}},
    {"EveryoneIsFalse", "[[rule]]\nwho = { everyone = false }", 3, 20, {"says nothing"}},
    {"EveryoneAndSomebody", "[[rule]]\nwho = { everyone = true, user = 5 }", 3, 7, {"includes every user"}},
    {"EveryoneIsText", "[[rule]]\nwho = { everyone = \"yes\" }", 3, 20, {"true or false"}},
    {"UnknownUser",
     "[[rule]]\nwho = { user = \"no-such-user-here\" }",
     3,
     16,
     {"no user called \"no-such-user-here\""}},
    {"NumericUserInQuotes", "[[rule]]\nwho = { users = [0, \"4711471\"] }", 3, 21, {"stands without quotes"}},
    {"UnknownGroup", "[[rule]]\nwho = { groups = [\"no-such-group\"] }", 3, 19, {"no group called"}},
    {"NegativeUser", "[[rule]]\nwho = { user = -1 }", 3, 16, {"0 to 4294967294"}},
    {"UserNobodyCanHave", "[[rule]]\nwho = { user = 4294967295 }", 3, 16, {"0 to 4294967294"}},
    {"UserIsAList", "[[rule]]\nwho = { user = [1] }", 3, 16, {"a name in quotes or a number"}},
    {"UsersIsNoList", "[[rule]]\nwho = { users = 1 }", 3, 17, {"a list of user names or numbers"}},
    {"UsersIsEmpty", "[[rule]]\nwho = { users = [] }", 3, 17, {"empty list"}},
};

const Fault kRuleFaults[] = {
    {"RegisterIsText", "register = \"wordcount\"", 4, 12, {"a list of endpoint names"}},
    {"RegisterHasANumber", "register = [1]", 4, 13, {"register has 1", "is a string"}},
    {"NameWithASpace", "register = [\"word count\"]", 4, 13, {"\"word count\"", "A-Z a-z 0-9 . _ - /"}},
    {"NameWithAStarInTheMiddle", "register = [\"a*b\"]", 4, 13, {"may end with *"}},
    {"NameIsEmpty", "register = [\"\"]", 4, 13, {"1 to 63"}},
    {"NameWithAControlCharacter", "register = [\"a\\u001bb\"]", 4, 13, {"\"a?b\""}},
    {"NameTooLong",
     "register = [\"0123456789012345678901234567890123456789012345678901234567890123\"]",
     4,
     13,
     {"1 to 63"}},
    {"ObserveIsANumber", "observe = 1", 4, 11, {"true or false"}},
    {"AdministerIsText", "administer = \"yes\"", 4, 14, {"true or false"}},
    {"LookupIsATable", "lookup = { name = \"a\" }", 4, 10, {"a list of endpoint names, or tables"}},
    {"LookupWithoutName", "lookup = [{ badge = 7 }]", 4, 11, {"no name"}},
    {"LookupTwice", "lookup = [\"a\", { name = \"a\" }]", 4, 25, {"already", "only the first"}},
    {"LookupUnknownKey",
     "lookup = [{ name = \"a\", right = [\"write\"] }]",
     4,
     25,
     {"did you mean \"rights\"?"}},
    {"UnknownRight",
     "lookup = [{ name = \"a\", rights = [\"wirte\"] }]",
     4,
     35,
     {"did you mean \"write\"?", "read, write, execute, grant"}},
    {"RightIsANumber", "lookup = [{ name = \"a\", rights = [2] }]", 4, 35, {"2 is no right. Rights are"}},
    {"RightsAreEmpty", "lookup = [{ name = \"a\", rights = [] }]", 4, 34, {"empty list"}},
    {"BadgeTooLarge", "lookup = [{ name = \"a\", badge = 4294967296 }]", 4, 33, {"0 to 4294967295"}},
    {"LifetimeWithoutUnit", "lookup = [{ name = \"a\", lifetime = \"10\" }]", 4, 36, {"such as \"10s\""}},
    {"LifetimeIsANumber", "lookup = [{ name = \"a\", lifetime = 10 }]", 4, 36, {"such as \"10s\""}},
    {"LifetimeIsZero", "lookup = [{ name = \"a\", lifetime = \"0s\" }]", 4, 36, {"longer than nothing"}},
    {"LifetimeTooLong", "lookup = [{ name = \"a\", lifetime = \"366d\" }]", 4, 36, {"at most 365d"}},
    {"LifetimeOverflows",
     "lookup = [{ name = \"a\", lifetime = \"99999999999999999d\" }]",
     4,
     36,
     {"at most 365d"}},
};

std::vector<Fault> all_faults() {
    static std::vector<std::string> texts;  // owns what the rule faults point at
    std::vector<Fault> faults(std::begin(kFaults), std::end(kFaults));
    texts.reserve(std::size(kRuleFaults));
    for (Fault fault : kRuleFaults) {
        fault.text = texts.emplace_back(std::string(kAll) + fault.text).c_str();
        faults.push_back(fault);
    }
    return faults;
}

INSTANTIATE_TEST_SUITE_P(Each, PolicyFault, testing::ValuesIn(all_faults()),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(Policy, AllFaultsOfAFileAreFoundInTheOrderOfTheirPlaces) {
    Policy policy;
    const auto faults =
        check_policy("version = 3\n[[rule]]\nzoo = 1\nwho = { user = -1 }\nobserve = 5\n", "p", policy);
    ASSERT_EQ(faults.size(), 4U);
    EXPECT_EQ(faults[0].line, 1U);
    EXPECT_EQ(faults[1].line, 3U);
    EXPECT_EQ(faults[2].line, 4U);
    EXPECT_EQ(faults[3].line, 5U);
}

TEST(Policy, NothingOfAFaultyFileIsTaken) {
    Policy policy = Policy::permissive();
    PolicyError error;
    EXPECT_FALSE(parse_policy("version = 1\n[limits.user]\nconnections = 1\n[[rule]]\nwho.user = 1\nx = 1\n",
                              "p", policy, error));
    EXPECT_EQ(policy.rules.size(), 1U);
    EXPECT_EQ(policy.user.connections, Policy{}.user.connections);
}

TEST(Policy, SuccessLeavesTheErrorAsItWas) {
    Policy policy;
    PolicyError error{.file = "before", .what = "before"};
    EXPECT_TRUE(parse_policy("version = 1", "p", policy, error));
    EXPECT_EQ(error.file, "before");
}

class PolicyFile : public testing::Test {
  protected:
    PolicyFile() {
        std::string pattern = std::filesystem::temp_directory_path() / "keyway-policy-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~PolicyFile() override { std::filesystem::remove_all(folder_); }

    PolicyError fault_of_file(const std::filesystem::path& file) {
        Policy policy;
        PolicyError error;
        EXPECT_FALSE(load_policy(file, policy, error));
        EXPECT_EQ(error.file, file.string());
        return error;
    }
    std::filesystem::path write(std::string_view text, mode_t mode = 0644) {
        auto file = folder_ / "policy.toml";
        std::ofstream(file) << text;
        EXPECT_EQ(::chmod(file.c_str(), mode), 0);
        return file;
    }
    std::filesystem::path folder_;
};

TEST_F(PolicyFile, IsLoadedAndItsNameStandsInItsFaults) {
    Policy policy;
    PolicyError error;
    EXPECT_TRUE(load_policy(write(example()), policy, error)) << error.message();
    EXPECT_EQ(policy.rules.size(), 5U);
    EXPECT_EQ(fault_of_file(write("version = 1\nx = 2\n")).line, 2U);
}

TEST_F(PolicyFile, ThatIsMissingOrAFolderOrTooLongIsSaidToBe) {
    EXPECT_NE(fault_of_file(folder_ / "none.toml").what.find("No such file"), std::string::npos);
    EXPECT_NE(fault_of_file(folder_).what.find("not a regular file"), std::string::npos);
    EXPECT_NE(fault_of_file(write("version = 1\n#" + std::string(1U << 20, 'x'))).what.find("1 MiB"),
              std::string::npos);
}

TEST_F(PolicyFile, ThatEveryoneMayWriteIsRefused) {
    EXPECT_NE(fault_of_file(write("version = 1\n", 0666)).what.find("chmod o-w"), std::string::npos);
}

TEST(Policy, DamagedFilesAreEitherTakenWholeOrRefusedWithAPlaceInsideTheFile) {
    const char* const given = std::getenv("KEYWAY_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::cout << "KEYWAY_SEED=" << seed << '\n';
    std::mt19937_64 random(seed);
    const std::string good = example();
    int refused = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string text = good;
        for (std::uint64_t edits = 1 + random() % 3; edits-- != 0;) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text.erase(at, 1 + random() % 8);
                    break;
                default:
                    text.insert(at, text.substr(random() % text.size(), random() % 16));
                    break;
            }
        }
        Policy policy;
        PolicyError error;
        if (!parse_policy(text, "p", policy, error)) {
            ++refused;
            EXPECT_TRUE(policy.rules.empty());
            EXPECT_GE(error.line, 1U);
            EXPECT_LE(error.line, static_cast<std::uint32_t>(std::ranges::count(text, '\n')) + 1)
                << error.message();
            EXPECT_FALSE(error.what.empty());
        }
    }
    EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace keyway
