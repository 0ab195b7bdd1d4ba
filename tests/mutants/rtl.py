#!/usr/bin/env python3
"""Breaks the hardware router in one place at a time, and says which tests and proofs notice.

    tests/mutants/rtl.py [--files REGEX] [--sample N] [--seed S] [--minutes M] [--proofs] [--resume] [--write-docs]
                         [--at-least PERCENT] [--out build/rtl-mutants] [--jobs N]

A mutant is one operator of one statement of rtl/ that is another one (OPERATORS), one condition that is the opposite, or
one assignment that is all zeros. All of them are put into one copy of the sources, where a number chooses which one is
alive, so that the models are built only once; the tests are rtl_test and rtl_random_test, over all their parameter sets.
With --proofs the survivors in a proven module are given to tests/formal/run.py too. The report, report.json, names for
each mutant who killed it; --write-docs brings docs/verification.md up to date.

Slow by nature: some seconds a mutant. Not part of ./dev test.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOC = ROOT / "docs" / "verification.md"
BEGIN, END = "<!-- from the mutants: begin -->", "<!-- from the mutants: end -->"
# What routes. The bridge to the board's USB controller has tests of its own, which these do not run.
WHERE = r"keyway_(pipeline|hazards|header_check|capability_table|row_parity|destination|queues|stream_in|stream_out|small_fifo|fifo|" \
        r"rr_arbiter|registers|router)\.sv"
OPERATORS = {"&&": "||", "||": "&&", "==": "!=", "!=": "==", ">": "<=", "<": ">=", ">=": "<", "+": "-", "-": "+",
             "&": "|", "|": "&"}
TOKEN = re.compile(r"(?<= )(&&|\|\||==|!=|>=|>|<|\+|-|&|\|)(?= )|!(?=[\w(])(?!=)")
# Statements that stand on one line. Those about reset are left out: without it nothing works, and every test knows.
ASSIGN = re.compile(r"^(\s*(?:else |if \([^()]*\) )*(?:assign )?[\w.\[\]:+\-*{}, ]+? *(?:<=|=) )([^;=][^;]*)(;.*)$")
CONDITION = re.compile(r"^(\s*(?:end )?(?:else )?if \()(.*)(\)(?: begin| [\w.\[\]]+ <= [^;]*;)(?: *//.*)?)$")
DECLARES = re.compile(r"^\s*(localparam|parameter|for|genvar|import|int|logic|typedef|\.)\b|\bfor \(|^\s*\.|verilator|^\s*//")
PACKAGE = '''package keyway_mutant_pkg;
  int unsigned alive = $c("(std::getenv(\\"KEYWAY_MUTANT\\") ? std::atoi(std::getenv(\\"KEYWAY_MUTANT\\")) : 0)");
endpackage
'''


@dataclasses.dataclass
class Mutant:
    number: int
    file: str
    line: int
    was: str
    now: str

    def key(self) -> str:
        return f"{self.file}:{self.line}: {self.was}  =>  {self.now}"


def variants(expression: str, condition: bool):
    """The expression, broken in one place."""
    for found in TOKEN.finditer(expression):
        new = OPERATORS.get(found[0], "")
        yield expression[:found.start()] + new + expression[found.end():]
    if condition:
        yield f"!({expression})"
    elif expression.strip("()") not in ("'0", "1'b0"):
        yield "'0"


def balanced(text: str) -> bool:
    return all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))


def begins_statement(lines: list[str], at: int) -> bool:
    """Not within an expression that goes on from the line before, where `<=` is a comparison."""
    for line in reversed(lines[:at]):
        before = re.sub(r"//.*", "", line).strip()
        if before:
            return re.search(r"(;|\bbegin|\bend|\belse|\bendcase|begin : \w+|always_comb|^[\w:, ]+:)$", before) is not None or \
                re.match(r"(always_ff|if|else if|(unique )?case)\b.*\)$", before) is not None
    return False


def generate_lines(lines: list[str]) -> set[int]:
    """Conditions and loops of elaboration, which no signal may decide: `if (...) begin : g_name`, and what has none."""
    return {number for number, line in enumerate(lines) if re.search(r"begin : \w+", line) or "$fatal" in line}


def mutate(text: str, file: str, numbers: list[int], mutants: list[Mutant], wanted: set[str] | None) -> str:
    lines = text.split("\n")
    left_out = generate_lines(lines)
    statements = [begins_statement(lines, number) for number in range(len(lines))]
    inside = False
    for at, line in enumerate(lines):
        inside = inside or re.match(r"^\);", line) is not None  # past the ports
        if not inside or not statements[at] or at in left_out or DECLARES.search(line) or "rst_ni)" in line or "assign unused" in line:
            continue
        found, condition = CONDITION.match(line), True
        if not found or not balanced(found[2]):
            found, condition = ASSIGN.match(line), False
        if not found or not balanced(found[2]) or not balanced(found[1]) or '"' in line:
            continue
        choice = ""
        for new in variants(found[2], condition):
            mutant = Mutant(numbers[0], file, at + 1, line.strip(), (found[1] + new + found[3]).strip())
            if wanted is not None and mutant.key() not in wanted:
                continue
            numbers[0] += 1
            mutants.append(mutant)
            choice += f"keyway_mutant_pkg::alive == {mutant.number} ? ({new}) : "
        if choice:
            lines[at] = f"{found[1]}({choice}({found[2]})){found[3]}"
    return "\n".join(lines)


def all_mutants(files: str) -> list[Mutant]:
    found: list[Mutant] = []
    numbers = [1]
    for path in sorted((ROOT / "rtl").glob("*.sv")):
        if re.fullmatch(files, path.name):
            mutate(path.read_text(), path.name, numbers, found, None)
    return found


def sample(every: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """Chosen at random, but two of each module first."""
    order = random.Random(seed).sample(every, len(every))
    by_file = collections.defaultdict(list)
    for mutant in order:
        by_file[mutant.file].append(mutant)
    first = [mutant for file in sorted(by_file) for mutant in by_file[file][:2]]
    return (first + [mutant for mutant in order if mutant not in first])[:size]


def prepare(out: pathlib.Path, chosen: list[Mutant]) -> list[Mutant]:
    """A copy of the tree with the chosen mutants in its sources, and its build."""
    tree = out / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    wanted = {mutant.key() for mutant in chosen}
    made: list[Mutant] = []
    numbers = [1]
    for path in sorted((tree / "rtl").glob("*.sv")):
        if path.name in {mutant.file for mutant in chosen}:
            path.write_text(mutate(path.read_text(), path.name, numbers, made, wanted))
    (tree / "rtl/keyway_mutant_pkg.sv").write_text(PACKAGE)
    names = tree / "rtl/keyway_router.f"
    names.write_text("keyway_mutant_pkg.sv\n" + names.read_text())
    # The models run for seconds only: more than a little optimisation takes longer than it saves.
    cmake = tree / "cmake/KeywayVerilated.cmake"
    cmake.write_text(cmake.read_text().replace("TOP_MODULE", "OPT_FAST -O1 OPT_SLOW -O0 TOP_MODULE"))
    build = out / "build"
    subprocess.run(["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DKEYWAY_RTL=ON",
                    "-DKEYWAY_EXAMPLES=OFF", "-DKEYWAY_BENCH=OFF", "-DKEYWAY_PROGRAMS=OFF"], check=True,
                   stdout=subprocess.DEVNULL)
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    subprocess.run(["cmake", "--build", build, "--target", "rtl_test", "rtl_random_test", "-j", jobs], check=True,
                   stdout=subprocess.DEVNULL)
    return made


def killer(out: pathlib.Path, number: int, limit: float) -> str:
    """The first test that fails; nothing when all pass."""
    environment = dict(os.environ, KEYWAY_MUTANT=str(number), KEYWAY_SEED="1")
    for program in ("rtl_test", "rtl_random_test"):
        command = [out / "build/tests/rtl" / program, "--gtest_fail_fast", "--gtest_brief=1"]
        try:
            done = subprocess.run(command, env=environment, timeout=limit, capture_output=True, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return f"{program}: it hung"
        if done.returncode != 0:
            failed = re.search(r"\[  FAILED  \] (\S+?)(?:,| \()", done.stdout)
            return failed[1] if failed else f"{program}: it crashed"
    return ""


def proof(out: pathlib.Path, mutant: Mutant) -> str:
    """The first proof that no longer holds."""
    module = mutant.file.removeprefix("keyway_").removesuffix(".sv")
    names = subprocess.run([sys.executable, ROOT / "tests/formal/run.py", "--list"], check=True, capture_output=True,
                           text=True).stdout
    tasks = sorted({line.split("\t")[0] for line in names.splitlines() if re.fullmatch(rf"{module}(_\w+)?", line.split("\t")[0])})
    if not tasks:
        return ""
    tree = out / "proofs"
    shutil.rmtree(tree, ignore_errors=True)
    for part in ("rtl", "tests/formal", "docs", "protocol"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    path = tree / "rtl" / mutant.file
    lines = path.read_text().split("\n")
    lines[mutant.line - 1] = mutant.now
    path.write_text("\n".join(lines))
    for task in tasks:
        done = subprocess.run([sys.executable, tree / "tests/formal/run.py", task, "--out", tree / "out"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            return f"the proof {task}"
    return ""


def markdown(results: dict[str, dict], seed: int, there_are: int) -> str:
    by_file = collections.defaultdict(lambda: [0, 0])
    for each in results.values():
        by_file[each["file"]][0] += 1
        by_file[each["file"]][1] += bool(each["killer"])
    killed = sum(each[1] for each in by_file.values())
    rows = [f"{len(results)} of {there_are} mutants were tried (a sample, seed {seed}), {killed} killed: "
            f"{100.0 * killed / len(results):.1f} %.", "", "| module | tried | killed |", "|---|--:|--:|"]
    rows += [f"| `{file}` | {n} | {k} |" for file, (n, k) in sorted(by_file.items())]
    rows += ["", "Survivors:", ""]
    rows += [f"- `{each['file']}`: `{each['was']}` as `{each['now']}`" + (f": {each['why']}" if each.get("why") else "")
             for each in results.values() if not each["killer"]] or ["- none"]
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", default=WHERE, help="only in files whose names match")
    parser.add_argument("--sample", type=int, help="so many, chosen at random, two of each module first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="begin no mutant after so long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--proofs", action="store_true")
    parser.add_argument("--resume", action="store_true", help="keep the answers of the last run, and its build")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT", help="fail when fewer are killed")
    parser.add_argument("--list", action="store_true", help="name the mutants, and do nothing")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/rtl-mutants")
    args = parser.parse_args()
    every = all_mutants(args.files)
    if args.list:
        for mutant in every:
            print(mutant.key())
        print(f"{len(every)} mutants")
        return 0
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    report, made_file = out / "report.json", out / "made.json"
    results = json.loads(report.read_text())["mutants"] if args.resume and report.exists() else {}
    known = {mutant.key() for mutant in every}
    results = {key: each for key, each in results.items() if key in known}
    digest = hashlib.sha256("".join(mutant.key() for mutant in every).encode()).hexdigest()
    before = json.loads(made_file.read_text()) if args.resume and made_file.exists() else {}
    if before.get("digest") == digest:
        made = [Mutant(**each) for each in before["mutants"]]
    else:
        chosen = sample(every, args.sample, args.seed) if args.sample else every
        made = prepare(out, chosen)
        made_file.write_text(json.dumps({"digest": digest, "mutants": [dataclasses.asdict(mutant) for mutant in made]}))
    began = time.monotonic()
    bad = killer(out, 0, 600)
    if bad:
        sys.exit(f"without any mutant this fails: {bad}")
    limit = max(20.0, 5 * args.jobs * (time.monotonic() - began))
    print(f"{len(made)} of {len(every)} mutants; the tests pass without in {time.monotonic() - began:.0f} s", flush=True)

    def keep(mutant: Mutant, by: str) -> None:
        results[mutant.key()] = {"file": mutant.file, "line": mutant.line, "was": mutant.was, "now": mutant.now, "killer": by}
        report.write_text(json.dumps({"seed": args.seed, "there_are": len(every), "mutants": results}, indent=1) + "\n")
        print(f"{'killed  ' if by else 'SURVIVED'} {mutant.file}:{mutant.line} {mutant.now}" + (f"   by {by}" if by else ""),
              flush=True)

    # Mixed, so that a run that is cut short has tried some of everything.
    todo = [mutant for mutant in made if mutant.key() not in results]
    random.Random(args.seed).shuffle(todo)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        def attempt(mutant: Mutant) -> str | None:
            if args.minutes and time.monotonic() - began > 60 * args.minutes:
                return None
            return killer(out, mutant.number, limit)
        for mutant, by in zip(todo, pool.map(attempt, todo)):
            if by is not None:
                keep(mutant, by)
    if args.proofs:
        for mutant in made:
            if mutant.key() in results and not results[mutant.key()]["killer"]:
                keep(mutant, proof(out, mutant))
    alive = [each for each in results.values() if not each["killer"]]
    print(f"{len(results) - len(alive)} of {len(results)} mutants killed; {report} names the rest")
    if args.write_docs:
        text = DOC.read_text(encoding="utf-8")
        DOC.write_text(text.split(BEGIN)[0] + f"{BEGIN}\n{markdown(results, args.seed, len(every))}{END}" + text.split(END)[1],
                       encoding="utf-8")
    return 1 if 100.0 * (len(results) - len(alive)) < args.at_least * len(results) else 0


if __name__ == "__main__":
    sys.exit(main())
