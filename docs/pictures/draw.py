#!/usr/bin/env python3
"""Draws the pictures of the book as SVG, beside this file: those below, and timing diagrams from *.json here.

    draw.py            writes them
    draw.py --check    fails when one is stale
"""

import pathlib
import sys
from html import escape

sys.dont_write_bytecode = True  # nothing but pictures is written here
import waves

HERE = pathlib.Path(__file__).resolve().parent
INK, FAINT, BLUE, GREEN, RED, PAPER = "#1d2733", "#8796a5", "#2563a8", "#2f7d4f", "#b3372f", "#ffffff"


class Picture:
    def __init__(self, width: int, height: int, title: str):
        self.size = (width, height)
        self.parts = [f"<title>{escape(title)}</title>"]

    def box(self, x, y, width, height, *lines, colour=INK, fill=PAPER, dashed=False):
        """A box with lines of text, the first one bold."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{colour}" '
                          f'stroke-width="1.5"{dash}/>')
        top = y + height / 2 - (len(lines) - 1) * 9
        for number, line in enumerate(lines):
            self.text(x + width / 2, top + 18 * number + 5, line, bold=number == 0, colour=colour if number == 0 else INK)

    def text(self, x, y, line, bold=False, colour=INK, anchor="middle", size=13):
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{weight}>'
                          f"{escape(line)}</text>")

    def arrow(self, x1, y1, x2, y2, label="", colour=INK, dashed=False, above=6, both=False):
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        head = f' marker-end="url(#head-{colour[1:]})"' + (f' marker-start="url(#head-{colour[1:]})"' if both else "")
        self.parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="1.8"{dash}{head}/>')
        if label:
            self.text((x1 + x2) / 2, (y1 + y2) / 2 - above, label, colour=colour, size=12)

    def svg(self) -> str:
        width, height = self.size
        heads = "".join(f'<marker id="head-{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
                        f'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="{colour}"/></marker>'
                        for colour in (INK, FAINT, BLUE, GREEN, RED))
        body = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n<rect width="{width}" height="{height}" fill="{PAPER}"/>\n'
                f"<defs>{heads}</defs>\n{body}\n</svg>\n")


def parts() -> Picture:
    """Who stands where."""
    p = Picture(760, 300, "Processes, their rings, and the router between them")
    p.box(20, 70, 150, 130, "process A", "application", "Connection")
    p.box(590, 70, 150, 130, "process B", "application", "Connection")
    p.box(260, 40, 240, 200, "", colour=BLUE)
    p.text(380, 62, "router", bold=True, colour=BLUE)
    p.box(285, 80, 190, 52, "route()", "checks, and says why", colour=BLUE)
    p.box(285, 150, 190, 70, "capabilities", "who may do what,", "to which object", colour=BLUE)
    p.arrow(380, 150, 380, 134, colour=BLUE)
    p.arrow(172, 104, 283, 104, "ring", colour=GREEN)
    p.arrow(477, 104, 588, 104, "ring", colour=GREEN)
    p.arrow(258, 185, 172, 185, colour=FAINT, dashed=True, both=True)
    p.arrow(502, 185, 588, 185, colour=FAINT, dashed=True, both=True)
    p.text(215, 202, "socket", colour=FAINT, size=12)
    p.text(545, 202, "socket", colour=FAINT, size=12)
    p.text(380, 270, "Each process shares memory with the router alone. What it writes there, the router copies once, and checks the copy.",
           size=12)
    p.text(380, 288, "Over the socket go requests: names, authority, the end of a process.", size=12)
    return p


def message() -> Picture:
    """A message's way, and where it may end."""
    p = Picture(800, 290, "The way of a message through the router's checks")
    steps = [("well formed?", "malformed"), ("who sent it?", "spoofed"), ("its capability?", "no_such_capability"),
             ("still valid?", "expired"), ("the right?", "insufficient_rights"), ("room there?", "full, timed_out")]
    for number, (question, verdict) in enumerate(steps):
        x = 100 + number * 100
        p.box(x, 60, 88, 56, question.split(" ", 1)[0], question.split(" ", 1)[1], colour=BLUE)
        p.arrow(x - 12, 88, x - 1, 88)
        y = 170 + (number % 2) * 34
        p.arrow(x + 44, 118, x + 44, y - 16, colour=RED)
        p.text(x + 44, y, verdict, colour=RED, size=12)
    p.box(8, 64, 78, 48, "sender")
    p.arrow(690, 88, 712, 88, colour=GREEN)
    p.text(757, 86, "delivered", colour=GREEN, bold=True, size=13)
    p.text(757, 102, "once, in order", size=10)
    p.text(380, 30, "The first question that is answered with no gives the verdict; the sender learns it by name.", size=13)
    p.text(380, 252, "Every message ends as delivered, refused or expired, and the three counts add up to those that were sent.", size=12)
    p.text(380, 272, "What the receiver sees of the sender is what the router wrote: its process id, and the badge of the capability.", size=12)
    return p


