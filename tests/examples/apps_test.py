"""The examples that people start from, each run as its own page says."""

import os
import pathlib
import re
import subprocess

from keyway_system import SOURCE, SystemTest, main, signal

PROGRAMS = pathlib.Path(os.environ["KEYWAY_EXAMPLES"])


class Apps(SystemTest):
    def start_for(self, example):
        """A router with the example's own policy, in which root stands for the user who runs this."""
        policy = (SOURCE / "examples" / example / "policy.toml").read_text()
        self.start_router(policy.replace('user = "root"', f"user = {os.getuid()}"))
        self.program = PROGRAMS / example / example

    def run_to_end(self, *words, expected=0):
        code, out = (program := self.start(self.program, *words)).wait()
        self.assertEqual(code, expected, "".join(program.errors))
        return out

    # ---- supervised ----

    def started(self, supervisor):
        line = supervisor.output_line()
        self.assertRegex(line, r"^started \d+$")
        return int(line.split()[1])

    def test_supervised_service_comes_back_when_it_was_killed(self):
        self.start_for("supervised")
        supervisor = self.start(self.program, "watch")
        first = self.started(supervisor)
        self.assertEqual(self.run_to_end("call", "12"), b"144\n")
        os.kill(first, signal.SIGKILL)
        # At once: the caller goes on where the service comes back, however long that takes.
        self.assertEqual(self.run_to_end("call", "-7"), b"49\n")
        self.assertEqual(supervisor.output_line(), f"{first} was killed by signal 9\n")
        self.assertNotEqual(self.started(supervisor), first)
        self.run_to_end("call", "many", expected=1)  # a refusal is no reason to try again
        supervisor.signal(signal.SIGTERM)
        self.assertEqual(supervisor.wait(), (0, b"stopped\n"))

    def test_supervised_service_that_hangs_is_replaced(self):
        self.start_for("supervised")
        supervisor = self.start(self.program, "watch")
        first = self.started(supervisor)
        self.assertEqual(self.run_to_end("call", "3"), b"9\n")
        os.kill(first, signal.SIGSTOP)
        self.assertEqual(supervisor.output_line(), f"{first} does not answer\n")
        self.assertEqual(supervisor.output_line(), f"{first} was killed by signal 9\n")
        self.started(supervisor)
        self.assertEqual(self.run_to_end("call", "4"), b"16\n")

    # ---- sensors ----

    def test_sensors_are_read_by_many_and_wait_for_nobody(self):
        self.start_for("sensors")
        sensors = self.start(self.program, "measure", "1000", stdin=subprocess.PIPE)
        self.assertEqual(sensors.output_line(), "measured 1000\n")  # with nobody there, and none too slow
        self.assertEqual(self.run_to_end("show", "2"), b"sensor 0: 29.980\nsensor 1: 29.990\n")
        self.assertEqual(self.run_to_end("latest"), b"sensor 0: 29.980\nsensor 1: 29.990\n")
        self.assertEqual(self.run_to_end("alarm", "29985"), b"sensor 1: 29.990\n")
        self.assertEqual(sensors.wait()[0], 0)

    def test_sensors_tell_a_slow_reader_what_it_missed(self):
        self.start_for("sensors")
        sensors = self.start(self.program, "measure", "1000", stdin=subprocess.PIPE)
        self.assertEqual(sensors.output_line(), "measured 1000\n")
        reader = self.start(self.program, "alarm", "39985")  # the last of the second thousand
        reader.wait_for_error_line("watching")
        reader.signal(signal.SIGSTOP)
        sensors.child.stdin.write(b"\n")
        sensors.child.stdin.flush()
        self.assertEqual(sensors.output_line(), "measured 2000\n")  # it did not wait
        reader.signal(signal.SIGCONT)
        missed = reader.output_line()
        self.assertRegex(missed, r"^missed \d+$")
        self.assertIn(int(missed.split()[1]), range(500, 1003))
        self.assertEqual(reader.output_line(), "sensor 1: 39.990\n")
        self.assertEqual(reader.wait()[0], 0)

    def test_sensors_can_be_read_and_not_be_lied_about(self):
        self.start_for("sensors")
        sensors = self.start(self.program, "measure", "10", stdin=subprocess.PIPE)
        self.assertEqual(sensors.output_line(), "measured 10\n")
        code, _, said = self.keyway("publish", "sensors/temperature", "lies")
        self.assertEqual(code, 1, said)
        self.assertIn("insufficient_rights", said)

    # ---- files ----

    def test_files_are_read_once_and_shared(self):
        self.start_for("files")
        folder = self.folder / "served"
        (folder / "below").mkdir(parents=True)
        content = os.urandom(3_000_001)
        (folder / "below" / "large").write_bytes(content)
        (self.folder / "secret").write_text("secret")
        (folder / "link").symlink_to(self.folder / "secret")
        server = self.start(self.program, "serve", folder)
        self.assertEqual(server.output_line(), "serving\n")
        for _ in range(3):
            self.assertEqual(self.run_to_end("get", "below/large"), content)
        for outside in ("../secret", "link", "below", "", "/etc/passwd", "nothing", "below/../../secret"):
            with self.subTest(name=outside):
                self.assertEqual(self.run_to_end("get", outside, expected=1), b"")
        (folder / "below" / "large").write_bytes(b"changed")
        self.assertEqual(self.run_to_end("get", "below/large"), b"changed")
        server.signal(signal.SIGTERM)
        _, said = server.wait()
        self.assertEqual(said.decode(), "read below/large, 3000001 bytes\nread below/large, 7 bytes\n")

    # ---- sandbox ----

    def test_sandbox_plugins_can_talk_by_capability_and_do_nothing_else(self):
        if os.environ.get("KEYWAY_SANITIZED"):
            self.skipTest("the sanitizers make system calls of their own")
        self.program = PROGRAMS / "sandbox" / "sandbox"
        out = self.run_to_end("good", "nosy", "stuck", "good").decode()
        good = "good: the answer is 42\ngood: done\ngood: ended with 0\n"
        no = "Operation not permitted"
        self.assertEqual(out, good + f"nosy: reading /etc/passwd: {no}\nnosy: opening a socket: {no}\nnosy: starting a process: {no}\n"
                         f"nosy: signalling its host: {no}\nnosy: taking the host's name: not_allowed\n"
                         "nosy: looking another up: no_such_name\nnosy: 1000 guessed capabilities: 0 messages delivered\n"
                         "nosy: done\nnosy: ended with 0\nstuck: silent for too long\nstuck: killed\n" + good)

    # ---- their list ----

    def test_the_list_of_examples_names_every_folder(self):
        listed = set(re.findall(r"^\| [^|]+ \| \[([\w-]+)\]\(", (SOURCE / "examples/README.md").read_text(), re.MULTILINE))
        there = {path.parent.name for path in (SOURCE / "examples").glob("*/CMakeLists.txt")}
        self.assertEqual(listed, there)


if __name__ == "__main__":
    main()
