"""The Python module, against a router in the same process and against one in another."""

import ast
import contextlib
import gc
import inspect
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import threading
import time
import unittest

import keyway

SOURCE = pathlib.Path(os.environ["KEYWAY_SOURCE"])
SOON = 30  # seconds; what doesn't come by then never does

READER_ONLY = f"""version = 1
[[rule]]
who = {{ user = {os.getuid()} }}
register = ["*"]
lookup = [{{ name = "*", rights = ["read"] }}]
"""


class PythonTest(unittest.TestCase):
    def setUp(self):
        self.router = keyway.Router()
        self.addCleanup(self.router.stop)
        self.alice = self.router.connect()
        self.bob = self.router.connect()
        self.addCleanup(self.alice.close)
        self.addCleanup(self.bob.close)

    def in_thread(self, work):
        """Runs `work` beside us; join() on what is returned fails if it failed, and gives its result."""
        outcome = {}

        def body():
            try:
                outcome["value"] = work()
            except BaseException as error:  # it is raised again in the test's thread
                outcome["error"] = error

        thread = threading.Thread(target=body)
        thread.start()

        def join():
            thread.join(SOON)
            self.assertFalse(thread.is_alive(), "the thread still waits")
            if "error" in outcome:
                raise outcome["error"]
            return outcome["value"]

        return join


class Messages(PythonTest):
    def test_a_message_arrives_with_its_sender_and_badge(self):
        inbox = self.bob.register("inbox")
        self.alice.send(self.alice.lookup("inbox"), b"\x00\xffhello", priority=3, type="control")
        message = self.bob.receive(SOON)
        self.assertEqual((message.payload, message.sender, message.receiver, message.priority, message.type),
                         (b"\x00\xffhello", self.alice.id, inbox.id, 3, "control"))
        self.assertEqual(message.badge, self.alice.id)
        self.assertFalse(message.is_call)
        self.assertGreater(message.timestamp, 0)

    def test_payloads_are_any_buffer_or_a_text(self):
        self.bob.register("inbox")
        inbox = self.alice.lookup("inbox")
        for payload, expected in ((b"a", b"a"), (bytearray(b"b"), b"b"), (memoryview(b"xcx")[1:2], b"c"), ("\u00e9", b"\xc3\xa9"),
                                  (b"", b""), (b"z" * 4096, b"z" * 4096)):
            self.alice.send(inbox, payload)
            self.assertEqual(self.bob.receive(SOON).payload, expected)
        for wrong in (1, None, ["a"]):
            with self.assertRaises(TypeError):
                self.alice.send(inbox, wrong)
        with self.assertRaises(keyway.Error) as caught:
            self.alice.send(inbox, b"z" * 4097)
        self.assertEqual(caught.exception.name, "bad_argument")

    def test_a_call_is_answered(self):
        self.bob.register("reverse")

        def serve():
            call = self.bob.receive(SOON)
            self.assertTrue(call.is_call)
            self.bob.reply(call, call.payload[::-1])
            return call.sender

        served = self.in_thread(serve)
        self.assertEqual(self.alice.call(self.alice.lookup("reverse"), "hello", timeout=SOON).text, "olleh")
        self.assertEqual(served(), self.alice.id)

    def test_a_message_outlives_its_connection(self):
        self.alice.send(self.alice.self, b"kept" * 100)
        message = self.alice.receive(SOON)
        self.alice.close()
        gc.collect()
        self.assertEqual(message.payload, b"kept" * 100)

    def test_refusals_have_a_name_and_a_next_step(self):
        with self.assertRaises(keyway.Error) as caught:
            self.alice.lookup("nobody")
        self.assertEqual(caught.exception.name, "no_such_name")
        self.assertIn("keyway ls", caught.exception.remedy)
        self.assertTrue(str(caught.exception).startswith("no_such_name: "))

    def test_a_timeout_is_both_ours_and_pythons(self):
        for kind in (keyway.Timeout, keyway.Error, TimeoutError):
            with self.assertRaises(kind):
                self.alice.receive(0)
        with self.assertRaises(keyway.Timeout):
            self.alice.receive(0.01)
        with self.assertRaises(ValueError):
            self.alice.receive(float("nan"))

    def test_an_event_loop_can_watch_it(self):
        with self.assertRaises(keyway.Timeout):
            self.alice.receive(0)
        self.assertEqual(select.select([self.alice], [], [], 0)[0], [])
        self.bob.register("ignored")
        self.alice.send(self.alice.self, b"x")
        self.assertEqual(select.select([self.alice], [], [], SOON)[0], [self.alice])

    def test_a_capability_is_given_and_revoked(self):
        inbox = self.bob.register("private")
        self.alice.register("alice")
        grant = self.bob.give(inbox, self.bob.lookup("alice"), rights=keyway.Right.WRITE, badge=77, payload="for you")
        given = self.alice.receive(SOON)
        self.assertEqual((given.type, given.text), ("capability", "for you"))
        held = self.alice.inspect(given.carried)
        self.assertEqual((held.kind, held.object, held.badge, held.rights), ("endpoint", inbox.id, 77, keyway.Right.WRITE))
        self.alice.send(held, b"by your leave")
        self.assertEqual(self.bob.receive(SOON).badge, 77)
        self.assertEqual(self.bob.revoke(inbox, grant), 1)
        with self.assertRaises(keyway.Error) as caught:
            self.alice.send(held, b"still?")
        self.assertEqual(caught.exception.name, "no_such_capability")

    def test_the_routers_state_is_a_dictionary(self):
        self.alice.register("seen")
        state = self.alice.state()
        self.assertIn("seen", [endpoint["name"] for endpoint in state["endpoints"]])


