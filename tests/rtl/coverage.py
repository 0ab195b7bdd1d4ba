#!/usr/bin/env python3
"""What of the hardware router the tests in tests/rtl reach: lines, bits of signals, cover points.

    tests/rtl/coverage.py [--out build/rtl-coverage] [--only-report] [--write-docs]

Builds the models with counters, runs rtl_test and rtl_random_test (with KEYWAY_SEED, else seed 1), and merges what they
counted with verilator_coverage. coverage.txt in the folder has all that was not reached, coverage.json the figures;
--write-docs brings the tables in docs/verification.md up to date. A point counts when any parameter set and any instance
of its module reaches it, a bit when it has changed at least twice after a reset.

Exit code 0 only when every cover point is reached, and 95 % of the lines and 95 % of the bits that EXPLAINED leaves are: it
says of what is not reached why it is not. What it explains that is reached after all is a fault too.
"""

import argparse
import collections
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOC = ROOT / "docs" / "verification.md"
BEGIN, END = "<!-- from the coverage run: begin -->", "<!-- from the coverage run: end -->"
POINTS = ROOT / "tests" / "rtl" / "coverage.sv"
LEAST = 95.0
KINDS = {"v_line": "lines", "v_branch": "lines", "v_toggle": "bits", "v_user": "cover points"}

# What is not reached: "file: what", of a line "file: what: its text", is matched by the expression as a whole. And why.
EXPLAINED = [
    (r"keyway_\w+\.sv: block, column \d+: .*",
     "a combinational block, or a loop in one: the tool counts its branches, but not that it was entered"),
    (r"keyway_registers\.sv: (if|else), column \d+: .*(carry_q && !last_q|low_ones_q).*",
     "a tick is two million clocks, longer than these runs"),
    (r"keyway_small_fifo\.sv: else, column \d+: .*k < Depth - 1.*", "decided at elaboration"),
    (r"keyway_registers\.sv: (accepted|refused|missed|dropped|bad_rows|verdicts)_q\[\d+\]",
     "a counter that would have to count on for longer than these runs"),
    (r"keyway_registers\.sv: (verdict_count|count_value|count_value_q)\[\d+\]",
     "a counter that would have to count on for longer than these runs"),
    (r"keyway_\w+\.sv: (push_header|original|push_header_i|push_header_o|original_o|out)\.sender\[(1[6-9]|2\d|3[01])\]",
     "zero in each header that goes on"),
    (r"keyway_registers\.sv: (sender_bits|port_value|port_q)\[(1[6-9]|2\d|3[01])\]", "zero: a sender has 16 bits"),
    (r"keyway_queues\.sv: out\.(version|length)\[\d+\]", "the same in each header that goes on"),
    (r"keyway_registers\.sv: fixed(_q)?\[\d+\]", "what the block says of itself is constant"),
    (r"keyway_registers\.sv: low_(q|next)\[\d+\]", "zero with a clock of 8 ns"),
    (r"keyway_\w+\.sv: (sub_tick\w*|s[345]_sub|v_sub)\[\d+\]", "zero with a clock of 8 ns"),
    (r"keyway_\w+\.sv: (s_axil_)?[br]resp_o\[\d\]", "every access is answered with OKAY"),
    (r"keyway_\w+\.sv: (s_axil_)?[br]ready_i", "the host of these tests takes each answer at once"),
    (r"keyway_\w+\.sv: (s_axil_)?a[rw]addr_(i|q)\[\d+\]", "there are no registers where this bit would tell them apart"),
    (r"keyway_\w+\.sv: (port|port_o|chosen_port|s\d_port(_q)?|v_port|port_of_dest)(\[\d+\])*", "the board has one port"),
    (r"keyway_\w+\.sv: [acs]\w*_(stale_end|ended_o|cpresent|cmatch)",
     "with one narrow port no operation ahead can have ended an id"),
    (r"keyway_pipeline\.sv: s2_(need|kind)\[\d+\]", "no kind and no right asked for has this bit"),
    (r"keyway_\w+\.sv: (verdict(_[oiq])?|check|v_verdict_q|\w+_code(_q)?|s4_ccode)\[4\]", "no verdict is above 15"),
]


