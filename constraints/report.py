#!/usr/bin/env python3
"""The figures of constraints/synth.py in docs/rtl.md.

    constraints/report.py --take [DIR]    keep the reports in DIR (build/synth) as docs/synth/*.json, then write the table
    constraints/report.py                 write the table from docs/synth/*.json
    constraints/report.py --check         fail if docs/rtl.md has another table
"""

import json
import pathlib
import sys

import synth

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "synth"
DOC = ROOT / "docs" / "rtl.md"
BEGIN, END = "<!-- begin: constraints/report.py -->", "<!-- end -->"
ORDER = ["hx8k", "glasgow", "icebreaker", "ulx3s", "arty"]


def reports():
    found = {path.stem: json.loads(path.read_text()) for path in KEPT.glob("*.json")}
    return [found[name] for name in ORDER if name in found]


def cells(report):
    used = report.get("logic_cells")
    return f"{used['used']} of {used['available']} ({100 * used['used'] / used['available']:.0f} %)" if used else "not routed"


def table():
    if not reports():
        return "No report is kept yet."
    lines = ["| board | destinations, places | LUTs | flip-flops | RAMs | logic cells | seeds | worst / best MHz | header to verdict"
             " | first beat in to first beat out |", "|---|---|---|---|---|---|---|---|---|---|"]
    notes = []
    for report in reports():
        name, (dests, places) = report["board"], synth.shape(report["board"])
        row = [f"`{name}`", f"{dests}, {places}", report["luts"], report["ffs"], report["brams"], cells(report)]
        worst = report.get("fmax_mhz_worst")
        if worst:
            ns = report["routing_ns"]
            row += [len(report["seeds"]), f"{worst:.1f} / {report['fmax_mhz_best']:.1f}",
                    f"{report['verdict_clocks']} clocks, {ns['verdict']:.0f} ns",
                    f"{report['through_clocks']} clocks, {ns['through']:.0f} ns"]
            limit = report["limited_by"]
            notes.append(f"`{name}`: the longest path of the worst seed goes from `{limit['from']}` to `{limit['to']}`.")
        else:
            row += ["", "", "", ""]
            failed = [seed["seed"] for seed in report.get("seeds", []) if not seed["fmax_mhz"]]
            if failed:
                notes.append(f"`{name}`: of {len(report['seeds'])} seeds, {len(failed)} found no result; so no frequency is stated.")
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines + [""] + notes) if notes else "\n".join(lines)


def main():
    if "--take" in sys.argv:
        rest = [a for a in sys.argv[1:] if a != "--take"]
        source = pathlib.Path(rest[0]) if rest else ROOT / "build" / "synth"
        KEPT.mkdir(parents=True, exist_ok=True)
        for name in ORDER:
            path = source / f"{name}.json"
            if path.exists():
                (KEPT / path.name).write_text(path.read_text())
    text = DOC.read_text()
    head, rest = text.split(BEGIN, 1)
    now = f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END, 1)[1]}"
    if "--check" in sys.argv:
        if now != text:
            sys.exit("docs/rtl.md: the table is not that of docs/synth; run constraints/report.py")
    else:
        DOC.write_text(now)


if __name__ == "__main__":
    main()
