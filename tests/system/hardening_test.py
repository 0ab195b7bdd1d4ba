"""What the daemon gives up, and how its programs are built."""

import os
import re
import shutil
import subprocess
import unittest

from keyway_system import BIN, SOURCE, SystemTest, main, signal

POLICY = f"""version = 1
[[rule]]
who = {{ user = {os.getuid()} }}
register = ["*"]
lookup = ["*"]
observe = true
"""


class Daemon(SystemTest):
    def start_busy_router(self):
        """A router with a log, a ledger, and somebody connected."""
        router = self.start_router(POLICY, "--audit", self.folder / "log", "--qubit-ledger", self.folder / "qubits")
        self.listen("echo")
        return router

    def status(self, router):
        with open(f"/proc/{router.child.pid}/status", encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def needs_the_filter(self, router):
        if self.status(router)["Seccomp"] == "0":
            self.skipTest("a build for the sanitizers has no filter")

    def test_runs_without_new_privileges_and_behind_a_system_call_filter(self):
        router = self.start_busy_router()
        self.needs_the_filter(router)
        self.assertEqual(self.status(router)["NoNewPrivs"], "1")
        self.assertEqual(self.status(router)["Seccomp"], "2")
        for thread in os.listdir(f"/proc/{router.child.pid}/task"):
            with open(f"/proc/{router.child.pid}/task/{thread}/status", encoding="ascii", errors="replace") as file:
                self.assertIn("Seccomp:\t2", file.read())

    def test_the_filter_is_left_out_on_request(self):
        router = self.start_router(POLICY, "--unconfined")
        self.assertEqual(self.status(router)["Seccomp"], "0")

    def test_does_its_work_behind_the_filter(self):
        router = self.start_busy_router()
        self.assertEqual(self.keyway("send", "echo", "hello")[0], 0)
        self.assertEqual(self.keyway("ls")[0], 0)
        self.policy.write_text('version = 1\n[[rule]]\nwho = { user = "root", group = "daemon" }\nobserve = true\n')
        router.signal(signal.SIGHUP)
        router.wait_for_error_line("policy replaced")
        router.signal(signal.SIGTERM)
        self.assertEqual(router.wait()[0], 0)
        self.assertEqual(self.keyway("audit", "verify", self.folder / "log", "--key", self.folder / "log" / "key")[0], 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root can look into a process that is not dumpable")
    def test_every_descriptor_is_closed_on_exec(self):
        router = self.start_busy_router()
        seen = 0
        for fd in os.listdir(f"/proc/{router.child.pid}/fd"):
            if int(fd) <= 2:
                continue
            with open(f"/proc/{router.child.pid}/fdinfo/{fd}", encoding="ascii") as file:
                flags = int(re.search(r"flags:\s*(\d+)", file.read())[1], 8)
            self.assertTrue(flags & os.O_CLOEXEC, os.readlink(f"/proc/{router.child.pid}/fd/{fd}"))
            seen += 1
        self.assertGreater(seen, 10)


class Client(SystemTest):
    def test_every_descriptor_is_closed_on_exec(self):
        self.start_router(POLICY)
        listener = self.listen("echo")
        seen = 0
        for fd in os.listdir(f"/proc/{listener.child.pid}/fd"):
            with open(f"/proc/{listener.child.pid}/fdinfo/{fd}", encoding="ascii") as file:
                flags = int(re.search(r"flags:\s*(\d+)", file.read())[1], 8)
            if int(fd) > 2:
                self.assertTrue(flags & os.O_CLOEXEC, os.readlink(f"/proc/{listener.child.pid}/fd/{fd}"))
                seen += 1
        self.assertGreaterEqual(seen, 4)


class Programs(unittest.TestCase):
    @unittest.skipUnless(shutil.which("readelf"), "readelf is not installed")
    def test_are_position_independent_with_nothing_writable_that_need_not_be(self):
        for program in ("keywayd", "keyway"):
            headers = subprocess.run(["readelf", "-hldW", str((BIN / program).resolve())], capture_output=True, check=True,
                                     text=True).stdout
            self.assertRegex(headers, r"Type:\s+DYN")
            self.assertIn("GNU_RELRO", headers)
            self.assertRegex(headers, r"BIND_NOW|FLAGS_1.*NOW")
            self.assertRegex(headers, r"GNU_STACK\s.*RW\s")


class Unit(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_scores_as_safe(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=10",
                               str(SOURCE / "host/daemon/keywayd.service")], capture_output=True, check=False, text=True)
        if "Unknown" in done.stderr or "unrecognized" in done.stderr:
            self.skipTest("this systemd-analyze can't look at files")
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)
        self.assertRegex(done.stdout, r"exposure level.*: 0\.\d")


if __name__ == "__main__":
    main()
