#!/usr/bin/env python3
"""Compares what a shared library shows with the list that was committed.

    abi_check.py LIBRARY            fails when the library lacks a symbol of symbols.txt, or shows one more
    abi_check.py LIBRARY --update   writes symbols.txt anew; `git diff` then shows what an application will notice

A line is `version kind name`: `KEYWAY_1 function ipc_send`. C++ names are written as people read them.
The list is that of a release build: in others the compiler keeps a few more copies of what is inline.
A line that goes away breaks programs that were linked before: raise KEYWAY_ABI_VERSION then. A line that is added to
the C interface belongs into a version node of its own once the last one was released (libkeyway.map).
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys

LIST = pathlib.Path(__file__).parent / "symbols.txt"
KINDS = dict.fromkeys("TtW", "function") | dict.fromkeys("VRDBu", "data")
LINE = re.compile(r"^(?:[0-9a-f]+ )?\s*(\S) (.+?)@@?(\S+)$")


def shown(library: str) -> list[str]:
    """What the library defines for others, sorted."""
    listing = subprocess.run(["nm", "--dynamic", "--defined-only", "--demangle", library], check=True,
                             capture_output=True, text=True).stdout
    found = set()
    for line in listing.splitlines():
        if " A " in line:  # a version itself
            continue
        match = LINE.match(line)
        if match is None:
            raise SystemExit(f"abi_check: a symbol without a version: {line}")
        kind, name, version = match.groups()
        found.add(f"{version} {KINDS[kind]} {name}")
    return sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the symbols of the shared library with the list.")
    parser.add_argument("library")
    parser.add_argument("--update", action="store_true", help="write the list anew")
    parser.add_argument("--list", type=pathlib.Path, default=LIST, help="another list")
    options = parser.parse_args()
    found = shown(options.library)
    if options.update:
        options.list.write_text("\n".join(found) + "\n", encoding="utf-8")
        return 0
    listed = options.list.read_text(encoding="utf-8").splitlines()
    gone = [line for line in listed if line not in found]
    new = [line for line in found if line not in listed]
    for line in difflib.unified_diff(listed, found, "symbols.txt", "the library", lineterm="", n=0):
        print(line)
    if gone:
        print(f"{len(gone)} symbols are gone: programs that were linked before would not run any more")
    if new:
        print(f"{len(new)} symbols are new: if they are meant, host/abi/abi_check.py LIBRARY --update")
    return 1 if gone or new else 0


if __name__ == "__main__":
    sys.exit(main())
