#!/usr/bin/env python3
"""The manual page keyway-policy(5), made of docs/policy.md, so that the two can't disagree.

    manual_page.py            write host/daemon/keyway-policy.5.in
    manual_page.py --check    write nothing, fail when it is stale

docs/book.py does both. CMake puts the version in. It knows what the page uses of Markdown: headings, paragraphs, lists,
tables, code, links and emphasis; anything else ends it with a message.
"""

import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent
SOURCE = DOCS / "policy.md"
PAGE = DOCS.parent / "host/daemon/keyway-policy.5.in"
HEAD = r'''.\" Generated from docs/policy.md by docs/manual_page.py: edit those, not this.
.TH KEYWAY\-POLICY 5 "" "Keyway @PROJECT_VERSION@" "Keyway manual"
.SH NAME
keyway\-policy \- who may do what at a Keyway router
.SH DESCRIPTION
'''
TAIL = r'''.SH FILES
.TP
.B @CMAKE_INSTALL_FULL_SYSCONFDIR@/keyway/policy.toml
The policy file of keywayd, unless told otherwise.
.SH SEE ALSO
.BR keywayd (8),
.BR keyway (1)
'''


def safe(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("@", "\\(at")
    if not text.isascii():
        raise SystemExit(f"{SOURCE.name}: {text!r} has a letter that not every terminal shows")
    return text


def words(text: str) -> str:
    """Text with code in bold and links as their words. The names of other pages of the book say nothing here."""
    text = re.sub(r" ?\(\[[\w.-]+\]\([\w./-]+\)\)", "", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    pieces = re.split(r"`([^`]+)`", text)
    line = "".join(f"\\fB{safe(piece)}\\fR" if number % 2 else safe(piece) for number, piece in enumerate(pieces))
    return "\\&" + line if line[:1] in (".", "'") else line


def table(rows: list[str]) -> list[str]:
    """Each row as an entry: its first cell, and below it what the others say, with the heading where that is needed."""
    cells = [[words(cell.strip()) for cell in row.strip("|").split("|")] for row in rows]
    heads, body = cells[0], cells[2:]
    out = []
    for first, *others in body:
        said = [cell if not head or head == "value" else f"{head[0].upper()}{head[1:]}: {cell}."
                for head, cell in zip(heads[1:], others)]
        said = sorted(said, key=lambda each: each.startswith(("Default", "Range")))  # the meaning first
        ended = [each if each.endswith((".", ":")) else each + "." for each in said if each]
        ended = [re.sub(r"^(\\fB)?([a-z])", lambda m: m[0] if m[1] else m[2].upper(), each) for each in ended]
        out += [".TP", first, *ended]
    return out


def page(text: str) -> str:
    out: list[str] = []
    blocks = re.split(r"\n{2,}", text.strip())
    if not blocks[0].startswith("# "):
        raise SystemExit(f"{SOURCE.name}: begins without a title")
    for block in blocks[1:]:
        lines = block.split("\n")
        if lines[0].startswith("```"):
            out += [".PP", ".RS 4", ".nf", *(safe(line) for line in lines[1:-1]), ".fi", ".RE"]
        elif lines[0].startswith("|"):
            out += table(lines)
        elif match := re.fullmatch(r"(##+) (.+)", block):
            # The name of a table stays as it has to be written.
            heading = words(match[2]) if "[" in match[2] else words(match[2]).upper()
            out.append(f".SH {heading}" if len(match[1]) == 2 else f".SS {words(match[2])}")
        elif lines[0].startswith("- "):
            for item in re.split(r"^- ", block, flags=re.MULTILINE)[1:]:
                out += [".IP \\(bu 2", words(" ".join(item.split()))]
        elif re.match(r"[#>*<]|\d+\. ", block):
            raise SystemExit(f"{SOURCE.name}: this is not known here: {lines[0]}")
        else:
            # What begins the text under a heading needs no room before it.
            out += [] if out and out[-1].startswith((".SH", ".SS")) or not out else [".PP"]
            out.append(words(" ".join(lines)))
    return HEAD + "\n".join(out) + "\n" + TAIL


def main() -> int:
    made = page(SOURCE.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
            print(f"{PAGE.relative_to(DOCS.parent)}: stale: docs/book.py update")
            return 1
        return 0
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
