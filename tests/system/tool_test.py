"""The sub-commands of `keyway`, against a real keywayd."""

import pty

from keyway_system import BIN, EVERYTHING, SystemTest, ToolTest, json, main, os, signal


class Messages(ToolTest):
    def test_a_call_prints_the_reply_and_nothing_else(self):
        listener = self.listen("echo", "--echo", "--count", "1")
        self.assertEqual(self.keyway("call", "echo", "hello"), (0, b"hello", ""))
        self.assertEqual(listener.wait()[0], 0)

    def test_a_call_from_stdin_carries_every_byte_both_ways(self):
        self.listen("echo", "--echo")
        payload = bytes(range(256)) * 16
        self.assertEqual(self.keyway("call", "echo", "-", stdin=payload)[:2], (0, payload))

    def test_a_call_is_answered_with_the_text_of_reply(self):
        self.listen("oracle", "--reply", "42")
        self.assertEqual(self.keyway("call", "oracle", "?")[1], b"42")

    def test_a_call_in_json_has_the_reply_and_who_sent_it(self):
        self.listen("oracle", "--reply", "yes")
        reply = self.keyway_json("call", "oracle", "?", "--priority", "3")
        self.assertEqual(reply["text"], "yes")
        self.assertEqual(reply["bytes"], 3)
        self.assertEqual(reply["type"], "data")
        self.assertGreater(reply["sender"], 0)

    def test_what_is_sent_from_a_file_arrives_as_it_is_with_priority_and_type(self):
        listener = self.listen("sink", "--json", "--count", "2")
        payload = self.folder / "payload"
        payload.write_bytes(b"\xff\x00raw")
        code, out, err = self.keyway("send", "sink", "--file", payload, "--priority", "2", "--type", "control")
        self.assertEqual((code, out), (0, b""), err)
        self.assertEqual(self.keyway("send", "sink", "words", "--no-wait")[0], 0)
        code, out = listener.wait()
        self.assertEqual(code, 0)
        first, second = (json.loads(line) for line in out.splitlines())
        self.assertEqual(first["hex"], "ff00726177")
        self.assertEqual((first["priority"], first["type"], first["call"]), (2, "control", False))
        self.assertEqual((second["text"], second["priority"]), ("words", 1))

    def test_the_longest_message_is_sent_whole(self):
        listener = self.listen("sink", "--json", "--count", "1")
        self.assertEqual(self.keyway("send", "sink", "-", stdin=b"x" * 4096)[0], 0)
        self.assertEqual(json.loads(listener.wait()[1])["text"], "x" * 4096)

    def test_a_longer_one_is_refused_whole(self):
        listener = self.listen("sink", "--json", "--count", "1")
        code, out, err = self.keyway("send", "sink", "-", stdin=b"x" * 4097)
        self.assertEqual((code, out), (2, b""))
        self.assertIn("4096 bytes", err)
        self.assertIn("nothing was sent", err)
        self.keyway("send", "sink", "next")
        self.assertEqual(json.loads(listener.wait()[1])["text"], "next")

    def test_a_file_that_is_not_there_is_trouble_with_the_system(self):
        code, _, err = self.keyway("send", "sink", "--file", self.folder / "none")
        self.assertEqual(code, 6)
        self.assertIn("No such file", err)

    def test_what_a_stranger_sends_cannot_command_the_terminal(self):
        listener = self.listen("sink", "--count", "1")
        self.keyway("send", "sink", "-", stdin=b"a\x1b[31mb\nc\xc2\x9bd\xff")
        self.assertIn(rb"a\x1b[31mb\x0ac\xc2\x9bd\xff", listener.wait()[1])

    def test_a_listener_that_does_not_answer_gives_the_call_up_at_once(self):
        self.listen("mute")
        code, _, err = self.keyway("call", "mute", "hello?")
        self.assertEqual(code, 5)
        self.assertIn("peer_gone", err)

    def test_a_call_ends_at_once_when_the_callee_is_killed(self):
        listener = self.listen("victim", "--echo")
        listener.signal(signal.SIGSTOP)
        caller = self.start(BIN / "keyway", "call", "victim", "hello?", "--timeout", "1h")
        while self.keyway_json("ls")["router"]["delivered"] == 0:
            pass
        listener.signal(signal.SIGKILL)
        self.assertEqual(caller.wait()[0], 5)

    def test_a_call_that_nobody_answers_in_time_is_too_late(self):
        self.listen("slow", "--echo").signal(signal.SIGSTOP)
        code, _, err = self.keyway("call", "slow", "hello?", "--timeout", "20ms")
        self.assertEqual(code, 4)
        self.assertIn("timeout", err)

    def test_a_listener_to_whom_nothing_comes_in_time_is_too_late(self):
        self.assertEqual(self.keyway("listen", "nobody", "--timeout", "1ms")[0], 4)

    def test_a_name_that_is_taken_is_refused(self):
        self.listen("taken")
        code, _, err = self.keyway("listen", "taken")
        self.assertEqual(code, 1)
        self.assertIn("name_taken", err)

    def test_a_name_that_nobody_has_is_refused_and_json_says_so_too(self):
        code, out, err = self.keyway("call", "no/such/name", "x", "--json")
        self.assertEqual(code, 1)
        self.assertIn("no_such_name", err)
        self.assertEqual(json.loads(out)["error"]["name"], "no_such_name")

    def test_a_name_that_can_not_be_is_wrong_usage(self):
        self.assertEqual(self.keyway("call", "no spaces", "x")[0], 2)


