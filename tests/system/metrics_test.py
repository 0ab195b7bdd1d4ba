"""Metrics over HTTP, read by programs that are not ours."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import unittest

from keyway_system import BIN, EVERYTHING, SOURCE, SystemTest, main, signal

DEBIAN_PYTHON = "/usr/bin/python3"
OPENMETRICS_PARSER = """
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(sample.name, sorted(sample.labels.items()), sample.value)
"""


def openmetrics_parser_is_there():
    return subprocess.run([DEBIAN_PYTHON, "-c", "import prometheus_client.openmetrics.parser"],
                          capture_output=True, check=False).returncode == 0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


class Metrics(SystemTest):
    def setUp(self):
        super().setUp()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def serve(self, where=None):
        self.router = self.start_router(f'{EVERYTHING}\n[metrics]\nlisten = "{where or f"127.0.0.1:{self.port}"}"\n')
        self.listen("echo", "--echo")
        self.assertEqual(self.keyway("call", "echo", "hello")[0], 0)

    def get(self, connection=None, path="/metrics", **headers):
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response, body

    def text_with(self, wanted, **headers):
        """Asks until the figures are there: they are published ten times a second."""
        while True:
            response, body = self.get(**headers)
            self.assertEqual(response.status, 200)
            if re.search(wanted, body, re.MULTILINE):
                return body

    def test_count_messages_calls_and_queues(self):
        self.serve()
        body = self.text_with(r'^keyway_call_seconds_count\{endpoint="echo",kind="endpoint"\} 1$')
        self.assertIn('keyway_messages_total{verdict="delivered"} 2\n', body)
        self.assertIn('keyway_messages_total{verdict="insufficient_rights"} 0\n', body)
        self.assertIn('keyway_endpoint_messages_total{endpoint="echo",kind="endpoint"} 1\n', body)
        self.assertIn('keyway_endpoint_payload_bytes_total{endpoint="echo",kind="endpoint"} 5\n', body)
        self.assertRegex(body, r'(?m)^keyway_queue_size_bytes\{process="\d+",pid="\d+",uid="\d+",name="keyway",'
                               r'priority="3"\} 65536$')
        self.assertIn('keyway_engine_info{engine="software"} 1\n', body)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_are_accepted_by_promtool(self):
        self.serve()
        body = self.text_with("keyway_call_seconds_count")
        done = subprocess.run(["promtool", "check", "metrics"], input=body.encode(), capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))

    @unittest.skipUnless(openmetrics_parser_is_there(), "python3-prometheus-client is not installed")
    def test_are_openmetrics_when_asked_for(self):
        self.serve()
        response, body = self.get(Accept="application/openmetrics-text; version=1.0.0")
        self.assertTrue(response.getheader("Content-Type").startswith("application/openmetrics-text; version=1.0.0"))
        self.assertTrue(body.endswith("# EOF\n"))
        done = subprocess.run([DEBIAN_PYTHON, "-c", OPENMETRICS_PARSER], input=body.encode(), capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn(b"keyway_messages_total [('verdict', 'delivered')]", done.stdout)

    def test_are_served_at_a_unix_socket_that_not_everybody_may_use(self):
        path = self.folder / "metrics.sock"
        self.serve(f"unix:{path}")
        self.assertEqual(path.stat().st_mode & 0o777, 0o660)
        response, body = self.get(UnixConnection(path))
        self.assertEqual(response.status, 200)
        self.assertIn("keyway_messages_total", body)
        self.router.signal(signal.SIGTERM)
        self.assertEqual(self.router.wait()[0], 0)
        self.assertFalse(path.exists())

    def test_go_on_when_somebody_revokes_their_capability(self):
        self.serve()
        (observer,) = [c["id"] for c in self.keyway_json("ls")["capabilities"] if c["kind"] == "observer"]
        self.keyway_json("revoke", str(observer))
        self.assertEqual(self.get()[0].status, 200)

    def test_are_all_that_is_served(self):
        self.serve()
        self.assertEqual(self.get(path="/")[0].status, 404)
        self.assertEqual(self.get(path="/metrics/../../etc/passwd")[0].status, 404)

    def test_hold_nobody_up_who_sends_messages_however_slow_their_reader(self):
        self.serve()
        slow = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(4)]
        for each in slow:
            each.sendall(b"GET /metrics HTTP/1.1\r\n")  # and never ends its request
        self.assertEqual(self.keyway("call", "echo", "hello", "--timeout", "5s")[0], 0)
        for each in slow:
            each.close()

    def test_say_where_they_cannot_be_served(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.policy.write_text(f'version = 1\n[metrics]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
            router = self.start(BIN / "keywayd", "--policy", self.policy, "--socket", self.socket)
            code, _ = router.wait()
        self.assertEqual(code, 3)
        self.assertIn("can't serve metrics at", router.errors[-1])

    def test_are_for_this_machine_only_and_off_unless_asked_for(self):
        for where in ("0.0.0.0:9478", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "unix:relative", "example.org:80"):
            self.policy.write_text(f'version = 1\n[metrics]\nlisten = "{where}"\n')
            done = subprocess.run([BIN / "keywayd", "--policy", self.policy, "--check-policy"], capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, 1, where)
            self.assertIn(b"an address of this machine alone", done.stderr)
        self.start_router()
        with self.assertRaises(ConnectionRefusedError):
            self.get()

    def test_of_the_dashboard_exist(self):
        self.serve()
        body = self.text_with("keyway_call_seconds_count")
        served = set(re.findall(r"^# TYPE (\w+)", body, re.MULTILINE))
        dashboard = json.loads((SOURCE / "host/daemon/grafana.json").read_text())
        used = set()
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                used |= set(re.findall(r"keyway_\w+", target["expr"]))
        self.assertGreater(len(used), 8)
        for name in used:
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), served, name)


if __name__ == "__main__":
    main()
