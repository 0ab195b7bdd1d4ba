"""keyway audit, on the log of a real router."""

import json
import re
import subprocess
import unittest

from keyway_system import BIN, EVERYTHING, SystemTest, main, signal


class Audit(SystemTest):
    def setUp(self):
        super().setUp()
        self.log = self.folder / "audit"
        self.key = self.folder / "audit.key"

    def start_audited(self, *options):
        return self.start_router(EVERYTHING, "--audit", self.log, "--audit-key", self.key, *options)

    def audit(self, command, *options):
        code, out, err = self.keyway("audit", command, self.log, *options)
        return code, out.decode(), err

    @staticmethod
    def stop(router):
        router.signal(signal.SIGTERM)
        router.wait()

    def lines(self, *options):
        code, out, err = self.audit("show", "--json", "--key", self.key, *options)
        self.assertEqual((code, err), (0, ""))
        return [json.loads(line) for line in out.splitlines()]

    def talk(self):
        """One message, delivered."""
        echo = self.listen("echo", "--count", "1")
        self.assertEqual(self.keyway("send", "echo", "hello")[0], 0)
        self.assertEqual(echo.wait()[0], 0)

    def test_show_says_who_to_whom_what_how_many_and_what_came_of_it(self):
        router = self.start_audited()
        self.talk()
        self.stop(router)
        lines = self.lines()
        self.assertEqual(lines[0]["kind"], "started")
        self.assertEqual(lines[-1]["kind"], "stopped")
        message, = [line for line in lines if line["kind"] == "message"]
        self.assertEqual((message["verdict"], message["type"], message["count"], message["bytes"]),
                         ("delivered", "data", 1, 5))
        sender, = [line for line in lines if line["kind"] == "opened" and line["process"] == message["sender"]]
        self.assertEqual(sender["program"], "keyway")
        lookup, = [line for line in lines if line.get("request") == "lookup"]
        self.assertEqual((lookup["name"], lookup["created"], lookup["object"]),
                         ("echo", message["capability"], message["receiver"]))
        kinds = [line["kind"] for line in self.lines("--process", str(message["sender"]))]
        self.assertEqual((kinds[0], kinds.count("message"), kinds.count("closed")), ("opened", 1, 1))
        self.assertEqual(len(self.lines("--verdict", "full")), 0)
        self.assertEqual(self.lines("--since", "1h"), lines)
        self.assertEqual(self.lines("--since", lines[0]["time"][:19] + "Z"), lines)
        self.assertEqual(self.lines("--since", "2100-01-01T00:00:00"), [])
        code, _, err = self.audit("show", "--since", "yesterday")
        self.assertEqual(code, 2)
        self.assertIn("how long ago", err)
        text = self.audit("show")[1]
        self.assertIn('-> "echo"', text)
        self.assertIn("router stopped", text)

    def test_show_and_why_say_whether_the_seals_were_checked(self):
        router = self.start_audited()
        self.talk()
        self.stop(router)
        for command in ("show", "why"):
            self.assertIn("seals are not checked", self.audit(command)[2])
            self.assertEqual(self.audit(command, "--key", self.key)[2], "")
            self.assertEqual(self.audit(command, "--key", self.folder / "none")[0], 6)
        segment = self.log / "audit-00000001.log"
        content = bytearray(segment.read_bytes())
        content[300] ^= 1
        segment.write_bytes(content)
        self.assertEqual(self.audit("show")[0], 0)
        code, _, err = self.audit("show", "--key", self.key)
        self.assertEqual(code, 1)
        self.assertIn("frame 1", err)

    def test_show_follows_what_comes_over_the_ends_of_files(self):
        router = self.start_audited("--audit-segment", "4096")
        follower = self.start(BIN / "keyway", "audit", "show", self.log, "--key", self.key, "--follow", "--json")
        self.assertEqual(json.loads(follower.output_line())["kind"], "started")
        for _ in range(5):
            self.talk()
        self.stop(router)
        kinds = []
        while kinds[-1:] != ["stopped"]:
            kinds.append(json.loads(follower.output_line())["kind"])
        self.assertEqual(kinds.count("message"), 5)
        self.assertNotIn("started", kinds)

    def test_guesses_are_counted_and_not_listed_one_by_one(self):
        router = self.start_audited()
        self.listen("echo")
        for _ in range(20):
            self.assertEqual(self.keyway("revoke", "0x00ffffff")[0], 1)
        self.stop(router)
        refused = [line for line in self.lines() if line.get("outcome") == "no_such_capability"]
        self.assertEqual(sum(line["count"] for line in refused), 20)
        self.assertTrue(all(line["request"] == "revoke" for line in refused))

    def test_verify_says_good_and_names_the_place_of_a_change(self):
        router = self.start_audited()
        self.talk()
        self.stop(router)
        code, out, err = self.audit("verify", "--key", self.key)
        self.assertEqual((code, err), (0, ""))
        frames = int(re.search(r"frames 1 to (\d+)", out).group(1))
        self.assertEqual(self.audit("verify", "--key", self.key, "--at-least", frames)[0], 0)
        code, _, err = self.audit("verify", "--key", self.key, "--at-least", frames + 1)
        self.assertEqual(code, 1)
        self.assertIn("set back", err)
        segment = self.log / "audit-00000001.log"
        content = bytearray(segment.read_bytes())
        content[300] ^= 1
        segment.write_bytes(content)
        code, _, err = self.audit("verify", "--key", self.key)
        self.assertEqual(code, 1)
        self.assertIn(f"{segment}, byte 128, frame 1", err)
        self.assertEqual(self.audit("verify", "--key", self.folder / "none")[0], 6)

    def test_why_explains_a_refusal_with_the_capabilitys_history(self):
        router = self.start_audited()
        self.listen("echo")
        code, _, err = self.keyway("listen", "echo", "--timeout", "1ms")
        self.assertEqual(code, 1, err)
        self.stop(router)
        code, out, err = self.audit("why", "--key", self.key)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("name_taken", out)
        self.assertIn("Next: choose another name", out)
        explained = json.loads(self.audit("why", "--json")[1])
        self.assertEqual(explained["reason"], "name_taken")
        self.assertEqual(explained["refused"]["name"], "echo")
        code, out, _ = self.audit("why", "--verdict", "spoofed")
        self.assertEqual(code, 1)
        self.assertIn("Nothing was refused", out)

    def test_the_log_of_a_killed_router_is_good_and_is_continued(self):
        router = self.start_audited()
        self.talk()
        follower = self.start(BIN / "keyway", "audit", "show", self.log, "--follow", "--json")
        while json.loads(follower.output_line())["kind"] != "message":
            pass  # until it is written
        router.signal(signal.SIGKILL)
        router.wait()
        code, out, err = self.audit("verify", "--key", self.key)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("was killed", out)
        router = self.start_audited()
        self.stop(router)
        self.assertEqual(self.audit("verify", "--key", self.key)[0], 0)
        kinds = [line["kind"] for line in self.lines()]
        self.assertEqual(kinds.count("started"), 2, kinds)

    def test_a_router_does_not_start_on_a_log_that_was_changed(self):
        self.stop(self.start_audited())
        head = self.log / "head"
        head.write_bytes(head.read_bytes()[:-1] + b"x")
        options = ["--policy", self.policy, "--socket", self.socket, "--audit", self.log, "--audit-key", self.key]
        done = subprocess.run([str(BIN / "keywayd"), *map(str, options)], capture_output=True, env=self.env, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"audit", done.stderr)


if __name__ == "__main__":
    main()
