"""What comes of the programs' own description of themselves: help that fits a screen, manual pages, and completions
for three shells that offer what --help lists, no more and no less."""

import os
import re
import shutil
import subprocess
import time
import unittest

from keyway_system import BIN, SOURCE, SystemTest, main


def generated(program, form):
    return subprocess.run([BIN / program, "--generate", form], capture_output=True, check=True).stdout.decode()


def policy_page():
    return (SOURCE / "host/daemon/keyway-policy.5.in").read_text()


def help_of(program, *words):
    return subprocess.run([BIN / program, *words, "--help"], capture_output=True, check=True).stdout.decode()


def options_in(text):
    return sorted(option for option in re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.MULTILINE))


def commands_in(text):
    return sorted(re.findall(r"^  (\w+)", text[text.index("Subcommands:"):], re.MULTILINE))


def all_commands():
    """[], ["run"], … and ["audit", "show"], …"""
    paths = [[]]
    for path in paths:
        text = help_of("keyway", *path)
        if "Subcommands:" in text:
            paths += [[*path, command] for command in commands_in(text)]
    return paths


class Help(SystemTest):
    def test_fits_a_screen_of_80_columns_and_24_lines(self):
        paths = all_commands()
        self.assertGreater(len(paths), 18)
        for program, path in [*(("keyway", path) for path in paths), ("keywayd", [])]:
            lines = help_of(program, *path).splitlines()
            self.assertLessEqual(max(map(len, lines)), 80, path)
            self.assertLessEqual(len(lines), 24, path)


class Manual(SystemTest):
    def test_has_every_command_and_option(self):
        page = generated("keyway", "man").replace("\\-", "-")
        for path in all_commands():
            if path and path not in (["audit"], ["device"]):
                self.assertIn(f".SS keyway {' '.join(path)}\n", page)
            for option in options_in(help_of("keyway", *path)):
                self.assertIn(option, page)
        self.assertIn(".SH EXIT STATUS\n", page)

    def test_of_the_policy_file_has_every_key_of_the_policy(self):
        page = re.sub(r"\\f[BR]", "", policy_page()).replace("\\-", "-")
        text = (SOURCE / "host/src/router/policy.cpp").read_text()
        lists = re.findall(r"\bonly\(\*?\w+, \{([^}]*)\}", text)
        keys = {key for listed in lists for key in re.findall(r'"(\w+)"', listed)}
        self.assertGreater(len(keys), 25)
        for key in keys:
            self.assertRegex(page, rf"\b{key}\b")
        self.assertIn("keyway-policy (5)", generated("keywayd", "man").replace("\\-", "-"))

    @unittest.skipUnless(shutil.which("man"), "man is not installed")
    def test_is_formatted_without_a_warning(self):
        for name, section, text in (("keyway", 1, generated("keyway", "man")), ("keywayd", 8, generated("keywayd", "man")),
                                    ("keyway-policy", 5, policy_page())):
            file = self.folder / f"{name}.{section}"
            file.write_text(text)
            done = subprocess.run(["man", "--warnings", "-l", str(file)], capture_output=True, check=True,
                                  env={**self.env, "MANWIDTH": "80", "MANPAGER": "cat", "LC_ALL": "C"})
            self.assertEqual(done.stderr, b"")
            self.assertIn(b"FILES", re.sub(rb".\x08", b"", done.stdout))


