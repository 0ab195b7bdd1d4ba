"""keywayd as a service: its policy file, its signals, its service manager."""

import contextlib
import shutil
import socket
import subprocess
import unittest

from keyway_system import BIN, EVERYTHING, SOURCE, SystemTest, main, os, signal


class PolicyFile(SystemTest):
    def keywayd(self, *options):
        done = subprocess.run([str(BIN / "keywayd"), *map(str, options)], capture_output=True, env=self.env, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_a_faulty_one_keeps_the_router_from_starting_and_is_named_with_its_place(self):
        self.policy.write_text('version = 1\n[limits.user]\nconnectoins = 5\n')
        code, _, err = self.keywayd("--policy", self.policy, "--socket", self.socket)
        self.assertEqual(code, 1)
        self.assertIn(f'{self.policy}:3:1: there is no key "connectoins" in [limits.user]; did you mean "connections"?', err)
        self.assertFalse(self.socket.exists())

    def test_checking_it_lists_every_fault_and_starts_nothing(self):
        self.policy.write_text('version = 1\nx = 1\n[[rule]]\nwho = { user = "no-such-user" }\nobserve = 2\n')
        code, out, err = self.keywayd("--policy", self.policy, "--socket", self.socket, "--check-policy")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual([line.split(":")[1] for line in err.splitlines()], ["2", "4", "5"])
        self.assertFalse(self.socket.exists())

    def test_those_that_come_with_the_program_are_good(self):
        for file in (SOURCE / "host/daemon/policy.toml", SOURCE / "examples/policy.toml"):
            code, out, err = self.keywayd("--policy", file, "--check-policy")
            self.assertEqual((code, err), (0, ""))
            self.assertIn("good", out)

    def test_a_missing_one_is_said_to_be_missing(self):
        code, _, err = self.keywayd("--policy", self.folder / "none.toml")
        self.assertEqual(code, 1)
        self.assertIn("No such file", err)

    def test_wrong_usage_and_help_have_their_codes(self):
        self.assertEqual(self.keywayd("--frobnicate")[0], 2)
        self.assertEqual(self.keywayd("--slots", "3000000")[0], 2)
        self.assertEqual(self.keywayd("--help")[0], 0)
        self.assertIn("contract 1.", self.keywayd("--version")[1])


class Engines(SystemTest):
    def test_those_that_there_are_can_be_chosen_and_others_are_wrong_usage(self):
        done = subprocess.run([str(BIN / "keywayd"), "--engine", "steam"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"steam", done.stderr)
        done = subprocess.run([str(BIN / "keywayd"), "--cross-check"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"give --engine", done.stderr)

    def test_the_simulated_hardware_judges_what_is_sent(self):
        self.policy.write_text(EVERYTHING)
        router = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.socket, "--engine", "simulated",
                            "--cross-check")
        if "built without" in router.wait_for_error_line("keywayd"):
            self.assertEqual(router.wait()[0], 2)
            self.skipTest("keywayd was built without the simulated engine")
        self.listen("sink")
        for word in ("one", "two"):
            self.assertEqual(self.keyway("send", "sink", word)[0], 0)
        state = self.keyway_json("ls")["router"]["engine"]
        self.assertEqual((state["name"], state["judged"], state["differences"]), ("simulated", 2, 0))


class QubitLedger(SystemTest):
    def test_two_routers_do_not_share_one_and_a_faulty_one_is_named(self):
        ledger = self.folder / "qubits"
        self.start_router(EVERYTHING, "--qubit-ledger", ledger)
        other = ["--policy", self.policy, "--socket", self.folder / "other.sock", "--qubit-ledger", ledger]
        done = subprocess.run([str(BIN / "keywayd"), *map(str, other)], capture_output=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"another router has the audit log or the qubit ledger", done.stderr)
        (self.folder / "diary").write_text("dear diary")
        other[-1] = self.folder / "diary"
        done = subprocess.run([str(BIN / "keywayd"), *map(str, other)], capture_output=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"is no qubit ledger", done.stderr)
        self.assertEqual((self.folder / "diary").read_text(), "dear diary")


class Signals(SystemTest):
    NOTHING = "version = 1\n"

    def test_sighup_brings_a_new_policy_into_force(self):
        router = self.start_router(self.NOTHING)
        self.assertEqual(self.keyway("listen", "echo", "--timeout", "1ms")[0], 1)
        self.policy.write_text(EVERYTHING)
        router.signal(signal.SIGHUP)
        router.wait_for_error_line("policy replaced")
        self.assertEqual(self.keyway("listen", "echo", "--timeout", "1ms")[0], 4)

    def test_sighup_with_a_faulty_policy_says_where_and_changes_nothing(self):
        router = self.start_router(EVERYTHING)
        self.policy.write_text("version = 1\nrule = 5\n")
        router.signal(signal.SIGHUP)
        router.wait_for_error_line("policy.toml:2:8: rule is 5")
        router.wait_for_error_line("the one in force stays")
        self.assertEqual(self.keyway("listen", "echo", "--timeout", "1ms")[0], 4)
        # And it is still able to take a good one.
        self.policy.write_text(self.NOTHING)
        router.signal(signal.SIGHUP)
        router.wait_for_error_line("policy replaced")
        self.assertEqual(self.keyway("listen", "echo", "--timeout", "1ms")[0], 1)

    def test_what_was_submitted_before_sigterm_is_delivered(self):
        router = self.start_router(EVERYTHING)
        client = self.start(BIN / "drain_client", "200", stdin=subprocess.PIPE)
        self.assertEqual(client.output_line(), "connected\n")
        # The router is stopped while the client submits, so that nothing can have been routed before the signal.
        router.signal(signal.SIGSTOP)
        client.child.stdin.write(b"post\n")
        client.child.stdin.flush()
        self.assertEqual(client.output_line(), "posted 200\n")
        router.signal(signal.SIGTERM)
        router.signal(signal.SIGCONT)
        self.assertEqual(router.wait()[0], 0)
        self.assertIn("200 sent, 200 delivered, 0 refused, 0 expired", router.errors[-1])
        self.assertEqual(client.output_line(), "received 200 in order, then router_gone\n")
        self.assertEqual(client.wait()[0], 0)

    def test_clients_are_told_when_it_ends(self):
        router = self.start_router(EVERYTHING)
        listener = self.listen("echo")
        router.signal(signal.SIGTERM)
        self.assertEqual(listener.wait()[0], 3)


class Sockets(SystemTest):
    def start_second(self):
        return self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.socket)

    def test_two_routers_can_not_share_one(self):
        self.start_router()
        second = self.start_second()
        self.assertEqual(second.wait()[0], 3)
        self.assertIn("another router listens there", second.errors[-1])

    def test_one_that_a_killed_router_left_is_replaced(self):
        first = self.start_router()
        first.signal(signal.SIGKILL)
        first.wait()
        self.assertTrue(self.socket.exists())
        self.start_second().wait_for_error_line("listening at")
        self.assertEqual(self.keyway("ls")[0], 0)

    def test_one_in_a_folder_that_is_not_there_is_said_to_be(self):
        self.policy.write_text(EVERYTHING)
        router = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.folder / "a" / "b")
        self.assertEqual(router.wait()[0], 3)
        self.assertIn("folder does not exist", router.errors[-1])


