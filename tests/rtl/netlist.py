#!/usr/bin/env python3
"""Verilates what synthesis makes of the router, and the router itself with the same parameters.

    tests/rtl/netlist.py OUT

Leaves OUT/Vrouter_netlist__ALL.a and OUT/Vrouter_hx8k__ALL.a with their headers. Needs yosys and Verilator.
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "constraints"))
import synth  # noqa: E402

# The models of the iCE40's cells that yosys ships.
CELLS = pathlib.Path("/usr/share/yosys/ice40/cells_sim.v")


def verilate(prefix, out, files, extra):
    subprocess.run(["verilator", "--cc", "--build", "-j", "2", "--prefix", prefix, "--Mdir", str(out), "--top-module",
                    "keyway_router", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3", "--x-initial", "unique", "--x-assign",
                    "unique", "-CFLAGS", "-w -O1", *extra, *map(str, files)], check=True, stdout=subprocess.DEVNULL)


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    netlist = synth.synthesise_block(out)
    verilate("Vrouter_netlist", out, [CELLS, netlist], ["-DICE40_HX", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "--flatten"])
    verilate("Vrouter_hx8k", out, synth.block_sources(), ["--assert"] + [f"-G{key}={value}" for key, value in synth.BLOCK.items()])


if __name__ == "__main__":
    main()
