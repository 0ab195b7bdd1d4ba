"""keyway why and keyway graph: who may talk to whom, and why not."""

import shutil
import subprocess
import unittest

from keyway_system import BIN, EVERYTHING, SystemTest, json, main

# Everybody may send, and nobody call.
SEND_ONLY = EVERYTHING.replace('lookup = ["*"]', 'lookup = [{ name = "*", rights = ["write"] }]')


class Why(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_router(SEND_ONLY)
        self.listen("echo", "--echo")

    def refuse(self):
        code, _, err = self.keyway("call", "echo", "hello")
        self.assertEqual(code, 1)
        self.assertIn("insufficient_rights", err)

    def test_says_in_a_sentence_what_was_missing_and_what_would_make_it_pass(self):
        self.refuse()
        code, out, err = self.keyway("why")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out.decode(), r'^Message 1 from process \d+ to "echo" \(\d+\) was refused '
                                       r"\(insufficient_rights\) because capability 0x\w+ allows write, and a call "
                                       r"needs execute; it passes with a capability that has execute.*\.\n$")

    def test_finds_a_message_by_number_by_process_and_sequence_and_by_capability(self):
        self.refuse()
        refused = self.keyway_json("ls")["refusals"][0]
        for what in (str(refused["number"]), f'{refused["sender"]}:{refused["sequence"]}',
                     f'{refused["capability"]:#010x}'):
            self.assertEqual(self.keyway_json("why", what)["number"], refused["number"], what)
        self.assertEqual(self.keyway("why", "999")[0], 1)
        self.assertEqual(self.keyway("why", "rubbish")[0], 2)

    def test_says_what_a_good_capability_is_good_for(self):
        capability = self.keyway_json("grant", "1", "echo", "--rights", "write")["capability"]
        code, out, _ = self.keyway("why", f"{capability:#x}")
        self.assertEqual(code, 0)
        self.assertRegex(out.decode(), r'is good: process 1 .* holds write for endpoint "echo" .* so it may send;')

    def test_says_where_to_look_when_it_knows_nothing_of_a_capability(self):
        code, _, err = self.keyway("why", "0x00700007")
        self.assertEqual(code, 1)
        self.assertIn("nobody that you may see holds capability", err)
        self.assertIn("keyway audit why", err)


class Graph(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_router(SEND_ONLY)
        self.listen("echo")
        self.listen("odd", "--count", "5")
        self.keyway_json("grant", "1", "odd", "--rights", "write,execute")

    def test_draws_processes_endpoints_and_who_may_use_them(self):
        code, out, err = self.keyway("graph")
        self.assertEqual((code, err), (0, ""))
        dot = out.decode()
        self.assertTrue(dot.startswith("digraph keyway {"))
        self.assertRegex(dot, r'e\d+ \[shape=ellipse, label="echo"\];')
        self.assertRegex(dot, r'p1 -> e\d+ \[label="call, send"\];')
        (edge,) = self.keyway_json("graph")
        self.assertEqual((edge["process"], edge["name"], edge["rights"]), (1, "odd", ["execute", "write"]))

    @unittest.skipUnless(shutil.which("dot"), "graphviz is not installed")
    def test_draws_svg_when_graphviz_is_there(self):
        code, out, err = self.keyway("graph", "--format", "svg")
        self.assertEqual((code, err), (0, ""))
        self.assertIn(b"<svg", out)
        self.assertIn(b"echo", out)

    def test_says_what_is_missing_when_graphviz_is_not_there(self):
        done = subprocess.run([BIN / "keyway", "graph", "--format", "svg"], capture_output=True,
                              env={**self.env, "PATH": str(self.folder)}, check=False)
        self.assertEqual(done.returncode, 6)
        self.assertIn(b"graphviz", done.stderr)


if __name__ == "__main__":
    main()
