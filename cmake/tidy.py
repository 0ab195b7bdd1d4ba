#!/usr/bin/env python3
"""Runs clang-tidy over the C and C++ files of a build, several at a time.

    tidy.py ROOT COMPILE_COMMANDS WORK JOBS

What was clean is not looked at again until the file, a header of ours that it includes (comments in it apart), its
compile command, a .clang-tidy or clang-tidy itself has changed: WORK keeps a stamp for each file. Exit code 1: something was found.
"""

import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIDY = "clang-tidy-16"
# clang 16 knows C++23 by its older name only, and calls its concepts older than the <expected> of g++ asks for.
AS_CLANG_16 = ["-std=c++2b", "-Wno-builtin-macro-redefined", "-U__cpp_concepts", "-D__cpp_concepts=202002L"]

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)


# A line that is only a comment, or a Doxygen comment behind a member; but not what clang-tidy itself goes by.
COMMENT = re.compile(rb"^[ \t]*//(?!.*NOLINT).*\n|[ \t]*///<.*$", re.MULTILINE)


@functools.cache
def content(path: Path) -> bytes:
    return COMMENT.sub(b"", path.read_bytes())


def ours(path: Path, folders: list[Path], found: set[Path]) -> set[Path]:
    """`path` and what it includes by way of `folders`, adding to `found`."""
    found.add(path)
    for name in INCLUDE.findall(content(path)):
        for folder in (path.parent, *folders):
            header = (folder / os.fsdecode(name)).resolve()
            if header.is_file():
                if header not in found:
                    ours(header, folders, found)
                break
    return found


def fingerprint(root: Path, path: Path, command: str, version: bytes) -> str:
    folders = [Path(word[2:]).resolve() for word in shlex.split(command) if word.startswith("-I")]
    folders = [folder for folder in folders if folder.is_relative_to(root)]
    read = ours(path, folders, set())
    read.update(folder / ".clang-tidy" for folder in path.parents if (folder / ".clang-tidy").is_file())
    read.add(Path(__file__).resolve())
    digest = hashlib.sha256(version + command.encode())
    for each in sorted(read):
        digest.update(str(each).encode() + hashlib.sha256(content(each)).digest())
    return digest.hexdigest()


def look_at(root: Path, work: Path, path: Path) -> bool:
    words = [TIDY, "--quiet", "-p", str(work), "--warnings-as-errors=*", "--extra-arg=-Wno-unknown-warning-option",
             f"--header-filter=^{re.escape(str(root))}/(host|bench|examples|tests|driver|sim|firmware)/.*"]
    if path.suffix != ".c":
        words += ["--extra-arg=" + word for word in AS_CLANG_16]
    done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{path.relative_to(root)}:\n{done.stdout or done.stderr}", flush=True)
    return done.returncode == 0


def main() -> int:
    root, commands, work = (Path(name).resolve() for name in sys.argv[1:4])
    # Once a file, and as the build has it that defines most: that of the crash tests, where there is one.
    entries: dict[Path, dict] = {}
    for entry in json.loads(commands.read_text()):
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(root) and not path.is_relative_to(root / "build"):
            entries[path] = max(entry, entries.get(path, entry), key=lambda each: len(each["command"]))
    work.mkdir(parents=True, exist_ok=True)
    (work / "compile_commands.json").write_text(json.dumps(list(entries.values())))
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout

    def check(path: Path) -> bool:
        stamp = work / (str(path.relative_to(root)).replace("/", "_") + ".clean")
        wanted = fingerprint(root, path, entries[path]["command"], version)
        if stamp.is_file() and stamp.read_text() == wanted:
            return True
        clean = look_at(root, work, path)
        if clean:
            stamp.write_text(wanted)
        return clean

    with ThreadPoolExecutor(int(sys.argv[4])) as pool:
        results = list(pool.map(check, sorted(entries)))
    print(f"{len(results)} files, {results.count(False)} with findings")
    return 1 if False in results else 0


if __name__ == "__main__":
    sys.exit(main())
