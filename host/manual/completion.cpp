// Completions. Each needs nothing but its shell.

#include <fmt/format.h>

#include <algorithm>

#include "manual/tree.hpp"

namespace keyway::manual {

namespace {

std::string words(const std::vector<Command>& commands) {
    std::vector<std::string> names;
    names.reserve(commands.size());
    for (const Command& command : commands) {
        names.push_back(command.name);
    }
    return fmt::format("{}", fmt::join(names, " "));
}

/// Calls `visit(path, command)` for the program ("") and each sub-command ("audit show").
template <class Visit>
void walk(const Command& command, const std::string& path, const Visit& visit) {
    visit(path, command);
    for (const Command& child : command.commands) {
        walk(child, path.empty() ? child.name : path + ' ' + child.name, visit);
    }
}

std::vector<std::string> long_names(const Command& command) {
    std::vector<std::string> names;
    for (const Option& option : command.options) {
        if (!option.positional) {
            names.push_back(option.names.back());
        }
    }
    return names;
}

// For a text in single quotes.
std::string single_quoted(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        safe += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return safe;
}

}  // namespace

// ---- bash ----

namespace {

std::string bash_action(const Option& option, const std::string& program) {
    switch (option.value) {
        case Value::kFile:
        case Value::kFolder:
            return "compgen -f -- \"$2\"";
        case Value::kChoice:
            return fmt::format("compgen -W \"{}\" -- \"$2\"", fmt::join(option.choices, " "));
        case Value::kRights:
            return fmt::format("_{}_rights \"$2\"", program);
        case Value::kAny:
        case Value::kNone:
            break;
    }
    return ":";
}

}  // namespace

std::string bash_completion(const Command& command) {
    const std::string& name = command.name;
    std::string options;
    std::string commands;
    std::string files;
    std::string values;
    walk(command, "", [&](const std::string& path, const Command& at) {
        options += fmt::format("        \"{}\") echo \"{}\" ;;\n", path, fmt::join(long_names(at), " "));
        if (!at.commands.empty()) {
            commands += fmt::format("        \"{}\") echo \"{}\" ;;\n", path, words(at.commands));
        }
        for (const Option& option : at.options) {
            if (option.positional) {
                if (option.value == Value::kFile || option.value == Value::kFolder) {
                    files += fmt::format("        \"{}\") compgen -{} -- \"$2\" ;;\n", path,
                                         option.value == Value::kFile ? 'f' : 'd');
                }
            } else if (option.value != Value::kNone) {
                values += fmt::format("        \"{} {}\") {} ;;\n", path, option.names.back(),
                                      bash_action(option, name));
            }
        }
    });
    return fmt::format(R"sh(# bash completion for {0}. Generated: {0} --generate bash

_{0}_options() {{
    case $1 in
{1}    esac
}}

_{0}_commands() {{
    case $1 in
{2}        *) return 1 ;;
    esac
}}

_{0}_files() {{
    case $1 in
{3}        *) return ;;
    esac
}}

# What can follow an option; fails for options without a value.
_{0}_values() {{
    case $1 in
{4}        *) return 1 ;;
    esac
    return 0
}}

# Rights are a list with commas: completes the last of them, and keeps those before it.
_{0}_rights() {{
    local before='' last=$1
    if [[ $last == *,* ]]; then
        before=${{last%,*}},
        last=${{last##*,}}
    fi
    compgen -P "$before" -W "{5}" -- "$last"
}}

_{0}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} path='' offered i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; ++i)); do
        [[ ${{COMP_WORDS[i]}} == -* ]] && break
        _{0}_commands "$path" >/dev/null || break
        path="${{path:+$path }}${{COMP_WORDS[i]}}"
    done
    if [[ $previous == -* ]] && offered=$(_{0}_values "$path $previous" "$word"); then
        [[ -z $offered ]] || mapfile -t COMPREPLY <<<"$offered"
        return
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_{0}_options "$path")" -- "$word")
    elif _{0}_commands "$path" >/dev/null; then
        mapfile -t COMPREPLY < <(compgen -W "$(_{0}_commands "$path")" -- "$word")
    else
        mapfile -t COMPREPLY < <(_{0}_files "$path" "$word")
    fi
}}
complete -o filenames -F _{0} {0}
)sh",
                       name, options, commands, files, values, kRightWords);
}

// ---- zsh ----

namespace {

std::string zsh_text(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') {
            safe += '\\';
        }
        safe += c;
    }
    return single_quoted(safe);
}

