"""`keyway publish`, `keyway subscribe`, and what `keyway ls` shows of topics, channels, regions and qubits."""

import subprocess

from keyway_system import BIN, EVERYTHING, SystemTest, json, main

READABLE = EVERYTHING.replace('lookup = ["*"]', 'lookup = [{ name = "*", rights = ["read", "write", "device"] }]')


class Events(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_router(READABLE)

    def subscribe(self, *options):
        subscriber = self.start(BIN / "keyway", "subscribe", "news", *options)
        subscriber.wait_for_error_line("subscribed to")
        return subscriber

    def test_each_subscriber_gets_what_is_published(self):
        first = self.subscribe("--make", "--json", "--count", "2")
        second = self.subscribe("--count", "2")
        self.assertEqual(self.keyway("publish", "news", "it rains"), (0, b"", ""))
        self.assertEqual(self.keyway("publish", "news", "-", stdin=b"\xff\x00")[0], 0)
        code, out = second.wait()
        self.assertEqual(code, 0)
        lines = out.decode().splitlines()
        self.assertRegex(lines[0], r"^event 1 from process [0-9]+, badge [0-9]+, 8 bytes: it rains$")
        self.assertTrue(lines[1].endswith("2 bytes: \\xff\\x00"), lines[1])
        code, out = first.wait()
        self.assertEqual(code, 0)
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([event["sequence"] for event in events], [1, 2])
        self.assertEqual((events[0]["text"], events[1]["hex"]), ("it rains", "ff00"))
        self.assertEqual([event["lost"] for event in events], [0, 0])

    def test_a_topic_that_keeps_shows_late_comers_what_was(self):
        self.subscribe("--make", "--keep", "2")
        for text in ("one", "two", "three"):
            self.keyway("publish", "news", text)
        late = self.subscribe("--count", "2")
        code, out = late.wait()
        self.assertEqual(code, 0)
        self.assertEqual([line.split(": ")[1] for line in out.decode().splitlines()], ["two", "three"])

    def test_a_topic_ends_with_its_maker(self):
        maker = self.subscribe("--make", "--count", "1")
        other = self.subscribe()
        self.keyway("publish", "news", "the last")
        self.assertEqual(maker.wait()[0], 0)
        code, out = other.wait()
        self.assertIn(b"the last", out)
        self.assertEqual(code, 5, other.errors)
        self.assertIn("closed", other.errors[-1])

    def test_nothing_in_time_is_too_late(self):
        self.assertEqual(self.subscribe("--make", "--timeout", "1ms").wait()[0], 4)

    def test_faults_are_named(self):
        self.subscribe("--make")
        code, _, err = self.keyway("subscribe", "no-news", "--count", "1")
        self.assertEqual(code, 1)
        self.assertIn("no_such_name", err)
        code, _, err = self.keyway("publish", "news", "x" * 4097)
        self.assertEqual(code, 2)
        self.assertIn("4096 bytes", err)
        code, _, err = self.keyway("subscribe", "news", "--keep", "3")
        self.assertEqual(code, 2)
        self.assertIn("--make", err)


class WritersOnly(SystemTest):
    def test_a_policy_without_read_lets_nobody_subscribe(self):
        self.start_router(EVERYTHING)
        code, _, err = self.keyway("subscribe", "news", "--make")
        self.assertEqual(code, 1)
        self.assertIn("insufficient_rights", err)


class Listing(SystemTest):
    def test_topics_channels_regions_and_qubits_have_a_table_each(self):
        self.start_router(READABLE + "qubits = true\n")
        owner = self.start(BIN / "owner", stdin=subprocess.PIPE)
        self.assertEqual(owner.output_line(), "ready\n")
        text = self.keyway("ls")[1].decode()
        for row in (r"TOPIC +NAME +OWNER +POLICY +EVENTS +SUBSCRIBERS +LOST\n +[0-9]+ +weather +1 +block, keep 16 +1 +1 +0\n",
                    r"CHANNEL +KIND +STATE .*\n +[0-9]+ +lane +open +[0-9]+ +2 +1 +[0-9]+ +0\n",
                    r"REGION +OWNER +BYTES +KIND +MAPPED BY\n +[0-9]+ +1 +12345 +stable +1\n",
                    r"QUBIT +HOLDER +DECOHERES IN +FIDELITY +STATE\n +1 +1 +59 min [0-9]+ s +0.5000 +simulated, width 3\n"):
            self.assertRegex(text, row)
        state = self.keyway_json("ls")
        for kind in ("topics", "channels", "regions", "qubits"):
            self.assertEqual(len(state[kind]), 1, kind)


if __name__ == "__main__":
    main()
