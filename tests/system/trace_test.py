"""keyway trace, in its three forms; the capture is read by tshark with the dissector that is generated."""

import shutil
import subprocess
import unittest

from keyway_system import BIN, EVERYTHING, SOURCE, SystemTest, json, main

LETS_READ = EVERYTHING + "payloads = true\n"
DISSECTOR = SOURCE / "host/tool/keyway.lua"


class Trace(SystemTest):
    def setUp(self):
        super().setUp()
        self.router = self.start_router(LETS_READ)
        self.listen("echo", "--echo")

    def follow(self, *options):
        trace = self.start(BIN / "keyway", "trace", *options)
        trace.wait_for_error_line("following messages")
        return trace

    def call(self, text="hello"):
        self.assertEqual(self.keyway("call", "echo", text)[0], 0)

    def test_shows_a_line_for_each_message_with_its_verdict(self):
        trace = self.follow("--count", "2")
        self.call()
        code, out = trace.wait()
        self.assertEqual(code, 0)
        call, reply = out.decode().splitlines()
        self.assertRegex(call, r"^\d\d:\d\d:\d\d\.\d{6} 1 data \d+ -> echo \(\d+\) 5 bytes, priority 1, call, "
                               r"by 0x\w+, made 0x\w+: delivered$")
        self.assertRegex(reply, r"^\S+ 2 data \d+ -> \d+ 5 bytes, priority 1, reply.*: delivered$")

    def test_shows_payloads_only_when_asked_and_terminals_are_safe(self):
        trace = self.follow("--payload", "--count", "1")
        self.call("red\x1b[31m")
        self.assertIn(': delivered "red\\x1b[31m"', trace.wait()[1].decode())

    def test_writes_json_a_line_each(self):
        trace = self.follow("--json", "--payload", "--count", "2")
        self.call()
        call, reply = map(json.loads, trace.wait()[1].decode().splitlines())
        self.assertEqual((call["name"], call["flags"], call["verdict"], call["text"]),
                         ("echo", "call", "delivered", "hello"))
        self.assertEqual((reply["sender"], reply["receiver"]), (call["owner"], call["sender"]))

    def test_filters_by_endpoint_and_verdict(self):
        self.listen("other")
        trace = self.follow("--json", "--endpoint", "other", "--count", "1")
        self.call()
        self.assertEqual(self.keyway("send", "other", "x")[0], 0)
        self.assertEqual(json.loads(trace.wait()[1])["name"], "other")
        trace = self.follow("--refused", "--timeout", "100ms")
        self.call()
        code, out = trace.wait()
        self.assertEqual((code, out), (4, b""))

    def test_ends_with_the_router(self):
        trace = self.follow()
        self.router.kill()
        self.assertEqual(trace.wait()[0], 3)

    @unittest.skipUnless(shutil.which("tshark"), "tshark is not installed")
    def test_writes_a_capture_that_wireshark_takes_apart(self):
        file = self.folder / "messages.pcapng"
        trace = self.follow("--format", "pcapng", "--payload", "--output", file, "--count", "2")
        self.call()
        self.assertEqual(trace.wait()[0], 0)
        fields = ["keyway.type", "keyway.flag.expects_reply", "keyway.flag.reply", "keyway.length",
                  "keyway.sender", "keyway.trace.owner", "keyway.trace.number", "keyway.payload", "_ws.col.Info"]
        done = subprocess.run(["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(file), "-T", "json",
                               "-e", "frame.time_epoch", *(word for field in fields for word in ("-e", field))],
                              capture_output=True, check=True, env={**self.env, "HOME": str(self.folder)})
        call, reply = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
        self.assertEqual(call["keyway.type"], ["2"])
        self.assertIn(call["keyway.flag.expects_reply"], (["1"], ["True"]))
        self.assertIn(reply["keyway.flag.reply"], (["1"], ["True"]))
        self.assertEqual(call["keyway.length"], ["5"])
        self.assertEqual(call["keyway.payload"], [b"hello".hex()])
        self.assertEqual(call["keyway.trace.number"], ["1"])
        self.assertEqual(reply["keyway.sender"], call["keyway.trace.owner"])
        self.assertIn("5 bytes: delivered", call["_ws.col.Info"][0])
        self.assertNotIn(b"Lua Error", done.stdout + done.stderr)

    def test_gives_no_capture_to_a_terminal(self):
        done = subprocess.run(["script", "-qec", f"{BIN}/keyway trace --format pcapng", "/dev/null"],
                              capture_output=True, env=self.env, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"not for a terminal", done.stdout)


class TraceWithoutTheRight(SystemTest):
    def test_to_observe_shows_nothing(self):
        self.start_router(EVERYTHING.replace("observe = true", "observe = false").replace("administer = true", ""))
        code, out, err = self.keyway("trace")
        self.assertEqual((code, out), (1, b""))
        self.assertIn("not_allowed", err)

    def test_to_payloads_shows_none(self):
        self.start_router()
        code, _, err = self.keyway("trace", "--payload")
        self.assertEqual(code, 1)
        self.assertIn("payloads = true", err)


if __name__ == "__main__":
    main()
