// The policy file: any text is either a policy or has faults with places, and the same every time.

#include <string_view>

#include "router/policy_faults.hpp"
#include "target.hpp"

namespace keyway::fuzz {

void policy(Input input) {
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    Policy parsed;
    parsed.process.connections = 12345;
    const auto faults = check_policy(text, "policy.toml", parsed);
    if (!faults.empty()) {
        KEYWAY_HOLDS(parsed.process.connections == 12345);  // nothing of a faulty file is taken
        KEYWAY_HOLDS(parsed.rules.empty());
    }
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (std::size_t i = 0; i < faults.size(); ++i) {
        KEYWAY_HOLDS(!faults[i].what.empty());
        KEYWAY_HOLDS(faults[i].line <= lines + 1);
        KEYWAY_HOLDS(i == 0 || faults[i - 1].line <= faults[i].line);
    }
    Policy again;
    PolicyError first;
    KEYWAY_HOLDS(parse_policy(text, "policy.toml", again, first) == faults.empty());
    KEYWAY_HOLDS(faults.empty() || first.message() == faults.front().message());
    KEYWAY_HOLDS(!faults.empty() || again.rules.size() == parsed.rules.size());
}

}  // namespace keyway::fuzz