class Bash(SystemTest):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "completions"
        self.file.write_text(generated("keyway", "bash") + generated("keywayd", "bash"))

    def completions(self, *words):
        """What bash offers for the last of `words`."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-u", "-c", script, "bash", str(self.file), *words], capture_output=True,
                              check=True)
        self.assertEqual(done.stderr, b"")
        return sorted(done.stdout.decode().split())

    def test_offers_the_sub_commands_and_options_of_help(self):
        for path in all_commands():
            text = help_of("keyway", *path)
            self.assertEqual(self.completions("keyway", *path, "--"), options_in(text), path)
            if "Subcommands:" in text:
                self.assertEqual(self.completions("keyway", *path, ""), commands_in(text), path)
        self.assertEqual(self.completions("keyway", "l"), ["listen", "ls"])
        self.assertEqual(self.completions("keywayd", "--"), options_in(help_of("keywayd")))

    def test_offers_what_an_option_can_be(self):
        self.assertEqual(self.completions("keyway", "send", "--type", ""), ["control", "data"])
        self.assertEqual(self.completions("keyway", "send", "--priority", ""), ["0", "1", "2", "3"])
        self.assertEqual(self.completions("keyway", "trace", "--format", "p"), ["pcapng"])
        self.assertEqual(self.completions("keyway", "grant", "1", "x", "--rights", "write,e"), ["write,execute"])
        self.assertEqual(self.completions("keyway", "grant", "1", "x", "--rights", "gr"), ["grant"])
        self.assertIn(str(self.file), self.completions("keyway", "run", "--policy", str(self.file)[:-3]))
        self.assertEqual(self.completions("keyway", "call", "x", "--timeout", ""), [])
        self.assertIn(str(self.file), self.completions("keyway", "demo", str(self.file)[:-3]))
        self.assertEqual(self.completions("keyway", "audit", "show", str(self.folder)[:-3]), [str(self.folder)])


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(SystemTest):
    def completions(self, line):
        script = generated("keyway", "fish") + f"\ncomplete -C '{line}'\n"
        done = subprocess.run(["fish", "--no-config"], input=script.encode(), capture_output=True, check=True,
                              env={**self.env, "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)})
        self.assertEqual(done.stderr, b"")
        return sorted(line.split("\t")[0] for line in done.stdout.decode().splitlines())

    def test_offers_the_sub_commands_and_options_of_help(self):
        self.assertEqual(self.completions("keyway "), commands_in(help_of("keyway")))
        self.assertEqual(self.completions("keyway audit "), commands_in(help_of("keyway", "audit")))
        for path in (["trace"], ["why"], ["audit", "why"]):
            offered = [word for word in self.completions(f"keyway {' '.join(path)} --") if word.startswith("--")]
            self.assertEqual(offered, options_in(help_of("keyway", *path)), path)
        self.assertEqual(self.completions("keyway trace --format p"), ["pcapng"])


@unittest.skipUnless(shutil.which("zsh") and shutil.which("tmux"), "zsh or tmux is not installed")
class Zsh(SystemTest):
    def setUp(self):
        super().setUp()
        functions = self.folder / "functions"
        functions.mkdir()
        (functions / "_keyway").write_text(generated("keyway", "zsh"))
        (self.folder / ".zshrc").write_text(f"PS1='ready> '\nfpath=({functions} $fpath)\nautoload -U compinit\n"
                                            f"compinit -u -d {self.folder}/dump\nPATH={BIN}:$PATH\nLISTMAX=1000\n")
        self.tmux = ["tmux", "-S", str(self.folder / "tmux.sock"), "-f", "/dev/null"]
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "100", "-y", "50", "env", f"ZDOTDIR={self.folder}",
                        "zsh", "-d"], check=True, env={**os.environ, "HOME": str(self.folder)})
        self.wait_for("ready>")

    def tearDown(self):
        subprocess.run([*self.tmux, "kill-server"], capture_output=True, check=False)
        super().tearDown()

    def wait_for(self, text):
        while True:
            shown = subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True, check=True).stdout.decode()
            if text in shown:
                return shown
            time.sleep(0.02)

    def test_offers_the_sub_commands_and_options_of_help(self):
        subprocess.run([*self.tmux, "send-keys", "keyway ", "Tab", "Tab"], check=True)
        shown = self.wait_for("revoke ")
        for command in commands_in(help_of("keyway")):
            self.assertRegex(shown, rf"\b{command}\b")
        subprocess.run([*self.tmux, "send-keys", "C-c"], check=True)
        subprocess.run([*self.tmux, "send-keys", "C-l", "keyway audit show --", "Tab", "Tab"], check=True)
        shown = self.wait_for("--follow")
        for option in options_in(help_of("keyway", "audit", "show")):
            self.assertIn(option, shown)
        subprocess.run([*self.tmux, "send-keys", "C-c"], check=True)
        subprocess.run([*self.tmux, "send-keys", "C-l", "keyway trace --format pc", "Tab"], check=True)
        self.wait_for("--format pcapng")


if __name__ == "__main__":
    main()
