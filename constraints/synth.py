#!/usr/bin/env python3
"""Synthesises, places and routes the router for a board and writes build/synth/BOARD.json.

    constraints/synth.py BOARD [--seeds 8] [--time-limit 300] [--out build/synth] [--twice]
    constraints/synth.py block [--out build/synth]

iCE40 boards are placed and routed with several seeds; a seed that finds no result within the time limit is reported as
such. Other boards are only synthesised: no frequency is reported for what was not routed. The bitstream is that of the
best seed, and the same sources give the same bytes: --twice does it all again and compares.

`block` synthesises the router by itself, with the parameters of the HX8K, for the simulation of what synthesis made of
it (tests/rtl).
"""

import argparse
import hashlib
import json
import pathlib
import re
import resource
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RTL = ROOT / "rtl"

def stated(name):
    """A latency as rtl/keyway_router.sv states it (and tests/rtl tests it), for 32-bit streams of 8 beats."""
    found = re.search(rf"^//\s+{name}\s*= (\d+)(?: \+ Beats - (\d+))?\s+from", (RTL / "keyway_router.sv").read_text(), re.M)
    return int(found[1]) + (8 - int(found[2]) if found[2] else 0)


# Clocks from the last beat taken to the verdict, and from the first beat taken to the first beat offered.
VERDICT_CLOCKS = stated("VerdictClocks")
THROUGH_CLOCKS = stated("ThroughClocks")

BOARDS = {
    "hx8k": {"family": "ice40", "device": "hx8k", "package": "ct256", "ask_mhz": 200},
    "glasgow": {"family": "ice40", "device": "hx8k", "package": "bg121", "ask_mhz": 200},
    # What a board is loaded with; the clock is that of its USB controller.
    "glasgow_device": {"family": "ice40", "device": "hx8k", "package": "bg121", "ask_mhz": 30},
    "icebreaker": {"family": "ice40", "device": "up5k", "package": "sg48", "ask_mhz": 48},
    "ulx3s": {"family": "ecp5"},
    "arty": {"family": "xilinx"},
}
# What rtl/boards/folded_router.sv gives the router of the HX8K.
BLOCK = {"DataBits": 32, "Ports": 1, "IndexBits": 8, "DestBits": 3, "Depth": 4, "DualRead": 0, "AuditDepth": 1,
         "FreeIds": 2, "VerdictCounters": 0, "ClockPs": 10417}
ICE40 = "synth_ice40 -device "


def shape(name):
    """Destinations and places a queue that the top of a board gives the router."""
    top = (RTL / "boards" / f"{name}_top.sv").read_text()
    default = (RTL / "boards" / "folded_router.sv").read_text()
    given = {key: re.search(rf"\.{key}\((\d+)\)", top) or re.search(rf"int unsigned {key} = (\d+)", default)
             for key in ("DestBits", "Depth")}
    return 1 << int(given["DestBits"][1]), int(given["Depth"][1])


def block_sources():
    return [RTL / name for name in (RTL / "keyway_router.f").read_text().split()]


def sources(name):
    return block_sources() + [RTL / "boards" / part for part in ("board_reset.sv", "folded_router.sv", f"{name}_top.sv")]


def run(command, log, limit=None):
    """The exit code, or None after `limit` seconds of CPU time: on a busy machine a seed has as much as on an idle one."""
    def limited():
        if limit:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    with open(log, "w") as out:
        status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, preexec_fn=limited, cwd=ROOT).returncode
    return None if status in (-signal.SIGXCPU, -signal.SIGKILL) else status


def synthesise_block(out):
    """Netlist of the router by itself, to be simulated."""
    read = f"read_verilog -sv {' '.join(str(f.relative_to(ROOT)) for f in block_sources())}"
    set_all = "".join(f" -chparam {key} {value}" for key, value in BLOCK.items())
    netlist = out / "block.v"
    script = (f"{read}; hierarchy -top keyway_router{set_all}; rename -top keyway_router; {ICE40}hx; "
              f"write_json {out / 'block.json'}; write_verilog -noattr {netlist}")
    log = out / "block.yosys.log"
    if run(["yosys", "-q", "-l", str(log), "-p", script], out / "block.yosys.err") != 0:
        sys.exit(f"synthesis failed; see {log}")
    return netlist