class Usage(SystemTest):
    def test_without_a_router_every_command_that_needs_one_says_so(self):
        for words in (["send", "a", "b"], ["call", "a", "b"], ["listen", "a"], ["ls"], ["grant", "1", "a"],
                      ["revoke", "0x1"]):
            code, _, err = self.keyway(*words)
            self.assertEqual(code, 3, words)
            self.assertIn("not_connected", err)
            self.assertIn("keyway run", err)

    def test_wrong_usage_is_named(self):
        for words, said in (([], "subcommand"), (["frobnicate"], "frobnicate"), (["call"], "NAME"),
                            (["send", "a"], "nothing to send"), (["send", "a", "b", "--file", "c"], "--file"),
                            (["send", "a", "b", "--priority", "4"], "priority"),
                            (["send", "a", "b", "--type", "quantum"], "type"),
                            (["call", "a", "b", "--timeout", "5"], "no duration"),
                            (["listen", "a", "--echo", "--reply", "x"], "--reply"),
                            (["grant", "x", "a"], "no id"), (["grant", "1", "a", "--rights", "fly"], "no right"),
                            (["grant", "1", "a", "--lifetime", "soon"], "no duration"), (["revoke", "0xg"], "no id"),
                            (["run", "--slots", "1"], "slots"), (["run", "--spin-us", "-1"], "spin-us")):
            code, _, err = self.keyway(*words)
            self.assertEqual(code, 2, words)
            self.assertIn(said, err, words)

    def test_help_and_version_succeed(self):
        for words in (["--help"], ["--version"], ["send", "--help"], ["demo", "--help"]):
            code, out, _ = self.keyway(*words)
            self.assertEqual(code, 0)
            self.assertIn(b"keyway", out)


class Boards(SystemTest):
    def test_that_are_not_there_or_files_that_are_no_recordings_are_named(self):
        if self.keyway("device", "--help")[0] != 0:
            self.skipTest("built without libusb")
        for command in (["info", "no-such"], ["test", "no-such"], ["record", self.folder / "frames", "no-such"]):
            code, _, err = self.keyway("device", *command)
            self.assertEqual(code, 6, err)
            self.assertIn("no_device", err)
        self.assertFalse((self.folder / "frames").exists(), "nothing was recorded")
        (self.folder / "noise").write_bytes(bytes(range(256)))
        code, _, err = self.keyway("device", "replay", self.folder / "noise", "no-such")
        self.assertEqual(code, 6)
        self.assertIn("is no recording of frames", err)


