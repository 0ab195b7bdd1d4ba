"""Every row of docs/requirements.md names tests, and every test that it names exists.

usage: requirements_test.py REQUIREMENTS BUILD_FOLDER CTEST | --self-test

A row is `| requirement | where | tests |`. Tests are names as ctest has them, in back-quotes; a `*` stands for any
characters. "Where" names files and folders of the repository, in back-quotes; they have to exist as well.
"""

import fnmatch
import json
import os
import re
import subprocess
import sys

CODE = re.compile(r"`([^`]+)`")


def rows(text: str):
    """Yields line number and cells of each row of a table with three columns, headings left out."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        is_rule = all(set(cell) <= set("-: ") for cell in cells)
        if len(cells) == 3 and not is_rule and cells[0].lower() != "requirement":
            yield number, cells


def faults_of(text: str, tests: set, exists) -> list:
    faults = []
    seen = 0
    for number, (requirement, where, names) in rows(text):
        seen += 1
        named = CODE.findall(names)
        if not named:
            faults.append(f"line {number}: no test for: {requirement}")
        for name in named:
            if not fnmatch.filter(tests, name):
                faults.append(f"line {number}: no such test: {name}")
        places = CODE.findall(where)
        if not places:
            faults.append(f"line {number}: no place for: {requirement}")
        for place in places:
            if not exists(place):
                faults.append(f"line {number}: no such file or folder: {place}")
    if seen == 0:
        faults.append("there is no row at all")
    return faults


def existing_tests(build: str, ctest: str) -> set:
    listing = subprocess.run([ctest, "--show-only=json-v1"], cwd=build, check=True, capture_output=True, text=True)
    # Discovery of new tests may print something first.
    listing = listing.stdout[listing.stdout.index("{"):]
    return {test["name"] for test in json.loads(listing)["tests"]}


def self_test() -> int:
    tests = {"Ring.TakesWhatWasPut", "Ring.IsEmptyAtFirst", "tool.completes"}
    table = "| requirement | where | tests |\n|---|:-:|---|\n"
    expected = {
        "| a | `here` | `Ring.TakesWhatWasPut`, `tool.completes` |": 0,
        "| a | `here` | `Ring.*` |": 0,
        "| a | `here` | `Ring.Takes` |": 1,
        "| a | `here` | `Rong.*` |": 1,
        "| a | `here` | by hand |": 1,
        "| a | `gone` | `tool.completes` |": 1,
        "| a | somewhere | `tool.completes` |": 1,
        "| a | `gone` | `Ring.Takes`, `tool.complete` |": 3,
        "": 1,
    }
    wrong = [row for row, count in expected.items()
             if len(faults_of(table + row, tests, lambda place: place == "here")) != count]
    for row in wrong:
        print(f"not judged as it should be: {row}")
    return 1 if wrong else 0


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    requirements, build, ctest = sys.argv[1:]
    root = os.path.dirname(os.path.dirname(os.path.abspath(requirements)))
    with open(requirements, encoding="utf-8") as file:
        text = file.read()
    faults = faults_of(text, existing_tests(build, ctest), lambda place: os.path.exists(os.path.join(root, place)))
    for fault in faults:
        print(f"docs/requirements.md: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