class Waiting(PythonTest):
    def test_other_threads_run_while_one_waits(self):
        self.bob.register("bob")
        waiting = self.in_thread(lambda: self.bob.receive(SOON).payload)
        self.alice.send(self.alice.lookup("bob"), b"woken")
        self.assertEqual(waiting(), b"woken")

    def test_one_thread_sends_while_another_receives_on_the_same_connection(self):
        self.bob.register("echo")

        def echo():
            for _ in range(100):
                message = self.bob.receive(SOON)
                self.bob.reply(message, message.payload)

        echoing = self.in_thread(echo)
        listening = self.in_thread(lambda: self.alice.receive(SOON).payload)
        target = self.alice.lookup("echo")
        for number in range(100):
            self.assertEqual(self.alice.call(target, str(number), timeout=SOON).text, str(number))
        echoing()
        self.alice.send(self.alice.self, b"end")
        self.assertEqual(listening(), b"end")

    def test_close_ends_what_waits(self):
        waiting = self.in_thread(lambda: self.bob.receive())
        self.bob.close()
        with self.assertRaises(keyway.Error) as caught:
            waiting()
        self.assertEqual(caught.exception.name, "not_connected")
        self.assertTrue(self.bob.closed)
        with self.assertRaises(keyway.Error):
            self.bob.register("late")
        self.bob.close()  # again is nothing

    def test_what_is_closed_while_threads_use_it_says_so_and_nothing_worse(self):
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        for _ in range(20):
            with keyway.Router() as router:
                self.close_under_use(chance, router, router.connect(), router.connect())

    def close_under_use(self, chance, router, alice, bob):
        bob.register("inbox")
        inbox = alice.lookup("inbox")
        topic = alice.make_topic("topic", keep=4)
        events = bob.subscribe(bob.lookup("topic"))

        def lend_and_end():
            region = alice.create_region(4096)
            with memoryview(region) as view:
                view[0] = 1
            region.destroy()

        def look_at_what_is_given_up():
            view = memoryview(alice.create_region(4096))
            view[0] = 1
            view.release()

        def until_closed(work):
            with contextlib.suppress(keyway.Error, BufferError):
                while True:
                    work()

        works = [lambda: alice.send(inbox, b"x" * 100), lambda: bob.receive(), lambda: bob.receive(), lambda: events.next(),
                 lambda: events.next(), lambda: alice.publish(topic, "e"), lend_and_end, look_at_what_is_given_up]
        users = [self.in_thread(lambda work=work: until_closed(work)) for work in works]
        events.next(SOON)  # all is in full swing
        ends = [alice.close, bob.close, router.stop, events.close]
        chance.shuffle(ends)
        for end in ends:
            while True:
                try:
                    end()
                    break
                except BufferError:
                    pass  # a view is in use right now
        for join in users:
            join()

    def test_the_end_of_the_router_ends_what_waits(self):
        waiting = self.in_thread(lambda: self.bob.receive())
        self.router.stop()
        with self.assertRaises(keyway.Error) as caught:
            waiting()
        self.assertEqual(caught.exception.name, "router_gone")

    def test_ctrl_c_ends_what_waits(self):
        program = subprocess.Popen(
            [sys.executable, "-c", "import keyway\nrouter = keyway.Router()\nconnection = router.connect()\n"
             "print('waiting', flush=True)\ntry:\n    connection.receive()\nexcept KeyboardInterrupt:\n    print('interrupted')\n"],
            stdout=subprocess.PIPE, text=True)
        self.assertEqual(program.stdout.readline(), "waiting\n")
        # It may not wait yet: then the interrupt comes before, where Python says it as well.
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=SOON)[0]
        self.assertIn("interrupted", said) if said else self.assertNotEqual(program.returncode, 0)


