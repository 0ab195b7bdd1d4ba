#!/usr/bin/env python3
"""Proves the properties of the hardware router.

    tests/formal/run.py [TASK...] [--list] [--out build/formal] [--write-docs] [--time-limit 900]

Each task is a module of this folder, a configuration and an engine. A line `//: sentence` stands before each property
(`a_name : assert (...)`), and both come into the report: build/formal/results.json, and with --write-docs the table in
docs/verification.md. Exit code 0 only when every task has got the answer that it should get.

Engines:
    pdr        ABC's property-directed reachability on the bits: unbounded, finds its invariants itself
    induction  k-induction by z3 on words: unbounded
    bounded    all runs of N clocks after reset, by z3
"""

import argparse
import dataclasses
import json
import pathlib
import re
import shutil
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
    depth: int = 0  # k of the induction, or clocks
    parameters: dict = dataclasses.field(default_factory=dict)
    inside: str = ""  # a file of properties that the module includes when FORMAL_(its name) is defined

    def source(self):
        return HERE / (f"{self.inside}.svh" if self.inside else f"{self.module}_proof.sv")

    def top(self):
        return f"keyway_{self.module}" if self.inside else f"{self.module}_proof"

    def files(self):
        files = [RTL / name for name in (RTL / "keyway_router.f").read_text().split()]
        return files if self.inside else [*files, self.source()]

    def status(self):
        return f"bounded to {self.depth} clocks" if self.engine == "bounded" else "proven, unbounded"

    def how(self):
        return {"pdr": "PDR", "induction": f"{self.depth}-induction", "bounded": "z3"}[self.engine]

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
    Task("pipeline", "pipeline", "induction", 12, inside="pipeline_properties",
         parameters={"Ports": 1, "IndexBits": 2, "DestBits": 1, "Depth": 2, "DualRead": 1}),
]

PROPERTY = re.compile(r"^\s*//:\s*(.+?)\s*\n\s*(a_\w+)\s*:\s*assert\b", re.M)


def properties(task):
    """[(name, sentence)] in the order of the source."""
    return [(name, sentence) for sentence, name in PROPERTY.findall(task.source().read_text())]


def run(command, log, limit):
    """The exit code, or None when the time was up."""
    with open(log, "w") as out:
        try:
            return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=limit, cwd=ROOT).returncode
        except subprocess.TimeoutExpired:
            return None


def elaborate(task, out, back_end):
    define = f"-DFORMAL_{task.module.upper()} -I{HERE}" if task.inside else ""
    parameters = " ".join(f"-chparam {key} {value}" for key, value in task.parameters.items())
    script = [f"read_verilog -sv -formal {define} {' '.join(str(f.relative_to(ROOT)) for f in task.files())}",
              f"hierarchy -check -top {task.top()} {parameters}", "proc", "flatten", "opt_clean", "check -assert",
              *back_end]
    log = out / f"{task.name}.yosys.log"
    return run(["yosys", "-q", "-l", str(log), "-p", "; ".join(script)], out / f"{task.name}.yosys.err", 300) == 0


def by_pdr(task, out, limit):
    aiger = out / f"{task.name}.aig"
    back_end = ["opt -full", "memory -nordff", "memory_map", "formalff -clk2ff -ff2anyinit", "chformal -cover -remove",
                "opt -full", "delete -output", "techmap", "opt -fast", "abc -g AND -fast", "opt_clean",
                f"write_aiger -symbols -zinit {aiger}"]
    if not elaborate(task, out, back_end):
        return f"yosys failed, see {out / task.name}.yosys.log"
    log = out / f"{task.name}.abc.log"
    status = run(["yosys-abc", "-c", f"read_aiger {aiger}; fold; strash; orpos; scorr; dc2; pdr -T {limit}"], log, limit + 60)
    text = log.read_text()
    if status == 0 and "Property proved" in text:
        return "proved"
    return f"not proved, see {log}"


def by_smt(task, out, limit):
    smt2 = out / f"{task.name}.smt2"
    if not elaborate(task, out, ["opt", "memory -nordff", "opt_clean", "async2sync", "dffunmap", f"write_smt2 -wires {smt2}"]):
        return f"yosys failed, see {out / task.name}.yosys.log"
    steps = task.depth if task.engine == "bounded" else task.depth + 1
    for kind, arguments in [("base", []), ("step", ["-i"])][:1 if task.engine == "bounded" else 2]:
        log = out / f"{task.name}.{kind}.log"
        trace = out / f"{task.name}.{kind}.vcd"
        status = run(["yosys-smtbmc", "-s", "z3", "--presat", *arguments, "-t", str(steps), "--dump-vcd", str(trace),
                      str(smt2)], log, limit)
        if status != 0:
            return f"{kind}: " + (f"no answer in {limit} s" if status is None else f"failed, see {log}")
    return "proved"


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
    unknown = set(args.tasks) - {task.name for task in TASKS}
    if unknown:
        sys.exit(f"no such task: {', '.join(sorted(unknown))} (--list names them)")
    if args.write_docs and args.tasks:
        sys.exit("--write-docs needs the results of all tasks")
    chosen = [task for task in TASKS if not args.tasks or task.name in args.tasks]
    if args.list:
        for task in chosen:
            for name, sentence in properties(task):
                print(f"{task.name}\t{name}\t{sentence}")
        return
    for tool in ("yosys", "yosys-abc", "yosys-smtbmc", "z3"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing (Debian: yosys and z3)")
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    results, failed = {}, 0
    for task in chosen:
        began = time.monotonic()
        answer = by_pdr(task, out, args.time_limit) if task.engine == "pdr" else by_smt(task, out, args.time_limit)
        seconds = round(time.monotonic() - began)
        good = answer == "proved"
        failed += not good
        results[task.name] = {"module": task.module, "configuration": task.parameters, "engine": task.how(),
                              "status": task.status() if good else answer, "seconds": seconds,
                              "properties": [name for name, _ in properties(task)]}
        print(f"{'ok  ' if good else 'FAIL'} {task.name}: {len(properties(task))} properties, "
              f"{results[task.name]['status']}, {task.how()}, {seconds} s", flush=True)
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    if failed:
        sys.exit(f"{failed} of {len(chosen)} tasks failed")
    if args.write_docs:
        write_docs(results)
    print(f"all {len(chosen)} tasks hold; {out / 'results.json'}")


if __name__ == "__main__":
    main()