def authority() -> Picture:
    """How capabilities come from each other."""
    p = Picture(760, 320, "Capabilities are derived from each other, and end together")
    p.box(290, 20, 180, 56, "owner's capability", "all rights", colour=GREEN)
    p.box(70, 130, 190, 56, "alice: write, grant", "badge 1", colour=BLUE)
    p.box(490, 130, 190, 56, "carol: write, execute", "badge 3, for an hour", colour=BLUE)
    p.box(70, 240, 190, 56, "bob: write", "badge 2, from alice", colour=RED, dashed=True)
    p.arrow(330, 78, 190, 128, "derive", above=8)
    p.arrow(430, 78, 570, 128, "derive", above=8)
    p.arrow(165, 188, 165, 238)
    p.text(198, 218, "derive", size=12)
    p.text(290, 252, "Rights only ever become fewer on the way down.", anchor="start", size=12)
    p.text(290, 272, "When alice's capability is revoked, bob's ends with it;", anchor="start", size=12)
    p.text(290, 292, "carol's goes on. Nothing that theirs allowed comes after revoke().", anchor="start", size=12)
    return p


def transports() -> Picture:
    """The ways of data, and who copies."""
    p = Picture(760, 330, "Four ways for data, and who copies what")
    rows = [("message, call", "copied in, checked, copied out", "every one is judged by the router", BLUE),
            ("topic", "written once by the router", "all subscribers read the same ring", BLUE),
            ("lane, stream", "written once, by the sender", "set up by the router, then direct", GREEN),
            ("region", "not copied at all", "both map it; a message says where to look", GREEN)]
    for number, (name, cost, how, colour) in enumerate(rows):
        y = 44 + number * 68
        p.box(20, y, 130, 46, name, colour=colour)
        p.box(320, y, 150, 46, "router" if number < 2 else "", colour=colour if number < 2 else FAINT, dashed=number >= 2)
        if number >= 2:
            p.text(395, y + 14, "router", colour=FAINT, size=11)
        if number < 2:
            p.arrow(152, y + 23, 318, y + 23, colour=colour)
            p.arrow(472, y + 23, 618, y + 23, colour=colour)
            if number == 1:
                p.arrow(472, y + 16, 618, y + 6, colour=colour)
                p.arrow(472, y + 30, 618, y + 40, colour=colour)
        else:
            p.arrow(152, y + 27, 618, y + 27, colour=colour, both=number == 3)
        p.box(620, y, 120, 46, "receivers" if number == 1 else "receiver", colour=colour)
        p.text(235, y + 14, cost, size=10)
        p.text(545, y + 60, how, size=10)
    p.text(380, 24, "From the most checked to the fastest; each is opened by a capability and ends with it.", size=13)
    return p


PICTURES = {"parts": parts, "message": message, "authority": authority, "transports": transports}


def main() -> int:
    stale = []
    wanted_of = {name: draw().svg() for name, draw in PICTURES.items()}
    wanted_of |= {file.stem: waves.svg(file) for file in sorted(HERE.glob("*.json"))}
    for name, wanted in wanted_of.items():
        path = HERE / f"{name}.svg"
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text(encoding="utf-8") != wanted:
                stale.append(f"{path.name}: stale; docs/pictures/draw.py")
        else:
            path.write_text(wanted, encoding="utf-8")
    print(*stale, sep="\n", end="\n" if stale else "")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