class Topics(PythonTest):
    def test_subscribers_get_what_is_published(self):
        topic = self.alice.make_topic("news", keep=2)
        for number in range(3):
            self.alice.publish(topic, f"event {number}")
        with self.bob.subscribe(self.bob.lookup("news")) as news:
            first = news.next(SOON)
            self.assertEqual((first.text, first.sequence, first.sender), ("event 1", 2, self.alice.id))
            self.assertEqual(news.next(SOON).payload, b"event 2")
            with self.assertRaises(keyway.Timeout):
                news.next(0)
            waiting = self.in_thread(lambda: news.next(SOON).text)
            self.alice.publish(topic, "later")
            self.assertEqual(waiting(), "later")
            self.assertEqual(news.lost, 0)
            self.assertEqual(news.fileno(), news.fileno())
        with self.assertRaises(keyway.Error):
            news.next(0)

    def test_iteration_ends_with_the_topic(self):
        topic = self.alice.make_topic("short", keep=10)
        self.alice.publish(topic, "one")
        self.alice.publish(topic, "two")
        news = self.bob.subscribe(self.bob.lookup("short"))
        self.alice.close_endpoint(topic.object)
        self.assertEqual([event.text for event in news], ["one", "two"])

    def test_who_may_only_read_can_not_publish(self):
        with keyway.Router(READER_ONLY) as router, router.connect() as owner, router.connect() as reader:
            owner.make_topic("news")
            with self.assertRaises(keyway.Error) as caught:
                reader.publish(reader.lookup("news"), "mine")
            self.assertEqual(caught.exception.name, "insufficient_rights")