def synthesise(name, board, out):
    top = f"{name}_top"
    files = sources(name)
    netlist = out / f"{name}.synth.json"
    how = {"ice40": ICE40 + ("u" if board.get("device") == "up5k" else "hx"),
           "ecp5": "synth_ecp5", "xilinx": "synth_xilinx -family xc7"}[board["family"]]
    script = (f"read_verilog -sv {' '.join(str(f.relative_to(ROOT)) for f in files)}; "
              f"{how} -top {top}; stat; write_json {netlist}")
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


def source_name(cell):
    """The name that a cell was given in the source, as far as it shows."""
    return re.sub(r"_SB_.*|\$.*|_LC$|_DFFLC$", "", cell).removeprefix("u_router.u_router.")


def bitstream(name, out, seed):
    """SHA-256 of the bitstream of a seed that was routed."""
    binary = out / f"{name}.bin"
    subprocess.run(["icepack", str(out / f"{name}.{seed}.asc"), str(binary)], check=True)
    return hashlib.sha256(binary.read_bytes()).hexdigest()


def route(name, board, netlist, out, seeds, limit):
    results = []
    for seed in seeds:
        report, asc = out / f"{name}.{seed}.report.json", out / f"{name}.{seed}.asc"
        log = out / f"{name}.{seed}.nextpnr.log"
        status = run(["nextpnr-ice40", f"--{board['device']}", "--package", board["package"], "--json", str(netlist),
                      "--pcf", str(ROOT / "constraints" / f"{name}.pcf"), "--freq", str(board["ask_mhz"]),
                      "--seed", str(seed), "--placer-heap-timingweight", "30", "--report", str(report), "--asc", str(asc),
                      "--timing-allow-fail"], log, limit)
        if status != 0:
            print(f"seed {seed}: " + ("time limit" if status is None else f"failed, see {log}"), flush=True)
            results.append({"seed": seed, "fmax_mhz": None})
            continue
        data = json.loads(report.read_text())
        fmax = min(clock["achieved"] for clock in data["fmax"].values())
        path = max(data["critical_paths"], key=lambda p: sum(s["delay"] for s in p["path"]) if p["from"] == p["to"] else 0)
        results.append({"seed": seed, "fmax_mhz": round(fmax, 2), "utilization": data["utilization"],
                        "from": source_name(path["path"][0]["from"]["cell"]), "to": source_name(path["path"][-1]["to"]["cell"])})
        print(f"seed {seed}: {fmax:.1f} MHz", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("board", choices=sorted(BOARDS) + ["block"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--time-limit", type=int, default=300, help="CPU seconds a seed")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "synth")
    parser.add_argument("--twice", action="store_true", help="do it again, and fail if the bitstream differs")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if args.board == "block":
        print(synthesise_block(out))
        return
    board = BOARDS[args.board]

    netlist, cells, digest = synthesise(args.board, board, out)
    report = {"board": args.board, "family": board["family"], "sources_sha256": digest,
              "luts": count(cells, "SB_LUT4", "LUT[1-6]"),
              "ffs": count(cells, "SB_DFF.*", "FD[CPRS]E(_1)?", "TRELLIS_FF"),
              "brams": count(cells, "SB_RAM40_4K.*", "DP16KD", "RAMB18E1", "RAMB36E1"), "cells": cells}
    if board["family"] == "ice40":
        seeds = route(args.board, board, netlist, out, range(1, args.seeds + 1), args.time_limit)
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
            report["rams_used"] = good[0]["utilization"]["ICESTORM_RAM"]
            digest = bitstream(args.board, out, best["seed"])
            report["bitstream"] = {"seed": best["seed"], "sha256": digest}
            if args.twice:
                again = out / "again"
                again.mkdir(exist_ok=True)
                netlist, _, _ = synthesise(args.board, board, again)
                route(args.board, board, netlist, again, [best["seed"]], args.time_limit)
                if bitstream(args.board, again, best["seed"]) != digest:
                    sys.exit("the same sources gave another bitstream")
                print("the same bitstream twice")
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