class Listing(ToolTest):
    def test_json_has_processes_endpoints_capabilities_and_counters_that_add_up(self):
        self.listen("echo", "--echo")
        self.keyway("call", "echo", "hello")
        state = self.keyway_json("ls")
        router = state["router"]
        self.assertEqual(router["pid"], self.router.child.pid)
        self.assertEqual(router["sent"], 2)
        self.assertEqual(router["delivered"] + router["refused"] + router["expired"], router["sent"])
        self.assertEqual(sum(router["verdicts"].values()), router["sent"])
        self.assertEqual([endpoint["name"] for endpoint in state["endpoints"]], ["echo"])
        owner = state["endpoints"][0]["owner"]
        listener = next(process for process in state["processes"] if process["id"] == owner)
        self.assertEqual(listener["received"], 1)
        self.assertEqual([queue["priority"] for queue in listener["queues"]], [0, 1, 2, 3])
        self.assertIn(owner, [capability["owner"] for capability in state["capabilities"]])

    def test_people_get_aligned_tables(self):
        self.listen("echo", "--echo")
        code, out, _ = self.keyway("ls")
        text = out.decode()
        self.assertEqual(code, 0)
        for word in ("0 sent = 0 delivered + 0 refused + 0 expired", "PROCESS", "ENDPOINT", "CAPABILITY", "QUEUED",
                     "echo", "read,write,execute,grant,revoke"):
            self.assertIn(word, text)
        lines = text.splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("CAPABILITY"))
        for line in lines[head + 1:]:
            self.assertRegex(line, r"^0x[0-9a-f]{8}  ")
            self.assertEqual(line.index("endpoint"), lines[head].index("KIND"))

    def test_messages_that_wait_are_shown_by_priority(self):
        self.listen("busy").signal(signal.SIGSTOP)
        self.keyway("send", "busy", "x" * 100, "--priority", "2")
        depths = [p["queues"][2]["used_bytes"] for p in self.keyway_json("ls")["processes"]]
        self.assertGreater(max(depths), 100)
        self.assertRegex(self.keyway("ls")[1].decode(), r"0/0/[1-9][0-9]*/0")

    def test_colours_are_for_terminals_that_want_them(self):
        def in_terminal(**env):
            ours, theirs = pty.openpty()
            process = self.start(BIN / "keyway", "ls", env={**self.env, **env}, preexec_fn=lambda: os.dup2(theirs, 1))
            os.close(theirs)
            text = b""
            try:
                while piece := os.read(ours, 65536):
                    text += piece
            except OSError:
                pass  # the terminal's way of saying that the other side is closed
            os.close(ours)
            process.wait()
            self.assertIn(b"PROCESS", text)
            return text

        self.assertIn(b"\x1b[", in_terminal(TERM="xterm"))
        self.assertNotIn(b"\x1b", in_terminal(TERM="xterm", NO_COLOR="1"))
        self.assertNotIn(b"\x1b", in_terminal(TERM="dumb"))
        self.assertNotIn(b"\x1b", self.keyway("ls", env={**self.env, "TERM": "xterm"})[1])


class Authority(ToolTest):
    def granted(self, *options):
        self.listen("service", "--echo")
        self.listen("client")
        state = self.keyway_json("ls")
        client = next(e["owner"] for e in state["endpoints"] if e["name"] == "client")
        code, out, err = self.keyway("grant", client, "service", *options)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, rb"^0x[0-9a-f]{8}\n$")
        return client, out.decode().strip()

    def find(self, capability):
        return [c for c in self.keyway_json("ls")["capabilities"] if c["id"] == int(capability, 16)]

    def test_a_grant_gives_exactly_what_was_asked_for(self):
        client, capability = self.granted("--rights", "write,revoke", "--badge", "77", "--lifetime", "1h")
        (entry,) = self.find(capability)
        self.assertEqual((entry["owner"], entry["rights"], entry["badge"]), (client, ["write", "revoke"], 77))
        self.assertTrue(3500_000 < entry["expires_in_ms"] <= 3600_017, entry)

    def test_a_grant_without_options_is_for_calls_by_the_process_for_ever(self):
        client, capability = self.granted()
        (entry,) = self.find(capability)
        self.assertEqual((entry["rights"], entry["badge"], entry["expires_in_ms"]), (["write", "execute"], client, None))

    def test_a_revoked_capability_is_gone(self):
        _, capability = self.granted()
        self.assertEqual(self.keyway("revoke", capability), (0, b"1 capability ended\n", ""))
        self.assertEqual(self.find(capability), [])
        code, _, err = self.keyway("revoke", capability)
        self.assertEqual(code, 1)
        self.assertIn("no_such_capability", err)

    def test_json_has_the_capability_and_how_many_ended(self):
        self.listen("service", "--echo")
        client = self.keyway_json("ls")["endpoints"][0]["owner"]
        capability = self.keyway_json("grant", client, "service", "--rights", "write")["capability"]
        self.assertEqual(self.keyway_json("revoke", hex(capability)), {"ended": 1})

    def test_a_grant_to_nobody_or_of_nothing_is_refused(self):
        self.listen("service", "--echo")
        for words, reason in ((["grant", "60000", "service"], "no_such_process"), (["grant", "1", "none"], "no_such_name")):
            code, _, err = self.keyway(*words)
            self.assertEqual(code, 1)
            self.assertIn(reason, err)


