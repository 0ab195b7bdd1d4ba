#include "manual/manual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "manual/tree.hpp"

namespace keyway::manual {

namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kLines = 24;
constexpr std::size_t kTextColumn = 25;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

// Breaks a line between words; what follows the break is indented by `indent`.
void wrap(std::string line, std::size_t indent, std::vector<std::string>& to) {
    while (line.size() > kColumns) {
        std::size_t at = line.rfind(' ', kColumns);
        if (at == std::string::npos || at <= indent) {
            break;
        }
        to.push_back(line.substr(0, line.find_last_not_of(' ', at) + 1));
        line = std::string(indent, ' ') + line.substr(at + 1);
    }
    to.push_back(line);
}

class Form : public CLI::Formatter {
  public:
    Form() { column_width(kTextColumn); }

    std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
        std::vector<std::string> lines;
        for (const std::string& line : lines_of(CLI::Formatter::make_help(app, std::move(name), mode))) {
            wrap(line, line.starts_with(' ') ? kTextColumn : 0, lines);
        }
        if (mode == CLI::AppFormatMode::Normal && lines.size() > kLines) {
            std::erase(lines, "");
        }
        return fmt::format("{}\n", fmt::join(lines, "\n"));
    }
    // Sentences, filled anew whatever their lines were in the source.
    std::string make_footer(const CLI::App* app) const override {
        std::string text = app->get_footer();
        std::ranges::replace(text, '\n', ' ');
        std::vector<std::string> lines;
        wrap(text, 0, lines);
        return text.empty() ? text : fmt::format("\n{}\n", fmt::join(lines, "\n"));
    }
    std::string make_option_opts(const CLI::Option* option) const override {
        const std::string type = option->get_type_name();
        std::string text;
        if (option->get_type_size() != 0 && !type.empty()) {
            text += ' ' + type.substr(0, type.find(':'));  // without what a check says of itself
        }
        text += option->get_default_str().empty() ? "" : '=' + option->get_default_str();
        return text + (option->get_required() ? " REQUIRED" : "");
    }
};

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
    return std::ranges::find(names, name) != names.end();
}

// "TEXT:{dot,svg}", or "UINT:UINT in [0 - 3]".
std::vector<std::string> choices_in(const std::string& type) {
    std::vector<std::string> choices;
    if (const std::size_t open = type.find('{'); open != std::string::npos) {
        std::istringstream list(type.substr(open + 1, type.find('}') - open - 1));
        for (std::string word; std::getline(list, word, ',');) {
            choices.push_back(word);
        }
        return choices;
    }
    constexpr unsigned kFew = 9;
    unsigned least = 0;
    unsigned most = 0;
    if (const std::size_t open = type.find(" in ["); open != std::string::npos) {
        const char* const end = type.data() + type.size();
        const auto [rest, error] = std::from_chars(type.data() + open + 5, end, least);
        if (error == std::errc{} && end - rest > 3 &&
            std::from_chars(rest + 3, end, most).ec == std::errc{} && most <= kFew) {
            for (unsigned value = least; value <= most; ++value) {
                choices.push_back(std::to_string(value));
            }
        }
    }
    return choices;
}

Option option_of(const CLI::Option& from) {
    Option option;
    for (const std::string& name : from.get_snames()) {
        option.names.push_back("-" + name);
    }
    for (const std::string& name : from.get_lnames()) {
        option.names.push_back("--" + name);
    }
    option.positional = option.names.empty();
    if (option.positional) {
        option.names.push_back(from.get_name(true));
    }
    option.required = from.get_required();
    option.text = from.get_description();
    option.preset = from.get_default_str();
    if (from.get_type_size() == 0) {
        return option;
    }
    const std::string type = from.get_type_name();
    option.value_name = type.substr(0, type.find(':'));
    option.choices = choices_in(type);
    const std::string& name = option.names.back();
    option.value =
        !option.choices.empty() ? Value::kChoice
        : name == "--rights"    ? Value::kRights
        : name == "directory"   ? Value::kFolder
        : is_one_of(name, {"--policy", "--file", "--socket", "--key", "--output", "--audit", "--audit-key",
                           "--qubit-ledger", "--firmware", "--bitstream", "PATH", "FILE"})
            ? Value::kFile
            : Value::kAny;
    return option;
}

}  // namespace

Command tree_of(const CLI::App& app) {
    Command command;
    command.name = app.get_name();
    command.text = app.get_description();
    command.footer = app.get_footer();
    std::ranges::replace(command.footer, '\n', ' ');
    for (const CLI::Option* const option :
         app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); })) {
        command.options.push_back(option_of(*option));
    }
    for (const CLI::App* const child :
         app.get_subcommands([](const CLI::App* a) { return !a->get_group().empty(); })) {
        command.commands.push_back(tree_of(*child));
    }
    return command;
}

void use_help_form(CLI::App& app) {
    app.formatter(std::make_shared<Form>());
}

std::optional<std::string> generated(const CLI::App& app, const Page& page, int argc,
                                     const char* const* argv) {
    if (argc != 3 || std::string_view(argv[1]) != "--generate") {
        return std::nullopt;
    }
    const Command tree = tree_of(app);
    const std::string_view form = argv[2];
    if (form == "man") {
        return man_page(tree, page);
    }
    if (form == "bash") {
        return bash_completion(tree);
    }
    if (form == "zsh") {
        return zsh_completion(tree);
    }
    return form == "fish" ? std::optional(fish_completion(tree)) : std::nullopt;
}

}  // namespace keyway::manual
