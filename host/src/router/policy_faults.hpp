#pragma once

#include <string_view>
#include <vector>

#include "keyway/router.hpp"

namespace keyway {

/// All faults of a policy file in the order of their places, for `keywayd --check-policy`; `parse_policy`
/// reports the first. `policy` is replaced only when there are none.
[[nodiscard]] std::vector<PolicyError> check_policy(std::string_view text, std::string_view file_name,
                                                    Policy& policy);
/// The same for a file; one that can't be read has one fault.
[[nodiscard]] std::vector<PolicyError> check_policy_file(const std::filesystem::path& file, Policy& policy);

}  // namespace keyway
