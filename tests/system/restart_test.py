"""keywayd dies and another goes on: with a keeper of its own, and with a service manager that keeps descriptors."""

import array
import contextlib
import pathlib
import socket
import threading

from keyway_system import BIN, EVERYTHING, SystemTest, main, os, signal


class Manager:
    """As much of a service manager as this needs: it keeps descriptors by name, and passes them on."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.kept = []
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4 * 8))
            words = dict(line.split("=", 1) for line in text.decode().splitlines())
            fds = array.array("i")
            for _, _, data in control:
                fds.frombytes(data[:len(data) // 4 * 4])
            if "FDSTOREREMOVE" in words:
                for name, fd in [kept for kept in self.kept if kept[0] == words["FDNAME"]]:
                    os.close(fd)
                    self.kept.remove((name, fd))
            elif "FDSTORE" in words:
                self.kept += [(words["FDNAME"], fd) for fd in fds]
            elif "TEST_END" in words:
                return

    def synchronise(self):
        """Everything that was said so far is done."""
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as own:
            own.sendto(b"TEST_END=1", self.path)
        self.thread.join()
        self.thread = threading.Thread(target=self.listen, daemon=True)

    def close(self):
        self.synchronise()
        self.socket.close()
        for _, fd in self.kept:
            os.close(fd)


class Restart(SystemTest):
    def ride(self):
        rider = self.start(BIN / "rider")
        self.assertTrue(rider.output_line().startswith("ready"))
        return rider

    def send(self, text):
        self.assertEqual(self.keyway("send", "box", text)[0], 0)

    def test_with_a_keeper_of_its_own(self):
        state = self.folder / "state"
        router = self.start_router(EVERYTHING, "--state", state, "--audit", self.folder / "audit")
        self.assertEqual(state.stat().st_mode & 0o777, 0o700)
        rider = self.ride()
        self.send("one")
        for text in ("two", "three"):
            router.kill()
            router = self.start_router(EVERYTHING, "--state", state, "--audit", self.folder / "audit")
            self.send(text)
        router.signal(signal.SIGUSR2)
        self.assertEqual(router.wait()[0], 5)
        router = self.start_router(EVERYTHING, "--state", state, "--audit", self.folder / "audit")
        self.send("four")
        self.assertEqual([rider.output_line() for _ in range(4)], ["one\n", "two\n", "three\n", "four\n"])
        router.signal(signal.SIGTERM)
        self.assertEqual(router.wait()[0], 0)
        self.assertIn("router_gone", rider.output_line())
        code, _, err = self.keyway("audit", "verify", self.folder / "audit")
        self.assertEqual(code, 0, err)

    def test_with_a_service_manager_that_keeps_descriptors(self):
        self.policy.write_text(EVERYTHING)
        with contextlib.closing(Manager(self.folder / "notify")) as manager:
            def start(kept):
                def become():
                    # Out of the way first, then to their places.
                    high = [os.dup2(fd, 500 + i) for i, (_, fd) in enumerate(kept)]
                    for i, fd in enumerate(high):
                        os.dup2(fd, 3 + i)
                    os.environ.update({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(kept)),
                                       "LISTEN_FDNAMES": ":".join(name for name, _ in kept),
                                       "NOTIFY_SOCKET": manager.path})
                    os.execv(BIN / "keywayd", ["keywayd", "--policy", str(self.policy), "--socket", str(self.socket),
                                               "--state", "manager"])
                # What is beyond standard error would be closed otherwise.
                router = self.start(BIN / "keywayd", preexec_fn=become, close_fds=False)
                router.wait_for_error_line("listening at")
                return router

            router = start([])
            rider = self.ride()
            self.send("one")
            for text in ("two", "three"):
                router.kill()
                manager.synchronise()
                names = [name for name, _ in manager.kept]
                self.assertIn("keyway-state", names)
                manager.thread.start()
                router = start(list(manager.kept))
                self.send(text)
            self.assertEqual([rider.output_line() for _ in range(3)], ["one\n", "two\n", "three\n"])
            router.signal(signal.SIGTERM)
            self.assertEqual(router.wait()[0], 0)

    def test_a_folder_that_others_may_enter_is_refused(self):
        self.policy.write_text(EVERYTHING)
        state = self.folder / "state"
        state.mkdir(mode=0o755)
        router = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.socket, "--state", state)
        router.wait_for_error_line("nobody else may enter")
        self.assertEqual(router.wait()[0], 3)

    def test_two_routers_do_not_share_a_state(self):
        state = self.folder / "state"
        self.start_router(EVERYTHING, "--state", state)
        other = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.folder / "other.sock",
                           "--state", pathlib.Path(state))
        other.wait_for_error_line("another router keeps its state there")
        self.assertEqual(other.wait()[0], 3)


if __name__ == "__main__":
    main()
