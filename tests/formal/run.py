#!/usr/bin/env python3
"""Proves the properties of the hardware router.

    tests/formal/run.py [TASK...] [--list] [--out build/formal] [--write-docs] [--time-limit 900]

Each task is a module of this folder, a configuration and an engine. A line `//: sentence` stands before each property
(`a_name : assert (...)`), and both come into the report: build/formal/results.json, and with --write-docs the table in
docs/verification.md. Exit code 0 only when every task has got the answer that it should get.

Both engines are ABC's, on the bits that yosys makes of the block:
    pdr        property-directed reachability: unbounded, finds its invariants itself
    bounded    every run of N clocks, the first of them a reset
"""

import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RTL = ROOT / "rtl"
DOC = ROOT / "docs" / "verification.md"
BEGIN, END = "<!-- from the run: begin -->", "<!-- from the run: end -->"


@dataclasses.dataclass
class Task:
    name: str
    module: str  # the module under proof
    engine: str
    depth: int = 0  # clocks, where bounded
    parameters: dict = dataclasses.field(default_factory=dict)
    inside: str = ""  # a file of properties that the module includes when FORMAL_(its name) is defined

    def source(self):
        return HERE / (f"{self.inside}.svh" if self.inside else f"{self.module}_proof.sv")

    def top(self):
        return f"keyway_{self.module}" if self.inside else f"{self.module}_proof"

    def files(self):
        files = [RTL / name for name in (RTL / "keyway_router.f").read_text().split()]
        return files if self.inside else [*files, self.source()]

    def how(self):
        return "PDR" if self.engine == "pdr" else "BMC"

    def good(self):
        return "proven, unbounded" if self.engine == "pdr" else f"bounded to {self.depth} clocks"

    def digest(self):
        """Of everything that the answer depends on."""
        parts = [path.read_bytes() for path in [*self.files(), self.source()]]
        return hashlib.sha256(b"".join(parts) + repr(self).encode()).hexdigest()

    def configuration(self):
        return ", ".join(f"{key} {value}" for key, value in self.parameters.items()) or "as it is"


TASKS = [
    Task("small_fifo", "small_fifo", "pdr", parameters={"Depth": 2}),
    Task("small_fifo_1", "small_fifo", "pdr", parameters={"Depth": 1}),
    Task("small_fifo_5", "small_fifo", "pdr", parameters={"Depth": 5}),
    Task("fifo", "fifo", "pdr", parameters={"AddrBits": 2}),
    Task("arbiter", "rr_arbiter", "pdr", parameters={"Width": 4}),
    Task("stream_in", "stream_in", "pdr", parameters={"DataBits": 128, "Buffered": 1}),
    Task("stream_in_plain", "stream_in", "pdr", parameters={"DataBits": 64, "Buffered": 0}),
    Task("stream_in_wide", "stream_in", "pdr", parameters={"DataBits": 256, "Buffered": 1}),
    Task("stream_out", "stream_out", "pdr", parameters={"DataBits": 128}),
    Task("stream_out_wide", "stream_out", "pdr", parameters={"DataBits": 256}),
    Task("destination", "destination", "pdr", parameters={"Depth": 2}),
]

# Run only by name: stated, but not yet answered within a reasonable time, so docs/verification.md does not count them.
UNANSWERED = [
    Task("pipeline", "pipeline", "bounded", 15, inside="pipeline_properties",
         parameters={"Ports": 1, "IndexBits": 2, "DestBits": 1, "Depth": 2, "DualRead": 1}),
]

PROPERTY = re.compile(r"^\s*//:\s*(.+?)\s*\n\s*(a_\w+)\s*:\s*assert\b", re.M)


def properties(task):
    """[(name, sentence)] in the order of the source."""
    return [(name, sentence) for sentence, name in PROPERTY.findall(task.source().read_text())]


def run(command, log, limit):
    """The exit code, or None when the time was up; then all that it started is ended, solvers too."""
    with open(log, "w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT,
                                                 start_new_session=True) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def elaborate(task, out, back_end):
    define = f"-DFORMAL_{task.module.upper()} -I{HERE}" if task.inside else ""
    parameters = " ".join(f"-chparam {key} {value}" for key, value in task.parameters.items())
    script = [f"read_verilog -sv -formal {define} {' '.join(str(f.relative_to(ROOT)) for f in task.files())}",
              f"hierarchy -check -top {task.top()} {parameters}", "proc", "flatten", "opt_clean", "check -assert",
              *back_end]
    log = out / f"{task.name}.yosys.log"
    return run(["yosys", "-q", "-l", str(log), "-p", "; ".join(script)], out / f"{task.name}.yosys.err", 300) == 0