class Streams(PythonTest):
    def opened(self):
        """A writer of bob's and a reader of alice's."""
        endpoint = self.alice.register("sink")
        opening = self.in_thread(lambda: self.bob.open_stream(self.bob.lookup("sink"), timeout=SOON))
        offer = self.alice.receive(SOON)
        self.assertTrue(offer.offers_stream)
        self.assertEqual(offer.receiver, endpoint.id)
        reader = self.alice.accept_stream(offer)
        return opening(), reader

    def test_a_stream_brings_every_byte_in_order_and_then_the_end(self):
        writer, reader = self.opened()
        content = random.randbytes(1_000_000)

        def write():
            with writer:
                writer.write(content)

        writing = self.in_thread(write)
        self.assertEqual(b"".join(reader), content)
        self.assertEqual(reader.read(timeout=SOON), b"")
        writing()
        self.assertEqual(reader.peer, self.bob.id)
        with self.assertRaises(keyway.Error) as caught:
            writer.write("more")
        self.assertEqual(caught.exception.name, "closed")

    def test_a_stream_that_is_full_or_empty_makes_its_user_wait(self):
        writer, reader = self.opened()
        with self.assertRaises(keyway.Timeout):
            reader.read(timeout=0)
        with self.assertRaises(keyway.Timeout):
            writer.write(bytes(1 << 20), timeout=0.01)
        reading = self.in_thread(lambda: len(reader.read(1 << 20, timeout=SOON)))
        self.assertGreater(reading(), 0)

    def test_a_stream_that_is_broken_off_says_why(self):
        writer, reader = self.opened()
        self.assertIsNone(reader.reason)
        with self.assertRaises(ZeroDivisionError):
            with writer:
                writer.write("half")
                raise ZeroDivisionError
        self.assertEqual(reader.read(timeout=SOON), b"half")
        with self.assertRaises(keyway.Error) as caught:
            reader.read(timeout=SOON)
        self.assertEqual(caught.exception.name, "aborted")
        self.assertEqual(reader.reason, (1, "ZeroDivisionError"))

    def test_an_offer_can_be_declined(self):
        self.alice.register("sink")
        opening = self.in_thread(lambda: self.bob.open_stream(self.bob.lookup("sink"), timeout=SOON))
        self.alice.decline(self.alice.receive(SOON))
        with self.assertRaises(keyway.Error) as caught:
            opening()
        self.assertEqual(caught.exception.name, "declined")
        self.alice.send(self.alice.self, "no offer")
        with self.assertRaises(keyway.Error) as caught:
            self.alice.accept_stream(self.alice.receive(SOON))
        self.assertEqual(caught.exception.name, "bad_argument")

    def test_close_ends_a_read_that_waits(self):
        writer, reader = self.opened()
        reading = self.in_thread(lambda: reader.read())
        self.alice.close()
        with self.assertRaises(keyway.Error):
            reading()
        with self.assertRaises(keyway.Error):
            writer.write("x")
            writer.write(bytes(1 << 20), timeout=SOON)


class Qubits(PythonTest):
    def test_a_qubit_goes_from_holder_to_holder_with_its_state(self):
        self.bob.register("bob")
        qubit = self.alice.prepare_qubit(3600, fidelity=0.75, width=1)
        self.assertEqual(qubit.state, [0, 0])
        qubit.state = [0.6, 0.8j]
        number = qubit.number
        qubit.hand_off(self.alice.lookup("bob"), "yours")
        with self.assertRaises(keyway.Error) as caught:
            qubit.state
        self.assertEqual(caught.exception.name, "no_such_capability")
        message = self.bob.receive(SOON)
        self.assertEqual((message.type, message.text), ("quantum", "yours"))
        mine = self.bob.accept_qubit(message)
        self.assertEqual((mine.number, mine.state, mine.width, mine.fidelity), (number, [0.6, 0.8j], 1, 0.75))
        self.assertFalse(mine.state_lost)
        self.assertGreater(mine.deadline, time.monotonic())
        with self.assertRaises(keyway.Error) as caught:
            mine.state = [1]
        self.assertEqual(caught.exception.name, "bad_argument")
        mine.discard()
        with self.assertRaises(keyway.Error):
            mine.discard()

    def test_a_qubit_is_not_copied_and_a_stranger_can_not_reclaim_it(self):
        qubit = self.alice.prepare_qubit(3600)
        with self.assertRaises(keyway.Error) as caught:
            self.alice.give(qubit.capability, self.alice.self, rights=keyway.Right.READ)
        self.assertEqual(caught.exception.name, "linearity")
        with self.assertRaises(keyway.Error) as caught:
            self.bob.reclaim_qubit(qubit.number)
        self.assertEqual(caught.exception.name, "no_such_qubit")

    def test_past_its_deadline_it_has_decohered(self):
        qubit = self.alice.prepare_qubit(0.02)
        while time.monotonic() <= qubit.deadline:
            pass
        with self.assertRaises(keyway.Error) as caught:
            qubit.hand_off(self.alice.self)
        self.assertEqual(caught.exception.name, "decohered")


