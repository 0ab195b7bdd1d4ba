#pragma once

// The sub-commands and options of a program as lists, for what is generated from them.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace keyway::manual {

/// What can follow an option, or stand for a positional.
enum class Value { kNone, kAny, kFile, kFolder, kRights, kChoice };

struct Option {
    std::vector<std::string> names;  ///< with their dashes; of a positional: its name
    bool positional = false;
    bool required = false;
    Value value = Value::kNone;
    std::string value_name;  ///< "DURATION"
    std::vector<std::string> choices;
    std::string text;
    std::string preset;  ///< what it is unless told; may be empty
};

struct Command {
    std::string name;
    std::string text;
    std::string footer;
    std::vector<Option> options;
    std::vector<Command> commands;
};

[[nodiscard]] Command tree_of(const CLI::App& app);

/// The rights that a list with commas can have; for completions.
inline constexpr const char* kRightWords = "read write execute grant revoke quantum device process";

[[nodiscard]] std::string man_page(const Command& command, const struct Page& page);
[[nodiscard]] std::string bash_completion(const Command& command);
[[nodiscard]] std::string zsh_completion(const Command& command);
[[nodiscard]] std::string fish_completion(const Command& command);

}  // namespace keyway::manual
