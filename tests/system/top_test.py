"""keyway top: what it shows of real traffic, in a pipe and on a terminal of 80 columns and 24 lines."""

import pathlib
import re
import subprocess
import time

from keyway_system import BIN, EVERYTHING, SystemTest, ToolTest, json, main, os, signal


class Terminal:
    """A program in a tmux of its own."""

    opened = 0

    def __init__(self, folder, env, *command):
        Terminal.opened += 1
        self.tmux = ["tmux", "-S", str(folder / f"tmux-{Terminal.opened}.sock"), "-f", "/dev/null"]
        words = [f"{key}={value}" for key, value in env.items() if key in ("KEYWAY_SOCKET", "NO_COLOR")]
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "80", "-y", "24", "env", *words,
                        *map(str, command)], check=True)
        self.shown = ""

    def look(self, *options):
        done = subprocess.run([*self.tmux, "capture-pane", "-p", *options], capture_output=True, check=False)
        return done.stdout.decode()

    def wait_for(self, text, *options):
        """Looks until `text` is on the screen; ctest's limit ends a wait in vain."""
        while text not in self.shown:
            time.sleep(0.02)
            self.shown = self.look(*options)
        shown, self.shown = self.shown, ""
        return shown

    def wait_for_match(self, pattern, *options):
        while not re.search(pattern, shown := self.look(*options)):
            time.sleep(0.02)
        return shown

    def type(self, *keys):
        subprocess.run([*self.tmux, "send-keys", *keys], check=True)

    def ended(self):
        while subprocess.run([*self.tmux, "has-session"], capture_output=True, check=False).returncode == 0:
            time.sleep(0.02)

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], capture_output=True, check=False)


