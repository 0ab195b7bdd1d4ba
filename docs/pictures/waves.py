"""Timing diagrams as SVG, from the part of WaveDrom's JSON that the book uses.

    {"head": {"text": ...}, "foot": {"text": ...},
     "signal": [{"name": ..., "wave": "01..x3.", "data": [...]}]}

In a wave: p a clock, 0 and 1 levels, x unknown, 2 to 9 a value whose text is the next of `data`, . as before.
"""

import json
import pathlib
from html import escape

INK, FAINT, PAPER = "#1d2733", "#8796a5", "#ffffff"
FILL = {"2": "#ffffff", "3": "#dbe8f6", "4": "#dff0e4", "5": "#f7e9d2", "6": "#f6dedc",
        "7": "#e8e0f5", "8": "#e6eaee", "9": "#fbf6cf"}
CLOCK, ROW, HIGH, NAMES, TOP = 52, 34, 20, 118, 52


def spans(wave: str):
    """Runs of equal state: (state, first clock, clocks). A value begins anew where its digit stands again."""
    runs = []
    for at, state in enumerate(wave):
        if state == "." or (state == "p" and runs and runs[-1][0] == "p"):
            if not runs:
                raise SystemExit(f"a wave can't begin with '.': {wave}")
            runs[-1][2] += 1
        elif state in "p01x" or state in FILL:
            runs.append([state, at, 1])
        else:
            raise SystemExit(f"'{state}' in a wave: {wave}")
    return runs


def row(signal: dict, y: float) -> list[str]:
    out = [f'<text x="{NAMES - 10}" y="{y + HIGH - 5}" text-anchor="end" font-size="12" fill="{INK}">'
           f'{escape(signal["name"])}</text>']
    texts = iter(signal.get("data", []))
    low, path, last = y + HIGH, "", None
    for state, first, clocks in spans(signal["wave"]):
        left, right = NAMES + first * CLOCK, NAMES + (first + clocks) * CLOCK
        if state == "p":
            for clock in range(clocks):
                x = left + clock * CLOCK
                path += f"M{x} {low}V{y}H{x + CLOCK / 2}V{low}H{x + CLOCK}"
        elif state in "01":
            level = y if state == "1" else low
            path += f"M{left} {level if last is None else last}V{level}H{right}"
            last = level
        else:
            fill = "url(#unknown)" if state == "x" else FILL[state]
            out.append(f'<path d="M{left} {y + HIGH / 2}L{left + 4} {y}H{right - 4}L{right} {y + HIGH / 2}L{right - 4} {low}'
                       f'H{left + 4}z" fill="{fill}" stroke="{INK if state != "x" else FAINT}"/>')
            if state != "x":
                out.append(f'<text x="{(left + right) / 2}" y="{y + HIGH - 6}" text-anchor="middle" font-size="11" '
                           f'fill="{INK}">{escape(next(texts))}</text>')
    if path:
        out.append(f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.4"/>')
    return out


def svg(file: pathlib.Path) -> str:
    source = json.loads(file.read_text(encoding="utf-8"))
    signals = source["signal"]
    clocks = max(len(signal["wave"]) for signal in signals)
    width, height = NAMES + clocks * CLOCK + 16, TOP + len(signals) * ROW + 26
    title = escape(source["head"]["text"])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
             f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
             '<defs><pattern id="unknown" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 6 0" '
             f'stroke="{FAINT}" stroke-width="0.6"/></pattern></defs>',
             f"<title>{title}</title>",
             f'<text x="{width / 2}" y="22" text-anchor="middle" font-size="14" fill="{INK}" font-weight="bold">{title}</text>']
    bottom = TOP + len(signals) * ROW - 6
    for clock in range(clocks + 1):
        x = NAMES + clock * CLOCK
        parts.append(f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{bottom}" stroke="{FAINT}" stroke-width="0.5" '
                     'stroke-dasharray="2 3"/>')
        if clock < clocks:
            parts.append(f'<text x="{x + CLOCK / 2}" y="{bottom + 16}" text-anchor="middle" font-size="11" '
                         f'fill="{FAINT}">{clock}</text>')
    parts.append(f'<text x="{NAMES - 10}" y="{bottom + 16}" text-anchor="end" font-size="11" fill="{FAINT}">'
                 f'{escape(source["foot"]["text"])}</text>')
    for number, signal in enumerate(signals):
        parts += row(signal, TOP + number * ROW)
    return "\n".join([*parts, "</svg>"]) + "\n"