def build(out: pathlib.Path) -> None:
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    subprocess.run(["cmake", "-S", ROOT, "-B", out, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DKEYWAY_RTL=ON",
                    "-DKEYWAY_RTL_COVERAGE=ON", "-DKEYWAY_EXAMPLES=OFF", "-DKEYWAY_BENCH=OFF", "-DKEYWAY_PROGRAMS=OFF"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", out, "--target", "rtl_test", "rtl_random_test", "-j", jobs], check=True)


def run(out: pathlib.Path) -> None:
    """One program after another, so that what they write never takes much room."""
    counts, merged = out / "counts", out / "merged.dat"
    merged.unlink(missing_ok=True)
    environment = dict(os.environ, KEYWAY_COVERAGE_DIR=str(counts))
    environment.setdefault("KEYWAY_SEED", "1")
    for program in ("rtl_test", "rtl_random_test"):
        shutil.rmtree(counts, ignore_errors=True)
        counts.mkdir()
        subprocess.run([out / "tests/rtl" / program, "--gtest_brief=1"], env=environment, check=True)
        before = [merged] if merged.exists() else []
        subprocess.run(["verilator_coverage", "--write", merged, *before, *sorted(counts.glob("*.dat"))], check=True,
                       stdout=subprocess.DEVNULL)
    shutil.rmtree(counts)


def sentences(source: str) -> dict[str, str]:
    """The name of each cover point, or of those of a macro with `*` at its end, and the sentence before it."""
    found = {name: sentence for sentence, name in re.findall(r"^\s*//: (.*)\n\s*(\w+): cover property", source, re.M)}
    found.update({name: sentence for sentence, name in re.findall(r"^//: (.*) (\w+_\*)$", source, re.M)})
    return found


def group_of(point: str, said: dict[str, str]) -> tuple[str, str]:
    """The name under which a point stands in the report, and which of its bins it is."""
    if point in said:
        return point, ""
    name = next((name for name in said if name.endswith("*") and point.startswith(name[:-1])), None)
    return (point, "") if name is None else (name, point[len(name) - 1:])


def points(merged: str) -> dict[tuple[str, str, int, str], int]:
    """(kind, file, line, what) to how often it was reached, over all instances."""
    reached = collections.Counter()
    for line in merged.splitlines():
        found = re.fullmatch(r"C '(.*)' (\d+)", line)
        if not found:
            continue
        fields = dict(part.split("\x02", 1) for part in found[1].split("\x01") if "\x02" in part)
        kind = KINDS.get(fields.get("page", "").split("/")[0])
        file = pathlib.Path(fields.get("f", "")).name
        if kind is None or (file == POINTS.name and kind != "cover points"):
            continue
        what = fields.get("o", "").strip()
        if kind == "lines":
            what = f"{what}, column {fields.get('n', '?')}"
        reached[kind, file, int(fields["l"]), what] += int(found[2])
    return reached


@functools.cache
def text_of(file: str, line: int) -> str:
    path = ROOT / "rtl" / file
    return path.read_text(encoding="utf-8").split("\n")[line - 1].strip() if path.exists() else ""


class Report:
    def __init__(self, reached: dict[tuple[str, str, int, str], int], explained: list[tuple[str, str]]):
        self.figures = {}  # kind: reached, all, explained
        self.bins = {}  # cover point: how often
        self.open, self.reasons, self.faults = [], collections.Counter(), []
        useless = {pattern for pattern, _ in explained}
        for (kind, file, line, what), count in sorted(reached.items()):
            figures = self.figures.setdefault(kind, {"reached": 0, "all": 0, "explained": 0})
            figures["all"] += 1
            if kind == "cover points":
                self.bins[what] = count
            if count >= (2 if kind == "bits" else 1):
                figures["reached"] += 1
                continue
            name = f"{file}: {what}" + (f": {text_of(file, line)}" if kind == "lines" else "")
            pattern, why = next((each for each in explained if re.fullmatch(each[0], name)), ("", ""))
            useless.discard(pattern)
            if why:
                figures["explained"] += 1
                self.reasons[kind, why] += 1
            elif kind == "cover points":
                self.faults.append(f"nothing reaches the cover point {what}")
            self.open.append(f"{kind:13} {file}:{line}: {what}" + (f"   ({why})" if why else ""))
        for kind, figures in self.figures.items():
            can = figures["all"] - figures["explained"]
            figures["percent"] = round(100.0 * figures["reached"] / can, 2) if can else 100.0
            if kind != "cover points" and figures["percent"] < LEAST:
                self.faults.append(f"{kind}: {figures['percent']} % are reached, and {LEAST} % ought to be")
        self.faults += [f"explained, but reached or not there: {pattern}" for pattern in sorted(useless)]

    def text(self) -> str:
        rows = [f"{kind:13} {f['reached']} of {f['all']} reached; {f['explained']} of the rest explained; without these {f['percent']} %"
                for kind, f in sorted(self.figures.items())]
        return "\n".join([*rows, "", "Not reached:", *(self.open or ["nothing"]), "", "Cover points:",
                          *(f"{count:9} {name}" for name, count in self.bins.items())]) + "\n"

    def markdown(self) -> str:
        rows = ["| what | there are | reached | of the rest explained | reached of those not explained |", "|---|--:|--:|--:|--:|"]
        rows += [f"| {kind} | {f['all']} | {f['reached']} | {f['explained']} | {f['percent']} % |"
                 for kind, f in sorted(self.figures.items())]
        if self.reasons:
            rows += ["", "| not reached | how many | why |", "|---|--:|---|"]
            rows += [f"| {kind} | {count} | {why} |" for (kind, why), count in sorted(self.reasons.items())]
        said = sentences(POINTS.read_text(encoding="utf-8"))
        turns = collections.defaultdict(list)
        for name, count in self.bins.items():
            point, turn = group_of(name, said)
            turns[point].append((turn, count))
        rows += ["", "| cover point | bins | unreached bins |", "|---|--:|---|"]
        rows += [f"| {said.get(point, '')} `{point}` | {len(each)} | " + (", ".join(turn or "it" for turn, n in each if not n) or "none") + " |"
                 for point, each in turns.items()]
        return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "rtl-coverage")
    parser.add_argument("--only-report", action="store_true", help="on the counts of the last run")
    parser.add_argument("--write-docs", action="store_true", help="bring docs/verification.md up to date")
    args = parser.parse_args()
    out = args.out.resolve()
    if not args.only_report:
        build(out)
        run(out)
    report = Report(points((out / "merged.dat").read_text(encoding="utf-8", errors="replace")), EXPLAINED)
    (out / "coverage.txt").write_text(report.text(), encoding="utf-8")
    (out / "coverage.json").write_text(json.dumps(report.figures, indent=2) + "\n", encoding="utf-8")
    print(report.text().split("\nNot reached:")[0])
    print(f"what was not reached: {out}/coverage.txt")
    for fault in report.faults:
        print(f"FAULT: {fault}")
    if args.write_docs:
        text = DOC.read_text(encoding="utf-8")
        DOC.write_text(text.split(BEGIN)[0] + f"{BEGIN}\n{report.markdown()}{END}" + text.split(END)[1], encoding="utf-8")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
