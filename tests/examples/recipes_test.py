"""The recipes of the book: each pattern in C++, C and Python, and each language with each other."""

import itertools
import os
import pathlib
import subprocess
import sys

from keyway_system import SOURCE, SystemTest, main

PROGRAMS = pathlib.Path(os.environ["KEYWAY_EXAMPLES"]) / "recipes"
MODULE = os.environ.get("KEYWAY_PYTHON", "")  # folder of the Python module; empty: it is not built
LANGUAGES = ["c++", "c"] + (["python"] if MODULE else [])


class Recipes(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_router((SOURCE / "examples/recipes/policy.toml").read_text())
        self.env["PYTHONPATH"] = MODULE
        self.env["PYTHONUNBUFFERED"] = "1"

    def command(self, language, pattern, *words):
        if language == "python":
            return [sys.executable, SOURCE / "examples/recipes" / f"{pattern}.py", *words]
        return [PROGRAMS / (pattern if language == "c++" else f"{pattern}_c"), *words]

    def check_pairs(self, pattern, first, second, waits_for, expected):
        """For each pair of languages: starts `first`, and `second` once that is ready, and checks what both print."""
        for one, other in itertools.product(LANGUAGES, LANGUAGES):
            with self.subTest(pattern=pattern, first=one, second=other):
                beginner = self.start(*self.command(one, pattern, *first), stdin=subprocess.PIPE)
                self.assertEqual(beginner.output_line(), waits_for + "\n", "".join(beginner.errors))
                follower = self.start(*self.command(other, pattern, *second))
                code, follower_said = follower.wait()
                self.assertEqual(code, 0, "".join(follower.errors))
                code, beginner_said = beginner.wait()  # and closes its stdin
                self.assertEqual(code, 0, "".join(beginner.errors))
                self.assertEqual((beginner_said.decode(), follower_said.decode()), expected)

    def test_request(self):
        self.check_pairs("request", ["serve", "1"], ["call", "hello"], "ready", ("", "HELLO\n"))

    def test_oneway(self):
        lines = "".join(f"line {i}\n" for i in range(1, 21))
        self.check_pairs("oneway", ["receive", "20"], ["send", "20"], "ready", (lines, "sent 20, refused 0\n"))

    def test_publish(self):
        lines = "".join(f"tick {i}\n" for i in range(1, 11))
        self.check_pairs("publish", ["publish", "10"], ["subscribe", "10"], "published", ("", lines))

    def test_stream(self):
        lines = "".join(f"line {i}\n" for i in range(1, 1001))
        self.check_pairs("stream", ["receive"], ["send", "1000"], "ready", (lines, ""))

    def test_qubit(self):
        self.check_pairs("qubit", ["receive"], ["send"], "ready", ("0.36 0.64\n", "handed off\n"))

    def test_region(self):
        self.check_pairs("region", ["view"], ["lend", "w\u00f6rter"], "ready", ("w\u00f6rter\nrevoked\n", ""))

    def test_grant(self):
        self.check_pairs("grant", ["guest"], ["owner"], "ready", ("no_such_capability\n", "knock by 7\n"))

    def test_each_says_why_it_can_not_go_on(self):
        for language, (pattern, words) in itertools.product(LANGUAGES, (("request", ["call", "x"]), ("oneway", ["send", "1"]),
                                                                        ("publish", ["subscribe", "1"]), ("region", ["lend", "x"]),
                                                                        ("stream", ["send", "1"]), ("qubit", ["send"]))):
            with self.subTest(pattern=pattern, language=language):
                code, _ = (program := self.start(*self.command(language, pattern, *words))).wait()
                self.assertEqual(code, 1)
                self.assertIn("no_such_name", "".join(program.errors))


if __name__ == "__main__":
    main()