def prove(task, out, limit):
    """The engine's answer: "proved", or what it said instead."""
    aiger = out / f"{task.name}.aig"
    # One bit a property that is 1 where the property is broken; what has no reset starts with any value.
    back_end = ["opt -full", "memory -nordff", "memory_map", "formalff -clk2ff -ff2anyinit", "opt -full", "delete -output",
                "techmap", "opt -fast", "abc -g AND -fast", "opt_clean", f"write_aiger -zinit {aiger}"]
    if not elaborate(task, out, back_end):
        return f"yosys failed, see {out / task.name}.yosys.log"
    read = f"read_aiger {aiger}; fold; strash; orpos"
    if task.engine == "pdr":
        script, proof = f"{read}; scorr; dc2; pdr -T {limit}", "Property proved"
    else:
        script, proof = f"{read}; bmc3 -F {task.depth} -T {limit}", f"No output asserted in {task.depth} frames"
    log = out / f"{task.name}.abc.log"
    status = run(["yosys-abc", "-c", script], log, limit + 60)
    if status is None:
        return f"no answer in {limit + 60} s"
    return "proved" if status == 0 and proof in log.read_text() else f"not proved, see {log}"


def write_docs(results):
    rows = ["| property | module | configuration | status | how | task's seconds |", "|---|---|---|---|---|---|"]
    for task in TASKS:
        result = results[task.name]
        for name, sentence in properties(task):
            rows.append(f"| {sentence} `{name}` | `keyway_{task.module}` | {task.configuration()} | {result['status']} | "
                        f"{task.how()} | {result['seconds']} |")
    text = DOC.read_text()
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    DOC.write_text(f"{head}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{tail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK")
    parser.add_argument("--list", action="store_true", help="name tasks and properties, and prove nothing")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "formal")
    parser.add_argument("--write-docs", action="store_true", help="bring the table in docs/verification.md up to date")
    parser.add_argument("--time-limit", type=int, default=900, help="seconds an engine may take")
    args = parser.parse_args()
    unknown = set(args.tasks) - {task.name for task in TASKS + UNANSWERED}
    if unknown:
        sys.exit(f"no such task: {', '.join(sorted(unknown))} (--list names them)")
    chosen = [task for task in TASKS + UNANSWERED if task.name in args.tasks] if args.tasks else TASKS
    if args.list:
        for task in chosen:
            for name, sentence in properties(task):
                print(f"{task.name}\t{name}\t{sentence}")
        return
    for tool in ("yosys", "yosys-abc"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing (Debian: yosys)")
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    # Answers of earlier runs stand as long as nothing that they depend on has changed.
    path = out / "results.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    results = {task.name: before[task.name] for task in TASKS + UNANSWERED
               if before.get(task.name, {}).get("digest") == task.digest()}
    failed = 0
    for task in chosen:
        began = time.monotonic()
        answer = prove(task, out, args.time_limit)
        seconds = round(time.monotonic() - began)
        good = answer == "proved"
        failed += not good
        results[task.name] = {"module": task.module, "configuration": task.parameters, "engine": task.how(),
                              "status": task.good() if good else answer, "seconds": seconds,
                              "digest": task.digest(),
                              "properties": [name for name, _ in properties(task)]}
        print(f"{'ok  ' if good else 'FAIL'} {task.name}: {len(properties(task))} properties, "
              f"{results[task.name]['status']}, {task.how()}, {seconds} s", flush=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    if failed:
        sys.exit(f"{failed} of {len(chosen)} tasks failed")
    if args.write_docs:
        missing = [task.name for task in TASKS if results.get(task.name, {}).get("status") != task.good()]
        if missing:
            sys.exit(f"not written, because these were not proven on this source: {', '.join(missing)}")
        write_docs(results)
    print(f"{len(chosen)} tasks hold; {path}")


if __name__ == "__main__":
    main()
