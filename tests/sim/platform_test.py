"""The virtual platform: the committed scenarios pass, a wrong verdict or expectation fails, bad files are named."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["KEYWAY_SIM"]
SCENARIOS = pathlib.Path(os.environ["KEYWAY_SOURCE"]) / "sim/scenarios"

GOOD = """title = "t"
[[process]]
name = "a"
id = 1
port = 1
[[process]]
name = "b"
id = 2
[[endpoint]]
name = "e"
id = 5
owner = "b"
[[capability]]
name = "c"
holder = "a"
object = "e"
[[traffic]]
from = "a"
capability = "c"
count = 10
"""


class Platform(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_file(self, file, *options):
        done = subprocess.run([PROGRAM, str(file), "--out", str(self.folder / "out"), *options],
                              capture_output=True, text=True, timeout=100, check=False)
        return done.returncode, done.stdout + done.stderr

    def run_text(self, text, *options):
        file = self.folder / "scenario.toml"
        file.write_text(text)
        return self.run_file(file, "--no-waveform", *options)

    def summary(self):
        return json.loads((self.folder / "out/summary.json").read_text())

    def test_passes_every_committed_scenario(self):
        files = sorted(SCENARIOS.glob("*.toml"))
        self.assertGreaterEqual(len(files), 3)
        for file in files:
            with self.subTest(file=file.name):
                code, text = self.run_file(file, "--no-waveform")
                self.assertEqual(code, 0, text)
                self.assertIn("The router and the software core agree.", text)

    def test_meets_every_kind_of_answer_in_the_office(self):
        self.assertEqual(self.run_file(SCENARIOS / "office.toml", "--no-waveform")[0], 0)
        summary = self.summary()
        for verdict in ("delivered", "malformed", "spoofed", "wrong_object", "insufficient_rights", "miss"):
            self.assertGreater(summary["verdicts"].get(verdict, 0), 0, verdict)
        self.assertEqual(summary["host"]["recalls"], 1)
        self.assertEqual(summary["verdict_clocks"]["count"], summary["messages"])
        self.assertEqual(summary["through_clocks"]["count"], summary["copies"])

    def test_leaves_a_waveform_and_the_latencies(self):
        file = self.folder / "scenario.toml"
        file.write_text(GOOD)
        code, text = self.run_file(file)
        self.assertEqual(code, 0, text)
        # An FST file begins with a header block, or with one that wraps a compressed file.
        wave = (self.folder / "out/waveform.fst").read_bytes()
        self.assertIn(wave[0], (0, 254))
        self.assertGreater(len(wave), 1000)
        lines = (self.folder / "out/latency.csv").read_text().splitlines()
        self.assertEqual(lines[0], "what,clocks,count")
        counted = {"verdict": 0, "through": 0}
        for line in lines[1:]:
            what, _, count = line.split(",")
            counted[what] += int(count)
        self.assertEqual(counted, {"verdict": 10, "through": 10})

    def test_fails_when_one_verdict_is_not_the_core_s(self):
        code, text = self.run_text(GOOD, "--distort", "5")
        self.assertEqual(code, 1, text)
        self.assertIn("message 5: the router says spoofed, the core says delivered", text)
        self.assertFalse(self.summary()["passed"])

    def test_fails_when_something_else_was_expected(self):
        code, text = self.run_text(GOOD + "[expect]\ndelivered = 11\nverdict_clocks_most = 1\n")
        self.assertEqual(code, 1, text)
        self.assertIn("expected: delivered = 11, got 10", text)
        self.assertIn("expected: verdict_clocks_most = 1, got", text)

    def test_fails_when_the_run_does_not_end_in_time(self):
        code, text = self.run_text("limit_us = 50\n" + GOOD + "gap_ns = 100000\n")
        self.assertEqual(code, 1, text)
        self.assertIn("did not come to an end", text)

    def test_does_the_same_each_time(self):
        self.assertEqual(self.run_file(SCENARIOS / "slow-receiver.toml", "--no-waveform")[0], 0)
        once = self.summary()
        self.assertEqual(self.run_file(SCENARIOS / "slow-receiver.toml", "--no-waveform")[0], 0)
        self.assertEqual(self.summary(), once)

    def test_names_the_place_of_a_fault_in_a_file(self):
        def changed(old, new):
            self.assertEqual(GOOD.count(old), 1, old)
            return GOOD.replace(old, new)

        # The text, the line in it that is at fault, and what is said of it.
        for text, line, what in (
                (GOOD + "x = = 1\n", "x = = 1", ""),
                (changed("id = 5", "id = 2 # fault"), "id = 2 # fault", "that is the id of 'b'"),
                (changed("id = 5", "id = 16"), "id = 16", "'id' has to be from 1 to 15"),
                (changed("id = 5", "id = 'five'"), "id = 'five'", "'id' has to be a whole number"),
                (changed("port = 1", "port = 0"), "port = 0", "'port' has to be from 1 to 3"),
                (changed('owner = "b"', 'owner = "nobody"'), 'owner = "nobody"', "there is no process 'nobody'"),
                (changed('from = "a"', 'from = "b"'), 'from = "b"', "'b' has no port to send on"),
                (changed("count = 10", "count = 0"), "count = 0", "'count' has to be from 1"),
                (changed("count = 10", "cuont = 10"), "cuont = 10", "there is no key 'cuont' here"),
                (changed('object = "e"', 'object = "e"\nrights = ["fly"]'), 'rights = ["fly"]', "'fly' is none of the names"),
                (GOOD + 'pattern = "wild"\n', 'pattern = "wild"', "'pattern' is steady, random or burst"),
                (GOOD + "[expect]\nbroken = 1\n", "broken = 1", "'broken' is no verdict of the router"),
                (changed("[[endpoint]]", "[endpoint]"), "[endpoint]", "write [[endpoint]]")):
            with self.subTest(text=text):
                code, message = self.run_text(text)
                self.assertEqual(code, 2, message)
                number = text.splitlines().index(line) + 1
                self.assertTrue(message.startswith(f"{self.folder}/scenario.toml:{number}:"), message)
                self.assertIn(what, message)

    def test_says_what_is_missing(self):
        code, message = self.run_text(GOOD.split("[[traffic]]", maxsplit=1)[0])
        self.assertEqual(code, 2)
        self.assertIn("nothing is sent: [[traffic]] is missing", message)
        code, message = self.run_file(self.folder / "not-there.toml")
        self.assertEqual(code, 2)
        self.assertIn("not-there.toml", message)


if __name__ == "__main__":
    unittest.main()
