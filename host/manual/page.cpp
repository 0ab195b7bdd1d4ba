// The manual page, in the man macros of roff.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "manual/manual.hpp"
#include "manual/tree.hpp"

namespace keyway::manual {

namespace {

std::string roff(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '\\') {
            safe += "\\e";
        } else if (c == '-') {
            safe += "\\-";
        } else if ((c == '.' || c == '\'') && safe.empty()) {
            safe += fmt::format("\\&{}", c);
        } else {
            safe += c;
        }
    }
    return safe;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

std::string sentence(const std::string& text) {
    return text.empty() || text.back() == '.' ? text : text + '.';
}

void add_synopsis(std::string& to, const std::string& path, const Command& command) {
    to += fmt::format(".B {}\n", roff(path));
    if (!command.commands.empty()) {
        to += ".I COMMAND\n";
    }
    const auto is_option = [](const Option& option) { return !option.positional; };
    if (std::ranges::any_of(command.options, is_option)) {
        to += ".RI [ OPTION .\\|.\\|.]\n";
    }
    for (const Option& option : command.options) {
        if (option.positional) {
            to += option.required ? fmt::format(".I {}\n", roff(upper(option.names[0])))
                                  : fmt::format(".RI [ {} ]\n", roff(upper(option.names[0])));
        }
    }
}

void add_options(std::string& to, const Command& command) {
    for (const Option& option : command.options) {
        to += ".TP\n";
        if (option.positional) {
            to += fmt::format(".I {}\n", roff(upper(option.names[0])));
        } else {
            const std::string value = option.value == Value::kNone ? "" : " " + option.value_name;
            const std::string names = fmt::format("{}{}", fmt::join(option.names, ", "), value);
            to += fmt::format(".B \"{}\"\n", roff(names));
        }
        std::string text = sentence(option.text);
        if (!option.choices.empty()) {
            text += fmt::format(" One of {}.", fmt::join(option.choices, ", "));
        }
        text += option.preset.empty() ? "" : fmt::format(" Unless told: {}.", option.preset);
        to += roff(text) + '\n';
    }
}

void add_commands(std::string& to, const std::string& path, const Command& command) {
    for (const Command& child : command.commands) {
        const std::string name = path + ' ' + child.name;
        if (!child.commands.empty()) {
            add_commands(to, name, child);
            continue;
        }
        to += fmt::format(".SS {}\n", roff(name));
        add_synopsis(to, name, child);
        to += fmt::format(".PP\n{}\n", roff(sentence(child.text)));
        add_options(to, child);
        to += child.footer.empty() ? "" : fmt::format(".PP\n{}\n", roff(child.footer));
    }
}

void add_list(std::string& to, std::string_view title,
              const std::vector<std::pair<std::string, std::string>>& items) {
    if (items.empty()) {
        return;
    }
    to += fmt::format(".SH {}\n", title);
    for (const auto& [name, meaning] : items) {
        to += fmt::format(".TP\n.B {}\n{}\n", roff(name), roff(sentence(meaning)));
    }
}

}  // namespace

std::string man_page(const Command& command, const Page& page) {
    std::string to = fmt::format(
        ".\\\" Generated: {} \\-\\-generate man\n.TH {} {} \"\" \"Keyway {}\" \"Keyway manual\"\n",
        command.name, upper(command.name), page.section, roff(page.version));
    std::string about = command.text.substr(0, command.text.find_last_not_of('.') + 1);
    about[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(about[0])));
    to += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", roff(command.name), roff(about));
    add_synopsis(to, command.name, command);
    to += fmt::format(".SH DESCRIPTION\n{}\n.SH OPTIONS\n", roff(page.description));
    add_options(to, command);
    if (!command.commands.empty()) {
        to += ".SH COMMANDS\n";
        add_commands(to, command.name, command);
    } else if (!command.footer.empty()) {
        to += fmt::format(".SH NOTES\n{}\n", roff(command.footer));
    }
    add_list(to, "EXIT STATUS", page.exit_codes);
    add_list(to, "ENVIRONMENT", page.environment);
    add_list(to, "FILES", page.files);
    return to + fmt::format(".SH SEE ALSO\n{}\n", page.see_also);
}

}  // namespace keyway::manual
