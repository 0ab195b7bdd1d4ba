#!/usr/bin/env python3
"""Follows docs/start.md: saves its files, types its commands, and compares what comes with what stands there.

    start_test.py DOCS [FOLDER]

FOLDER: where the packages lie; the blocks that install are followed too, as root. Without it the environment has what
was installed.

A block of the kind `console` has commands after `$ ` and below each what it prints, also that of what runs in the background.
Numbers stand for any number, `...` for anything within a line.
"""

import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading

PATIENCE = 60  # seconds for a line that should come
PATIENCE_TO_INSTALL = 900  # a compiler comes too, from wherever packages come from
BLOCK = re.compile(r"^```(\w+)?( install)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVE = re.compile(r"^<!-- include \S+ as (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pattern(line: str) -> re.Pattern:
    words = re.split(r"(\.\.\.|\d+)", line)
    return re.compile("".join({True: ".*", False: r"\d+"}[word == "..."] if re.fullmatch(r"\.\.\.|\d+", word) else re.escape(word)
                              for word in words))


class Shell:
    def __init__(self, folder: str):
        self.shell = subprocess.Popen(["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, start_new_session=True)
        self.lines: queue.Queue = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.count = 0

    def read(self):
        for line in self.shell.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def type(self, command: str, expected: list[str], patience: int = PATIENCE) -> list[str]:
        """Faults: lines that did not come, or came and do not stand there. Order counts within neither."""
        self.count += 1
        mark = f"--- {self.count} ---"
        # A reply is printed as it is, without an end of line.
        self.shell.stdin.write(f"{command}\nprintf '\\n%s\\n' '{mark}'\n")
        self.shell.stdin.flush()
        left = [pattern(line) for line in expected]
        extra = []
        marked = False
        while left or not marked:
            try:
                line = self.lines.get(timeout=patience)
            except queue.Empty:
                line = None
            if line is None:
                return [f"$ {command}", *(f"  never came: {each.pattern}" for each in left), *(f"  came: {each}" for each in extra)]
            if line == mark:
                marked = True
                continue
            if not line:
                continue
            for each in left:
                if each.fullmatch(line):
                    left.remove(each)
                    break
            else:
                extra.append(line)
        return [f"$ {command}", *(f"  came, but does not stand there: {each}" for each in extra)] if extra else []

    def end(self):
        self.shell.stdin.close()
        try:
            os.killpg(self.shell.pid, 15)
        except ProcessLookupError:
            pass
        self.shell.wait()


def main() -> int:
    docs = pathlib.Path(sys.argv[1])
    text = (docs / "start.md").read_text(encoding="utf-8")
    commands = 0
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 2:
            for package in pathlib.Path(sys.argv[2]).glob("*.deb"):
                (pathlib.Path(folder) / package.name).symlink_to(package)
        steps = [(match.start(), "save", match) for match in SAVE.finditer(text)]
        steps += [(match.start(), "type", match) for match in BLOCK.finditer(text) if match[1] == "console"]
        shell = Shell(folder)
        try:
            for _, kind, match in sorted(steps, key=lambda step: step[0]):
                if kind == "save":
                    (pathlib.Path(folder) / match[1]).write_text(match[2], encoding="utf-8")
                    continue
                if match[2] and len(sys.argv) < 3:
                    continue
                blocks = re.split(r"^\$ ", match[3], flags=re.MULTILINE)[1:]
                for block in blocks:
                    command, *expected = block.rstrip("\n").split("\n")
                    commands += 1
                    if match[2]:
                        command += " >install.log 2>&1 || cat install.log"
                    faults = shell.type(command, expected, PATIENCE_TO_INSTALL if match[2] else PATIENCE)
                    if faults:
                        print("\n".join(faults))
                        return 1
        finally:
            shell.end()
    print(f"{commands} commands do what the page says")
    return 0 if commands > 10 else 1


if __name__ == "__main__":
    sys.exit(main())
