"""What the system tests share: a folder of their own, a router in it, and processes that are waited for.

Nothing here waits for time to pass. A test waits for a line that a process prints, for its end, or for the answer to
a request; ctest's limit ends a test that waits in vain.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(os.environ["KEYWAY_BIN"])  # folder with keyway, keywayd and the test programs
SOURCE = pathlib.Path(os.environ["KEYWAY_SOURCE"])

# What the policy says of the user who runs the tests.
EVERYTHING = f"""version = 1
[[rule]]
who = {{ user = {os.getuid()} }}
register = ["*"]
lookup = ["*"]
observe = true
administer = true
"""


class Process:
    """A child whose stderr (or stdout) is read line by line."""

    def __init__(self, command, env=None, stdin=None, **more):
        self.child = subprocess.Popen([str(word) for word in command], stdin=stdin, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=env, **more)
        self.errors = []

    def wait_for_error_line(self, text):
        """Reads stderr until a line has `text` in it, and returns that."""
        for line in self.child.stderr:
            self.errors.append(line.decode(errors="replace"))
            if text in self.errors[-1]:
                return self.errors[-1]
        raise AssertionError(f"{text!r} was never said, but: {''.join(self.errors)}")

    def output_line(self):
        return self.child.stdout.readline().decode(errors="replace")

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self):
        """Exit code, and everything that was not read yet."""
        out, err = self.child.communicate()
        self.errors.append(err.decode(errors="replace"))
        return self.child.returncode, out

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()


class SystemTest(unittest.TestCase):
    """A test with a folder, and no router yet."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keyway-test-"))
        self.socket = self.folder / "router.sock"
        self.policy = self.folder / "policy.toml"
        self.processes = []
        self.env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "NOTIFY_SOCKET")}
        self.env["KEYWAY_SOCKET"] = str(self.socket)

    def tearDown(self):
        for process in self.processes:
            process.kill()
        shutil.rmtree(self.folder)

    def start(self, *command, env=None, **more):
        process = Process(command, env=env or self.env, **more)
        self.processes.append(process)
        return process

    def start_router(self, policy=EVERYTHING, *options):
        self.policy.write_text(policy)
        router = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.socket, *options)
        router.wait_for_error_line("listening at")
        return router

    def keyway(self, *words, stdin=b"", env=None):
        """Runs the tool to its end: exit code, stdout, stderr."""
        done = subprocess.run([str(BIN / "keyway"), *map(str, words)], input=stdin, capture_output=True,
                              env=env or self.env, check=False)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def keyway_json(self, *words):
        code, out, err = self.keyway(*words, "--json")
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def listen(self, name, *options):
        listener = self.start(BIN / "keyway", "listen", name, *options)
        listener.wait_for_error_line("listening as")
        return listener


class ToolTest(SystemTest):
    """A test with a router that lets the caller do everything."""

    def setUp(self):
        super().setUp()
        self.router = self.start_router()


def main():
    sys.argv[0] = pathlib.Path(sys.argv[0]).name
    unittest.main(verbosity=2)


__all__ = ["BIN", "EVERYTHING", "SOURCE", "Process", "SystemTest", "ToolTest", "main", "json", "os", "signal"]
