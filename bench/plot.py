"""Plots as SVG: lines on two logarithmic axes, and bars on one. No library, so that the files stay small and the same."""

import math
from html import escape

INK, FAINT, PAPER = "#1d2733", "#8796a5", "#ffffff"
COLOURS = ["#2563a8", "#2f7d4f", "#b3372f", "#8a5a00", "#6b3fa0", "#00798c", "#c2185b", "#5d6b78", "#97720c", "#3d5a2a",
           "#a0522d", "#4b4bd1", "#008b5e", "#7a3b69", "#555555"]
UNITS = {"ns": [(1, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")],
         "B": [(1, "B"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB")],
         "": [(1, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")]}


def label(value, unit):
    """12 us, 3 KiB, 4 M."""
    if value == 0:
        return f"0 {unit}".strip()
    factor, name = [(f, n) for f, n in UNITS[unit] if value >= f or f == 1][-1]
    return f"{value / factor:.3g} {name}".strip()


def frame(width, height, title, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">\n<title>{escape(title)}</title>\n'
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n' + "\n".join(body) + "\n</svg>\n")


def text(x, y, line, anchor="start", colour=INK, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{extra}>{escape(str(line))}</text>'


def lines(title, x_title, x_unit, y_title, y_unit, series, bold=()):
    """series: {name: [(x, y)...]}; both axes logarithmic. Names in `bold` are drawn thicker."""
    series = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in series.items()}
    series = {name: points for name, points in series.items() if points}
    width, height, left, right, top, bottom = 820, 460, 84, 170, 40, 52
    if not series:
        return frame(width, height, title, [text(40, 60, "no figures")])
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    x_low, x_high = math.log10(xs[0]), math.log10(max(xs[-1], xs[0] * 1.01))
    y_low, y_high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 1e-9)
    y_high = max(y_high, y_low + 1)

    def across(x):
        return left + (math.log10(x) - x_low) / (x_high - x_low) * (width - left - right)

    def up(y):
        return height - bottom - (math.log10(y) - y_low) / (y_high - y_low) * (height - top - bottom)

    body = [text(left, 22, title, extra=' font-weight="bold" font-size="14"')]
    for power in range(y_low, y_high + 1):
        y = up(10.0 ** power)
        body.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - right}" y2="{y:.1f}" stroke="{FAINT}" stroke-opacity="0.35"/>')
        body.append(text(left - 6, y + 4, label(10.0 ** power, "ns" if y_unit == "ns" else ""), "end"))
    for x in xs if len(xs) < 12 else xs[::2]:
        body.append(f'<line x1="{across(x):.1f}" y1="{top}" x2="{across(x):.1f}" y2="{height - bottom}" stroke="{FAINT}" '
                    'stroke-opacity="0.2"/>')
        body.append(text(across(x), height - bottom + 18, label(x, x_unit), "middle"))
    body.append(text((left + width - right) / 2, height - 10, x_title, "middle"))
    middle = (top + height - bottom) / 2
    body.append(text(16, middle, y_title, "middle", extra=f' transform="rotate(-90 16 {middle:.0f})"'))
    names = sorted(series, key=lambda name: -series[name][-1][1])
    for number, name in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in series[name])
        thick = 3 if name in bold else 1.4
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')
        body.extend(f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="{thick + 0.8}" fill="{colour}"/>' for x, y in series[name])
        place = top + 14 + 19 * names.index(name)
        body.append(f'<rect x="{width - right + 14}" y="{place - 9}" width="12" height="10" fill="{colour}"/>')
        body.append(text(width - right + 32, place, name, extra=' font-weight="bold"' if name in bold else ""))
    return frame(width, height, title, body)


def bars(title, unit, groups, note):
    """groups: [(heading, [(name, value, is_ours)...])]; one logarithmic axis for all."""
    values = [value for _, rows in groups for _, value, _ in rows if value > 0]
    width, left, right = 820, 150, 90
    height = 64 + sum(30 + 20 * len(rows) for _, rows in groups)
    if not values:
        return frame(width, 90, title, [text(20, 30, title, extra=' font-weight="bold" font-size="14"'),
                                        text(20, 60, "no figures have been published yet: ./dev bench --publish")])
    low = 10 ** math.floor(math.log10(min(values)))
    span = math.log10(max(values) / low)
    body = [text(20, 24, title, extra=' font-weight="bold" font-size="14"')]
    y = 46
    for heading, rows in groups:
        body.append(text(20, y + 6, heading, colour=FAINT))
        y += 16
        for name, value, ours in rows:
            long = math.log10(value / low) / span * (width - left - right)
            body.append(text(left - 8, y + 12, name, "end", extra=' font-weight="bold"' if ours else ""))
            body.append(f'<rect x="{left}" y="{y}" width="{max(long, 1):.1f}" height="15" '
                        f'fill="{COLOURS[0] if ours else FAINT}"/>')
            body.append(text(left + long + 6, y + 12, label(value, unit)))
            y += 20
        y += 14
    body.append(text(20, height - 8, note, colour=FAINT))
    return frame(width, height, title, body)
