#!/usr/bin/env python3
"""Counts the instructions of steps under valgrind, and compares them with a baseline.

    count.py PROGRAM                      prints them
    count.py PROGRAM --json               the same as JSON
    count.py PROGRAM --baseline FILE      compares: more than 3 % above fails (exit code 1)
    count.py PROGRAM --baseline FILE --update    writes FILE

Counts are the same on a busy machine, but not with another compiler, valgrind or processor: then nothing is compared,
which the exit code 77 says.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOLERANCE = 0.03
SKIPPED = 77


def count(program, function="keyway_measured"):
    """Instructions of each step, and what they depend on."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "counts")
        ran = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
             f"--toggle-collect={function}", f"--dump-after={function}", program],
            capture_output=True, text=True, check=False, timeout=280)
        if ran.returncode != 0:
            sys.exit(f"count.py: {program} failed under valgrind:\n{ran.stderr}")
        totals = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            total = re.search(r"^totals: (\d+)", text, re.M)
            part = re.search(r"^part: (\d+)", text, re.M)
            if total and part:
                totals[int(part[1])] = int(total[1])
    depends = {key: value for key, value in re.findall(r"^(compiler|processor) (.*)$", ran.stdout, re.M)}
    depends["valgrind"] = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    steps = re.findall(r"^step (\S+) (\d+)$", ran.stdout, re.M)
    figures = {name: round(totals[i + 1] / int(times), 2) for i, (name, times) in enumerate(steps)}
    return {**depends, "instructions": figures}


def count_router(program):
    """Instructions that the router's thread takes for a message of 64 bytes, in bursts of 8: by what more of them add."""
    totals = []
    for bursts in (16, 48):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "counts")
            subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
                            "--toggle-collect=keyway::Router::Impl::pump*", program, str(bursts)],
                           capture_output=True, check=True, timeout=280)
            with open(out, encoding="utf-8") as file:
                totals.append(int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.M)[1]))
    return round((totals[1] - totals[0]) / (32 * 8), 2)


def compare(now, before, update):
    """Prints each step beside the baseline; the exit code."""
    for key in ("compiler", "processor", "valgrind"):
        if now[key] != before.get(key):
            print(f"SKIPPED: the baseline is for {key} {before.get(key)!r}, this is {now[key]!r}; not compared.")
            print(f"To make a baseline for this: {update}")
            return SKIPPED
    worse = []
    for name, figure in now["instructions"].items():
        base = before["instructions"].get(name)
        change = f"{figure / base - 1:+.1%}" if base else "new"
        print(f"{name:24} {figure:10.2f} instructions, baseline {base}: {change}")
        if base is None or figure > base * (1 + TOLERANCE):
            worse.append(name)
    for name in before["instructions"]:
        if name not in now["instructions"]:
            print(f"{name} is in the baseline and was not counted")
            worse.append(name)
    if worse:
        print(f"more than {TOLERANCE:.0%} above the baseline: {', '.join(worse)}")
        print(f"If that is the price of something: {update}")
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--baseline")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--router", action="store_true", help="the program also takes a number of bursts to route")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("SKIPPED: valgrind is not installed")
        return SKIPPED
    now = count(arguments.program)
    if arguments.router:
        now["instructions"]["router_64"] = count_router(arguments.program)
    if arguments.baseline and arguments.update:
        with open(arguments.baseline, "w", encoding="utf-8") as file:
            json.dump(now, file, indent=2)
            file.write("\n")
        print(f"wrote {arguments.baseline}")
        return 0
    if arguments.baseline:
        with open(arguments.baseline, encoding="utf-8") as file:
            before = json.load(file)
        script, program, baseline = (os.path.relpath(path) for path in
                                     (__file__, arguments.program, arguments.baseline))
        return compare(now, before, f"python3 {script} {program} --baseline {baseline} --update")
    if arguments.json:
        print(json.dumps(now, indent=2))
        return 0
    for name, figure in now["instructions"].items():
        print(f"{name:24} {figure:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
