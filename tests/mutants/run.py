#!/usr/bin/env python3
"""Breaks the product in one place at a time, and says which tests notice.

    tests/mutants/run.py [--files REGEX] [--sample N] [--seed S] [--only FILE:LINE] [--out build/mutants]

A mutant is one `if` of host/ whose condition never holds any more: a check that was forgotten. It is made in a copy of the
tree, built without optimisation, and the tests of its part run on it (SUITES says which; the long ones left out). The
report, build/mutants/report.json, has for each mutant the tests that failed, and those that never did. With --resume
mutants that are in the report already are not tried again.

Slow by nature: some 10 seconds a mutant. Not part of ./dev test.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WHERE = "host/src/(router|client|core|audit|region|broadcast|link|quantum)/.*\\.[ch]pp|host/(daemon|tool)/.*\\.cpp"
CONDITION = re.compile(r"^(\s*(?:\} else )?if )\((?!const |auto |false)(.*)\)( \[\[\w+\]\])? \{$")
# Of which part the tests should notice: the first that matches. Folders of tests, and scripts in tests/system.
SUITES = [
    (r"host/src/core/", ["core"], []),
    (r"host/src/audit/|/auditing", ["audit"], ["audit_test"]),
    (r"/region|/slices|c_regions", ["region"], []),
    (r"/channel|/lane|/stream", ["channel"], []),
    (r"/topic|/broadcast|/subscription|c_topics", ["topic"], ["topic_test"]),
    (r"/qubit|/quantum", ["quantum"], []),
    (r"/wait_set|/service", ["events"], []),
    (r"/policy", ["router"], ["daemon_test"]),
    (r"host/daemon/", [], ["daemon_test"]),
    (r"host/tool/audit", [], ["audit_test"]),
    (r"host/tool/", [], ["tool_test", "topic_test"]),
    (r"", ["router", "client"], ["tool_test"]),
]


def mutants(tree, files):
    """(file, line number) of each condition that fits on its line."""
    found = []
    for path in sorted(tree.glob("host/**/*.?pp")):
        name = str(path.relative_to(tree))
        if not re.fullmatch(files, name) or "demo_" in name:
            continue
        lines = path.read_text().splitlines()
        found += [(name, number) for number, line in enumerate(lines, 1)
                  if CONDITION.match(line) and line.count("(") == line.count(")") and ";" not in line]
    return found


def run(command, cwd, limit, **more):
    """Exit code (None: it hung) and output. Nothing that it started is left behind."""
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                          text=True, errors="replace", **more) as process:
        try:
            out, _ = process.communicate(timeout=limit)
            return process.returncode, out
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]


def suites_of(file):
    return next((parts, scripts) for pattern, parts, scripts in SUITES if re.search(pattern, file))


def executables(build, parts):
    found = []
    for part in parts:
        for path in sorted((build / "tests" / part).glob("*_test")):
            if os.access(path, os.X_OK) and path.is_file() and "long" not in path.name:
                found.append(path)
    return found


def failures(build, tree, limit, parts, scripts):
    """Names of all tests, and of those that failed."""
    failed, names = set(), set()
    for program in executables(build, parts):
        code, out = run([program, "--gtest_brief=0"], build, limit)
        names |= set(re.findall(r"^\[ RUN      \] (\S+)", out, re.M))
        failed |= set(re.findall(r"^\[  FAILED  \] (\S+?)(?:,| \()", out, re.M))
        if code is None or code < 0:
            last = re.findall(r"^\[ RUN      \] (\S+)", out, re.M)
            failed.add(last[-1] if last else program.name)  # it hung or crashed in there
    env = dict(os.environ, KEYWAY_BIN=str(build / "tests/system/bin"), KEYWAY_SOURCE=str(tree),
               PYTHONDONTWRITEBYTECODE="1")
    for script in scripts:
        code, out = run([sys.executable, tree / f"tests/system/{script}.py"], build, limit, env=env)
        ran = re.findall(r"^test_(\w+) \(__main__\.(\w+)", out, re.M)
        names |= {f"{script}.{group}.{test}" for test, group in ran}
        bad = re.findall(r"^(?:FAIL|ERROR): test_(\w+) \(__main__\.(\w+)", out, re.M)
        failed |= {f"{script}.{group}.{test}" for test, group in bad}
        if code is None and ran:
            failed.add(f"{script}.{ran[-1][1]}.{ran[-1][0]}")
    return names, failed


def build_with(tree, build, parts, scripts):
    targets = [f"tests/{part}/all" for part in parts] + (["system_programs"] if scripts else [])
    code, out = run(["cmake", "--build", str(build), "-j", str(os.cpu_count()), "--target", *targets], tree, 1800)
    return code == 0, out


def prepare(out):
    """A copy of the tree as it is, and its build."""
    tree, build = out / "tree", out / "debug"
    out.mkdir(parents=True, exist_ok=True)
    if tree.exists():
        shutil.rmtree(tree)
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build", ".git"))
    configure = ["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DKEYWAY_BENCH=OFF",
                 "-DKEYWAY_EXAMPLES=OFF", "-DCMAKE_CXX_FLAGS=-w -O0 -g0", "-DCMAKE_CXX_FLAGS_DEBUG=", "-DKEYWAY_RTL=OFF"]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    return tree, build


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", default=WHERE, help="only in files that match")
    parser.add_argument("--sample", type=int, help="so many, chosen at random")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", help="FILE:LINE")
    parser.add_argument("--minutes", type=float, help="begin no mutant after so long")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/mutants")
    args = parser.parse_args()
    out = args.out.resolve()
    report_file = out / "report.json"
    tree, build = prepare(out)
    results = json.loads(report_file.read_text())["mutants"] if args.resume and report_file.exists() else {}
    chosen = mutants(tree, args.files)
    if args.only:
        file, line = args.only.rsplit(":", 1)
        chosen = [(file, int(line))]
    elif args.sample:
        chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))
    parts = sorted({part for file, _ in chosen for part in suites_of(file)[0]})
    scripts = sorted({script for file, _ in chosen for script in suites_of(file)[1]})
    good, text = build_with(tree, build, parts, scripts)
    if not good:
        sys.exit(f"the tree itself doesn't build:\n{text[-3000:]}")
    began = time.monotonic()
    names, bad = failures(build, tree, 300, parts, scripts)
    if bad:
        sys.exit(f"these fail without any mutant: {', '.join(sorted(bad))}")
    limit = max(20.0, time.monotonic() - began)
    print(f"{len(names)} tests pass in {time.monotonic() - began:.0f} s; seed {args.seed}", flush=True)
    for file, number in chosen:
        if args.minutes and time.monotonic() - began > 60 * args.minutes:
            break
        path = tree / file
        original = path.read_text()
        lines = original.splitlines(keepends=True)
        text = lines[number - 1].strip()
        key = f"{file}: {text}" if sum(line.strip() == text for line in lines) == 1 else f"{file}:{number}: {text}"
        if key in results:
            continue
        match = CONDITION.match(lines[number - 1].rstrip("\n"))
        lines[number - 1] = f"{match[1]}(false && ({match[2]})){match[3] or ''} {{\n"
        path.write_text("".join(lines))
        try:
            good, _ = build_with(tree, build, *suites_of(file))
            killers = sorted(failures(build, tree, limit, *suites_of(file))[1]) if good else ["it does not compile"]
        finally:
            path.write_text(original)
        results[key] = killers
        print(f"{'killed  ' if killers else 'SURVIVED'} {file}:{number} {text}" +
              (f"  by {len(killers)}: {killers[0]}" if killers else ""), flush=True)
        seen = {test for tests in results.values() for test in tests}
        report_file.write_text(json.dumps({"seed": args.seed, "mutants": results, "never_red": sorted(names - seen)},
                                          indent=1) + "\n")
    alive = [key for key, killers in results.items() if not killers]
    print(f"{len(results) - len(alive)} of {len(results)} mutants killed; {out / 'report.json'} names the rest")


if __name__ == "__main__":
    main()
