"""The bash completion offers what --help lists, no more and no less."""

import re
import subprocess
import unittest

from keyway_system import BIN, SOURCE, SystemTest, main

FILE = SOURCE / "host/tool/keyway.bash-completion"


def completions(*words):
    """What bash offers for the last of `words`."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-u", "-c", script, "bash", str(FILE), *words], capture_output=True, check=True)
    assert done.stderr == b"", done.stderr
    return sorted(done.stdout.decode().split())


def help_of(program, *words):
    return subprocess.run([str(BIN / program), *words, "--help"], capture_output=True, check=True).stdout.decode()


def options_in(text):
    return sorted(option for option in re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.MULTILINE))


def commands_in(text):
    return sorted(re.findall(r"^  (\w+)", text[text.index("Subcommands:"):], re.MULTILINE))


class Completion(SystemTest):
    def test_offers_the_sub_commands_of_help(self):
        commands = commands_in(help_of("keyway"))
        self.assertEqual(len(commands), 11)
        self.assertEqual(completions("keyway", ""), commands)
        self.assertEqual(completions("keyway", "l"), ["listen", "ls"])

    def test_offers_the_options_of_help_for_each_sub_command(self):
        self.assertEqual(completions("keyway", "-"), options_in(help_of("keyway")))
        for command in commands_in(help_of("keyway")):
            self.assertEqual(completions("keyway", command, "-"), options_in(help_of("keyway", command)), command)

    def test_offers_the_sub_commands_of_audit_and_their_options(self):
        commands = commands_in(help_of("keyway", "audit"))
        self.assertEqual(completions("keyway", "audit", ""), commands)
        for command in commands:
            self.assertEqual(completions("keyway", "audit", command, "-"),
                             options_in(help_of("keyway", "audit", command)), command)

    def test_offers_the_options_of_help_for_the_daemon(self):
        self.assertEqual(completions("keywayd", "-"), options_in(help_of("keywayd")))

    def test_offers_what_an_option_can_be(self):
        self.assertEqual(completions("keyway", "send", "--type", ""), ["control", "data"])
        self.assertEqual(completions("keyway", "grant", "1", "x", "--rights", "write,e"), ["write,execute"])
        self.assertEqual(completions("keyway", "grant", "1", "x", "--rights", "gr"), ["grant"])
        self.assertIn(str(FILE), completions("keyway", "run", "--policy", str(FILE)[:-3]))
        self.assertEqual(completions("keyway", "call", "x", "--timeout", ""), [])


if __name__ == "__main__":
    main()
