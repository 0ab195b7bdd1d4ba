"""`keyway demo` on a folder whose totals are known from elsewhere."""

import random
import re
import shutil
import subprocess
import unittest

from keyway_system import BIN, SystemTest, main, os


class Demo(SystemTest):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("KEYWAY_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
        print(f"KEYWAY_SEED={seed}")
        rng = random.Random(seed)
        self.seed = seed
        self.work = self.folder / "work"
        (self.work / "below").mkdir(parents=True)
        (self.work / ".hidden").write_text("not counted\n")
        (self.work / "build").mkdir()
        (self.work / "build" / "CMakeCache.txt").write_text("not counted\n")
        texts = ["", "no end of line", "x" * 4096 + " " + "y" * 4096, "word " * 5000, "\n" * 4097]
        texts += ["".join(rng.choice("ab \n\t") for _ in range(rng.randrange(20000))) for _ in range(3)]
        self.files = [self.work / ("below" if i % 2 else ".") / f"{i}.txt" for i in range(len(texts))]
        for file, text in zip(self.files, texts):
            file.write_text(text)
        self.files.sort(key=lambda file: os.fsencode(file))
        os.chmod(self.folder, 0o755)

    def demo(self, *options, prefix=()):
        done = subprocess.run([*prefix, str(BIN / "keyway"), "demo", str(self.work), "--pings", "200", "--seed",
                               str(self.seed), *options], capture_output=True, env=self.env, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def check(self, code, out, err):
        self.assertEqual(code, 0, out + err)
        lines = out.splitlines()
        self.assertRegex(lines[-1], r"^demo: [0-9]+ passed, 0 failed$")
        passed = [line for line in lines if line.startswith("ok   ")]
        self.assertEqual(lines[-1], f"demo: {len(passed)} passed, 0 failed")
        self.assertEqual([line for line in lines[1:] if len(line) > 80], [])
        for reason in ("no_such_name", "spoofed", "no_such_capability", "insufficient_rights", "wrong_object",
                       "malformed", "bad_request", "full", "timed_out", "expired", "peer_gone", "router_gone", "revoked", "EACCES",
                       "linearity"):
            self.assertTrue(any(line.endswith(f" {reason}") for line in passed), reason)
        self.assertIn("there and back", out)
        for chapter in ("Publish and subscribe", "A stream", "A lane", "A region", "Memory that is lent",
                        "A capability that is passed on", "A qubit is handed off", "The audit log"):
            self.assertTrue(any(line.startswith(chapter) for line in lines), chapter)

    def test_everything_that_it_shows_holds_and_fits_a_terminal(self):
        self.check(*self.demo())

    def test_it_holds_too_when_all_run_as_one_user(self):
        self.check(*self.demo("--one-user"))

    @unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "only root can become somebody else")
    def test_it_holds_too_when_somebody_else_than_root_runs_it(self):
        code, out, err = self.demo(prefix=["setpriv", "--reuid", "61999", "--regid", "61999", "--clear-groups"])
        self.check(code, out, err)
        self.assertIn("All are one user here", out)

    @unittest.skipUnless(os.getuid() == 0, "only root can give each role a user")
    def test_each_role_has_a_user_of_its_own_when_root_runs_it(self):
        _, out, _ = self.demo()
        users = re.findall(r"^     \w+ +pid \d+ +user (\d+)", out, re.MULTILINE)
        self.assertEqual(len(users), 8)
        self.assertEqual(len(set(users)), 8)
        self.assertNotIn("0", users)

    def test_its_totals_are_those_of_wc_and_cksum(self):
        _, out, _ = self.demo()
        found = re.search(r"(\d+) lines, (\d+) words, (\d+) bytes, cksum (\d+)", out)
        whole = b"".join(file.read_bytes() for file in self.files)
        words = sum(len(file.read_text().split()) for file in self.files)
        cksum = subprocess.run(["cksum"], input=whole, capture_output=True, check=True).stdout.split()
        self.assertEqual(found.groups(), (str(whole.count(b"\n")), str(words), str(len(whole)), cksum[0].decode()))

    def test_a_single_file_is_input_enough_and_none_is_an_error(self):
        self.work = self.files[-1]
        self.check(*self.demo())
        self.work = self.folder / "none"
        code, _, err = self.demo()
        self.assertEqual(code, 6)
        self.assertIn("no file to read", err)

    def test_nothing_is_left_behind(self):
        self.env["TMPDIR"] = str(self.folder / "tmp")
        (self.folder / "tmp").mkdir()
        os.chmod(self.folder / "tmp", 0o777)
        self.check(*self.demo())
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])


if __name__ == "__main__":
    main()