class ServiceManager(SystemTest):
    """systemd's part, played by the test."""

    def start_activated(self, kind, count=1, **env):
        """Starts keywayd with a listening socket as its descriptor 3."""
        self.policy.write_text(EVERYTHING)
        with socket.socket(socket.AF_UNIX, kind) as listener:
            listener.bind(str(self.socket))
            listener.listen()

            def hand_over():
                os.dup2(listener.fileno(), 3)
                os.environ.update({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count), **env})
                os.execv(BIN / "keywayd", ["keywayd", "--policy", str(self.policy), "--socket", "/nonexistent"])

            return self.start(BIN / "keywayd", preexec_fn=hand_over, pass_fds=(3,))

    def test_its_socket_is_served_and_left_when_the_router_ends(self):
        router = self.start_activated(socket.SOCK_SEQPACKET)
        router.wait_for_error_line("service manager's socket")
        self.assertEqual(self.keyway("ls")[0], 0)
        router.signal(signal.SIGTERM)
        self.assertEqual(router.wait()[0], 0)
        self.assertTrue(self.socket.exists())

    def test_a_socket_of_another_kind_is_refused_with_the_remedy(self):
        router = self.start_activated(socket.SOCK_STREAM)
        self.assertEqual(router.wait()[0], 3)
        self.assertIn("ListenSequentialPacket=", router.errors[-1])

    def test_more_than_one_socket_is_refused(self):
        router = self.start_activated(socket.SOCK_SEQPACKET, count=2)
        self.assertEqual(router.wait()[0], 3)
        self.assertIn("passed 2 sockets", router.errors[-1])

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "systemd is not installed")
    def test_the_first_connection_starts_it(self):
        self.policy.write_text(EVERYTHING)
        manager = self.start(shutil.which("systemd-socket-activate"), "--seqpacket", "-l", self.socket,
                             BIN / "keywayd", "--policy", self.policy)
        manager.wait_for_error_line("Listening on")
        self.assertEqual(self.keyway("ls")[0], 0)
        manager.signal(signal.SIGTERM)
        self.assertEqual(manager.wait()[0], 0)

    def test_it_is_told_of_start_reload_and_end(self):
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(str(self.folder / "notify"))
            self.env["NOTIFY_SOCKET"] = str(self.folder / "notify")
            router = self.start_router()
            self.assertEqual(manager.recv(1024), b"READY=1")
            router.signal(signal.SIGHUP)
            self.assertRegex(manager.recv(1024), rb"^RELOADING=1\nMONOTONIC_USEC=[0-9]+$")
            self.assertEqual(manager.recv(1024), b"READY=1")
            self.policy.write_text("nonsense")
            router.signal(signal.SIGHUP)
            self.assertIn(b"RELOADING=1", manager.recv(1024))
            self.assertIn(b"READY=1\nSTATUS=The policy file is faulty", manager.recv(1024))
            router.signal(signal.SIGTERM)
            self.assertEqual(manager.recv(1024), b"STOPPING=1")
            self.assertEqual(router.wait()[0], 0)

    def test_the_journal_gets_severities(self):
        self.policy.write_text("version = 2\n")
        router = self.start(BIN / "keywayd", "--policy", self.policy, env={**self.env, "JOURNAL_STREAM": "8:1"})
        router.wait()
        self.assertRegex(router.errors[-1], r"^<3>.*policy\.toml:1:11")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_its_units_are_valid(self):
        for name in ("keywayd.service", "keywayd.socket"):
            text = (SOURCE / "host/daemon" / name).read_text()
            (self.folder / name).write_text(text.replace("ExecStart=keywayd", f"ExecStart={BIN / 'keywayd'}"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(self.folder / "keywayd.service"),
                               str(self.folder / "keywayd.socket")], capture_output=True, check=False)
        complaints = [line for line in done.stderr.decode().splitlines() if "keywayd" in line]
        self.assertEqual(complaints, [])

    def test_its_log_does_not_stop_the_router_when_nobody_reads_it(self):
        ours, theirs = os.pipe()
        router = self.start_router()
        router.kill()
        # A pipe that is full, and stays so.
        os.set_blocking(theirs, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(theirs, b"x" * 4096)
        os.set_blocking(theirs, True)
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(str(self.folder / "notify"))
            env = {**self.env, "NOTIFY_SOCKET": str(self.folder / "notify")}
            router = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.socket, env=env,
                                preexec_fn=lambda: os.dup2(theirs, 2))
            self.assertEqual(manager.recv(1024), b"READY=1")
            self.assertEqual(self.keyway("ls")[0], 0)
        router.signal(signal.SIGTERM)
        self.assertEqual(router.wait()[0], 0)
        os.close(ours)
        os.close(theirs)


if __name__ == "__main__":
    main()
