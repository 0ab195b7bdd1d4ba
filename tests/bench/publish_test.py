"""Pages and plots are made from figures, and the instruction guard compares as it says. No program is measured here."""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "guard")]
import count  # noqa: E402
import plot  # noqa: E402

SPREAD = {"p50": 100.0, "p90": 120.0, "p99": 200.0, "p99.9": 300.0, "max": 400, "count": 10}


def cell(system, bytes_, p50, **more):
    trip = {**SPREAD, "p50": p50, "p50_spread": [p50 * 0.9, p50 * 1.1]}
    return {"system": system, "bytes": bytes_, "waiting": "spinning", "placement": "two cores", "alone": False,
            "round_trip": trip, "one_way": SPREAD, "messages_per_second": 1e6, "messages_per_second_spread": [1e6, 1e6],
            "bytes_per_second": 64e6, "cpu_ns_a_message": 50.0, "cpu_ns_a_message_streamed": 20.0,
            "system_calls_a_message": None, "memory_bytes": 1e6, **more}


def figures():
    kinds = {"cache line": "floor", "keyway lane": "keyway", "pipe": "peer", "nng": "peer"}
    return {
        "systems": [{"name": name, "kind": kind, "built": True, "package": "", "authority": "a", "audit": "b", "integrity": "c"}
                    for name, kind in kinds.items()],
        "matrix": [cell("cache line", 64, 100.0), cell("keyway lane", 64, 150.0), cell("pipe", 64, 3000.0),
                   cell("keyway lane", 1 << 20, 9e5), cell("pipe", 1 << 20, 9e6),
                   {"system": "nng", "bytes": 64, "waiting": "spinning", "placement": "two cores", "skipped": "not installed (libnng-dev)"}],
        "metrics": [{"name": "route_p50", "value": 15.0, "unit": "ns", "floor": 5.0, "ratio": 3.0, "spread": [2.0, 4.0]}],
        "growth": {"idle_cpu": 0.0, "idle_seconds": 2.0, "awake_ns": 500.0, "asleep_ns": 9000.0, "notes": ["a note"],
                   "steps": [{"series": "processes", "count": n, "add_ns": 1e5, "use_ns": 500.0, "memory_bytes": 1e6 * n} for n in (2, 10)]},
        "machine": {"processor": "P", "kernel": "K", "cores": 2, "timer": "T", "timer_ns": 1.0, "timer_step_ns": 1.0}}


class Publishing(unittest.TestCase):
    def test_every_page_and_plot_is_written_from_the_figures(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            steps = {"compiler": "12", "processor": "x", "valgrind": "3", "instructions": {"route": 300.0}}
            for file, content in (("f", figures()), ("c", steps), ("p", {**steps, "instructions": {"lane_send_64": 200.0}})):
                (folder / file).write_text(json.dumps(content), encoding="utf-8")
            subprocess.run([sys.executable, ROOT / "bench" / "publish.py", folder / "f", folder / "c", folder / "p",
                            "--into", folder / "out"], check=True, capture_output=True)
            results = (folder / "out" / "results.md").read_text(encoding="utf-8")
            self.assertIn("nng: not installed (libnng-dev)", results)
            self.assertIn("| keyway lane | cache line | 1.50 |", results)
            self.assertIn("| keyway lane | pipe | 0.05 | 0.10 |", results)
            self.assertIn("a note", (folder / "out" / "growth.md").read_text(encoding="utf-8"))
            self.assertIn("lane_send_64", (folder / "out" / "steps.md").read_text(encoding="utf-8"))
            for page in (folder / "out").glob("*.svg"):
                ElementTree.parse(page)
                self.assertTrue((ROOT / "docs" / "performance" / page.name).exists(), f"{page.name} is not in the book yet")

    def test_a_plot_leaves_out_what_a_logarithm_does_not_have(self):
        svg = plot.lines("t", "x", "B", "y", "ns", {"a": [(8, 0), (64, 10), (256, 20)], "b": []})
        self.assertEqual(svg.count("<circle"), 2)

    def test_a_label_has_three_digits_and_a_unit(self):
        self.assertEqual([plot.label(v, u) for v, u in ((950, "ns"), (12_345, "ns"), (65536, "B"), (2.5e6, ""), (0, "B"))],
                         ["950 ns", "12.3 us", "64 KiB", "2.5 M", "0 B"])


class Guard(unittest.TestCase):
    BEFORE = {"compiler": "12", "processor": "x", "valgrind": "3", "instructions": {"route": 100.0}}

    def compared(self, **now):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = count.compare({**self.BEFORE, **now}, self.BEFORE, "UPDATE")
        return code, printed.getvalue()

    def test_three_percent_more_pass_and_more_than_that_fails(self):
        self.assertEqual(self.compared(instructions={"route": 103.0})[0], 0)
        code, printed = self.compared(instructions={"route": 103.1})
        self.assertEqual(code, 1)
        self.assertIn("UPDATE", printed)

    def test_fewer_instructions_pass(self):
        self.assertEqual(self.compared(instructions={"route": 50.0})[0], 0)

    def test_a_step_that_is_new_or_gone_fails(self):
        self.assertEqual(self.compared(instructions={"route": 100.0, "more": 1.0})[0], 1)
        self.assertEqual(self.compared(instructions={})[0], 1)

    def test_another_compiler_is_said_and_not_compared(self):
        code, printed = self.compared(compiler="13", instructions={"route": 900.0})
        self.assertEqual(code, 77)
        self.assertIn("SKIPPED", printed)


if __name__ == "__main__":
    unittest.main()