class Regions(PythonTest):
    def given(self, region, write=False):
        self.bob.register("bob")
        to = self.alice.lookup("bob")
        grant = region.give_write(to) if write else region.give_read(to)
        return grant, self.bob.receive(SOON)

    def test_a_region_is_a_memoryview_and_no_byte_is_copied(self):
        region = self.alice.create_region(1 << 20)
        self.assertEqual(len(region), 1 << 20)
        _, message = self.given(region)
        with self.bob.map_region(message) as view:
            seen = memoryview(view)
            self.assertTrue(seen.readonly)
            mine = memoryview(region)
            mine[1000:1005] = b"hello"
            self.assertEqual(bytes(seen[1000:1005]), b"hello")
            with self.assertRaises(TypeError):
                seen[0] = 1
            seen.release()
            mine.release()

    def test_a_writable_grant_writes(self):
        region = self.alice.create_region(4096)
        _, message = self.given(region, write=True)
        window = self.bob.map_region(message, writable=True)
        with memoryview(window) as seen:
            seen[0:3] = b"bob"
        self.assertEqual(region.read(0, 3), b"bob")
        window.write(3, b"by")
        self.assertEqual(region.read(0, 5), b"bobby")

    def test_memory_that_is_looked_at_is_not_taken_away(self):
        region = self.alice.create_region(4096)
        view = memoryview(region)
        for attempt in (region.unmap, region.destroy, self.alice.close):
            with self.assertRaises(BufferError):
                attempt()
        del region
        gc.collect()
        view[0] = 7  # the view keeps it
        self.assertEqual(view[0], 7)
        view.release()
        self.alice.close()

    def test_a_region_that_is_given_up_says_so(self):
        region = self.alice.create_region(4096)
        region.unmap()
        self.assertFalse(region.mapped)
        with self.assertRaises(BufferError):
            memoryview(region)
        with self.assertRaises(keyway.Error):
            region.read(0, 1)

    def test_a_revocable_region_is_taken_back(self):
        region = self.alice.create_region(4096, revocable=True)
        region.write(0, b"first")
        grant, message = self.given(region)
        view = self.bob.map_region(message)
        self.assertEqual(view.read(0, 5), b"first")
        with self.assertRaises(BufferError):
            memoryview(view)
        region.recall(grant)
        region.write(0, b"later")
        with self.assertRaises(keyway.Error) as caught:
            view.read(0, 5)
        self.assertEqual(caught.exception.name, "revoked")

    def test_nothing_is_read_or_written_past_the_end(self):
        for revocable in (False, True):
            region = self.alice.create_region(100, revocable=revocable)
            for offset, length in ((0, 101), (100, 1), (101, 0), (2**63, 1), (1, 2**64 - 1)):
                with self.assertRaises(keyway.Error):
                    region.read(offset, length)
            with self.assertRaises(keyway.Error):
                region.write(99, b"ab")


class Stubs(unittest.TestCase):
    def test_the_type_stubs_say_what_the_module_has(self):
        tree = ast.parse((SOURCE / "host/python/keyway/__init__.pyi").read_text())
        stubs = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        self.assertEqual(sorted(stubs), sorted(keyway.__all__))
        for name, node in stubs.items():
            if not isinstance(node, ast.ClassDef) or name in ("Error", "Timeout", "Right"):
                continue
            said = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
            there = {attribute for attribute in vars(getattr(keyway, name)) if not attribute.startswith("_")}
            self.assertEqual({item for item in said if not item.startswith("_")}, there, name)
            for method, item in said.items():
                kind = inspect.getattr_static(getattr(keyway, name), method, None)
                if isinstance(kind, property) or method.startswith("_"):
                    continue
                # pybind11 puts the signature at the head of the doc string.
                arguments = [each.arg for each in item.args.args[1:] + item.args.kwonlyargs]
                signature = kind.__doc__.splitlines()[0]
                for argument in arguments:
                    self.assertIn(f"{argument}: ", signature, f"{name}.{method}")
                self.assertEqual(signature.split(" -> ")[0].count(": "), len(arguments) + 1, f"{name}.{method}: {signature}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