class Refusals(SystemTest):
    def test_each_right_that_is_missing_is_named(self):
        self.start_router(f"""version = 1
[[rule]]
who = {{ user = {os.getuid()} }}
register = ["one", "two"]
lookup = [{{ name = "one", rights = ["write"] }}, {{ name = "two", rights = ["execute"] }}]
""")
        self.listen("one", "--echo")
        self.listen("two", "--echo")
        self.assertEqual(self.keyway("send", "one", "x")[0], 0)
        self.assertEqual(self.keyway("call", "two", "x")[0], 0)
        for words, reason in ((["call", "one", "x"], "insufficient_rights"), (["send", "two", "x"], "insufficient_rights"),
                              (["listen", "three"], "not_allowed"), (["grant", "1", "one"], "not_allowed"),
                              (["revoke", "0x00100001"], "not_allowed")):
            code, _, err = self.keyway(*words)
            self.assertEqual(code, 1, words)
            self.assertIn(reason, err)

    def test_who_may_not_observe_sees_only_itself(self):
        self.start_router(f'version = 1\n[[rule]]\nwho = {{ user = {os.getuid()} }}\nregister = ["a"]\n')
        self.listen("a")
        state = self.keyway_json("ls")
        self.assertEqual(len(state["processes"]), 1)
        self.assertEqual(state["processes"][0]["name"], "keyway")
        self.assertEqual(state["endpoints"], [])
        self.assertEqual(len(state["capabilities"]), 1)


class Run(SystemTest):
    def start_run(self, *options):
        router = self.start(BIN / "keyway", "run", *options)
        router.wait_for_error_line("listening at")
        return router

    def test_it_routes_for_the_user_who_started_it_and_ends_in_order(self):
        router = self.start_run()
        self.assertEqual(self.socket.stat().st_mode & 0o777, 0o600)
        self.listen("echo", "--echo")
        self.assertEqual(self.keyway("call", "echo", "hi")[1], b"hi")
        router.signal(signal.SIGINT)
        self.assertEqual(router.wait()[0], 0)
        self.assertIn("2 sent, 2 delivered, 0 refused, 0 expired", router.errors[-1])
        self.assertFalse(self.socket.exists())

    def test_a_hang_up_ends_it_when_it_has_no_policy_file(self):
        router = self.start_run("--slots", "1024", "--spin-us", "0")
        router.signal(signal.SIGHUP)
        self.assertEqual(router.wait()[0], 0)

    def test_a_policy_file_is_obeyed(self):
        self.policy.write_text("version = 1\n")
        self.start_run("--policy", self.policy)
        self.assertEqual(self.keyway("listen", "echo")[0], 1)

    def test_a_faulty_policy_file_is_wrong_usage_and_a_bad_place_is_trouble_with_the_system(self):
        self.policy.write_text("version = 2\n")
        code, _, err = self.keyway("run", "--policy", self.policy)
        self.assertEqual(code, 2)
        self.assertIn("policy.toml:1:11:", err)
        code, _, err = self.keyway("run", "--socket", self.folder / "none" / "router.sock")
        self.assertEqual(code, 6)
        self.assertIn("folder does not exist", err)


if __name__ == "__main__":
    main()
