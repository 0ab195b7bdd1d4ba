#!/usr/bin/env python3
"""Synthesises, places and routes the router for a board and writes build/synth/BOARD.json.

    constraints/synth.py BOARD [--seeds 8] [--time-limit 240] [--out build/synth]

iCE40 boards are placed and routed with several seeds; a seed that finds no result within the time limit is reported as
such. Other boards are only synthesised: no frequency is reported for what was not routed. The bitstream is that of the
best seed, and the same sources give the same bytes.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RTL = ROOT / "rtl"

# Latencies as stated (and tested) in rtl/keyway_router.sv, for 32-bit streams: clocks from the last beat taken to the
# verdict, and from the first beat taken to the first beat offered.
VERDICT_CLOCKS = 5
THROUGH_CLOCKS = 11 + 7

BOARDS = {
    "hx8k": {"family": "ice40", "top": "hx8k_top", "device": "hx8k", "package": "ct256", "ask_mhz": 200},
    "glasgow": {"family": "ice40", "top": "glasgow_top", "device": "hx8k", "package": "bg121", "ask_mhz": 200},
}


def sources(top):
    names = (RTL / "keyway_router.f").read_text().split()
    return [RTL / name for name in names] + [RTL / "boards" / "folded_router.sv", RTL / "boards" / f"{top}.sv"]


def run(command, log, limit=None):
    with open(log, "w") as out:
        try:
            return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=limit, cwd=ROOT).returncode
        except subprocess.TimeoutExpired:
            return None


def synthesise(name, board, out):
    top = board["top"]
    files = sources(top)
    netlist = out / f"{name}.synth.json"
    how = {"ice40": "synth_ice40 -abc9 -device " + ("u" if board.get("device") == "up5k" else "hx"),
           "ecp5": "synth_ecp5", "xilinx": "synth_xilinx -family xc7"}[board["family"]]
    script = (f"read_verilog -sv {' '.join(str(f.relative_to(ROOT)) for f in files)}; "
              f"{how} -top {top}; stat; write_json {netlist}")
    if board["family"] == "ice40":
        script += f"; write_verilog -noattr {out / (name + '.synth.v')}"
    log = out / f"{name}.yosys.log"
    if run(["yosys", "-q", "-l", str(log), "-p", script], out / f"{name}.yosys.err") != 0:
        sys.exit(f"synthesis failed; see {log}")
    cells = {}
    stat = log.read_text().rsplit("Printing statistics", 1)[1]
    # The last block is the design (the flow flattens).
    for cell, count in re.findall(r"^\s+(\w+)\s+(\d+)$", stat, re.M):
        cells[cell] = cells.get(cell, 0) + int(count)
    return netlist, cells, hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def count(cells, *patterns):
    return sum(n for cell, n in cells.items() if any(re.fullmatch(p, cell) for p in patterns))


def route(name, board, netlist, out, seeds, limit):
    results = []
    for seed in range(1, seeds + 1):
        report, asc = out / f"{name}.{seed}.report.json", out / f"{name}.{seed}.asc"
        log = out / f"{name}.{seed}.nextpnr.log"
        status = run(["nextpnr-ice40", f"--{board['device']}", "--package", board["package"], "--json", str(netlist),
                      "--pcf", str(ROOT / "constraints" / f"{name}.pcf"), "--freq", str(board["ask_mhz"]),
                      "--seed", str(seed), "--report", str(report), "--asc", str(asc), "--timing-allow-fail"], log, limit)
        if status != 0:
            print(f"seed {seed}: " + ("time limit" if status is None else f"failed, see {log}"), flush=True)
            results.append({"seed": seed, "fmax_mhz": None})
            continue
        data = json.loads(report.read_text())
        fmax = min(clock["achieved"] for clock in data["fmax"].values())
        path = max(data["critical_paths"], key=lambda p: sum(s["delay"] for s in p["path"]) if p["from"] == p["to"] else 0)
        results.append({"seed": seed, "fmax_mhz": round(fmax, 2), "utilization": data["utilization"],
                        "from": path["path"][0]["from"]["cell"], "to": path["path"][-1]["to"]["cell"]})
        print(f"seed {seed}: {fmax:.1f} MHz", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", choices=sorted(BOARDS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--time-limit", type=int, default=240, help="seconds a seed")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "synth")
    args = parser.parse_args()
    board = BOARDS[args.board]
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)

    netlist, cells, digest = synthesise(args.board, board, out)
    report = {"board": args.board, "family": board["family"], "sources_sha256": digest,
              "luts": count(cells, "SB_LUT4", "LUT[1-6]", "TRELLIS_COMB"),
              "ffs": count(cells, "SB_DFF.*", "FD[CPRS]E(_1)?", "TRELLIS_FF"),
              "brams": count(cells, "SB_RAM40_4K.*", "DP16KD", "RAMB18E1", "RAMB36E1"), "cells": cells}
    if board["family"] == "ice40":
        seeds = route(args.board, board, netlist, out, args.seeds, args.time_limit)
        good = [s for s in seeds if s["fmax_mhz"]]
        report["seeds"] = seeds
        report["verdict_clocks"], report["through_clocks"] = VERDICT_CLOCKS, THROUGH_CLOCKS
        if len(good) == len(seeds):
            worst = min(good, key=lambda s: s["fmax_mhz"])
            best = max(good, key=lambda s: s["fmax_mhz"])
            report["fmax_mhz_worst"], report["fmax_mhz_best"] = worst["fmax_mhz"], best["fmax_mhz"]
            report["limited_by"] = {"from": worst["from"], "to": worst["to"]}
            report["routing_ns"] = {"verdict": round(VERDICT_CLOCKS * 1000 / worst["fmax_mhz"], 2),
                                    "through": round(THROUGH_CLOCKS * 1000 / worst["fmax_mhz"], 2)}
            report["logic_cells"] = good[0]["utilization"]["ICESTORM_LC"]
            binary = out / f"{args.board}.bin"
            if subprocess.run(["icepack", str(out / f"{args.board}.{best['seed']}.asc"), str(binary)]).returncode == 0:
                report["bitstream"] = {"seed": best["seed"], "sha256": hashlib.sha256(binary.read_bytes()).hexdigest()}
        else:
            print("not every seed was routed: no worst frequency is reported", file=sys.stderr)
    path = out / f"{args.board}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{path}: {report['luts']} LUTs, {report['ffs']} flip-flops, {report['brams']} RAMs, "
          f"worst {report.get('fmax_mhz_worst', 'not routed')} MHz")
    if board["family"] == "ice40" and "fmax_mhz_worst" not in report:
        sys.exit(1)


if __name__ == "__main__":
    main()
