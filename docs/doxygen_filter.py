#!/usr/bin/env python3
"""Shows the public headers to Doxygen as it wants them; their comments are written for people who read the header.

    doxygen_filter.py HEADER

The comment at the top of a header becomes that of the file, its drawings and code kept as they are. In C headers the
comments before a declaration and after a field become Doxygen's.

Two rules spare the headers what would be the same everywhere: moving is described here, and protected members are shown
to nobody, since no class of Keyway is made to be derived from but Waitable and Engine, which ask only for public ones.
"""

import pathlib
import re
import sys


def file_comment(name: str, lines: list[str]) -> str:
    """A block of // lines as the comment of the file."""
    text = [f"/** @file {name}"]
    code = False
    for line in (re.sub(r"^// ?", "", line) for line in lines):
        if line.startswith("    ") != code and line:
            code = not code
            text.append("@code" if code else "@endcode")
        # A title in capitals that opens a paragraph; bold shows it.
        text.append(line if code else re.sub(r"^([A-Z][A-Z ,']{2,}\.)", r"**\1**", line))
    if code:
        text.append("@endcode")
    return "\n".join([*text, "*/"])


MOVES = re.compile(r"^( +)(?:(\w+)\(\2&&(?: \w+)?\)|\w+& operator=\(\w+&&(?: \w+)?\)) noexcept")
MOVED = "/// Moves. What was moved from may only be destroyed or assigned to."


def with_rules(lines: list[str]) -> list[str]:
    shown = []
    for line in lines:
        moves = MOVES.match(line)
        if moves and not (shown and shown[-1].lstrip().startswith("///")):
            shown.append(moves[1] + MOVED)
        shown.append(re.sub(r"^( +)protected:", r"\1private:", line))
    return shown


def main() -> int:
    path = pathlib.Path(sys.argv[1])
    lines = path.read_text(encoding="utf-8").split("\n")
    name = "/".join(path.parts[path.parts.index("include") + 1 :])
    if path.suffix == ".h":
        text = "\n".join(lines)
        text = re.sub(r"\A/\* ", f"/** @file {name}\\n * ", text)
        text = re.sub(r"^/\* ----.*\*/$", "", text, flags=re.MULTILINE)
        text = re.sub(r"^/\* ", "/** ", text, flags=re.MULTILINE)
        text = re.sub(r"(?<=[;,]) +/\* ", " /**< ", text)
        # Lines in columns stay in columns.
        text = re.sub(r"(?:^ \* \S.*? {3,}\S.*\n){2,}", r" * @verbatim\n\g<0> * @endverbatim\n", text, flags=re.MULTILINE)
        print(text, end="")
        return 0
    for first, line in enumerate(lines):
        if line.startswith("//") and not line.startswith("///"):
            last = first
            while last + 1 < len(lines) and lines[last + 1].startswith("//"):
                last += 1
            lines[first : last + 1] = file_comment(name, lines[first : last + 1]).split("\n")
            break
        if line.startswith("namespace"):
            break
    print("\n".join(with_rules(lines)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
