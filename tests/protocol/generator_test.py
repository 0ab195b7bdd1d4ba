#!/usr/bin/env python3
"""protocol/generate.py notices every changed file, and refuses a contract that contradicts itself."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROTOCOL = pathlib.Path(__file__).resolve().parents[2] / "protocol"
OUTPUTS = ("host/include/keyway/protocol.h", "host/include/keyway/protocol.hpp", "rtl/keyway_pkg.sv",
           "tests/protocol/keyway_pkg_layout.sv", "docs/protocol.md",
           "host/tool/keyway.lua")


def generate(script, *arguments):
    return subprocess.run([sys.executable, "-B", script, *map(str, arguments)], capture_output=True, text=True,
                          check=False)


class InATree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = pathlib.Path(folder.name)


class CheckTest(InATree):
    def setUp(self):
        super().setUp()
        written = generate(PROTOCOL / "generate.py", "--root", self.tree)
        self.assertEqual(written.returncode, 0, written.stderr)

    def check(self):
        return generate(PROTOCOL / "generate.py", "--check", "--root", self.tree)

    def test_a_tree_just_written_is_current(self):
        self.assertEqual(self.check().returncode, 0)
        self.assertEqual({str(p.relative_to(self.tree)) for p in self.tree.rglob("*") if p.is_file()}, set(OUTPUTS))

    def test_one_changed_byte_anywhere_is_noticed_and_left_as_it_is(self):
        for name in OUTPUTS:
            path = self.tree / name
            good = path.read_bytes()
            for at in (0, len(good) // 3, len(good) // 2, len(good) - 1):
                bad = bytearray(good)
                bad[at] ^= 1
                with self.subTest(file=name, byte=at):
                    path.write_bytes(bad)
                    checked = self.check()
                    self.assertNotEqual(checked.returncode, 0)
                    self.assertIn(name, checked.stderr)
                    self.assertIn("stale", checked.stderr)
                    self.assertEqual(path.read_bytes(), bad, "--check writes nothing")
            path.write_bytes(good)
        self.assertEqual(self.check().returncode, 0)

    def test_a_missing_file_and_a_missing_or_additional_byte_are_noticed(self):
        for name in OUTPUTS:
            path = self.tree / name
            good = path.read_bytes()
            for what, bad in (("shorter", good[:-1]), ("longer", good + b"\n"), ("empty", b"")):
                with self.subTest(file=name, what=what):
                    path.write_bytes(bad)
                    self.assertNotEqual(self.check().returncode, 0)
            with self.subTest(file=name, what="missing"):
                path.unlink()
                self.assertNotEqual(self.check().returncode, 0)
                self.assertFalse(path.exists())
            path.write_bytes(good)


class ContradictionTest(InATree):
    """Each with one change to the contract, in a copy."""

    def refusal(self, before, after):
        folder = self.tree / "protocol"
        shutil.copytree(PROTOCOL, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        contract = folder / "keyway.toml"
        text = contract.read_text(encoding="utf-8")
        self.assertEqual(text.count(before), 1, f"{before!r} is in the contract once")
        contract.write_text(text.replace(before, after), encoding="utf-8")
        result = generate(folder / "generate.py", "--root", self.tree)
        self.assertNotEqual(result.returncode, 0, "a contradiction was accepted")
        for name in OUTPUTS:
            self.assertFalse((self.tree / name).exists(), f"{name} was written all the same")
        return result.stderr

    def test_an_overlapping_field_is_refused_by_name(self):
        message = self.refusal('name = "priority",   lsb = 8, ', 'name = "priority",   lsb = 7, ')
        self.assertIn("header.", message)
        self.assertIn("overlaps", message)

    def test_a_bit_without_a_field_is_refused(self):
        self.assertIn("belong to no field", self.refusal('name = "sequence", lsb = 16, width = 16',
                                                         'name = "sequence", lsb = 16, width = 15'))

    def test_a_field_across_words_is_refused(self):
        message = self.refusal('name = "badge",      lsb = 64,  width = 32', 'name = "badge",      lsb = 63,  width = 33')
        self.assertRegex(message, "crosses|overlaps")

    def test_two_equal_values_are_refused(self):
        self.assertIn("equal", self.refusal('name = "quantum",    value = 3', 'name = "quantum",    value = 2'))

    def test_a_value_wider_than_its_field_is_refused(self):
        self.assertIn("more than 4 bits", self.refusal('name = "event",      value = 5', 'name = "event",      value = 16'))

    def test_limits_that_do_not_fit_the_structures_are_refused(self):
        self.assertIn("header_bytes", self.refusal("header_bytes    = { value = 32,", "header_bytes    = { value = 64,"))

    def test_two_registers_at_one_offset_are_refused(self):
        self.assertIn("register", self.refusal('name = "version",        offset = 0x004',
                                               'name = "version",        offset = 0x000'))


if __name__ == "__main__":
    unittest.main()
