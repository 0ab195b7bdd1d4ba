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


def main() -> int:
    program = sys.argv[1]
    if len(os.sched_getaffinity(0)) < 2:
        print("SKIPPED: two processes are measured against each other, and there is one core only")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "figures.json")
        subprocess.run([program, "--repetitions", "1", "--scale", "0.001", "--json", path], check=True, timeout=240)
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
    faults = []
    found = {}
    for metric in figures["metrics"]:
        for field, kind in FIELDS.items():
            if not isinstance(metric.get(field), kind):
                faults.append(f"{metric.get('name')}: field {field!r} is {metric.get(field)!r}")
        found[metric.get("name")] = metric
    for name, unit in METRICS.items():
        if name not in found:
            faults.append(f"{name} is missing")
            continue
        if found[name]["unit"] != unit:
            faults.append(f"{name} is in {found[name]['unit']!r}, not in {unit!r}")
        measured = name.startswith(("routed", "blocking", "lane", "stream", "region", "publish"))
        if measured and not (found[name]["value"] > 0 and found[name]["floor"] > 0):
            faults.append(f"{name} was not measured: {found[name]}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
