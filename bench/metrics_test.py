"""The benchmark's JSON has every metric, with the fields that programs read. No figure is judged."""

import json
import os
import subprocess
import sys
import tempfile

METRICS = {
    "route_p50": "ns",
    "route_p99": "ns",
    "queue_op_p50": "ns",
    "publish_fanout_8_cost": "ns",
    "routed_rtt_24_p50": "ns",
    "routed_rtt_64_p50": "ns",
    "routed_rtt_64_p99": "ns",
    "blocking_rtt_64_p50": "ns",
    "routed_throughput_64": "msg/s",
    "routed_throughput_64_audited": "msg/s",
    "audit_cost_per_message": "ns",
    "lane_oneway_24_p50": "ns",
    "lane_oneway_64_p50": "ns",
    "lane_throughput_64": "msg/s",
    "lane_copy_4096": "GB/s",
    "stream_vs_memcpy": "GB/s",
    "core_to_core_copy": "GB/s",
    "region_setup_p50": "ns",
    "region_setup_p99": "ns",
    "region_handover_1MiB_vs_copy": "ns",
    "region_standing_1MiB_vs_copy": "ns",
}
FIELDS = {"name": str, "value": (int, float), "unit": str, "floor": (int, float), "ratio": (int, float)}


CELL = ("round_trip", "one_way", "messages_per_second", "bytes_per_second", "cpu_ns_a_message", "memory_bytes")
SERIES = {"processes", "endpoints", "capabilities", "subscribers", "regions"}
BUILT_IN = {"cache line", "futex", "memcpy", "keyway routed", "keyway lane", "keyway region", "pipe", "unix stream",
            "unix seqpacket", "posix queue"}
PEERS = {"zeromq", "nng", "iceoryx", "boost queue", "d-bus"}


def faults_of_rows(rows):
    """What each row of `metrics` must have."""
    for metric in rows:
        for field, kind in FIELDS.items():
            if not isinstance(metric.get(field), kind):
                yield f"{metric.get('name')}: field {field!r} is {metric.get(field)!r}"


def faults_of_figures(figures):
    found = {metric.get("name"): metric for metric in figures["metrics"]}
    for name, unit in METRICS.items():
        if name not in found:
            yield f"{name} is missing"
            continue
        if found[name]["unit"] != unit:
            yield f"{name} is in {found[name]['unit']!r}, not in {unit!r}"
        measured = name.startswith(("routed", "blocking", "lane", "stream", "region", "publish"))
        if measured and not (found[name]["value"] > 0 and found[name]["floor"] > 0):
            yield f"{name} was not measured: {found[name]}"


def faults_of_matrix(figures):
    """Every system is there; what was measured is whole, and what was not says why."""
    named = {system["name"] for system in figures["systems"]}
    if named != BUILT_IN | PEERS:
        yield f"systems: {sorted(named ^ (BUILT_IN | PEERS))}"
    measured = set()
    for cell in figures["matrix"]:
        what = f"{cell['system']}, {cell['bytes']} bytes, {cell['waiting']}, {cell['placement']}"
        if "skipped" in cell:
            if not cell["skipped"] or cell["skipped"].startswith("FAILED"):
                yield f"{what}: {cell['skipped']}"
            continue
        measured.add(cell["system"])
        for field in CELL:
            if not cell.get(field):
                yield f"{what}: {field} is {cell.get(field)!r}"
        for way in ("round_trip", "one_way"):
            ordered = [cell[way][name] for name in ("p50", "p90", "p99", "p99.9", "max")]
            if ordered != sorted(ordered) or ordered[0] <= 0:
                yield f"{what}: percentiles of {way}: {ordered}"
    if BUILT_IN - measured:
        yield f"not measured at all: {sorted(BUILT_IN - measured)}"
    rows = [metric for metric in figures["metrics"] if "peer" in metric]
    for ours in ("keyway_routed", "keyway_lane", "keyway_region"):
        peers = {row["peer"] for row in rows if row["name"].startswith(ours)}
        if not peers >= {"cache line", "futex", "pipe", "unix stream"}:
            yield f"{ours} is compared with {sorted(peers)} only"


def faults_of_growth(figures):
    steps = figures["growth"]["steps"]
    if {step["series"] for step in steps} != SERIES:
        yield f"series: {sorted({step['series'] for step in steps})}, notes: {figures['growth']['notes']}"
    for step in steps:
        if not (step["add_ns"] > 0 and step["use_ns"] > 0 and step["memory_bytes"] > 0):
            yield f"not measured: {step}"


def main() -> int:
    program, part = sys.argv[1:3]
    if len(os.sched_getaffinity(0)) < 2:
        print("SKIPPED: two processes are measured against each other, and there is one core only")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "figures.json")
        subprocess.run([program, "--smoke", "--parts", part, "--json", path], check=True, timeout=240)
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
    check = {"figures": faults_of_figures, "matrix": faults_of_matrix, "growth": faults_of_growth}[part]
    faults = [*faults_of_rows(figures["metrics"]), *check(figures)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