std::string zsh_action(const Option& option) {
    switch (option.value) {
        case Value::kFile:
            return "_files";
        case Value::kFolder:
            return "_files -/";
        case Value::kChoice:
            return fmt::format("({})", fmt::join(option.choices, " "));
        case Value::kRights:
            return fmt::format("_values -s , right {}", kRightWords);
        case Value::kAny:
        case Value::kNone:
            break;
    }
    return " ";
}

void add_zsh_function(std::string& to, const std::string& function, const Command& command) {
    for (const Command& child : command.commands) {
        add_zsh_function(to, function + '_' + child.name, child);
    }
    to += fmt::format("{}() {{\n", function);
    if (!command.commands.empty()) {
        to += "    local context state line\n    local -a commands\n    typeset -A opt_args\n";
    }
    to += fmt::format("    _arguments -s{}", command.commands.empty() ? "" : " -C");
    for (const Option& option : command.options) {
        if (option.positional) {
            to += fmt::format(" \\\n        ':{}:{}'", zsh_text(option.names[0]), zsh_action(option));
            continue;
        }
        const std::string value =
            option.value == Value::kNone
                ? std::string()
                : fmt::format(":{}:{}", zsh_text(option.value_name), zsh_action(option));
        for (const std::string& name : option.names) {
            to += fmt::format(" \\\n        '{}[{}]{}'", name, zsh_text(option.text), value);
        }
    }
    if (command.commands.empty()) {
        to += "\n}\n\n";
        return;
    }
    to +=
        " \\\n        '1:command:->command' '*::argument:->argument'\n    case $state in\n        command)\n"
        "            commands=(\n";
    for (const Command& child : command.commands) {
        to += fmt::format("                '{}:{}'\n", child.name, zsh_text(child.text));
    }
    to +=
        "            )\n            _describe command commands ;;\n        argument)\n"
        "            case $line[1] in\n";
    for (const Command& child : command.commands) {
        to += fmt::format("                {0}) {1}_{0} ;;\n", child.name, function);
    }
    to += "            esac ;;\n    esac\n}\n\n";
}

}  // namespace

std::string zsh_completion(const Command& command) {
    std::string to = fmt::format("#compdef {0}\n# zsh completion for {0}. Generated: {0} --generate zsh\n\n",
                                 command.name);
    add_zsh_function(to, "_" + command.name, command);
    return to +
           fmt::format(
               "if [ \"$funcstack[1]\" = \"_{0}\" ]; then\n    _{0} \"$@\"\nelse\n    compdef _{0} {0}\nfi\n",
               command.name);
}

// ---- fish ----

std::string fish_completion(const Command& command) {
    const std::string& name = command.name;
    std::string to = fmt::format(R"(# fish completion for {0}. Generated: {0} --generate fish

# True when the words that are no options begin with the arguments; with -x, when they are these.
function __{0}_at
    set -l exactly 0
    if test "$argv[1]" = -x
        set exactly 1
        set -e argv[1]
    end
    set -l path
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; or set -a path $word
    end
    if test $exactly = 1; and test (count $path) != (count $argv)
        return 1
    end
    for i in (seq (count $argv))
        test "$path[$i]" = "$argv[$i]"; or return 1
    end
    return 0
end

complete -c {0} -f
)",
                                 name);
    walk(command, "", [&](const std::string& path, const Command& at) {
        const std::string space = path.empty() ? "" : " ";
        for (const Command& child : at.commands) {
            to += fmt::format("complete -c {0} -n '__{0}_at -x{1}{2}' -a {3} -d '{4}'\n", name, space, path,
                              child.name, single_quoted(child.text));
        }
        for (const Option& option : at.options) {
            const bool files = option.value == Value::kFile || option.value == Value::kFolder;
            const std::string exactly = path.empty() ? " -x" : "";
            if (option.positional) {
                if (files) {
                    to += fmt::format("complete -c {0} -n '__{0}_at{1}{2}' -F\n", name, space, path);
                }
                continue;
            }
            to += fmt::format("complete -c {0} -n '__{0}_at{1}{2}{3}'", name, exactly, space, path);
            for (const std::string& each : option.names) {
                to += each.starts_with("--") ? " -l " + each.substr(2) : " -s " + each.substr(1);
            }
            if (option.value == Value::kChoice) {
                to += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
            } else if (option.value == Value::kRights) {
                to += fmt::format(" -x -a '(__fish_append , {})'", kRightWords);
            } else if (option.value != Value::kNone) {
                to += files ? " -r -F" : " -x";
            }
            to += fmt::format(" -d '{}'\n", single_quoted(option.text));
        }
    });
    return to;
}

}  // namespace keyway::manual
