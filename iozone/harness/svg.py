# SPDX-License-Identifier: MIT
"""Plots as SVG text: heat maps, surfaces, ratio bars and distribution curves. Pure.

Colours are classes (report.py has the style sheet for light and dark): s0..s8 from little to much,
d0..d8 from much slower over equal to much faster, c0..c7 one for each system.
"""

import html
import math

STEPS = 9
# A ratio of this much or more, and its inverse, has the ends of the scale.
RATIO_END = 4.0


def escape(text):
    return html.escape(str(text), quote=True)


def short(value):
    """A number in few characters, three digits at most: 0.0013, 3.2, 41, 1.2k, 7.5M."""
    if value is None:
        return "–"
    if 0 < abs(value) < 0.0995:
        return f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.0e}"
    for limit, factor, unit in ((1e3, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (math.inf, 1e9, "G")):
        if abs(value) < limit * 0.9995:
            value /= factor
            break
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text + unit


def kibibytes(count):
    """A size of count KiB: 4K, 1M."""
    return f"{count // 1024}M" if count >= 1024 and count % 1024 == 0 else f"{count}K"


def seconds(value):
    """A span: 3.2 µs, 1 ms, 2 s."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if value < limit * 0.9995:
            return f"{short(value * factor)} {unit}"
    return f"{short(value)} s"


def step_of(value, low, high):
    """The class number 0..8 of a value on a logarithmic scale."""
    if high <= low:
        return STEPS // 2
    place = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return min(STEPS - 1, max(0, int(place * STEPS)))


def ratio_step(ratio):
    """4 is equal, 8 is RATIO_END times as fast or more, 0 the inverse."""
    place = math.log(ratio) / math.log(RATIO_END)
    return round((min(1.0, max(-1.0, place)) + 1) / 2 * (STEPS - 1))


def _svg(width, height, label, body):
    return (f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
            f'aria-label="{escape(label)}">{"".join(body)}</svg>')


def _text(x, y, text, classes="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
            f'{f""" class="{classes}" """ if classes else ""}>{escape(text)}</text>')


def _line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


# ---- file and record sizes ----

CELL_WIDTH, CELL_HEIGHT = 35, 18


def heat_map(cells, label, step, value=short):
    """cells: {(file KiB, record KiB): number}; step(number) is its class, value(number) its text."""
    files = sorted({size for size, _ in cells})
    records = sorted({record for _, record in cells})
    left, top = 46, 18
    body = []
    for column, record in enumerate(records):
        body.append(_text(left + (column + 0.5) * CELL_WIDTH, 12, kibibytes(record), "axis", "middle"))
    for row, size in enumerate(files):
        y = top + row * CELL_HEIGHT
        body.append(_text(left - 6, y + 13, kibibytes(size), "axis", "end"))
        for column, record in enumerate(records):
            number = cells.get((size, record))
            if number is None:
                continue
            x = left + column * CELL_WIDTH
            kind = step(number)
            body.append(
                f'<rect x="{x + 1}" y="{y + 1}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}" '
                f'rx="2" class="{kind}"><title>file {kibibytes(size)}, record {kibibytes(record)}: '
                f'{escape(value(number))}</title></rect>')
            body.append(_text(x + CELL_WIDTH / 2, y + 13, value(number), f"cell on-{kind}", "middle"))
    return _svg(left + len(records) * CELL_WIDTH + 4, top + len(files) * CELL_HEIGHT + 4, label, body)


def speed_map(cells, label, low, high):
    """Speeds in KiB/s, shown in MiB/s; low and high are the ends of the scale."""
    return heat_map({place: speed / 1024 for place, speed in cells.items()}, label,
                    lambda speed: f"s{step_of(speed * 1024, low, high)}")


def _ratio_text(ratio):
    """Short enough for a cell."""
    return short(ratio) if ratio >= 0.1 else f"{ratio:.2f}" if ratio >= 0.005 else "<.01"


def ratio_map(cells, label):
    return heat_map(cells, label, lambda ratio: f"d{ratio_step(ratio)}",
                    _ratio_text)


def surface(cells, label, low, high):
    """The same speeds as a landscape: file sizes to the right, record sizes to the back."""
    files = sorted({size for size, _ in cells})
    records = sorted({record for _, record in cells})
    width, height, tall = 470.0, 262.0, 120.0
    across, deep = 250.0 / max(1, len(files) - 1), 120.0 / max(1, len(records) - 1)

    def place(row, column, up):
        return (58 + row * across + column * deep * 0.8, 222 - column * deep * 0.62 - up * tall)

    def lift(speed):
        if high <= low:
            return 0.5
        return (math.log(speed) - math.log(low)) / (math.log(high) - math.log(low))

    def points(corners):
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)

    last_row, last_column = len(files) - 1, len(records) - 1
    body = []
    floor = [place(0, 0, 0), place(last_row, 0, 0), place(last_row, last_column, 0),
             place(0, last_column, 0)]
    wall = [place(0, last_column, 0), place(last_row, last_column, 0),
            place(last_row, last_column, 1), place(0, last_column, 1)]
    body += [f'<polygon points="{points(floor)}" class="floor"/>',
             f'<polygon points="{points(wall)}" class="floor"/>']
    for share in (0.5, 1.0):
        speed = low * (high / low) ** share if low > 0 else 0
        x, y = place(0, last_column, share)
        end = place(last_row, last_column, share)
        body.append(_line(x, y, *end, "grid"))
        body.append(_text(x - 5, y + 4, f"{short(speed / 1024)} MiB/s", "axis", "end"))
    for column in range(last_column - 1, -1, -1):  # the back first, what is in front covers it
        for row in range(last_row):
            corners = [(row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1)]
            found = [cells.get((files[r], records[c])) for r, c in corners]
            here = [(r, c, speed) for (r, c), speed in zip(corners, found) if speed]
            if len(here) < 3:
                continue
            middle = math.exp(sum(math.log(speed) for *_, speed in here) / len(here))
            outline = points(place(r, c, lift(speed)) for r, c, speed in here)
            body.append(f'<polygon points="{outline}" class="face s{step_of(middle, low, high)}"/>')
    for row in range(0, len(files), 2):
        x, y = place(row, 0, 0)
        body.append(_text(x, y + 14, kibibytes(files[row]), "axis", "middle"))
    for column in range(0, len(records), 3):
        x, y = place(last_row, column, 0)
        body.append(_text(x + 6, y + 5, kibibytes(records[column]), "axis"))
    body.append(_text(58 + last_row * across / 2, height - 8, "file size", "axis", "middle"))
    x, y = place(last_row, last_column / 2, 0)
    body.append(_text(x + 30, y + 18, "record", "axis"))
    return _svg(width, height, label, body)


# ---- ratios ----


def ratio_bars(rows, label):
    """rows: [(words, ratio, least, greatest, note, class)]; bars begin at 1, on a logarithmic scale."""
    line, left, plot, right = 24, 310, 520, 190
    numbers = [number for _, ratio, least, greatest, *_ in rows for number in (ratio, least, greatest)]
    span = max([2.0, *(max(number, 1 / number) for number in numbers)])
    span = min(span, 1000.0)

    def x_of(ratio):
        place = math.log(min(span, max(1 / span, ratio))) / math.log(span)
        return left + plot * (place + 1) / 2

    body = []
    height = 26 + line * len(rows)
    for mark in _marks(1 / span, span):
        kind = "one" if mark == 1 else "grid"
        body.append(_line(x_of(mark), 20, x_of(mark), height, kind))
        text = f"{mark:g}×" if mark >= 1 else f"1/{1 / mark:g}"
        body.append(_text(x_of(mark), 13, text, "axis", "middle"))
    for number, (words, ratio, least, greatest, note, kind) in enumerate(rows):
        y = 26 + number * line
        start, end = sorted((x_of(1), x_of(ratio)))
        body.append(_text(left - 10, y + 13, words, "name", "end"))
        body.append(f'<rect x="{start:.1f}" y="{y + 2}" width="{max(1.5, end - start):.1f}" height="14" '
                    f'rx="2" class="{kind}"><title>{escape(words)}: {short(ratio)} '
                    f'({short(least)} to {short(greatest)}); {escape(note)}</title></rect>')
        body.append(_line(x_of(least), y + 9, x_of(greatest), y + 9, "whisker"))
        body.append(_text(left + plot + 10, y + 13, f"{short(ratio)} ×", "value"))
        body.append(_text(left + plot + 80, y + 13, note, "axis"))
    return _svg(left + plot + right, height + 4, label, body)


def _marks(low, high):
    """Round ratios between low and high, 1 among them, not too many."""
    steps = (2, 5, 10) if high < 12 else (10, 100, 1000)
    marks = [1.0]
    for step in steps:
        if step <= high:
            marks += [1 / step, float(step)]
    return sorted(mark for mark in marks if low <= mark <= high)


# ---- distributions ----


def percentile_curves(series, label):
    """series: [(name, class, [(percent, seconds)])]; the slow end is drawn out, both axes logarithmic."""
    left, top, plot, tall = 64, 10, 380, 180
    points = [(percent, value) for *_, run in series for percent, value in run
              if 0 < percent < 100 and value > 0]
    if not points:
        return _svg(left + plot, 30, label, [_text(left, 20, "nothing was measured", "axis")])
    low, high = min(value for _, value in points), max(value for _, value in points)
    low, high = low / 1.2, high * 1.2
    last = max(percent for percent, _ in points)

    def x_of(percent):
        return left + plot * math.log(1 - percent / 100) / math.log(1 - max(last, 90) / 100)

    def y_of(value):
        return top + tall * (1 - math.log(value / low) / math.log(high / low))

    body = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        value = 10.0 ** power
        if low <= value <= high:
            body.append(_line(left, y_of(value), left + plot, y_of(value), "grid"))
            body.append(_text(left - 6, y_of(value) + 4, seconds(value), "axis", "end"))
    for percent in (50, 90, 99, 99.9, 99.99):
        if percent <= last:
            body.append(_line(x_of(percent), top, x_of(percent), top + tall, "grid"))
            body.append(_text(x_of(percent), top + tall + 16, f"{percent:g} %", "axis", "middle"))
    body.append(f'<path d="M{left} {top}V{top + tall}H{left + plot}" class="frame"/>')
    for name, kind, run in series:
        steps = [f"{x_of(percent):.1f},{y_of(value):.1f}" for percent, value in run
                 if 0 < percent < 100 and value > 0]
        body.append(f'<polyline points="{" ".join(steps)}" class="line {kind}">'
                    f'<title>{escape(name)}</title></polyline>')
    return _svg(left + plot + 36, top + tall + 26, label, body)