class Top(ToolTest):
    def setUp(self):
        super().setUp()
        self.listen("echo", "--echo")
        self.terminal = None

    def tearDown(self):
        if self.terminal is not None:
            self.terminal.close()
        super().tearDown()

    def open(self, *options, env=None):
        self.terminal = Terminal(self.folder, env or self.env, BIN / "keyway", "top", "--interval", "100ms", *options)
        self.terminal.wait_for("q quit")  # what is typed before it listens is lost
        return self.terminal

    def test_once_prints_the_figures_of_processes_endpoints_and_refusals(self):
        self.assertEqual(self.keyway("call", "echo", "hello")[0], 0)
        code, out, err = self.keyway("top", "--once", "--interval", "100ms")
        self.assertEqual((code, err), (0, ""))
        text = out.decode()
        self.assertIn(f"router {self.router.child.pid}", text)
        self.assertIn("engine software", text)
        self.assertRegex(text, r"(?m)^ +\d+ +\d+ \S+ +keyway ")
        self.assertRegex(text, r"(?m)^ +\d+ echo +\d+ ")
        self.assertIn("REFUSED BECAUSE", text)

    def test_json_has_what_was_counted_and_how_long_calls_took(self):
        watcher = self.start(BIN / "keyway", "top", "--json", "--interval", "100ms")
        watcher.output_line()
        self.assertEqual(self.keyway("call", "echo", "hello")[0], 0)
        while True:
            now = json.loads(watcher.output_line())
            echo = now["endpoints"][0]
            if echo["replies"] == 1:
                break
        self.assertEqual((echo["name"], echo["messages"], echo["bytes"], echo["calls"]), ("echo", 1, 5, 1))
        self.assertGreater(echo["latency"]["p50_ns"], 0)
        self.assertEqual(now["router"]["sent"], 2)
        self.assertEqual(now["router"]["verdicts"]["delivered"], 2)
        self.assertTrue(now["everything"])

    def test_fits_a_terminal_and_looks_into_an_endpoint(self):
        terminal = self.open()
        shown = terminal.wait_for("echo")
        lines = shown.splitlines()
        self.assertEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertIn("q quit", lines[-1])
        self.assertEqual(self.keyway("call", "echo", "hello")[0], 0)
        terminal.type("Enter")
        terminal.wait_for("time from call to reply")
        shown = terminal.wait_for('endpoint "echo"')
        self.assertIn("owner's queue 3", shown)
        self.assertIn("CAPABILITY", shown)
        terminal.type("q")
        terminal.ended()

    def test_filters_sorts_and_pauses(self):
        self.listen("other")
        terminal = self.open()
        terminal.type("3")
        terminal.wait_for("other")
        terminal.type("/", "ech", "Enter")
        shown = terminal.wait_for("filter:ech")
        self.assertNotIn("other", shown)
        terminal.type("s")
        terminal.wait_for("sort:calls/s")
        terminal.type("p")
        terminal.wait_for("PAUSED")
        self.listen("echo2")
        self.assertNotIn("echo2", terminal.look())
        terminal.type("p")
        terminal.wait_for("echo2")

    def test_shows_refusals_by_reason_with_what_to_do_in_colours_unless_told_otherwise(self):
        text = self.policy.read_text().replace('lookup = ["*"]', 'lookup = [{ name = "*", rights = ["write"] }]')
        self.policy.write_text(text)
        self.router.signal(1)
        self.router.wait_for_error_line("was read again")
        self.start("bash", "-c", f"while true; do {BIN}/keyway call echo x 2>&-; done", process_group=0)
        terminal = self.open()
        terminal.type("5")
        terminal.wait_for("insufficient_rights")
        shown = terminal.wait_for("\x1b[31m", "-e")
        self.assertIn("ask the grantor", shown)
        terminal.close()
        terminal = self.open(env={**self.env, "NO_COLOR": "1"})
        terminal.type("5")
        shown = terminal.wait_for_match(r"insufficient_rights +\d+ +[1-9]", "-e")
        self.assertNotRegex(shown, r"\x1b\[(?:\d+;)*3[0-7]m")
        os.killpg(self.processes[-1].child.pid, signal.SIGKILL)

    def test_ends_with_the_router(self):
        watcher = self.start(BIN / "keyway", "top", "--json", "--interval", "100ms")
        watcher.output_line()
        self.router.kill()
        code, _ = watcher.wait()
        self.assertEqual(code, 3)
        self.assertIn("router_gone", watcher.errors[-1])

    def test_says_what_is_wrong_with_the_interval(self):
        code, _, err = self.keyway("top", "--interval", "1ms")
        self.assertEqual(code, 2)
        self.assertIn("100ms to 1h", err)


class TopWithoutTheRight(SystemTest):
    def test_shows_only_what_is_ones_own_and_says_so(self):
        self.start_router(EVERYTHING.replace("observe = true", "observe = false").replace("administer = true", ""))
        self.listen("echo")
        code, out, err = self.keyway("top", "--once", "--interval", "100ms")
        self.assertEqual(code, 0)
        self.assertIn("the policy doesn't let you observe", err)
        self.assertNotIn("echo", out.decode())
        self.assertRegex(out.decode(), r"(?m)^ +\d+ +\d+ \S+ +keyway ")


class TopOfTheDemo(SystemTest):
    def test_shows_the_traffic_of_the_demo(self):
        demo = self.start(BIN / "keyway", "demo", __file__, "--pings", "100000", "--one-user",
                          env={**self.env, "TMPDIR": str(self.folder)})
        while not (sockets := list(pathlib.Path(self.folder).glob("keyway-demo-*/router.sock"))):
            self.assertIsNone(demo.child.poll())
            time.sleep(0.02)
        env = {**self.env, "KEYWAY_SOCKET": str(sockets[0])}
        while subprocess.run([BIN / "keyway", "ls"], capture_output=True, env=env, check=False).returncode != 0:
            time.sleep(0.02)
        terminal = Terminal(self.folder, env, BIN / "keyway", "top", "--interval", "100ms")
        try:
            terminal.wait_for("wordcount")
            shown = terminal.wait_for("calls p50")
            self.assertIn("wordcount", shown)
        finally:
            terminal.close()
        os.kill(demo.child.pid, 15)


if __name__ == "__main__":
    main()
