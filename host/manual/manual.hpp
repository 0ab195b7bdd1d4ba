#pragma once

// Everything that a person reads of a program's options has one source: what the program tells CLI11. From
// that come --help, which fits a terminal, and, with the hidden `--generate man|bash|zsh|fish`, the manual
// page and the completions that are installed.

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyway::manual {

/// What a manual page says beyond the options.
struct Page {
    int section = 1;
    std::string version;
    std::string description;
    /// Exit codes, variables and files, each with its meaning.
    std::vector<std::pair<std::string, std::string>> exit_codes;
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<std::pair<std::string, std::string>> files;
    std::string see_also;
};

/// Call it before the first sub-command is added: they inherit the form. Lines have 80 columns at most, and
/// empty ones go when there are more than 24.
void use_help_form(CLI::App& app);

/// What `--generate FORM` asks for; nothing when the arguments don't.
[[nodiscard]] std::optional<std::string> generated(const CLI::App& app, const Page& page, int argc,
                                                   const char* const* argv);

}  // namespace keyway::manual
